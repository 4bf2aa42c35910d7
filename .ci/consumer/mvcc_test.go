package consumer

import (
	"testing"

	"github.com/flagship-go/flagship/mvcc"
)

func TestAStrangerMovesMoney(t *testing.T) {
	ctx := t.Context()
	db, err := mvcc.Open(&mvcc.Options{SplitKeys: [][]byte{[]byte("c")}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Run(ctx, mvcc.TxnOptions{Mode: mvcc.Serializable}, func(txn *mvcc.Txn) error {
		if err := txn.Put([]byte("bob"), []byte("3")); err != nil {
			return err
		}
		return txn.Put([]byte("joe"), []byte("9"))
	})
	if err != nil {
		t.Fatal(err)
	}
	txn, err := db.Begin(ctx, mvcc.TxnOptions{Mode: mvcc.ReadOnly})
	if err != nil {
		t.Fatal(err)
	}
	defer txn.Rollback(ctx)
	got := ""
	for kv, err := range txn.Scan(ctx, nil, nil, mvcc.ScanOptions{Reverse: true}) {
		if err != nil {
			t.Fatal(err)
		}
		got += string(kv.Key) + "=" + string(kv.Value) + " "
	}
	if got != "joe=9 bob=3 " {
		t.Fatal(got)
	}
}
