package mvcc_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/flagship-go/flagship/mvcc"
)

// Money goes from one account to another, both of which may lie anywhere. Run begins
// anew when somebody else came between; whatever it is that reads sees the money on one
// side or the other.
func Example() {
	ctx := context.Background()
	db, err := mvcc.Open(&mvcc.Options{SplitKeys: [][]byte{[]byte("c")}}) // two regions
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	err = db.Run(ctx, mvcc.TxnOptions{}, func(tx *mvcc.Txn) error {
		return errors.Join(tx.Put([]byte("bob"), []byte("10")), tx.Put([]byte("joe"), []byte("2")))
	})
	if err != nil {
		fmt.Println(err)
	}

	fmt.Println("7 from bob to joe:", transfer(ctx, db, "bob", "joe", 7))
	fmt.Println("7 more:", transfer(ctx, db, "bob", "joe", 7))

	tx, err := db.Begin(ctx, mvcc.TxnOptions{Mode: mvcc.ReadOnly})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer tx.Rollback(ctx)
	for kv, err := range tx.Scan(ctx, nil, nil, mvcc.ScanOptions{}) {
		fmt.Printf("%s has %s %v\n", kv.Key, kv.Value, err)
	}
	// Output:
	// 7 from bob to joe: <nil>
	// 7 more: bob has 3
	// bob has 3 <nil>
	// joe has 9 <nil>
}

func transfer(ctx context.Context, db *mvcc.DB, from, to string, amount int) error {
	return db.Run(ctx, mvcc.TxnOptions{}, func(tx *mvcc.Txn) error {
		values, err := tx.BatchGet(ctx, []byte(from), []byte(to))
		if err != nil {
			return err
		}
		have, err := strconv.Atoi(string(values[0]))
		if err != nil {
			return err
		}
		if have < amount {
			return fmt.Errorf("%s has %d", from, have)
		}
		had, err := strconv.Atoi(string(values[1]))
		if err != nil {
			return err
		}
		return errors.Join(
			tx.Put([]byte(from), strconv.AppendInt(nil, int64(have-amount), 10)),
			tx.Put([]byte(to), strconv.AppendInt(nil, int64(had+amount), 10)))
	})
}
