package evidence_test

import (
	"fmt"
	"testing"

	"github.com/flagship-go/flagship/bft/evidence"
	"github.com/flagship-go/flagship/bft/internal/chaintest"
)

// A validator votes twice; that is pending until a block has it, and then never again.
func Example() {
	chain := chaintest.New(new(testing.T), 4).Begin().Grow(3)
	pool, err := evidence.New(evidence.Options{Store: chain.Store})
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	chain.Exec.Evidence = pool // hears of each block

	pool.Report(chain.DoubleVote("2", 4, 0)) // the core has seen it, in the height under way
	fmt.Println("pending:", len(pool.Pending(1<<20)))
	chain.Grow(4)
	found := pool.Pending(1 << 20)
	fmt.Println("pending:", len(found), "of height", found[0].First.Height, "with power", found[0].ValidatorPower, "of", found[0].TotalVotingPower)
	chain.AddBlock(nil, found)
	fmt.Println("pending:", len(pool.Pending(1<<20)))
	fmt.Println("again:", pool.Add(found[0]))
	// Output:
	// pending: 0
	// pending: 1 of height 4 with power 10 of 40
	// pending: 0
	// again: bft: evidence: not the first of its fault: the prevote of c918f94e at height 4 round 0 was committed
}
