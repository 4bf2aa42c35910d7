// The door: a DB begins transactions.

package mvcc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/mvcc/oracle"
)

// Mode is the isolation of a transaction.
type Mode uint8

const (
	// Snapshot isolation: reads at StartTS; fails if a key it writes was written
	// since. Write skew is possible.
	SnapshotIsolation Mode = iota
	// Serializable: as if alone, at CommitTS, among transactions that are serializable
	// too. One beside it that is not keeps the promises of its own mode only.
	Serializable
	// Pessimistic is snapshot isolation for transactions that lock keys before
	// they decide ([Txn.GetForUpdate]); they wait where others fail.
	Pessimistic
	// ReadOnly reads at a snapshot of any time above the safepoint, and takes part in
	// nothing.
	ReadOnly
)

func (m Mode) String() string {
	return [...]string{"snapshot", "serializable", "pessimistic", "read-only"}[m]
}

// Options configure a DB. The zero value is a store in memory, of one region, with an
// oracle in the process.
type Options struct {
	// Transport brings requests to the regions. Default: a Local over Engine with
	// SplitKeys.
	Transport Transport
	// Engine is where the regions of the default Transport keep their records.
	// Default: NewMemory(). One that outlives the process needs a Clock that does too.
	Engine Engine
	// SplitKeys are where the regions of the default Transport begin, but for the
	// first one; in order.
	SplitKeys [][]byte
	// Clock gives out timestamps. Default: oracle.New(nil), which starts at the time of
	// day and remembers nothing; one with a Store never gives out a timestamp twice.
	Clock Clock

	// LockTTL is how long a lock lives without a heartbeat. Short ones make others
	// wait less for a client that has gone, and roll back more that was only slow.
	// Default 3 s; heartbeats come at a third of it.
	LockTTL time.Duration
	// MaxLifetime is how old a transaction may get; heartbeats end then, and collection
	// does not wait for older ones. Default 1 h.
	MaxLifetime time.Duration
	// LockWait is how long a request waits for another's lock before it fails with
	// ErrLocked, and how long it is sent again to a region that does not answer.
	// Default 10 s.
	LockWait time.Duration
	// NoAsyncCommit and NoOnePC commit in two phases where one would do: to study
	// them, or to measure.
	NoAsyncCommit, NoOnePC bool
	// Concurrency is how many requests of one transaction are under way at once.
	// Default 16.
	Concurrency int
	// Serial starts no goroutine: secondaries are committed before Commit returns,
	// nothing is prolonged and nothing collected in the background. For simulations.
	Serial bool
	// Sleep waits between two tries. Default: a timer. Simulations yield in it.
	Sleep func(ctx context.Context, d time.Duration) error
	// GCEvery is how often old versions are collected in the background, and GCKeep
	// how old a version may be that readers can still ask for. Default: not at all;
	// GCKeep 10 min.
	GCEvery, GCKeep time.Duration
	// Logger says what is resolved, rolled back and collected. Default: silent.
	Logger *slog.Logger
}

// TxnOptions say how a transaction is to be run.
type TxnOptions struct {
	Mode Mode
	// ReadTS is the snapshot of a ReadOnly transaction; 0 is now.
	ReadTS TS
}

// DB is the client's half of the store. It is safe for concurrent use; Close it when
// done. Several in different processes work on the same regions.
type DB struct {
	opts      Options
	transport Transport
	clock     Clock
	offset    time.Duration // Clock.MaxOffset
	owned     func() error  // closes what Open has made
	resolver  resolver
	nothing   work // of transactions that only read
	count     counters

	mu     sync.Mutex
	active Txn // head of the ring of transactions that are not over
	latest TS  // the clock has passed it
	// closed is read without mu too.
	closed     atomic.Bool
	stop       context.CancelFunc
	stopping   context.Context
	background sync.WaitGroup
}

