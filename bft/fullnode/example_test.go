package fullnode_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/abci/kvstore"
	"github.com/flagship-go/flagship/bft/fullnode"
	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/types"
)

// A chain of one validator: its keys are made with its home.
func Example() {
	home, err := os.MkdirTemp("", "home")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(home)
	signer, err := privval.OpenFileSigner(nil, fullnode.SignerDir(home))
	if err != nil {
		log.Fatal(err)
	}
	genesis := &types.Genesis{ChainID: "example", Time: time.Now(), Validators: []types.Validator{{PubKey: signer.PubKey(), Power: 1}}}
	signer.Close()

	n, err := fullnode.Open(fullnode.Options{Home: home, Genesis: genesis, App: kvstore.New()})
	if err != nil {
		log.Fatal(err)
	}
	defer n.Close()
	ctx, tx := context.Background(), []byte("name=satoshi")
	if _, err := n.BroadcastTx(ctx, tx); err != nil {
		log.Fatal(err)
	}
	result, err := n.WaitTx(ctx, sha256.Sum256(tx))
	if err != nil {
		log.Fatal(err)
	}
	answer, err := n.Query(ctx, &abci.QueryRequest{Data: []byte("name")})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("block %d, code %d: name is %s\n", result.Height, result.Result.Code, answer.Value)
	// Output: block 1, code 0: name is satoshi
}
