// The door: a DB begins transactions.

package mvcc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/mvcc/oracle"
	"github.com/flagship-go/flagship/mvcc/region"
)

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
		local := region.NewLocal(e, opts.SplitKeys, region.Options{Hybrid: d.offset > 0, Logger: opts.Logger})
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

// Metrics counts what a DB has done since it was opened.
type Metrics struct {
	Active int // transactions that are not over

	Begun, RolledBack int64
	// Committed, and how: in one phase, in one round of prewrites, or in two phases.
	// Transactions that wrote nothing are in none.
	Committed, OnePhase, Async, TwoPhase int64
	// Conflicts are commits that failed because somebody came between, and
	// Undetermined those whose outcome is unknown. Retries are those of Run.
	Conflicts, Undetermined, Retries int64
	// Locks that were met, others' transactions that were decided for them, and those
	// that were pushed above a reader.
	LocksMet, Resolved, Pushed int64
	// Refreshes are validations of read sets; TooEarly are commits that had to be
	// later, since somebody had read past them.
	Refreshes, TooEarly int64
	// Resent are requests that were sent again, and Stale those of them that had come
	// to a region that was not as the sender thought.
	Resent, Stale int64
	// Collected are versions removed by Collect.
	Collected int64
}

// counters are the Metrics while they are counted.
type counters struct {
	begun, rolledBack                atomic.Int64
	onePhase, async, twoPhase        atomic.Int64
	conflicts, undetermined, retries atomic.Int64
	locksMet, resolved, pushed       atomic.Int64
	refreshes, tooEarly              atomic.Int64
	resent, stale, collected         atomic.Int64
}

// Metrics returns the counts, each of them as of some moment of the call.
func (d *DB) Metrics() Metrics {
	c := &d.count
	m := Metrics{
		Begun: c.begun.Load(), RolledBack: c.rolledBack.Load(),
		OnePhase: c.onePhase.Load(), Async: c.async.Load(), TwoPhase: c.twoPhase.Load(),
		Conflicts: c.conflicts.Load(), Undetermined: c.undetermined.Load(), Retries: c.retries.Load(),
		LocksMet: c.locksMet.Load(), Resolved: c.resolved.Load(), Pushed: c.pushed.Load(),
		Refreshes: c.refreshes.Load(), TooEarly: c.tooEarly.Load(),
		Resent: c.resent.Load(), Stale: c.stale.Load(), Collected: c.collected.Load(),
	}
	m.Committed = m.OnePhase + m.Async + m.TwoPhase
	d.mu.Lock()
	defer d.mu.Unlock()
	for t := d.active.next; t != &d.active; t = t.next {
		m.Active++
	}
	return m
}
