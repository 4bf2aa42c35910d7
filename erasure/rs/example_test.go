package rs_test

import (
	"bytes"
	"fmt"

	"github.com/flagship-go/flagship/erasure/rs"
)

// An object is cut into four data shards and two parity shards; two are lost,
// and the object comes back.
func Example() {
	code, err := rs.New(4, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	object := []byte("any four of six shards are enough")
	shards, err := code.Split(object)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := code.Encode(shards); err != nil {
		fmt.Println(err)
		return
	}

	shards[1], shards[4] = nil, nil // two drives fail

	if err := code.Reconstruct(shards); err != nil {
		fmt.Println(err)
		return
	}
	var out bytes.Buffer
	if err := code.Join(&out, shards, len(object)); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(out.String())
	// Output: any four of six shards are enough
}
