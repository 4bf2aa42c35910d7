package ranges

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"

	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/region"
	"github.com/flagship-go/flagship/raft"
)

var _ mvcc.Transport = (*Cluster)(nil)

// routes is what is known of where ranges are. It may be old: then a node says so.
type routes struct {
	mu      sync.RWMutex
	sorted  []region.Info // by Start; they do not overlap, and may leave holes
	holders map[uint64]raft.NodeID
}

func (t *routes) find(key []byte) (region.Info, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	i := sort.Search(len(t.sorted), func(i int) bool { return string(t.sorted[i].Start) > string(key) }) - 1
	if i < 0 || !t.sorted[i].Contains(key) {
		return region.Info{}, false
	}
	return t.sorted[i], true
}

// learn takes in a range, instead of those that it overlaps; unless one of these is
// newer.
func (t *routes) learn(info region.Info) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := Descriptor{Start: info.Start, End: info.End}
	overlaps := func(o region.Info) bool { return d.overlaps(&Descriptor{Start: o.Start, End: o.End}) }
	if slices.ContainsFunc(t.sorted, func(o region.Info) bool { return overlaps(o) && o.Epoch > info.Epoch }) {
		return
	}
	t.sorted = slices.DeleteFunc(slices.Clone(t.sorted), overlaps)
	i := sort.Search(len(t.sorted), func(i int) bool { return string(t.sorted[i].Start) > string(info.Start) })
	t.sorted = slices.Insert(t.sorted, i, info)
}

func (t *routes) forget(ref region.Ref) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sorted = slices.DeleteFunc(slices.Clone(t.sorted), func(o region.Info) bool { return o.Ref == ref })
}

func (t *routes) holder(id uint64) raft.NodeID {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.holders[id]
}

func (t *routes) setHolder(id uint64, node raft.NodeID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.holders == nil {
		t.holders = map[uint64]raft.NodeID{}
	}
	t.holders[id] = node
}

// Region implements [mvcc.Transport]: what is known, or else the newest that any node
// knows.
func (c *Cluster) Region(_ context.Context, key []byte) (region.Info, error) {
	if info, ok := c.routes.find(key); ok {
		return info, nil
	}
	var newest Descriptor
	for _, n := range c.nodes() {
		if d, ok := n.lookup(key); ok && d.Epoch > newest.Epoch {
			newest = d
		}
	}
	if newest.Epoch == 0 {
		if c.stopping.Err() != nil {
			return region.Info{}, mvcc.ErrClosed
		}
		return region.Info{}, fmt.Errorf("%w: none that knows the range of key %q", ErrNode, key)
	}
	c.routes.learn(newest.info())
	return newest.info(), nil
}

// Stale implements [mvcc.Transport].
func (c *Cluster) Stale(r region.Ref, current []region.Info) {
	c.routes.forget(r)
	for _, info := range current {
		if info.Ref != r {
			c.routes.learn(info)
		}
	}
}

// Send implements [mvcc.Transport]: it goes to who was the holder of the range's lease
// last, or who is said to be, or else to all, one after the other. A request that a node
// has taken is not sent to another one by this.
func (c *Cluster) Send(ctx context.Context, ref region.Ref, q region.Request) (any, error) {
	if c.stopping.Err() != nil {
		return nil, mvcc.ErrClosed
	}
	asked := make([]bool, len(c.slots)+1)
	for next := c.routes.holder(ref.ID); ; {
		if c.node(next) == nil || asked[next] {
			next = raft.None
			for _, n := range c.nodes() {
				if !asked[n.id] {
					next = n.id
					break
				}
			}
		}
		n := c.node(next)
		if n == nil {
			return nil, &region.Error{Region: ref, Reason: "nobody serves it: an election, or a lease, is under way"}
		}
		asked[next] = true
		answer, err := n.Do(ctx, ref, q)
		elsewhere, ok := errors.AsType[*notHere](err)
		if !ok {
			if err == nil {
				if c.routes.holder(ref.ID) != n.id {
					c.routes.setHolder(ref.ID, n.id)
				}
			}
			return answer, err
		}
		next = elsewhere.holder
	}
}
