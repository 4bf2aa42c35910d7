package erasuretest_test

import (
	"fmt"

	"github.com/flagship-go/flagship/erasure/erasuretest"
	"github.com/flagship-go/flagship/erasure/rs"
)

// forgetful verifies nothing.
type forgetful struct{ *rs.Code }

func (forgetful) Verify([][]byte) (bool, error) { return true, nil }

// A codec is graded without a testing.T; with one, Codec does it.
func ExampleGrade() {
	results := erasuretest.Grade(func(data, parity int) (forgetful, error) {
		code, err := rs.New(data, parity)
		return forgetful{code}, err
	})
	for _, r := range results {
		if r.Rule.ID == "verify" {
			fmt.Println(r.Err)
		}
	}
	// Output: RULE verify: 1+1: Verify accepts a flipped bit in byte 0 of 1 of shard 0
}
