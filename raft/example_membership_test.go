package raft_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/flagship-go/flagship/raft"
)

// noted is a state machine that keeps what it was told.
type noted struct{ text string }

func (n *noted) Apply(_ uint64, command []byte) []byte { n.text += string(command); return nil }
func (n *noted) Snapshot() (io.WriterTo, error)        { return strings.NewReader(n.text), nil }
func (n *noted) Restore(r io.Reader) error {
	b, err := io.ReadAll(r)
	n.text = string(b)
	return err
}

// A node whose disk is lost is replaced: the new one has a new ID, learns first,
// and votes when it has caught up. Nobody waits meanwhile.
func ExampleNode_ChangeMembership() {
	network := raft.NewNetwork()
	nodes := map[raft.NodeID]*raft.Node{}
	start := func(id raft.NodeID, voters ...raft.NodeID) {
		n, err := raft.Start(raft.Options{
			Config:       raft.Config{ID: id, Voters: voters},
			TickInterval: 10 * time.Millisecond,
			Transport:    network.Join(id),
			StateMachine: &noted{},
		})
		if err != nil {
			panic(err)
		}
		nodes[id] = n
	}
	for _, id := range []raft.NodeID{1, 2, 3} {
		start(id, 1, 2, 3)
	}
	defer func() {
		for _, n := range nodes {
			n.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	change := func(m raft.Membership) {
		for ctx.Err() == nil {
			for _, n := range nodes { // whichever leads
				if err := n.ChangeMembership(ctx, m); err == nil {
					fmt.Println("voters", m.Voters, "learners", m.Learners)
					return
				} else if !errors.Is(err, raft.ErrNotLeader) && !errors.Is(err, raft.ErrPending) {
					fmt.Println(err)
				}
			}
			time.Sleep(time.Millisecond)
		}
	}
	nodes[3].Close() // for good
	delete(nodes, 3)
	start(4) // knows nobody yet, and learns
	change(raft.Membership{Voters: []raft.NodeID{1, 2, 3}, Learners: []raft.NodeID{4}})
	for nodes[4].Status().Applied == 0 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	change(raft.Membership{Voters: []raft.NodeID{1, 2, 4}})
	// Output:
	// voters [n1 n2 n3] learners [n4]
	// voters [n1 n2 n4] learners []
}
