package mempool_test

import (
	"context"
	"fmt"

	"github.com/flagship-go/flagship/bft/abci/kvstore"
	"github.com/flagship-go/flagship/bft/mempool"
)

// A transaction waits for a block, leaves with it, and does not come back.
func Example() {
	ctx := context.Background()
	pool, err := mempool.New(kvstore.New(), mempool.Options{})
	if err != nil {
		panic(err)
	}
	bad, _ := pool.CheckTx(ctx, []byte("what is this?"))
	fmt.Println("refused:", bad.Code, bad.Log != "")
	_, err = pool.CheckTx(ctx, []byte("colour=blue"))
	fmt.Println("added:", err)

	txs := pool.Reap(1<<20, -1) // the proposer's
	fmt.Printf("block: %s\n", txs)

	pool.Lock() // the application commits now
	fmt.Println("update:", pool.Update(ctx, 1, txs, []uint32{0}))
	_, err = pool.CheckTx(ctx, []byte("colour=blue"))
	fmt.Println(err)
	// Output:
	// refused: 1 true
	// added: <nil>
	// block: [colour=blue]
	// update: <nil>
	// mempool: transaction was seen before: 2C488782 was committed or refused
}
