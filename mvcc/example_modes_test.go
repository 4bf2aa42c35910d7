package mvcc_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/flagship-go/flagship/mvcc"
)

// Two doctors are on call, and one has to be. Each looks whether the other is, and
// goes home. Under snapshot isolation both may: neither writes what the other
// writes. A serializable transaction fails if what it has read was written since, so one
// of them stays. (So it is in the other modes if they read by GetForUpdate.)
func ExampleMode() {
	ctx := context.Background()
	for _, mode := range []mvcc.Mode{mvcc.SnapshotIsolation, mvcc.Serializable} {
		db, err := mvcc.Open(nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		err = db.Run(ctx, mvcc.TxnOptions{}, func(tx *mvcc.Txn) error {
			return errors.Join(tx.Put([]byte("alice"), []byte("on call")), tx.Put([]byte("bob"), []byte("on call")))
		})
		if err != nil {
			fmt.Println(err)
		}
		alice, _ := db.Begin(ctx, mvcc.TxnOptions{Mode: mode})
		bob, _ := db.Begin(ctx, mvcc.TxnOptions{Mode: mode})
		for _, doctor := range []struct {
			tx          *mvcc.Txn
			name, other string
		}{{alice, "alice", "bob"}, {bob, "bob", "alice"}} {
			if state, err := doctor.tx.Get(ctx, []byte(doctor.other)); err == nil && string(state) == "on call" {
				_ = doctor.tx.Put([]byte(doctor.name), []byte("at home"))
			}
		}
		fmt.Printf("%v: alice %v, ", mode, alice.Commit(ctx) == nil)
		err = bob.Commit(ctx)
		fmt.Println("bob", err == nil)
		if conflict, ok := errors.AsType[*mvcc.ConflictError](err); ok {
			fmt.Printf("%s %v, by the transaction committed at alice's CommitTS: %t\n",
				conflict.Key, conflict.Reason, conflict.OtherCommitTS == alice.CommitTS())
		}
		_ = db.Close()
	}
	// Output:
	// snapshot: alice true, bob true
	// serializable: alice true, bob false
	// alice was read, and written since, by the transaction committed at alice's CommitTS: true
}
