package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/flagship-go/flagship/bft/abci/kvstore"
	"github.com/flagship-go/flagship/bft/fullnode"
	"github.com/flagship-go/flagship/bft/mempool"
	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/types"
)

// ourCluster is four full nodes as they come: keys, guard, log, store and index in files, links and gossip.
type ourCluster struct {
	nodes  []*fullnode.FullNode
	blocks chan int
	done   chan struct{}
}

func startOurs(_ context.Context, dir string) (cluster, error) {
	c := &ourCluster{blocks: make(chan int, 1<<16), done: make(chan struct{})}
	genesis := &types.Genesis{ChainID: chainID, Time: time.Now()}
	home := func(i int) string { return filepath.Join(dir, fmt.Sprint("node", i)) }
	for i := range nodes {
		signer, err := privval.OpenFileSigner(nil, fullnode.SignerDir(home(i)))
		if err != nil {
			return nil, err
		}
		genesis.Validators = append(genesis.Validators, types.Validator{PubKey: signer.PubKey(), Power: 10})
		if err := signer.Close(); err != nil {
			return nil, err
		}
	}
	var peers []string
	for i := range nodes {
		n, err := fullnode.Open(fullnode.Options{Home: home(i), Genesis: genesis, App: kvstore.New(), P2PListen: "127.0.0.1:0",
			PersistentPeers: peers, CreateEmptyBlocks: true})
		if err != nil {
			return nil, errors.Join(err, c.closeNodes())
		}
		c.nodes, peers = append(c.nodes, n), append(peers[:len(peers):len(peers)], n.Address())
	}
	go c.follow(c.nodes[0].Subscribe(1 << 10))
	return c, nil
}

// follow ends with the node.
func (c *ourCluster) follow(s *fullnode.Subscription) {
	defer close(c.done)
	defer close(c.blocks)
	for block := range s.C() {
		select {
		case c.blocks <- len(block.Block.Txs):
		default: // nobody has read for long
			return
		}
	}
}

// Blocks implements [cluster].
func (c *ourCluster) Blocks() <-chan int { return c.blocks }

// Submit implements [cluster].
func (c *ourCluster) Submit(node int, tx []byte) (bool, error) {
	r, err := c.nodes[node].BroadcastTx(context.Background(), tx)
	switch {
	case errors.Is(err, mempool.ErrFull):
		return false, nil
	case err == nil && r.Code != 0:
		err = fmt.Errorf("the application refuses %.20q: %s", tx, r.Log)
	}
	return err == nil, err
}

// Close implements [cluster].
func (c *ourCluster) Close() error {
	err := c.closeNodes()
	<-c.done
	return err
}

func (c *ourCluster) closeNodes() error {
	var errs []error
	for _, n := range c.nodes {
		errs = append(errs, n.Close())
	}
	return errors.Join(errs...)
}
