package ranges

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/lsm"
	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/region"
	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/multi"
)

// Node is one machine's share of all ranges: a store for their records, a log for their
// groups, and the regions of those that it has the lease of. Nodes know each other by
// the network only.
type Node struct {
	id   raft.NodeID
	dir  string
	opts *Options
	log  *slog.Logger
	db   *lsm.DB
	host *multi.Host
	// region says how regions are made, and clock what time it is.
	region region.Options
	clock  mvcc.Clock
	closer func() error // of the clock

	mu       sync.RWMutex
	replicas map[uint64]*replica
	space    uint64 // the last one given out

	leadMu  sync.Mutex
	leading map[multi.GroupID]bool

	failed   atomic.Pointer[error]
	woken    chan struct{}
	ctx      context.Context // ends when the node does
	stop     context.CancelFunc
	keeping  sync.WaitGroup
	entry    sync.RWMutex // held by requests that are under way
	stopped  bool         // under entry
	number   func(ctx context.Context) (uint64, error)
	finished chan struct{} // the host has ended, or the store failed
	once     sync.Once
	closing  sync.Once
	closed   error // what Close has to say
}

// ErrNode reports a request to a node that does not run.
var ErrNode = errors.New("ranges: the node does not run")

// openNode opens what a directory has of a node, or makes it. It takes part in groups
// at once, and serves after serve.
func openNode(id raft.NodeID, dir string, o *Options, network *multi.Network, fresh bool) (n *Node, err error) {
	n = &Node{id: id, dir: dir, opts: o, log: o.Logger.With("node", int(id)), replicas: map[uint64]*replica{},
		leading: map[multi.GroupID]bool{}, woken: make(chan struct{}, 1), finished: make(chan struct{})}
	n.ctx, n.stop = context.WithCancel(context.Background())
	if _, err := os.Stat(filepath.Join(dir, "store")); !fresh && errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("ranges: node %d: %s has no store, and once had one: a node that forgot its votes must not come back", id, dir)
	}
	if err := os.MkdirAll(filepath.Join(dir, "log"), 0o755); err != nil {
		return nil, err
	}
	if n.db, err = lsm.Open(filepath.Join(dir, "store"), &lsm.Options{MemTableSize: o.MemTableSize}); err != nil {
		return nil, fmt.Errorf("ranges: node %d: %w", id, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("ranges: node %d: %w", id, err), n.db.Close())
		}
	}()
	if err := n.load(); err != nil {
		return nil, err
	}
	disk, err := multi.OpenDisk(filepath.Join(dir, "log"), multi.DiskOptions{Node: id, Logger: n.log})
	if err != nil {
		return nil, err
	}
	n.host, err = multi.Start(multi.Options{
		ID: id, StateMachine: n.machine, Storage: disk, Transport: network.Join(id), TickInterval: o.Tick,
		Raft: raft.Config{ElectionTicks: 10, Lease: 8}, SnapshotEvery: o.SnapshotEvery, KeepEntries: o.KeepEntries,
		OnLeader: n.onLeader, Logger: n.log,
	})
	if err != nil {
		return nil, err
	}
	if err := n.host.Create(n.ctx, 1, members(o.Nodes)); err != nil && !errors.Is(err, multi.ErrExists) {
		return nil, errors.Join(err, n.host.Close())
	}
	return n, nil
}

func members(n int) (ids []raft.NodeID) {
	for i := range n {
		ids = append(ids, raft.NodeID(i+1))
	}
	return ids
}

