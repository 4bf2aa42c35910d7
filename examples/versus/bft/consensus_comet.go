package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"time"

	db "github.com/cometbft/cometbft-db"
	cmtconfig "github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/libs/log"
	"github.com/cometbft/cometbft/mempool"
	"github.com/cometbft/cometbft/node"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/privval"
	"github.com/cometbft/cometbft/proxy"
	cmt "github.com/cometbft/cometbft/types"
	"github.com/flagship-go/flagship/bft/abci/kvstore"
	"github.com/flagship-go/flagship/bft/types"
)

// theirCluster is four of CometBFT's nodes: file signer, log with syncs, goleveldb, index of transactions, as its "node" command has them.
type theirCluster struct {
	nodes     []*node.Node
	blocks    chan int
	databases []db.DB
}

// lateClose is a database that its node does not close. Some of CometBFT's gossip goroutines outlive Stop by as long as they sleep,
// two seconds and more, and then panic when they read from a database that Stop has closed.
type lateClose struct{ db.DB }

// Close does nothing: theirCluster does.
func (lateClose) Close() error { return nil }

func (c *theirCluster) open(d *cmtconfig.DBContext) (db.DB, error) {
	opened, err := cmtconfig.DefaultDBProvider(d)
	if err != nil {
		return nil, err
	}
	c.databases = append(c.databases, opened)
	return lateClose{opened}, nil
}

// asIs has CometBFT's default timers, but does not wait after a commit: ours does not either.
func asIs(c *cmtconfig.Config) {
	c.Consensus.TimeoutCommit = 0
	c.Consensus.SkipTimeoutCommit = true
}

// tuned also gossips and flushes every millisecond instead of every 100 and 10.
func tuned(c *cmtconfig.Config) {
	asIs(c)
	c.Consensus.PeerGossipSleepDuration = time.Millisecond
	c.P2P.FlushThrottleTimeout = time.Millisecond
}

// fastest also has no index of transactions, which ours has, and no limit on what a link carries.
func fastest(c *cmtconfig.Config) {
	tuned(c)
	c.TxIndex.Indexer = "null"
	c.P2P.SendRate, c.P2P.RecvRate = 1<<30, 1<<30
}

func startComet(tune func(*cmtconfig.Config)) func(ctx context.Context, dir string) (cluster, error) {
	return func(ctx context.Context, dir string) (cluster, error) {
		c := &theirCluster{blocks: make(chan int, 1<<16)}
		if err := c.start(ctx, dir, tune); err != nil {
			return nil, errors.Join(err, c.Close())
		}
		return c, nil
	}
}

func (c *theirCluster) start(ctx context.Context, dir string, tune func(*cmtconfig.Config)) error {
	configs := make([]*cmtconfig.Config, nodes)
	genesis := &cmt.GenesisDoc{ChainID: chainID, GenesisTime: time.Now(), ConsensusParams: cmt.DefaultConsensusParams(), InitialHeight: 1}
	genesis.ConsensusParams.Block.MaxBytes = types.DefaultParams().Block.MaxBytes
	var peers []string
	for i := range configs {
		config, peer, err := theirHome(filepath.Join(dir, fmt.Sprint("node", i)))
		if err != nil {
			return err
		}
		tune(config)
		key, err := privval.LoadOrGenFilePV(config.PrivValidatorKeyFile(), config.PrivValidatorStateFile()).GetPubKey()
		if err != nil {
			return err
		}
		genesis.Validators = append(genesis.Validators, cmt.GenesisValidator{Address: key.Address(), PubKey: key, Power: 10})
		config.P2P.PersistentPeers = strings.Join(peers, ",") // each dials those before it
		configs[i], peers = config, append(peers, peer)
	}
	for _, config := range configs {
		nodeKey, err := p2p.LoadNodeKey(config.NodeKeyFile())
		if err != nil {
			return err
		}
		n, err := node.NewNode(config, privval.LoadFilePV(config.PrivValidatorKeyFile(), config.PrivValidatorStateFile()), nodeKey,
			proxy.NewConnSyncLocalClientCreator(under{app: kvstore.New()}), func() (*cmt.GenesisDoc, error) { return genesis, nil },
			c.open, node.DefaultMetricsProvider(config.Instrumentation), log.NewNopLogger())
		if err != nil {
			return err
		}
		if len(c.nodes) == 0 {
			if err := c.follow(ctx, n); err != nil {
				return err
			}
		}
		if err := n.Start(); err != nil {
			return err
		}
		c.nodes = append(c.nodes, n)
	}
	return nil
}

// theirHome makes a node's folder with its keys, and says under which address others reach it.
func theirHome(home string) (config *cmtconfig.Config, peer string, err error) {
	config = cmtconfig.DefaultConfig().SetRoot(home)
	cmtconfig.EnsureRoot(home)
	config.RPC.ListenAddress = ""
	config.P2P.AllowDuplicateIP, config.P2P.AddrBookStrict, config.P2P.PexReactor = true, false, false
	key, err := p2p.LoadOrGenNodeKey(config.NodeKeyFile())
	if err != nil {
		return nil, "", err
	}
	free, err := net.Listen("tcp", "127.0.0.1:0") // CometBFT must be told its port
	if err != nil {
		return nil, "", err
	}
	address := free.Addr().String()
	config.P2P.ListenAddress = "tcp://" + address
	return config, p2p.IDAddressString(key.ID(), address), free.Close()
}

func (c *theirCluster) follow(ctx context.Context, n *node.Node) error {
	s, err := n.EventBus().Subscribe(ctx, "versus", cmt.EventQueryNewBlock, 1<<10)
	if err != nil {
		return err
	}
	go func() {
		defer close(c.blocks)
		for {
			select {
			case m := <-s.Out():
				select {
				case c.blocks <- len(m.Data().(cmt.EventDataNewBlock).Block.Txs):
				default: // nobody has read for long
					return
				}
			case <-s.Canceled():
				return
			}
		}
	}()
	return nil
}

// Blocks implements [cluster].
func (c *theirCluster) Blocks() <-chan int { return c.blocks }

// Submit implements [cluster].
func (c *theirCluster) Submit(node int, tx []byte) (bool, error) {
	err := c.nodes[node].Mempool().CheckTx(tx, nil, mempool.TxInfo{})
	var full mempool.ErrMempoolIsFull
	if errors.As(err, &full) {
		return false, nil
	}
	return err == nil, err
}

// Close implements [cluster].
func (c *theirCluster) Close() error {
	var errs []error
	for _, n := range c.nodes {
		errs = append(errs, n.Stop())
	}
	for _, n := range c.nodes {
		n.Wait()
	}
	time.AfterFunc(10*time.Second, func() {
		for _, d := range c.databases {
			d.Close()
		}
	})
	return errors.Join(errs...)
}
