package ranges

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/region"
	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/multi"
)

// What an operator asks: nodes stopped and started, ranges split, leaders moved, and how
// all of it is.

// ErrUnknown reports a node or a range that there is none of.
var ErrUnknown = errors.New("ranges: there is none of that number")

func (c *Cluster) slot(id raft.NodeID) (*slot, error) {
	if id < 1 || int(id) > len(c.slots) {
		return nil, fmt.Errorf("%w: node %d: they are 1 to %d", ErrUnknown, id, len(c.slots))
	}
	return &c.slots[id-1], nil
}

// Stop ends a node, in the midst of what it does. The others go on if they are a majority.
func (c *Cluster) Stop(id raft.NodeID) error {
	s, err := c.slot(id)
	if err != nil {
		return err
	}
	s.change.Lock()
	defer s.change.Unlock()
	n := s.node.Load()
	if n == nil {
		return fmt.Errorf("%w: %v", ErrNode, id)
	}
	c.opts.Logger.Info("node is stopped", "node", int(id))
	return c.remove(n)
}

// Start starts a node again, on what it has on its disk.
func (c *Cluster) Start(id raft.NodeID) error {
	s, err := c.slot(id)
	if err != nil {
		return err
	}
	s.change.Lock()
	defer s.change.Unlock()
	switch {
	case c.stopping.Err() != nil:
		return mvcc.ErrClosed
	case s.node.Load() != nil:
		return fmt.Errorf("ranges: %v runs already", id)
	}
	n, err := openNode(id, c.nodeDir(int(id)-1), &c.opts, c.network, false)
	if err != nil {
		return err
	}
	if err := c.serve(n); err != nil {
		return errors.Join(err, n.Close())
	}
	s.node.Store(n)
	c.opts.Logger.Info("node is started", "node", int(id))
	return nil
}

// onLeader has f done by the node that leads a range, waiting for one if need be.
func (c *Cluster) onLeader(ctx context.Context, id uint64, f func(n *Node, r *replica) error) error {
	return c.onAny(ctx, func(n *Node) error {
		r := n.replica(id)
		if r == nil || !n.leads(id) {
			return fmt.Errorf("%w: it is not led by %v", raft.ErrNotLeader, n.id)
		}
		return f(n, r)
	})
}

// Split makes key the start of a range. It waits for a leader, not for the leases of the
// two ranges.
func (c *Cluster) Split(ctx context.Context, key []byte) error {
	for {
		info, err := c.Region(ctx, key)
		if err != nil {
			return err
		}
		if string(info.Start) == string(key) {
			if len(key) == 0 {
				return fmt.Errorf("%w: at the empty key", ErrSplit)
			}
			return nil // there is one
		}
		var refusal error
		err = c.onLeader(ctx, info.ID, func(n *Node, r *replica) error {
			err := n.split(ctx, r, key, [2]uint64{})
			if errors.Is(err, ErrSplit) {
				refusal = err
				return nil
			}
			return err
		})
		c.routes.forget(info.Ref)
		if err != nil || refusal == nil {
			return err
		}
		if now, err := c.Region(ctx, key); err == nil && now.Ref == info.Ref {
			return refusal
		}
		if err := pause(ctx, c.opts.Tick); err != nil {
			return errors.Join(err, refusal)
		}
	}
}

// Move makes a node the leader of a range, and the holder of its lease.
func (c *Cluster) Move(ctx context.Context, id uint64, to raft.NodeID) error {
	if _, err := c.slot(to); err != nil {
		return err
	}
	if !c.exists(id) {
		return fmt.Errorf("%w: range %d", ErrUnknown, id)
	}
	err := c.onLeader(ctx, id, func(n *Node, _ *replica) error { return n.move(ctx, id, to) })
	if err != nil {
		return err
	}
	return c.onAny(ctx, func(*Node) error {
		if n := c.node(to); n != nil {
			if r := n.replica(id); r != nil && r.region() != nil {
				return nil
			}
		}
		return fmt.Errorf("range %d: %v leads it, and has no lease yet", id, to)
	})
}

func (c *Cluster) exists(id uint64) bool {
	for _, n := range c.nodes() {
		if n.replica(id) != nil {
			return true
		}
	}
	return false
}

// RangeStatus is a range as the node says that leads it; or, if nobody does, one that
// has it.
type RangeStatus struct {
	Descriptor
	Leader   raft.NodeID // raft.None: nobody knows
	Term     uint64
	Served   bool   // by the holder of the lease, now
	RaftHeld bool   // the leader answers reads without a message, now
	Asleep   bool   // its group has nothing to do
	Size     uint64 // about, in bytes
	Applied  map[raft.NodeID]uint64
	Metrics  region.Metrics
}

// NodeStatus is a node.
type NodeStatus struct {
	ID      raft.NodeID
	Running bool
	Ranges  int
	Leads   int
	Leases  int
	Raft    multi.Metrics
}

// Status is all of a cluster, as of about now.
type Status struct {
	Nodes  []NodeStatus
	Ranges []RangeStatus
}

// Status asks all nodes. It waits for none that does not answer.
func (c *Cluster) Status(ctx context.Context) Status {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var s Status
	byID := map[uint64]int{}
	for i := range c.slots {
		n := c.slots[i].node.Load()
		ns := NodeStatus{ID: raft.NodeID(i + 1), Running: n != nil}
		if n != nil && n.enter() == nil {
			n.report(ctx, &s, &ns, byID)
			n.leave()
		}
		s.Nodes = append(s.Nodes, ns)
	}
	sortRanges(s.Ranges)
	return s
}

func (n *Node) report(ctx context.Context, s *Status, ns *NodeStatus, byID map[uint64]int) {
	ns.Raft = n.host.Metrics()
	for _, r := range n.all() {
		p := r.place.Load()
		ns.Ranges++
		at, ok := byID[p.ID]
		if !ok {
			at = len(s.Ranges)
			byID[p.ID] = at
			s.Ranges = append(s.Ranges, RangeStatus{Descriptor: p.Descriptor, Size: r.size.Load(), Applied: map[raft.NodeID]uint64{}})
		}
		rs := &s.Ranges[at]
		rs.Applied[n.id] = r.applied.Load()
		if p.Epoch > rs.Epoch || p.Lease.Seq > rs.Lease.Seq {
			rs.Descriptor = p.Descriptor
		}
		st, err := n.host.Status(ctx, multi.GroupID(p.ID))
		if err == nil && st.Role == raft.Leader && st.Term >= rs.Term {
			ns.Leads++
			rs.Leader, rs.Term, rs.RaftHeld, rs.Asleep, rs.Size = n.id, st.Term, st.Lease, st.Asleep, r.size.Load()
		}
		if region := r.region(); region != nil {
			ns.Leases++
			rs.Served, rs.Metrics = true, region.Metrics()
			rs.Descriptor = p.Descriptor
		}
	}
}
