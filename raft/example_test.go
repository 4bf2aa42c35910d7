package raft_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/flagship-go/flagship/raft"
)

// dictionary is a state machine: "key=value" sets, and the result is the value
// that was there before.
type dictionary struct {
	mu    sync.Mutex
	words map[string]string
}

func newDictionary() *dictionary { return &dictionary{words: map[string]string{}} }

func (d *dictionary) Apply(_ uint64, command []byte) []byte {
	key, value, _ := strings.Cut(string(command), "=")
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.words[key]
	d.words[key] = value
	return []byte(old)
}

func (d *dictionary) Snapshot() (io.WriterTo, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b, err := json.Marshal(d.words)
	return strings.NewReader(string(b)), err
}

func (d *dictionary) Restore(r io.Reader) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.words = map[string]string{}
	return json.NewDecoder(r).Decode(&d.words)
}

func (d *dictionary) get(key string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.words[key]
}

// propose asks one node after the other until the leader is found.
func propose(ctx context.Context, nodes []*raft.Node, command string) ([]byte, error) {
	for {
		for _, n := range nodes {
			result, err := n.Propose(ctx, []byte(command))
			if !errors.Is(err, raft.ErrNotLeader) {
				return result, err
			}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// Three nodes in one process keep a dictionary; any one of them may be lost.
func Example() {
	ids := []raft.NodeID{1, 2, 3}
	network := raft.NewNetwork()
	var nodes []*raft.Node
	var states []*dictionary
	for _, id := range ids {
		state := newDictionary()
		node, err := raft.Start(raft.Options{
			Config:       raft.Config{ID: id, Voters: ids}, // a dead leader is replaced
			TickInterval: 50 * time.Millisecond,            // after 0.5 to 1 s
			Transport:    network.Join(id),
			StateMachine: state, // Storage: in memory; raft/disk for a real one
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		defer node.Close()
		nodes, states = append(nodes, node), append(states, state)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, command := range []string{"raft=a boat", "raft=a protocol"} {
		before, err := propose(ctx, nodes, command)
		fmt.Printf("%s, before: %q, %v\n", command, before, err)
	}
	// A read on any node: wait until it knows all that was committed before.
	for i := range nodes {
		for errors.Is(nodes[i].Read(ctx), raft.ErrNotLeader) {
			time.Sleep(time.Millisecond) // there is no leader just now
		}
		fmt.Println(nodes[i].Status().ID, states[i].get("raft"))
	}
	// Output:
	// raft=a boat, before: "", <nil>
	// raft=a protocol, before: "a boat", <nil>
	// n1 a protocol
	// n2 a protocol
	// n3 a protocol
}
