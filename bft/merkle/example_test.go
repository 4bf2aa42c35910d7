package merkle_test

import (
	"fmt"

	"github.com/flagship-go/flagship/bft/merkle"
)

// Who has nothing but the root of a list is shown one of its elements.
func Example() {
	root, proofs := merkle.Proofs([][]byte{[]byte("alice 3"), []byte("bob 7"), []byte("carol 1")})
	fmt.Println("bob has 7:", proofs[1].Verify(root, []byte("bob 7")))
	fmt.Println("bob has 8:", proofs[1].Verify(root, []byte("bob 8")))
	// Output:
	// bob has 7: <nil>
	// bob has 8: merkle: proof: it is for another element than this
}
