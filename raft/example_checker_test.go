package raft_test

import (
	"fmt"

	"github.com/flagship-go/flagship/raft"
)

// The checker is told of every start and every step of every node, and says
// which property of Figure 3 is broken, and how.
func ExampleChecker() {
	var checker raft.Checker
	for _, id := range []raft.NodeID{1, 2} {
		if err := checker.Started(id, raft.State{}); err != nil {
			fmt.Println(err)
		}
	}
	for _, id := range []raft.NodeID{1, 2} { // both say that they lead term 1
		err := checker.Observe(raft.Status{ID: id, Role: raft.Leader, Term: 1, Leader: id}, &raft.Ready{})
		fmt.Println(id, err)
	}
	// Output:
	// n1 <nil>
	// n2 RULE election-safety: n1 and n2 both lead term 1 (§5.2)
}
