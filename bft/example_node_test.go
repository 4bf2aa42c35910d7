package bft_test

import (
	"context"
	"fmt"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/memory"
	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/types"
)

// Four validators in one process, with everything in memory.
func ExampleNode() {
	genesis := &types.Genesis{ChainID: "example", Time: time.Now()}
	var signers []bft.Signer
	for i := range 4 {
		signer := privval.NewMemSigner(fmt.Sprint("validator ", i))
		signers = append(signers, signer)
		genesis.Validators = append(genesis.Validators, types.Validator{PubKey: signer.PubKey(), Power: 10})
	}
	hub, pool, store := memory.NewHub(), memory.NewMempool(), memory.NewStore()
	pool.Add([]byte("hello"))
	options := bft.Options{Genesis: genesis, CreateEmptyBlocks: true}
	var nodes []*bft.Node
	for i, signer := range signers {
		link := hub.Join(fmt.Sprint(i))
		o := options
		o.Signer, o.Network = signer, link
		if i == 0 {
			o.Mempool = pool // it alone has heard of the transaction
		}
		if i == 3 {
			o.Store = store // to look into
		}
		node, err := bft.NewNode(o)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer node.Close()
		link.Attach(node.Deliver)
		defer link.Close()
		nodes = append(nodes, node)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := nodes[3].Wait(ctx, 10); err != nil {
		fmt.Println(err)
		return
	}
	for h := types.Height(1); h <= 10; h++ {
		block, id, err := store.Block(h)
		if err == nil && len(block.Txs) > 0 {
			commit, _ := store.SeenCommit(h)
			fmt.Printf("%q is decided, by more than two thirds: %v\n", block.Txs, commit.Value == id)
		}
	}
	// Output:
	// ["hello"] is decided, by more than two thirds: true
}
