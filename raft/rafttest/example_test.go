package rafttest_test

import (
	"fmt"
	"slices"

	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/rafttest"
)

// hasty is a core that answers before its disk has stored what it answers: the
// mistake that costs nothing until the power fails.
type hasty struct{ *raft.Core }

func (c hasty) Ready() raft.Ready {
	rd := c.Core.Ready()
	rd.Messages = slices.Concat(rd.Messages, rd.AfterSync)
	rd.AfterSync = nil
	return rd
}

// The kit finds it, and says what it saw.
func ExampleGrade() {
	results := rafttest.Grade(rafttest.Implementation{
		Name: "hasty",
		NewCore: func(cfg raft.Config, st raft.State) (rafttest.Core, error) {
			core, err := raft.NewCore(cfg, st)
			return hasty{core}, err
		},
	})
	kept := 0
	for _, r := range results {
		if r.Err == nil {
			kept++
			continue
		}
		fmt.Println(r.Err)
	}
	fmt.Println(kept, "of", len(results), "required rules kept")
	// Output:
	// RULE vote-after-sync: n1's vote for n2 in term 4 left while its disk says term 0, vote for nobody (Figure 2, persistent state)
	// RULE ack-after-sync: after n2->n1 AppendEntries term=1 prev=0/t0 commit=0 entries=[1/t1..2/t1], n1 vouches up to 2 and its disk holds 0 entries (Figure 2, persistent state)
	// RULE acked-survives-any-crash: n1 acknowledged up to 4 in term 1 and up to 5 in term 2, crashed after 0 writes, and its log ends at 0 (Figure 2, persistent state)
	// RULE late-sync: n1 vouches to n3 for entry 2 of term 2; its disk has written entry 2 of term 1 (§5.3)
	// 44 of 48 required rules kept
}
