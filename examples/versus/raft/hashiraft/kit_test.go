// Package hashiraft puts github.com/hashicorp/raft under the black-box part of
// the conformance kit: it has no step core, so it is graded as a user sees it,
// in real time.
package hashiraft

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	hraft "github.com/hashicorp/raft"

	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/rafttest"
)

func TestHashicorpKeepsTheBlackBoxRules(t *testing.T) {
	rafttest.Run(t, rafttest.Implementation{Name: "hashicorp", NewCluster: newCluster})
}

// cluster is a cluster in one process. Its stores are in memory and survive a
// crash: whatever they were given counts as durable.
type cluster struct {
	ids     []raft.NodeID
	members map[raft.NodeID]*member
	group   map[raft.NodeID]int // nodes of one group hear each other
}

type member struct {
	store     *hraft.InmemStore
	snapshots *hraft.InmemSnapshotStore
	transport *hraft.InmemTransport
	machine   *list
	raft      *hraft.Raft
	up        bool
}

func newCluster(voters []raft.NodeID) (rafttest.Cluster, error) {
	c := &cluster{ids: voters, members: map[raft.NodeID]*member{}, group: map[raft.NodeID]int{}}
	var servers []hraft.Server
	for _, id := range voters {
		c.members[id] = &member{store: hraft.NewInmemStore(), snapshots: hraft.NewInmemSnapshotStore()}
		servers = append(servers, hraft.Server{ID: serverID(id), Address: hraft.ServerAddress(serverID(id))})
	}
	for _, id := range voters {
		m := c.members[id]
		_, transport := hraft.NewInmemTransport(hraft.ServerAddress(serverID(id)))
		if err := hraft.BootstrapCluster(config(id), m.store, m.store, m.snapshots, transport, hraft.Configuration{Servers: servers}); err != nil {
			return nil, errors.Join(err, c.Close())
		}
		if err := c.Restart(id); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}

func serverID(id raft.NodeID) hraft.ServerID {
	return hraft.ServerID(strconv.FormatUint(uint64(id), 10))
}

// config is the library's default at a tenth of its times.
func config(id raft.NodeID) *hraft.Config {
	cfg := hraft.DefaultConfig()
	cfg.LocalID = serverID(id)
	cfg.HeartbeatTimeout, cfg.ElectionTimeout = 100*time.Millisecond, 100*time.Millisecond
	cfg.LeaderLeaseTimeout, cfg.CommitTimeout = 100*time.Millisecond, 5*time.Millisecond
	cfg.Logger = hclog.NewNullLogger()
	return cfg
}

func (c *cluster) Restart(id raft.NodeID) (err error) {
	m := c.members[id]
	m.machine = &list{}
	_, m.transport = hraft.NewInmemTransportWithTimeout(hraft.ServerAddress(serverID(id)), 100*time.Millisecond)
	if m.raft, err = hraft.NewRaft(config(id), m.machine, m.store, m.store, m.snapshots, m.transport); err != nil {
		return fmt.Errorf("start %s: %w", id, err)
	}
	m.up = true
	c.connect()
	return nil
}

func (c *cluster) Crash(id raft.NodeID) error {
	m := c.members[id]
	m.up = false
	c.connect()
	return m.raft.Shutdown().Error()
}

func (c *cluster) Partition(groups ...[]raft.NodeID) error {
	clear(c.group)
	for i, group := range groups {
		for _, id := range group {
			c.group[id] = i
		}
	}
	c.connect()
	return nil
}

// connect makes the transports reach whom they should.
func (c *cluster) connect() {
	for _, a := range c.ids {
		for _, b := range c.ids {
			from, to := c.members[a], c.members[b]
			switch {
			case a == b || from.transport == nil:
			case from.up && to.up && c.group[a] == c.group[b]:
				from.transport.Connect(hraft.ServerAddress(serverID(b)), to.transport)
			default:
				from.transport.Disconnect(hraft.ServerAddress(serverID(b)))
			}
		}
	}
}

func (c *cluster) Propose(ctx context.Context, id raft.NodeID, command []byte) error {
	m := c.members[id]
	if !m.up {
		return hraft.ErrRaftShutdown
	}
	timeout := time.Second
	if deadline, ok := ctx.Deadline(); ok {
		timeout = time.Until(deadline)
	}
	f := m.raft.Apply(command, timeout)
	done := make(chan error, 1)
	go func() { done <- f.Error() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *cluster) Leader(id raft.NodeID) raft.NodeID {
	if !c.members[id].up {
		return raft.None
	}
	_, leader := c.members[id].raft.LeaderWithID()
	n, _ := strconv.ParseUint(string(leader), 10, 64)
	return raft.NodeID(n)
}

func (c *cluster) Applied(id raft.NodeID) [][]byte { return c.members[id].machine.copy() }

func (c *cluster) Close() error {
	var err error
	for _, id := range c.ids {
		if m := c.members[id]; m.up {
			err = errors.Join(err, c.Crash(id))
		}
	}
	return err
}

// list is a state machine that remembers what it applied.
type list struct {
	mu       sync.Mutex
	commands [][]byte
}

func (l *list) copy() [][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.commands)
}

func (l *list) Apply(log *hraft.Log) any {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.commands = append(l.commands, log.Data)
	return nil
}

// Snapshots are never taken: the kit's stories are far below the threshold.
func (l *list) Snapshot() (hraft.FSMSnapshot, error) { return nil, errors.New("not expected") }
func (l *list) Restore(io.ReadCloser) error          { return errors.New("not expected") }
