package mvcc_test

import (
	"bytes"
	"context"
	"fmt"

	"github.com/flagship-go/flagship/mvcc"
)

// A copy of the store is one snapshot, and goes into another store.
func ExampleDB_Export() {
	ctx := context.Background()
	db, err := mvcc.Open(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	set := func(value string) error {
		return db.Run(ctx, mvcc.TxnOptions{}, func(tx *mvcc.Txn) error { return tx.Put([]byte("key"), []byte(value)) })
	}
	if err := set("old"); err != nil {
		fmt.Println(err)
	}
	tx, err := db.Begin(ctx, mvcc.TxnOptions{Mode: mvcc.ReadOnly})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := set("new"); err != nil {
		fmt.Println(err)
	}
	var file bytes.Buffer
	_, n, err := db.Export(ctx, &file, tx.ReadTS())
	fmt.Println(n, "pair", err, tx.Rollback(ctx))

	other, err := mvcc.Open(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer other.Close()
	n, err = other.Import(ctx, &file)
	fmt.Println(n, "pair", err)
	err = other.Run(ctx, mvcc.TxnOptions{Mode: mvcc.ReadOnly}, func(tx *mvcc.Txn) error {
		value, err := tx.Get(ctx, []byte("key"))
		fmt.Printf("%s\n", value)
		return err
	})
	fmt.Println(err)
	// Output:
	// 1 pair <nil> <nil>
	// 1 pair <nil>
	// old
	// <nil>
}
