package ranges

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/region"
	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/multi"
)

// Options configure a [Cluster]. Dir is required; the zero value of the rest is a good
// default.
type Options struct {
	// Dir is where everything is kept. One process at a time has it.
	Dir string
	// Nodes is how many there are, with a replica of every range each; fixed at the
	// first start. Default 3, of which one may be lost.
	Nodes int
	// Clock is where timestamps come from: "tso", one oracle, whose bound is in the log of
	// range 1; or "hlc", a hybrid clock for each node and one for the clients. Default
	// "tso". It is fixed at the first start.
	Clock string
	// MaxOffset is by how much hybrid clocks may differ. A range is not served for as long
	// when its leader changes. Default 50 ms, which is plenty on one computer.
	MaxOffset time.Duration
	// MaxRangeBytes is when a range is split, about. Default 16 MiB; negative: never.
	// Smaller ones spread better, larger ones cost less. A snapshot of one has to fit into
	// memory, twice.
	MaxRangeBytes int64
	// Tick is a tenth of the shortest election timeout. Default 50 ms. Shorter: nodes that
	// die are replaced sooner, and elections on a busy computer that nobody needs.
	Tick time.Duration
	// SnapshotEvery and KeepEntries say when the logs of groups are cut: see package multi.
	SnapshotEvery, KeepEntries uint64
	// MemTableSize is that of each node's store. Default 16 MiB.
	MemTableSize int
	// Logger hears of what an operator should know. Default: silent.
	Logger *slog.Logger
}

func (o *Options) withDefaults() (Options, error) {
	out := *o
	if out.Nodes == 0 {
		out.Nodes = 3
	}
	if out.Clock == "" {
		out.Clock = "tso"
	}
	if out.MaxOffset == 0 {
		out.MaxOffset = 50 * time.Millisecond
	}
	if out.MaxRangeBytes == 0 {
		out.MaxRangeBytes = 16 << 20
	}
	if out.Tick == 0 {
		out.Tick = 50 * time.Millisecond
	}
	if out.MemTableSize == 0 {
		out.MemTableSize = 16 << 20
	}
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case out.Dir == "":
		return out, errors.New("ranges: Options.Dir is missing")
	case out.Nodes < 1 || out.Nodes > 9:
		return out, fmt.Errorf("ranges: Options.Nodes is %d: 1 to 9", out.Nodes)
	case out.Clock != "tso" && out.Clock != "hlc":
		return out, fmt.Errorf("ranges: Options.Clock is %q: tso or hlc", out.Clock)
	case out.MaxOffset < 0 || out.Tick < 0:
		return out, fmt.Errorf("ranges: Options.MaxOffset is %v and Tick %v", out.MaxOffset, out.Tick)
	}
	return out, nil
}

// Cluster is all nodes, in one process, and the way to them: the [mvcc.Transport] of
// those who want transactions. It is safe for concurrent use.
type Cluster struct {
	opts     Options
	lock     io.Closer
	network  *multi.Network
	detector region.Detector
	clock    mvcc.Clock // the clients'
	closers  []func() error

	slots    []slot
	routes   routes
	stopping context.Context
	stop     context.CancelFunc
	watching sync.WaitGroup
}

// slot is where a node runs, or does not.
type slot struct {
	change sync.Mutex // by who starts or stops it
	node   atomic.Pointer[Node]
}

// Open starts all nodes on what the directory holds. It returns when the clock works,
// which takes a majority; ranges are served soon after.
func Open(ctx context.Context, o Options) (c *Cluster, err error) {
	opts, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	c = &Cluster{opts: opts, network: multi.NewNetwork(), slots: make([]slot, opts.Nodes)}
	c.stopping, c.stop = context.WithCancel(context.Background())
	fresh, err := c.claim()
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	for i := range c.slots {
		n, err := openNode(raft.NodeID(i+1), c.nodeDir(i), &c.opts, c.network, fresh)
		if err != nil {
			return c, err
		}
		c.slots[i].node.Store(n)
	}
	if fresh { // only now: whoever finds it finds the nodes too
		if err := c.sign(); err != nil {
			return c, err
		}
	}
	if err := c.openClock(ctx); err != nil {
		return c, err
	}
	for i := range c.slots {
		if err := c.serve(c.slots[i].node.Load()); err != nil {
			return c, err
		}
	}
	return c, nil
}

