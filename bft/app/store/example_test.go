package store_test

import (
	"fmt"
	"log"

	"github.com/flagship-go/flagship/bft/app/store"
)

func Example() {
	db, err := store.Open(store.Options{}) // in memory; with Dir: on disk
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	block := db.Last().Tree.Branch()
	_ = block.Set([]byte("bob"), []byte("10"))
	tx := block.Branch()
	_ = tx.Set([]byte("joe"), []byte("2"))
	if err := tx.Write(); err != nil { // or forget tx: then nothing has happened
		log.Fatal(err)
	}
	root, err := db.Commit(1, block.Tree())
	if err != nil {
		log.Fatal(err)
	}

	// Elsewhere: who trusts the root needs neither the tree nor whoever has it.
	v, err := db.At(1)
	if err != nil {
		log.Fatal(err)
	}
	bob, eve := v.Tree.Prove([]byte("bob")), v.Tree.Prove([]byte("eve"))
	fmt.Println(bob.VerifyMember(root, []byte("bob"), []byte("10")))
	fmt.Println(bob.VerifyMember(root, []byte("bob"), []byte("11")))
	fmt.Println(eve.VerifyAbsent(root, []byte("eve")))
	// Output:
	// <nil>
	// store: the proof does not hold: "bob" has another value
	// <nil>
}
