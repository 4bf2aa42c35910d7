package gossip_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/gossip"
	"github.com/flagship-go/flagship/bft/memory"
	"github.com/flagship-go/flagship/bft/p2p"
	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/types"
)

// Two validators on one machine, linked by TCP, decide ten empty blocks.
func Example() {
	genesis := &types.Genesis{ChainID: "example", Time: time.Now()}
	for _, name := range []string{"ann", "bob"} {
		genesis.Validators = append(genesis.Validators, types.Validator{PubKey: privval.NewMemSigner(name).PubKey(), Power: 1})
	}
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	start := func(name string, seed byte, peers ...string) (*p2p.Switch, *bft.Node) {
		key := ed25519.NewKeyFromSeed(append(make([]byte, 31), seed)) // p2p.OpenKey, in earnest
		sw, err := p2p.New(p2p.Options{Key: key, Network: genesis.ChainID, Listen: "127.0.0.1:0", Persistent: peers})
		must(err)
		store := memory.NewStore()
		network, err := gossip.New(gossip.Options{Switch: sw, Store: store})
		must(err)
		node, err := bft.NewNode(bft.Options{Genesis: genesis, Signer: privval.NewMemSigner(name), Store: store, Network: network, CreateEmptyBlocks: true})
		must(err)
		network.Attach(node.Deliver)
		must(sw.Start())
		return sw, node
	}
	links, ann := start("ann", 1)
	defer ann.Close()
	defer links.Close()
	more, bob := start("bob", 2, links.Address())
	defer bob.Close()
	defer more.Close()

	must(ann.Wait(context.Background(), 10))
	must(bob.Wait(context.Background(), 10))
	fmt.Println("both have block 10")
	// Output: both have block 10
}