func (o *Options) withDefaults() (Options, error) {
	var out Options
	if o != nil {
		out = *o
	}
	for _, d := range []struct {
		name  string
		field *time.Duration
		value time.Duration
	}{
		{"LockTTL", &out.LockTTL, 3 * time.Second},
		{"MaxLifetime", &out.MaxLifetime, time.Hour},
		{"LockWait", &out.LockWait, 10 * time.Second},
		{"GCEvery", &out.GCEvery, 0},
		{"GCKeep", &out.GCKeep, 10 * time.Minute},
	} {
		if *d.field < 0 {
			return out, fmt.Errorf("mvcc: Options.%s is %v: it cannot be negative", d.name, *d.field)
		}
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	switch {
	case out.Concurrency < 0:
		return out, fmt.Errorf("mvcc: Options.Concurrency is %d: at least one request must be under way at a time", out.Concurrency)
	case out.Transport != nil && (out.Engine != nil || out.SplitKeys != nil):
		return out, errors.New("mvcc: Options.Engine and SplitKeys are for the default Transport: set them, or Transport, not both")
	case out.LockTTL < 3*time.Millisecond:
		return out, fmt.Errorf("mvcc: Options.LockTTL is %v: timestamps count milliseconds, and it takes a few of them to prolong a lock", out.LockTTL)
	case out.MaxLifetime < out.LockTTL:
		return out, fmt.Errorf("mvcc: Options.MaxLifetime is %v, less than LockTTL %v", out.MaxLifetime, out.LockTTL)
	}
	for i, k := range out.SplitKeys {
		if len(k) == 0 || i > 0 && bytes.Compare(out.SplitKeys[i-1], k) >= 0 {
			return out, fmt.Errorf("mvcc: Options.SplitKeys[%d] is %q: they must be in order, different, and not empty", i, k)
		}
	}
	if out.Concurrency == 0 {
		out.Concurrency = 16
	}
	if out.Sleep == nil {
		out.Sleep = sleep
	}
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	return out, nil
}

// sleep waits, unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Open returns a DB. Nil options are the zero value: a store in memory. It fails on
// options that cannot work, and on what the default oracle says.
func Open(o *Options) (*DB, error) {
	opts, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	d := &DB{opts: opts, transport: opts.Transport, clock: opts.Clock, owned: func() error { return nil }}
	d.active.prev, d.active.next = &d.active, &d.active
	if d.clock == nil {
		c, err := oracle.New(nil)
		if err != nil {
			return nil, fmt.Errorf("mvcc: the default clock: %w", err)
		}
		d.clock = c
	}
	d.offset = d.clock.MaxOffset()
	if d.transport == nil {
		e := opts.Engine
		if e == nil {
			e = NewMemory()
		}
		local := NewLocal(e, opts.SplitKeys, RegionOptions{Hybrid: d.offset > 0, Logger: opts.Logger})
		d.transport, d.owned = local, local.Close
	}
	d.resolver.db = d
	d.stopping, d.stop = context.WithCancel(context.Background())
	if !opts.Serial {
		d.background.Go(d.heartbeats)
		if opts.GCEvery > 0 {
			d.background.Go(d.collecting)
		}
	}
	return d, nil
}

// Close ends the background work and waits for it, for secondaries that are still to
// be committed too. Transactions that are not over get ErrClosed; their locks
// expire. The Transport, Engine and Clock of the options stay open.
func (d *DB) Close() error {
	d.mu.Lock()
	already := d.closed.Swap(true)
	d.mu.Unlock()
	d.stop()
	d.background.Wait()
	if already {
		return nil
	}
	return d.owned()
}

// spawn runs f in the background, or here if the DB is serial or being closed.
func (d *DB) spawn(f func()) {
	if !d.opts.Serial {
		d.mu.Lock()
		// Close waits for what is counted before it has set closed.
		if !d.closed.Load() {
			d.background.Go(f)
			d.mu.Unlock()
			return
		}
		d.mu.Unlock()
	}
	f()
}

// Begin starts a transaction, which must be ended by Commit or Rollback: until then
// nothing is collected that it might read. It fails with ErrFuture for a ReadTS that
// the clock has not reached.
func (d *DB) Begin(ctx context.Context, o TxnOptions) (*Txn, error) {
	switch {
	case o.Mode > ReadOnly:
		return nil, fmt.Errorf("mvcc: there is no mode %d", o.Mode)
	case o.ReadTS != 0 && o.Mode != ReadOnly:
		return nil, fmt.Errorf("mvcc: a %v transaction cannot read at %v: only a read-only one reads in the past", o.Mode, o.ReadTS)
	}
	t := d.newTxn(o.Mode)
	if !d.enter(t) {
		return nil, ErrClosed
	}
	now, err := d.clock.Now(ctx)
	if err == nil && o.ReadTS > now {
		err = fmt.Errorf("%w: reading at %v, and it is %v", ErrFuture, o.ReadTS, now)
	}
	if err != nil {
		d.leave(t)
		return nil, fmt.Errorf("mvcc: begin: %w", err)
	}
	t.startTS, t.readTS = now, now
	switch {
	case o.ReadTS != 0:
		t.readTS = o.ReadTS
	case d.offset > 0:
		t.uncertainUntil = now.Add(d.offset)
	}
	t.tracks = o.Mode == Serializable || t.uncertainUntil != 0
	t.oldest.Store(uint64(t.readTS))
	d.count.begun.Add(1)
	return t, nil
}

// newTxn makes a transaction, with its work in the same piece of memory, if it may do any:
// it writes, or keeps what it reads because clocks differ.
func (d *DB) newTxn(m Mode) *Txn {
	if m == ReadOnly && d.offset == 0 {
		return &Txn{db: d, mode: m, work: &d.nothing}
	}
	both := new(struct {
		Txn
		own work
	})
	both.db, both.mode, both.work = d, m, &both.own
	return &both.Txn
}

// enter puts a transaction among the active ones before it has a timestamp, with one
// that its own will be above: Collect never misses it.
func (d *DB) enter(t *Txn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed.Load() {
		return false
	}
	if head := TS(d.active.prev.oldest.Load()); head > d.latest {
		d.latest = head
	}
	t.oldest.Store(uint64(d.latest))
	t.prev, t.next = d.active.prev, &d.active
	t.prev.next, t.next.prev = t, t
	return true
}

func (d *DB) leave(t *Txn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t.next == nil {
		return
	}
	if mine := t.startTS; mine > d.latest {
		d.latest = mine
	}
	t.prev.next, t.next.prev = t.next, t.prev
	t.prev, t.next = nil, nil
}

// Run runs f in a transaction and commits it, again and again while it fails with
// ErrConflict, ErrDeadlock or ErrRolledBack: each time from Begin, since what f has
// read may be different. f must return errors of the Txn, wrapped or not, and have no
// effect but through it. Any other error of f rolls back and is returned. A commit
// whose outcome is unknown is not run again (V15): it may have happened.
//
// Nothing bounds the number of tries but ctx.
func (d *DB) Run(ctx context.Context, o TxnOptions, f func(*Txn) error) error {
	p := patience{db: d, endless: true}
	for {
		err := d.runOnce(ctx, o, &p, f)
		again := errors.Is(err, ErrConflict) || errors.Is(err, ErrDeadlock) || errors.Is(err, ErrRolledBack)
		if !again || errors.Is(err, ErrUndetermined) {
			return err
		}
		d.count.retries.Add(1)
		if p.wait(ctx) != nil {
			return err
		}
	}
}

func (d *DB) runOnce(ctx context.Context, o TxnOptions, p *patience, f func(*Txn) error) (err error) {
	t, err := d.Begin(ctx, o)
	if err != nil {
		return err
	}
	if p.seed == 0 {
		p.seed = uint64(t.startTS)
	}
	defer func() {
		// Also when f panics: locks go, and collection does not wait.
		if t.state == txnOpen {
			err = errors.Join(err, t.Rollback(context.WithoutCancel(ctx)))
		}
	}()
	if err := f(t); err != nil {
		return err
	}
	if t.state == txnRolledBack {
		return nil
	}
	return t.Commit(ctx)
}

// splitter is a Transport whose regions can be split by hand.
type splitter interface {
	Split(key []byte) error
}

// Split makes key the start of a region. It fails if the Transport cannot do it.
func (d *DB) Split(ctx context.Context, key []byte) error {
	s, ok := d.transport.(splitter)
	if !ok {
		return fmt.Errorf("mvcc: split at %q: a %T splits its regions itself", key, d.transport)
	}
	return s.Split(key)
}
