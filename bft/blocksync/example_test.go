package blocksync_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"testing"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/blocksync"
	"github.com/flagship-go/flagship/bft/internal/chaintest"
	"github.com/flagship-go/flagship/bft/memory"
	"github.com/flagship-go/flagship/bft/p2p"
)

// A node without a block has those of another one. Then it may be started, with the same store and application.
func Example() {
	chain := chaintest.New(new(testing.T), 4).Begin().Grow(100)
	var network p2p.Memory
	open := func(name string, store bft.Store) (*p2p.Switch, *blocksync.Sync) {
		listener, err := network.Listen(name + ":26656")
		if err != nil {
			panic(err)
		}
		key := ed25519.NewKeyFromSeed([]byte(fmt.Sprintf("%-32s", name)))
		sw, err := p2p.New(p2p.Options{Key: key, Network: chaintest.ID, Listener: listener, Dial: network.Dial})
		if err != nil {
			panic(err)
		}
		sync, err := blocksync.New(blocksync.Options{Switch: sw, Store: store})
		if err == nil {
			err = sw.Start()
		}
		if err != nil {
			panic(err)
		}
		return sw, sync
	}
	old, _ := open("old", chain.Store)
	defer old.Close()
	exec := chaintest.NewExecutor(memory.NewStore())
	young, sync := open("young", exec.Store)
	defer young.Close()

	ctx := context.Background()
	state, err := exec.Handshake(chain.Genesis)
	if err != nil {
		panic(err)
	}
	if _, err := young.Dial(ctx, old.Address()); err != nil {
		panic(err)
	}
	if state, err = sync.Run(ctx, exec, state); err != nil {
		panic(err)
	}
	fmt.Println("verified and executed:", state.LastHeight)
	fmt.Println("to be decided next, or brought by gossip:", state.Height())
	// Output:
	// verified and executed: 99
	// to be decided next, or brought by gossip: 100
}