func (c *Cluster) nodeDir(i int) string {
	return filepath.Join(c.opts.Dir, fmt.Sprintf("node%d", i+1))
}

// format is what the file says that makes a directory a cluster's.
func (c *Cluster) format() string {
	return fmt.Sprintf("txnkv %d: %d nodes, clock %s\n", layout, c.opts.Nodes, c.opts.Clock)
}

const formatName = "FORMAT"

// claim locks the directory, and checks whose it is; fresh is true for nobody's.
func (c *Cluster) claim() (fresh bool, err error) {
	dir := c.opts.Dir
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return false, err
	}
	if c.lock, err = vfs.OS().Lock(filepath.Join(dir, "LOCK")); err != nil {
		return false, fmt.Errorf("ranges: %s is in use by another process: %w", dir, err)
	}
	is, err := os.ReadFile(filepath.Join(dir, formatName))
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	var version int
	if _, err := fmt.Sscanf(string(is), "txnkv %d:", &version); err != nil {
		return false, fmt.Errorf("ranges: %s is not of this program: %s says %q", dir, formatName, is)
	}
	if version > layout {
		return false, fmt.Errorf("ranges: %s has format %d, and this program knows %d: use a newer one", dir, version, layout)
	}
	if string(is) != c.format() {
		return false, fmt.Errorf("ranges: %s was made with %q, and is asked for with %q: neither can change", dir, strings.TrimSpace(string(is)), strings.TrimSpace(c.format()))
	}
	return false, nil
}

// sign writes the format, whole or not at all.
func (c *Cluster) sign() error {
	return vfs.Replace(vfs.OS(), c.opts.Dir, formatName+".tmp", formatName, []byte(c.format()))
}

// serve has a node take leases, and looks after it.
func (c *Cluster) serve(n *Node) error {
	if err := c.giveClock(n); err != nil {
		return err
	}
	n.region = region.Options{Hybrid: n.clock.MaxOffset() > 0, Detector: &c.detector, Logger: n.log}
	n.number = func(ctx context.Context) (uint64, error) { return c.propose(ctx, 1, []byte{cmdNumber}) }
	n.keeping.Go(n.keep)
	c.watching.Go(func() {
		select {
		case <-n.finished:
		case <-n.host.Done():
			n.fail(n.host.Err())
		case <-c.stopping.Done():
			return
		}
		c.remove(n)
	})
	return nil
}

// remove ends a node, if it is still in its place.
func (c *Cluster) remove(n *Node) error {
	c.slots[n.id-1].node.CompareAndSwap(n, nil)
	return n.Close()
}

// Close ends all nodes.
func (c *Cluster) Close() error {
	c.stop()
	var errs []error
	for i := range c.slots {
		s := &c.slots[i]
		s.change.Lock()
		if n := s.node.Load(); n != nil {
			errs = append(errs, c.remove(n))
		}
		s.change.Unlock()
	}
	c.watching.Wait()
	for _, f := range c.closers {
		errs = append(errs, f())
	}
	c.closers = nil
	if c.lock != nil {
		errs = append(errs, c.lock.Close())
		c.lock = nil
	}
	return errors.Join(errs...)
}

// Clock is the clients'.
func (c *Cluster) Clock() mvcc.Clock { return c.clock }

// nodes are those that run.
func (c *Cluster) nodes() (ns []*Node) {
	for i := range c.slots {
		if n := c.slots[i].node.Load(); n != nil {
			ns = append(ns, n)
		}
	}
	return ns
}

func (c *Cluster) node(id raft.NodeID) *Node {
	if id < 1 || int(id) > len(c.slots) {
		return nil
	}
	return c.slots[id-1].node.Load()
}

// onAny asks one node after the other until one answers, again and again.
func (c *Cluster) onAny(ctx context.Context, f func(n *Node) error) error {
	var last error
	for {
		for _, n := range c.nodes() {
			if last = f(n); last == nil {
				return nil
			}
		}
		if err := pause(ctx, c.opts.Tick/5+time.Millisecond); err != nil {
			return fmt.Errorf("ranges: no node could: %w: %w", err, last)
		}
	}
}

// propose brings a command to the log of a range, which may happen twice.
func (c *Cluster) propose(ctx context.Context, id uint64, command []byte) (n uint64, err error) {
	err = c.onAny(ctx, func(node *Node) error {
		n, err = node.propose(ctx, id, command)
		return err
	})
	return n, err
}
