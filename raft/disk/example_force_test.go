package disk_test

import (
	"fmt"

	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/disk"
)

// survivor makes the directory of n1, which is alone: n2 and n3 are lost for
// good, and with them the majority.
func survivor(options *disk.Options) error {
	s, err := disk.Open("node1", options)
	if err != nil {
		return err
	}
	defer s.Close()
	vote := raft.HardState{Term: 7, VotedFor: 2, Commit: 1}
	return s.Save(vote, []raft.Entry{
		{Index: 1, Term: 7, Data: []byte("x=1")},
		{Index: 2, Term: 7, Data: []byte("x=2")}, // n2 may have told a client that it was committed
	}, true)
}

// A cluster that lost its majority is brought back from one survivor. First look
// at all that are left, with go run ./raft/cmd/dump, and choose the one with the
// longest log of the latest term.
func ExampleForceNewCluster() {
	options := &disk.Options{FS: disk.NewMemFS(), Node: 1, Cluster: "app"}
	if err := survivor(options); err != nil {
		fmt.Println(err)
		return
	}
	report, err := disk.ForceNewCluster("node1", options, "app-rescued")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(report)
	_, err = disk.Open("node1", options) // whoever still means the old cluster
	fmt.Println(err)
	// Output:
	// node1: n1 is a cluster of its own now
	//   was   cluster "app", term 7, commit 1, last 2/t7, the voters of its first start
	//   is    cluster "app-rescued", term 8, commit 3, last 3/t8, voters [n1]
	//   kept  entries 2/t7 to 2/t7, not known to be committed before: they may have
	//         been acknowledged, and are committed now
	//   next  start n1 in cluster "app-rescued", with the transport told the same; add members under
	//         IDs that were never used; never start the others on their old directories
	// raft/disk: directory of another node or cluster: node1 is of n1 in cluster "app-rescued", asked for n1 in cluster "app"; give the node its own directory, or start the node that this one belongs to
}
