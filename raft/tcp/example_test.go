package tcp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"
	"time"

	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/tcp"
)

// echo is a state machine that answers with its command.
type echo struct{}

func (echo) Apply(_ uint64, command []byte) []byte { return command }
func (echo) Snapshot() (io.WriterTo, error)        { return strings.NewReader(""), nil }
func (echo) Restore(io.Reader) error               { return nil }

// Three nodes, as three processes would start them, but that each process
// would know the addresses beforehand and put them into Options.Peers.
func Example() {
	var transports []*tcp.Transport
	for id := raft.NodeID(1); id <= 3; id++ {
		t, err := tcp.Listen(tcp.Options{ID: id, ClusterID: "example", Address: "127.0.0.1:0"})
		if err != nil {
			log.Fatal(err)
		}
		transports = append(transports, t)
	}
	for _, t := range transports {
		for i, other := range transports {
			if err := t.SetPeer(raft.NodeID(i+1), other.Addr().String()); err != nil {
				log.Fatal(err)
			}
		}
	}
	var nodes []*raft.Node
	for i, t := range transports {
		n, err := raft.Start(raft.Options{
			Config:       raft.Config{ID: raft.NodeID(i + 1), Voters: []raft.NodeID{1, 2, 3}},
			StateMachine: echo{}, Transport: t, TickInterval: 10 * time.Millisecond,
		})
		if err != nil {
			log.Fatal(err)
		}
		defer n.Close()
		nodes = append(nodes, n)
	}
	// Ask one after the other, until there is a leader.
	for i := 0; ; i++ {
		answer, err := nodes[i%3].Propose(context.Background(), []byte("hello"))
		if errors.Is(err, raft.ErrNotLeader) {
			time.Sleep(time.Millisecond)
			continue
		}
		fmt.Println(string(answer), err)
		return
	}
	// Output: hello <nil>
}
