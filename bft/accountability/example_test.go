package accountability_test

import (
	"fmt"

	"github.com/flagship-go/flagship/bft/accountability"
	"github.com/flagship-go/flagship/bft/bfttest"
)

// Two commits of one height, of one round: who has signed both is proved to be faulty.
func ExampleAccuse() {
	chain := bfttest.NewLightChain("demo") // n1 to n4, of power 1
	fork := chain.Fork(7, bfttest.Forgery{Data: "paid twice", Signers: "n2 n3 n4"})
	one, two := chain.Sign(7, "n1 n2 n3").Block(7), fork.Block(7)

	report := accountability.Accuse("demo", one.Validators, accountability.Votes(one.Commit, two.Commit), accountability.Options{})
	fmt.Println("fork:", report.Forked)
	for _, a := range report.ProvedFaulty() {
		for _, name := range []string{"n1", "n2", "n3", "n4"} {
			if chain.Address(name) == a {
				fmt.Println("proved faulty:", name)
			}
		}
	}
	fmt.Printf("power: %d of %d\n", report.Proved, report.Total)
	// Unordered output:
	// fork: true
	// proved faulty: n2
	// proved faulty: n3
	// power: 2 of 4
}
