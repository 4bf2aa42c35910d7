package mvcc_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/timestamp"
)

// counter is a clock for lessons: 1, 2, 3.
type counter struct{ last timestamp.TS }

func (c *counter) Now(context.Context) (timestamp.TS, error) { c.last++; return c.last, nil }
func (c *counter) Observe(ts timestamp.TS) error             { c.last = max(c.last, ts); return nil }
func (c *counter) MaxOffset() time.Duration                  { return 0 }

// What an engine has can be drawn at any time: keys go down, timestamps to the right.
func ExampleGrid() {
	ctx := context.Background()
	engine := mvcc.NewMemory()
	db, err := mvcc.Open(&mvcc.Options{Engine: engine, Clock: &counter{}, Serial: true, NoOnePC: true, NoAsyncCommit: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	for _, balances := range [][2]string{{"10", "2"}, {"3", "9"}} {
		err := db.Run(ctx, mvcc.TxnOptions{}, func(tx *mvcc.Txn) error {
			if err := tx.Put([]byte("bob"), []byte(balances[0])); err != nil {
				return err
			}
			return tx.Put([]byte("joe"), []byte(balances[1]))
		})
		if err != nil {
			fmt.Println(err)
		}
	}
	if err := mvcc.Grid(ctx, os.Stdout, engine, nil); err != nil {
		fmt.Println(err)
	}
	// Output:
	//      3       6
	// bob  W@1=10  W@4=3
	// joe  W@1=2   W@4=9
}
