package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/store"
	"github.com/flagship-go/flagship/bft/types"
)

// A validator with everything on disk: it goes on where it was.
func Example() {
	dir, err := os.MkdirTemp("", "chain")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	var genesis *types.Genesis
	for range 2 {
		signer, err := privval.OpenFileSigner(nil, filepath.Join(dir, "signer"))
		if err != nil {
			fmt.Println(err)
			return
		}
		chain, err := store.Open(filepath.Join(dir, "chain"), nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		if genesis == nil {
			genesis = &types.Genesis{ChainID: "example", Time: time.Now(), Validators: []types.Validator{{PubKey: signer.PubKey(), Power: 1}}}
		}
		node, err := bft.NewNode(bft.Options{Genesis: genesis, Signer: signer, Store: chain, WALDir: filepath.Join(dir, "wal"),
			CreateEmptyBlocks: true, HaltHeight: chain.Height() + 5})
		if err != nil {
			fmt.Println(err)
			return
		}
		<-node.Done() // it has reached HaltHeight
		fmt.Println(node.Err(), chain.Height())
		_, _, _ = node.Close(), chain.Close(), signer.Close()
	}
	// Output:
	// bft: stopped after the height to halt at 5
	// bft: stopped after the height to halt at 10
}
