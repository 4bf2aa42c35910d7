package rs_test

import (
	"fmt"

	"github.com/flagship-go/flagship/erasure/rs"
)

// The arithmetic of a reconstruction, step by step.
func ExampleCode_ExplainReconstruct() {
	code, err := rs.New(2, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	shards := [][]byte{{0x0a}, {0x0b}, {0}}
	if err := code.Encode(shards); err != nil {
		fmt.Println(err)
		return
	}
	shards[0] = nil
	steps, err := code.ExplainReconstruct(shards)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range steps[2:] {
		fmt.Print(s)
	}
	// Output:
	// The generator: a row a shard, a column a data shard. The identity on top makes data shards of the data, the rows below are the parity.
	//   shard   0  01 00
	//   shard   1  00 01
	//   shard   2  03 02
	// The rows of the missing shards are struck out: 0.
	// Of the rows that are left the first 2 that can be inverted: 1, 2. They turned the data into these shards. They are invertible, because they are the values of a polynomial at as many different points as it has coefficients: the determinant of those rows of the Vandermonde matrix is the product of the differences of their numbers, and no difference is zero.
	//   shard   1  00 01
	//   shard   2  03 02
	// Their inverse turns shards 1, 2 into the data shards.
	//   shard   0  f5 f4
	//   shard   1  01 00
	// The rows of the missing shards times the inverse: for a data shard that is its row of the inverse, for a parity shard it encodes what is decoded, in one multiplication.
	//   shard   0  f5 f4
	// Shard 0 in the first column: f5·0b + f4·08 = 0a.
}
