package rs_test

import (
	"fmt"

	"github.com/flagship-go/flagship/erasure/rs"
)

// A drive returns wrong bytes and says nothing. There are no checksums; the
// shards themselves tell which it was.
func ExampleCode_Locate() {
	code, err := rs.New(4, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	shards, err := code.Split([]byte("two parity shards locate one error"))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := code.Encode(shards); err != nil {
		fmt.Println(err)
		return
	}

	shards[2][5] ^= 0x40 // a bit rots

	ok, err := code.Verify(shards)
	fmt.Println("parity fits:", ok, err)
	corrupt, err := code.Locate(shards)
	fmt.Println("corrupt:", corrupt, err)
	for _, i := range corrupt {
		shards[i] = shards[i][:0] // missing, from now on
	}
	if err := code.Reconstruct(shards); err != nil {
		fmt.Println(err)
		return
	}
	ok, err = code.Verify(shards)
	fmt.Println("parity fits:", ok, err)
	// Output:
	// parity fits: false <nil>
	// corrupt: [2] <nil>
	// parity fits: true <nil>
}
