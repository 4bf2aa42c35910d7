package lsm_test

import (
	"errors"
	"fmt"

	"github.com/flagship-go/flagship/lsm"
)

// A store is opened, written, read and closed. InMemory keeps it off the disk;
// without it the first argument is a directory.
func Example() {
	db, err := lsm.Open("fruit", &lsm.Options{InMemory: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	for _, kv := range [][2]string{{"apple", "red"}, {"banana", "yellow"}, {"cherry", "black"}} {
		if err := db.Put([]byte(kv[0]), []byte(kv[1])); err != nil {
			fmt.Println(err)
		}
	}
	v, err := db.Get([]byte("banana"))
	fmt.Printf("%s %v\n", v, err)
	_, err = db.Get([]byte("damson"))
	fmt.Println(errors.Is(err, lsm.ErrNotFound))
	for kv, err := range db.Range([]byte("b"), nil) {
		fmt.Printf("%s=%s %v\n", kv.Key, kv.Value, err)
	}
	// Output:
	// yellow <nil>
	// true
	// banana=yellow <nil>
	// cherry=black <nil>
}
