package etcdraft_test

import (
	"fmt"

	"github.com/flagship-go/flagship/examples/versus/raft/etcdraft"
	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/rafttest"
)

// A program that drives a core by itself: one that needs the loop of its own.
// Nothing in it says which library it runs.
func commitOne(core rafttest.Core, command string) {
	for core.Status().Role != raft.Leader {
		core.Tick()
		turn(core)
	}
	if _, _, err := core.Propose([]byte(command)); err != nil {
		fmt.Println(err)
	}
	turn(core)
}

func turn(core rafttest.Core) {
	for core.HasReady() {
		rd := core.Ready()
		// Here Messages are sent, Entries stored, and then AfterSync sent.
		if rd.Seq > 0 {
			core.Synced(rd.Seq)
		}
		for _, e := range rd.Committed {
			if e.Type == raft.EntryCommand {
				fmt.Printf("apply %d: %s\n", e.Index, e.Data)
			}
			core.Applied(e.Index)
		}
	}
}

// The change from one library to the other is the constructor.
func Example() {
	cfg := raft.Config{ID: 1, Voters: []raft.NodeID{1}}

	mine, err := raft.NewCore(cfg, raft.State{})
	if err != nil {
		panic(err)
	}
	commitOne(mine, "x=1")

	etcds, err := etcdraft.New(cfg, raft.State{})
	if err != nil {
		panic(err)
	}
	commitOne(etcds, "x=1")
	// Output:
	// apply 2: x=1
	// apply 2: x=1
}
