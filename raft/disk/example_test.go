package disk_test

import (
	"fmt"

	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/disk"
)

// A node's term, vote and entries are there again after a power cut; what was
// saved without a sync may not be.
func Example() {
	fs := disk.NewMemFS()
	options := &disk.Options{FS: fs, Node: 1, Cluster: "example"}
	s, err := disk.Open("node1", options)
	if err != nil {
		fmt.Println(err)
		return
	}
	vote := raft.HardState{Term: 2, VotedFor: 3}
	_ = s.Save(vote, []raft.Entry{{Index: 1, Term: 2, Data: []byte("x=1")}}, true)
	_ = s.Save(vote, []raft.Entry{{Index: 2, Term: 2, Data: []byte("x=2")}}, false)

	options.FS = fs.CrashClone(nil) // the strictest: all that was not synced is gone
	s, err = disk.Open("node1", options)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	st, err := s.Load()
	fmt.Println(st.HardState.Term, st.HardState.VotedFor, len(st.Entries), string(st.Entries[0].Data), err)
	// Output: 2 n3 1 x=1 <nil>
}