// load reads what the store has, and removes what is in no range's space. An empty
// store begins with range 1, which has all keys.
func (n *Node) load() error {
	mine := fmt.Sprintf("txnkv %d node %d", layout, n.id)
	is, err := n.db.Get(versionKey)
	switch {
	case errors.Is(err, lsm.ErrNotFound):
		b := n.db.NewBatch()
		b.Put(versionKey, []byte(mine))
		first := place{Descriptor: Descriptor{ID: 1, Epoch: 1}, Space: 1}
		first.put(b)
		progress{}.put(b, 1)
		if err := errors.Join(n.db.Apply(b), n.db.Sync()); err != nil {
			return err
		}
	case err != nil:
		return err
	case string(is) != mine:
		return fmt.Errorf("the store there is %q, and this program looks for %q: use the program, and the directory, that made it", is, mine)
	}
	used := map[uint64]bool{}
	for kv, err := range n.db.Range([]byte{'r'}, []byte{'r' + 1}) {
		if err != nil {
			return err
		}
		p, err := decodePlace(kv.Value)
		if err != nil {
			return err
		}
		r := &replica{node: n, id: p.ID}
		r.place.Store(&p)
		n.replicas[p.ID] = r
		used[p.Space] = true
	}
	for id, r := range n.replicas {
		v, err := n.db.Get(numbered('a', id))
		if errors.Is(err, lsm.ErrNotFound) {
			continue // it is to come
		}
		if err != nil {
			return err
		}
		at, err := decodeProgress(v)
		if err != nil {
			return err
		}
		r.applied.Store(at.applied)
		r.size.Store(at.size)
	}
	return n.sweep(used)
}

// sweep removes the spaces that are no range's: snapshots that were not whole.
func (n *Node) sweep(used map[uint64]bool) error {
	b := n.db.NewBatch()
	from := uint64(0)
	for _, space := range slices.Sorted(maps.Keys(used)) {
		if space > from {
			b.DeleteRange(dataPrefix(from), dataPrefix(space))
		}
		from, n.space = space+1, space
	}
	b.DeleteRange(dataPrefix(from), []byte{'d' + 1})
	return n.db.Apply(b)
}

func (n *Node) newSpace() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.space++
	return n.space
}

func (n *Node) replica(id uint64) *replica {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.replicas[id]
}

func (n *Node) add(r *replica) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.replicas[r.id] = r
}

// all returns the replicas in the order of their keys; those to come are not among
// them.
func (n *Node) all() []*replica {
	n.mu.RLock()
	rs := slices.Collect(maps.Values(n.replicas))
	n.mu.RUnlock()
	rs = slices.DeleteFunc(rs, func(r *replica) bool { return r.place.Load().Space == 0 })
	slices.SortFunc(rs, func(a, b *replica) int {
		return cmp.Compare(string(a.place.Load().Start), string(b.place.Load().Start))
	})
	return rs
}

// lookup finds the range that has a key, as far as this node knows.
func (n *Node) lookup(key []byte) (d Descriptor, ok bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	for _, r := range n.replicas {
		p := r.place.Load()
		if p.Space != 0 && p.Epoch > d.Epoch && p.contains(key) {
			d, ok = p.Descriptor, true
		}
	}
	return d, ok
}

// machine finds or makes the state machine of a group. One that is not known here comes
// of a split; or, where the left one has come as a snapshot of after the split, as a
// snapshot itself: then there is a hole in what the ranges here have.
func (n *Node) machine(g multi.GroupID) (raft.StateMachine, error) {
	if r := n.replica(uint64(g)); r != nil {
		return r, nil
	}
	if !n.hole() {
		return nil, nil
	}
	r := &replica{node: n, id: uint64(g)}
	p := &place{Descriptor: Descriptor{ID: uint64(g)}}
	r.place.Store(p)
	b := n.db.NewBatch()
	p.put(b)
	if err := errors.Join(n.db.Apply(b), n.db.Sync()); err != nil {
		return nil, err
	}
	n.add(r)
	n.log.Info("range is to come as a snapshot", "range", uint64(g))
	return r, nil
}

// hole reports whether there are keys that are in no range here.
func (n *Node) hole() bool {
	var end []byte
	for i, r := range n.all() {
		p := r.place.Load()
		if i > 0 && end == nil {
			break
		}
		if string(p.Start) > string(end) {
			return true
		}
		if p.End == nil || string(p.End) > string(end) {
			end = p.End
		}
	}
	return end != nil
}

