package raft_test

import (
	"fmt"

	"github.com/flagship-go/flagship/raft"
)

// A network in one process can be cut, to try out what a cluster does then.
func ExampleNetwork() {
	network := raft.NewNetwork()
	one, two := network.Join(1), network.Join(2)
	hear := func(m raft.Message) { fmt.Println(m) }
	if err := one.Start(hear); err != nil {
		fmt.Println(err)
	}
	if err := two.Start(hear); err != nil {
		fmt.Println(err)
	}
	ask := raft.Message{Type: raft.RequestVote, From: 1, To: 2, Term: 3, Index: 7, LogTerm: 2}
	one.Send([]raft.Message{ask})
	network.Cut([]raft.NodeID{1}, []raft.NodeID{2})
	one.Send([]raft.Message{ask}) // lost
	network.Heal()
	two.Send([]raft.Message{{Type: raft.RequestVoteReply, From: 2, To: 1, Term: 3}})
	two.Close()
	one.Close()
	// Output:
	// n1->n2 RequestVote term=3 last=7/t2
	// n2->n1 RequestVoteReply term=3 granted
}
