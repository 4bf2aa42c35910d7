package region_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/flagship-go/flagship/mvcc/region"
	"github.com/flagship-go/flagship/mvcc/timestamp"
)

// at is a timestamp that is shown as its number: the clock's part is the same for all.
func at(n uint64) region.TS { return timestamp.Make(1000, n) }

// A transaction by hand: what a client sends, and what lies in the engine after it.
func Example() {
	ctx := context.Background()
	engine := region.NewMemory()
	whole := region.Info{Ref: region.Ref{ID: 1, Epoch: 1}}
	r := region.New(whole, engine, region.Options{})
	defer r.Close()

	do := func(what string, q region.Request) {
		answer, err := r.Do(ctx, whole.Ref, q)
		if err != nil {
			log.Fatalf("%s: %v", what, err)
		}
		fmt.Println(what)
		if a, ok := answer.(*region.GetResponse); ok {
			fmt.Printf("%s\n", a.Values[0])
			return
		}
		name := func(ts region.TS) string { return fmt.Sprint(ts.Logical()) }
		if err := region.Grid(ctx, os.Stdout, engine, name); err != nil {
			log.Fatalf("%s: %v", what, err)
		}
	}
	bob, joe := []byte("bob"), []byte("joe")
	do("prewrite", &region.PrewriteRequest{
		Mutations: []region.Mutation{{Key: bob, Value: []byte("3")}, {Key: joe, Value: []byte("9")}},
		Primary:   bob, StartTS: at(5), TTL: 3 * time.Second,
	})
	do("commit the primary", &region.CommitRequest{Keys: [][]byte{bob}, StartTS: at(5), CommitTS: at(8)})
	do("commit the rest", &region.CommitRequest{Keys: [][]byte{joe}, StartTS: at(5), CommitTS: at(8)})
	do("get joe at 9", &region.GetRequest{ReadOptions: region.ReadOptions{ReadTS: at(9)}, Keys: [][]byte{joe}})
	// Output:
	// prewrite
	//      5
	// bob  L
	// joe  L(bob)
	// commit the primary
	//      5       8
	// bob          W@5=3
	// joe  L(bob)
	// commit the rest
	//      8
	// bob  W@5=3
	// joe  W@5=9
	// get joe at 9
	// 9
}
