package raft_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/flagship-go/flagship/raft"
)

// watched is a storage of one's own: it says what it is given, and leaves the
// keeping to MemStorage. One that writes to a disk returns from Save with sync
// when the power may go.
type watched struct{ raft.MemStorage }

func (w *watched) Save(hs raft.HardState, entries []raft.Entry, sync bool) error {
	for _, e := range entries {
		if e.Type == raft.EntryCommand {
			fmt.Printf("saved   %d/t%d %s, sync %v\n", e.Index, e.Term, e.Data, sync)
		}
	}
	return w.MemStorage.Save(hs, entries, sync)
}

// told is a state machine that says what it is told.
type told struct{}

func (told) Apply(index uint64, command []byte) []byte {
	fmt.Printf("applied %d %s\n", index, command)
	return nil
}
func (told) Snapshot() (io.WriterTo, error) { return &bytes.Buffer{}, nil }
func (told) Restore(io.Reader) error        { return nil }

// What is saved comes before what is applied, and a node that starts on the
// same storage goes on where the last one was.
func ExampleStorage() {
	storage := &watched{}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, command := range []string{"x=1", "y=2"} {
		node, err := raft.Start(raft.Options{
			Config:       raft.Config{ID: 1, Voters: []raft.NodeID{1}},
			TickInterval: time.Millisecond,
			StateMachine: told{},
			Storage:      storage,
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		_, err = node.Propose(ctx, []byte(command))
		for errors.Is(err, raft.ErrNotLeader) { // it elects itself first
			time.Sleep(time.Millisecond)
			_, err = node.Propose(ctx, []byte(command))
		}
		fmt.Println("closed ", errors.Join(err, node.Close()))
	}
	// Output:
	// saved   2/t1 x=1, sync true
	// applied 2 x=1
	// closed  <nil>
	// applied 2 x=1
	// saved   4/t2 y=2, sync true
	// applied 4 y=2
	// closed  <nil>
}
