package lsm_test

import (
	"fmt"

	"github.com/flagship-go/flagship/lsm"
)

// A snapshot goes on seeing the store as it was, whatever is written meanwhile.
func ExampleSnapshot() {
	db, err := lsm.Open("diary", &lsm.Options{InMemory: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	db.Put([]byte("monday"), []byte("rain"))
	s := db.Snapshot()
	defer s.Close()
	db.Put([]byte("monday"), []byte("sun"))
	db.Put([]byte("tuesday"), []byte("wind"))
	was, _ := s.Get([]byte("monday"))
	is, _ := db.Get([]byte("monday"))
	fmt.Printf("was %s, is %s\n", was, is)
	it, err := s.NewIter(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		fmt.Printf("%s=%s\n", it.Key(), it.Value())
	}
	fmt.Println(it.Err())
	// Output:
	// was rain, is sun
	// monday=rain
	// <nil>
}
