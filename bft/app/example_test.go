package app_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"log"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/app"
	"github.com/flagship-go/flagship/bft/app/bank"
)

// A chain of one block, without consensus: who has a node gives it the application instead.
func Example() {
	ctx := context.Background()
	coins := bank.New()
	a, err := app.New(app.Options{Modules: []app.Module{coins}, Fees: coins}) // in memory; with Store.Dir: on disk
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()

	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	joe := app.AddressOf(key.Public().(ed25519.PublicKey))
	bob := app.Address{'b', 'o', 'b'}
	genesis, _ := json.Marshal(map[string]any{"bank": bank.Genesis{Balances: []bank.Balance{{Address: joe, Coin: app.Coin{Denom: "gold", Amount: 100}}}}})
	if _, err := a.InitChain(ctx, &abci.InitChainRequest{ChainID: "town", InitialHeight: 1, AppStateBytes: genesis}); err != nil {
		log.Fatal(err)
	}

	tx := app.NewTx(0, 100_000, app.Coin{Denom: "gold", Amount: 1}, bank.MsgSend{From: joe, To: bob, Coin: app.Coin{Denom: "gold", Amount: 30}})
	res, err := a.FinalizeBlock(ctx, &abci.FinalizeBlockRequest{Height: 1, Txs: [][]byte{tx.Sign("town", key), []byte("garbage")}})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range res.TxResults {
		fmt.Printf("%d %d %q\n", r.Code, r.GasUsed, r.Log)
	}
	if _, err := a.Commit(ctx, &abci.CommitRequest{}); err != nil {
		log.Fatal(err)
	}
	q, _ := a.Query(ctx, &abci.QueryRequest{Path: "/bank/balances", Data: bob[:]})
	fmt.Printf("height %d: bob has %s\n", q.Height, q.Value)
	// Output:
	// 0 30612 ""
	// 2 0 "app: not a transaction: a field of fixed size is not there, 6 bytes before the end"
	// height 1: bob has [{"denom":"gold","amount":"30"}]
}
