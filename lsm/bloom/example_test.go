package bloom_test

import (
	"fmt"

	"github.com/flagship-go/flagship/lsm/bloom"
)

func Example() {
	var hashes []uint64
	for i := range 1000 {
		hashes = append(hashes, bloom.Hash(fmt.Append(nil, "key", i)))
	}
	filter := bloom.Build(hashes, 10)

	passed := 0
	for i := range 1000 {
		if filter.MayContain(bloom.Hash(fmt.Append(nil, "other", i))) {
			passed++
		}
	}
	fmt.Println(filter.MayContain(bloom.Hash([]byte("key7"))), passed < 30)
	// Output: true true
}
