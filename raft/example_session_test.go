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

// counter is a state machine whose every command counts, so that one executed
// twice would show.
type counter struct{ n byte }

func (c *counter) Apply(uint64, []byte) []byte    { c.n++; return []byte{'0' + c.n} }
func (c *counter) Snapshot() (io.WriterTo, error) { return bytes.NewBuffer([]byte{c.n}), nil }
func (c *counter) Restore(r io.Reader) error {
	b := []byte{0}
	_, err := io.ReadFull(r, b)
	c.n = b[0]
	return err
}

// A session makes a repeated command run once.
func ExampleSession() {
	node, err := raft.Start(raft.Options{
		Config:       raft.Config{ID: 1, Voters: []raft.NodeID{1}},
		TickInterval: time.Millisecond,
		StateMachine: &counter{},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer node.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var session *raft.Session
	for session == nil {
		session, err = node.Session(ctx)
		if err != nil && !errors.Is(err, raft.ErrNotLeader) {
			fmt.Println(err)
			return
		}
	}
	result, err := session.Propose(ctx, node, []byte("count"))
	for errors.Is(err, raft.ErrOutcomeUnknown) && ctx.Err() == nil {
		// The same command, on whichever node leads now: it runs once.
		result, err = session.Retry(ctx, node)
	}
	fmt.Printf("%s %v\n", result, err)
	// Output:
	// 1 <nil>
}
