package lsm_test

import (
	"fmt"

	"github.com/flagship-go/flagship/lsm"
)

// The writes of a batch are made together or not at all: money is moved, and
// nobody sees it in two places or in none.
func ExampleBatch() {
	db, err := lsm.Open("bank", &lsm.Options{InMemory: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	b := db.NewBatch()
	b.Sync = true // durable when Apply returns
	b.Put([]byte("alice"), []byte("70"))
	b.Put([]byte("bob"), []byte("30"))
	b.Delete([]byte("transfer 1"))
	fmt.Println(b.Len(), db.Apply(b))
	// Output:
	// 3 <nil>
}
