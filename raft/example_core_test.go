package raft_test

import (
	"fmt"

	"github.com/flagship-go/flagship/raft"
)

// A core is driven by hand: it says what to store, send and apply, and time
// passes when Tick is called. Here a cluster of one elects itself and commits.
func ExampleCore() {
	core, err := raft.NewCore(raft.Config{ID: 1, Voters: []raft.NodeID{1}}, raft.State{})
	if err != nil {
		fmt.Println(err)
		return
	}
	work := func() {
		for core.HasReady() {
			rd := core.Ready()
			// Here a shell sends rd.Messages, stores rd.HardState and
			// rd.Entries, waits for the disk and sends rd.AfterSync.
			core.Synced(rd.Seq)
			for _, e := range rd.Committed {
				fmt.Printf("apply %d/t%d %q\n", e.Index, e.Term, e.Data)
				core.Applied(e.Index)
			}
		}
	}
	for core.Status().Role != raft.Leader {
		core.Tick()
		work()
	}
	if _, _, err := core.Propose([]byte("x=1")); err != nil {
		fmt.Println(err)
	}
	work()
	// Output:
	// apply 1/t1 ""
	// apply 2/t1 "x=1"
}
