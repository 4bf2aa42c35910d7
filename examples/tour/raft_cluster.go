package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/disk"
)

// clusterTick makes an election take 250 to 500 ms: short for a tour, and still
// much longer than an fsync.
const clusterTick = 25 * time.Millisecond

// A raftCluster is three durable nodes in this process, and the network between
// them. One may be replaced by a fresh one.
type raftCluster struct {
	dir     string
	trace   func(raft.Event)
	network *raft.Network

	mu     sync.Mutex
	ids    []raft.NodeID              // of the members, running or not
	nodes  map[raft.NodeID]*raft.Node // those that run
	stores map[raft.NodeID]*fileStore // of those that run
}

// raftVoters are the first members, freshNode is who takes a lost one's place.
var raftVoters = []raft.NodeID{1, 2, 3}

const freshNode raft.NodeID = 4

// startCluster starts all nodes on what is in dir, each in a folder of its own.
func startCluster(dir string, trace func(raft.Event)) (*raftCluster, error) {
	c := &raftCluster{
		dir: dir, trace: trace, network: raft.NewNetwork(), ids: slices.Clone(raftVoters),
		nodes: map[raft.NodeID]*raft.Node{}, stores: map[raft.NodeID]*fileStore{},
	}
	for _, id := range raftVoters {
		if err := c.start(id); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}

// folder is where a node's log is.
func (c *raftCluster) folder(id raft.NodeID) string { return filepath.Join(c.dir, id.String()) }

// start runs one node on what its folder holds.
func (c *raftCluster) start(id raft.NodeID) error {
	// A tour's log needs no 64 MiB segments.
	storage, err := disk.Open(c.folder(id), &disk.Options{Node: id, Cluster: "tour", SegmentSize: 16 << 20})
	if err != nil {
		return fmt.Errorf("opening the log of %s: %w", id, err)
	}
	store := &fileStore{}
	voters := raftVoters
	if id == freshNode {
		voters = nil // it joins, and learns who is there
	}
	n, err := raft.Start(raft.Options{
		Config:       raft.Config{ID: id, Voters: voters, Trace: c.trace},
		StateMachine: store, Storage: storage, Transport: c.network.Join(id), TickInterval: clusterTick,
		// Small, so that a tour sees snapshots at all.
		SnapshotEvery: 100, KeepEntries: 10,
	})
	if err != nil {
		return fmt.Errorf("starting %s: %w", id, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[id], c.stores[id] = n, store
	return nil
}

// stop ends one node; what is in its memory is gone.
func (c *raftCluster) stop(id raft.NodeID) error {
	c.mu.Lock()
	n := c.nodes[id]
	delete(c.nodes, id)
	delete(c.stores, id)
	c.mu.Unlock()
	if n == nil {
		return nil
	}
	if err := n.Close(); err != nil {
		return fmt.Errorf("stopping %s: %w", id, err)
	}
	return nil
}

// Close ends all nodes.
func (c *raftCluster) Close() error {
	var errs []error
	for _, id := range c.members() {
		errs = append(errs, c.stop(id))
	}
	return errors.Join(errs...)
}

// running returns the nodes that run, by ID.
func (c *raftCluster) running() []*raft.Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	var nodes []*raft.Node
	for _, id := range c.ids {
		if n := c.nodes[id]; n != nil {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// members returns who belongs to the cluster, whether it runs or not.
func (c *raftCluster) members() []raft.NodeID {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.ids)
}

// change notes who belongs to the cluster, and has whoever leads change its
// membership to that.
func (c *raftCluster) change(ctx context.Context, m raft.Membership) error {
	c.mu.Lock()
	c.ids = slices.Concat(m.Voters, m.Learners)
	c.mu.Unlock()
	var refused error
	err := poll(ctx, func() bool {
		leader := c.leader()
		if leader == nil {
			return false
		}
		// All but ErrInvalid passes: not the leader any more, another change
		// under way, the outcome unknown. To ask for the same again is no harm.
		err := leader.ChangeMembership(ctx, m)
		if errors.Is(err, raft.ErrInvalid) {
			refused = err
		}
		return err == nil || refused != nil
	})
	return errors.Join(err, refused)
}

func (c *raftCluster) node(id raft.NodeID) *raft.Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[id]
}

func (c *raftCluster) store(id raft.NodeID) *fileStore {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stores[id]
}

// leader returns the node that leads, nil while none does. Of two that believe
// to lead, the one of the higher term does.
func (c *raftCluster) leader() (leader *raft.Node) {
	var term uint64
	for _, n := range c.running() {
		if st := n.Status(); st.Role == raft.Leader && st.Term > term {
			leader, term = n, st.Term
		}
	}
	return leader
}

// waitLeader returns the leader as soon as there is one.
func (c *raftCluster) waitLeader(ctx context.Context) (leader *raft.Node, err error) {
	err = poll(ctx, func() bool { leader = c.leader(); return leader != nil })
	return leader, err
}

// poll waits until a condition holds.
func poll(ctx context.Context, holds func() bool) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// attemptLimit is how long a client waits for an answer before it asks again: a
// leader that was cut off does not answer.
const attemptLimit = 500 * time.Millisecond

// put stores a file, asking whoever leads, until it is acknowledged.
func (c *raftCluster) put(ctx context.Context, f File) error {
	command := encodeFile(f)
	for {
		leader, err := c.waitLeader(ctx)
		if err != nil {
			return fmt.Errorf("storing %s: no leader: %w", f.Name, err)
		}
		attempt, cancel := context.WithTimeout(ctx, attemptLimit)
		result, err := leader.Propose(attempt, command)
		cancel()
		switch {
		case err == nil:
			if len(result) > 0 {
				return fmt.Errorf("storing %s: %s", f.Name, result)
			}
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, raft.ErrStopped) && c.node(leader.Status().ID) == leader:
			// Nobody stopped it: its disk has failed.
			return fmt.Errorf("storing %s: %w", f.Name, err)
		}
		// Not the leader any more, stopped, or no answer: commands may be
		// repeated, so all of these only mean to ask again.
	}
}

// converge waits until every node that runs has applied what the leader has
// committed, and returns the leader's commit index. The leader first makes sure
// that it still is one, and that it knows of all that was ever acknowledged.
func (c *raftCluster) converge(ctx context.Context) (commit uint64, err error) {
	var readErr error
	err = poll(ctx, func() bool {
		leader := c.leader()
		if leader == nil {
			return false
		}
		attempt, cancel := context.WithTimeout(ctx, attemptLimit)
		defer cancel()
		if readErr = leader.Read(attempt); readErr != nil {
			return false
		}
		commit = leader.Status().Commit
		return true
	})
	if err == nil {
		err = poll(ctx, func() bool {
			return !slices.ContainsFunc(c.running(), func(n *raft.Node) bool { return n.Status().Applied < commit })
		})
	}
	if err != nil {
		return 0, errors.Join(fmt.Errorf("waiting for the nodes to agree: %w", err), readErr)
	}
	return commit, nil
}