// fail ends the node: its store is not what it should be.
func (n *Node) fail(err error) {
	if n.failed.CompareAndSwap(nil, &err) {
		n.log.Error("the node stops", "err", err)
		n.once.Do(func() { close(n.finished) })
	}
}

func (n *Node) failure() error {
	if err := n.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// onLeader is told by the host. It neither waits nor calls it.
func (n *Node) onLeader(g multi.GroupID, _ uint64, leads bool) {
	n.leadMu.Lock()
	n.leading[g] = leads
	n.leadMu.Unlock()
	if !leads {
		if r := n.replica(uint64(g)); r != nil {
			r.retire(always)
		}
	}
	n.wake()
}

func (n *Node) leads(id uint64) bool {
	n.leadMu.Lock()
	defer n.leadMu.Unlock()
	return n.leading[multi.GroupID(id)]
}

func (n *Node) wake() {
	select {
	case n.woken <- struct{}{}:
	default:
	}
}

// enter keeps the store open while a request is under way.
func (n *Node) enter() error {
	n.entry.RLock()
	if n.stopped {
		n.entry.RUnlock()
		return fmt.Errorf("%w: %v", ErrNode, n.id)
	}
	return nil
}

func (n *Node) leave() { n.entry.RUnlock() }

// notHere is the answer of a node that does not serve a range.
type notHere struct {
	node   raft.NodeID
	holder raft.NodeID // who may; None: not known
}

func (e *notHere) Error() string {
	return fmt.Sprintf("ranges: %v does not serve the range; perhaps %v does", e.node, e.holder)
}

// Do has a request done by the region of a range, if this node holds its lease.
func (n *Node) Do(ctx context.Context, ref region.Ref, q region.Request) (any, error) {
	if err := n.enter(); err != nil {
		return nil, err
	}
	defer n.leave()
	r := n.replica(ref.ID)
	if r == nil {
		return nil, &notHere{n.id, raft.None}
	}
	region := r.region()
	if region == nil {
		return nil, &notHere{n.id, r.place.Load().Lease.Holder}
	}
	a, err := region.Do(ctx, ref, q)
	if errors.Is(err, mvcc.ErrClosed) {
		// The node's end is not the client's.
		err = fmt.Errorf("%w: %v: %v", ErrNode, n.id, err)
	}
	return a, err
}

// Close ends the node. Requests under way end, with errors perhaps.
func (n *Node) Close() error {
	n.closing.Do(func() {
		n.stop()
		n.once.Do(func() { close(n.finished) })
		for _, r := range n.all() {
			r.retire(always)
		}
		err := n.host.Close()
		n.keeping.Wait()
		n.entry.Lock() // all that was under way has left
		n.stopped = true
		n.entry.Unlock()
		if n.closer != nil {
			err = errors.Join(err, n.closer())
		}
		n.closed = errors.Join(err, n.db.Close())
	})
	return n.closed
}

// storedClock is the clock's bound, as the log of range 1 has it by now.
func (n *Node) storedClock(ctx context.Context) (uint64, error) {
	if err := n.enter(); err != nil {
		return 0, err
	}
	defer n.leave()
	if err := n.host.Read(ctx, 1); err != nil {
		return 0, err
	}
	v, err := n.db.Get((&replica{node: n, id: 1}).localKey(mvcc.Default, clockKey))
	if errors.Is(err, lsm.ErrNotFound) {
		return 0, nil
	}
	if err != nil || len(v) != 8 {
		return 0, fmt.Errorf("ranges: the clock's bound is % x: %w", v, err)
	}
	return binary.BigEndian.Uint64(v), nil
}

// propose brings a command that needs no lease to a range's log.
func (n *Node) propose(ctx context.Context, id uint64, command []byte) (uint64, error) {
	if err := n.enter(); err != nil {
		return 0, err
	}
	defer n.leave()
	return answer(n.host.Propose(ctx, multi.GroupID(id), command))
}

// keeperTick is how often a node looks by itself at what it leads.
const keeperTick = 500 * time.Millisecond
