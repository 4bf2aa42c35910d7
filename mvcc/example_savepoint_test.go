package mvcc_test

import (
	"context"
	"fmt"

	"github.com/flagship-go/flagship/mvcc"
)

// A savepoint takes back a part of a transaction.
func ExampleTxn_Savepoint() {
	ctx := context.Background()
	db, err := mvcc.Open(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	err = db.Run(ctx, mvcc.TxnOptions{}, func(tx *mvcc.Txn) error {
		if err := tx.Put([]byte("order"), []byte("book")); err != nil {
			return err
		}
		for _, extra := range []string{"wrapping", "ribbon"} {
			before := tx.Savepoint()
			if err := tx.Put([]byte("extra/"+extra), nil); err != nil {
				return err
			}
			if extra == "ribbon" { // sold out
				if err := tx.RollbackTo(before); err != nil {
					return err
				}
			}
		}
		for kv, err := range tx.Scan(ctx, nil, nil, mvcc.ScanOptions{Reverse: true}) {
			if err != nil {
				return err
			}
			fmt.Printf("%s=%s\n", kv.Key, kv.Value)
		}
		return nil
	})
	fmt.Println(err)
	// Output:
	// order=book
	// extra/wrapping=
	// <nil>
}
