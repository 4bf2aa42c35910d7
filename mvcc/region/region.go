// A region: what it is, how it is split, and what it remembers beside its records.

package region

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/mvcc/timestamp"
)

// Ref names a region as the sender knows it. The epoch rises with every split;
// a region refuses another epoch than its own.
type Ref struct{ ID, Epoch uint64 }

// Info is a region: Start <= key < End, and nil is no bound.
type Info struct {
	Ref
	Start, End []byte
}

// Contains reports whether the region has a key.
func (r Info) Contains(key []byte) bool {
	return string(r.Start) <= string(key) && (r.End == nil || string(key) < string(r.End))
}

// Options configure a region. The zero value is a good default.
type Options struct {
	// Hybrid says that the clocks are hybrid: then every prewrite answers with a
	// MinCommitTS (V11). With an oracle only those need it that take no CommitTS from
	// there.
	Hybrid bool
	// MaxSecondaries is how many keys an async commit may have besides its primary, whose
	// lock lists them; default 256. Larger ones go on in two phases.
	MaxSecondaries int
	// MaxWait is how long a LockRequest waits at most before it answers with a
	// LockedError, by which the sender can look whether the other is alive; default 1 s.
	MaxWait time.Duration
	// Now is the present, to refuse timestamps from more than MaxAhead after it: one from
	// the far future would drive all later commits there (V11), and to say how old a
	// conflict is. Default: the time of day, and 1 min.
	Now      func() TS
	MaxAhead time.Duration
	// Detector is shared by the regions of a store. Default: one of its own.
	Detector *Detector
	// Logger says when a region is split and its safepoint rises. Default: silent.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.MaxSecondaries == 0 {
		o.MaxSecondaries = 256
	}
	if o.MaxWait == 0 {
		o.MaxWait = time.Second
	}
	if o.Now == nil {
		o.Now = func() TS { return timestamp.Of(time.Now()) }
	}
	if o.MaxAhead == 0 {
		o.MaxAhead = time.Minute
	}
	if o.Detector == nil {
		o.Detector = new(Detector)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

const (
	// MaxKeySize and MaxValueSize are the most that a key and a value may have, in bytes.
	MaxKeySize   = 4096
	MaxValueSize = 16 << 20

	// maxScanBytes is how much one answer to a scan has, about, also without a limit.
	maxScanBytes = 4 << 20
)

// Metrics counts what a region has done since it was made.
type Metrics struct {
	Gets, Scans, Prewrites, Commits, Locks, Others uint64 // requests
	OnePC                                          uint64 // prewrites that committed
	Waits                                          uint64 // for another's pessimistic lock
	Locked, Conflicts, Deadlocks, Refused          uint64 // answers that were errors
	Collected                                      uint64 // versions removed
}

type counters struct {
	Gets, Scans, Prewrites, Commits, Locks, Others, OnePC, Waits, Locked, Conflicts, Deadlocks, Refused, Collected atomic.Uint64
}

// Region answers requests about a range of keys. It is safe for concurrent use. What it
// has to remember but for the records in its engine is little, and is lost with it
// without harm, but for the read bound: see RaiseReadBound.
type Region struct {
	info     atomic.Pointer[Info]
	state    *state
	split    sync.Mutex
	closing  sync.Once
	closed   chan struct{}
	counters counters
}

// state is what regions that were one go on sharing: a request that was admitted before
// a split ends as if there had been none, and a read before it bounds commits on both
// sides (V11).
type state struct {
	engine  Engine
	o       Options
	latches latches
	pending pending
	waits   waits
	runs    sync.Pool

	bound     atomic.Uint64 // the highest ReadTS
	sane      atomic.Uint64 // timestamps up to here are not from the future
	unsettled atomic.Uint64 // writes of unknown outcome

	safePoint   atomic.Uint64
	safeLatch   chan struct{} // held by who writes it
	safeWritten TS            // what the engine is known to have; under safeLatch
	safeKnown   atomic.Bool   // it was read from there
}

// New makes a region of what an engine has of its range. The engine may have more.
func New(info Info, e Engine, o Options) *Region {
	s := &state{engine: e, o: o.withDefaults(), safeLatch: make(chan struct{}, 1)}
	s.waits.detector = s.o.Detector
	return newRegion(info, s)
}

func newRegion(info Info, s *state) *Region {
	r := &Region{state: s, closed: make(chan struct{})}
	r.info.Store(&info)
	return r
}

// Info describes the region as it is now. The slices must not be changed.
func (r *Region) Info() Info { return *r.info.Load() }

// ReadBound is above what later commits are that take no CommitTS from an oracle: V11.
func (r *Region) ReadBound() TS { return TS(r.state.bound.Load()) }

// RaiseReadBound raises it. It is not durable: whoever makes a region where there was
// one before, as a new leader or after a restart, raises it above all that the old one can
// have served: the end of its lease, or the present.
func (r *Region) RaiseReadBound(ts TS) { r.state.raise(ts) }

func (s *state) raise(ts TS) { raise(&s.bound, ts) }

func raise(a *atomic.Uint64, ts TS) {
	for old := a.Load(); old < uint64(ts); old = a.Load() {
		if a.CompareAndSwap(old, uint64(ts)) {
			return
		}
	}
}

// Metrics returns what was counted.
func (r *Region) Metrics() Metrics {
	c := &r.counters
	return Metrics{Gets: c.Gets.Load(), Scans: c.Scans.Load(), Prewrites: c.Prewrites.Load(),
		Commits: c.Commits.Load(), Locks: c.Locks.Load(), Others: c.Others.Load(), OnePC: c.OnePC.Load(), Waits: c.Waits.Load(),
		Locked: c.Locked.Load(), Conflicts: c.Conflicts.Load(), Deadlocks: c.Deadlocks.Load(), Refused: c.Refused.Load(),
		Collected: c.Collected.Load()}
}

func (r *Region) count(c *atomic.Uint64) { c.Add(1) }

// Close refuses what comes from now on, and wakes who waits. What is under way ends.
func (r *Region) Close() {
	r.closing.Do(func() { close(r.closed) })
}

// Split makes two regions of one, at key; the new one is the right one. Both have the
// next epoch, so that whoever does not know is refused (V17).
func (r *Region) Split(key []byte, newID uint64) (*Region, error) {
	r.split.Lock()
	defer r.split.Unlock()
	old := r.Info()
	if !old.Contains(key) || string(key) == string(old.Start) || len(key) == 0 {
		return nil, fmt.Errorf("%w: region %d cannot be split at %q: that is not between its ends", ErrKey, old.ID, key)
	}
	key = slices.Clone(key)
	left := Info{Ref{old.ID, old.Epoch + 1}, old.Start, key}
	right := newRegion(Info{Ref{newID, old.Epoch + 1}, key, old.End}, r.state)
	r.info.Store(&left)
	r.state.o.Logger.Info("region split", "region", old.ID, "new", newID, "key", string(key), "epoch", left.Epoch)
	return right, nil
}

// SafePoint is at or below which nothing is answered any more.
func (r *Region) SafePoint() TS { return TS(r.state.safePoint.Load()) }

// SetSafePoint raises the safepoint, durably; a lower one changes nothing. When it
// returns, nothing is under way that began below it. Locks of transactions that are as old
// can still be resolved.
func (r *Region) SetSafePoint(ctx context.Context, ts TS) error {
	if err := r.state.sanity("safepoint", ts); err != nil {
		return err
	}
	return r.state.setSafePoint(ctx, ts)
}

func (s *state) setSafePoint(ctx context.Context, ts TS) error {
	select {
	case s.safeLatch <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.safeLatch }()
	if ts <= s.safeWritten {
		return nil
	}
	stored, err := s.storedSafePoint(ctx) // another region of this engine may have raised it
	if err != nil {
		return err
	}
	raise(&s.safePoint, max(ts, stored))
	if err := s.latches.drain(ctx); err != nil {
		return err
	}
	if ts > stored {
		var b Batch
		b.Put(Default, safePointKey, appendTS(nil, ts))
		if err := s.write(ctx, &b); err != nil {
			return err
		}
		s.o.Logger.Info("safepoint", "ts", ts.String())
	}
	s.safeWritten = max(ts, stored)
	return nil
}

// loadSafePoint reads what the engine has of an earlier life, once.
func (s *state) loadSafePoint(ctx context.Context) error {
	if s.safeKnown.Load() {
		return nil
	}
	ts, err := s.storedSafePoint(ctx)
	if err != nil {
		return err
	}
	raise(&s.safePoint, ts)
	s.safeKnown.Store(true)
	return nil
}

func (s *state) storedSafePoint(ctx context.Context) (TS, error) {
	snap, err := s.engine.Snapshot(ctx)
	if err != nil {
		return 0, err
	}
	defer snap.Close()
	v, ok, err := snap.Get(Default, safePointKey)
	switch {
	case err != nil || !ok:
		return 0, err
	case len(v) != tsSize:
		return 0, fmt.Errorf("%w: the safepoint, key %x of family %v, is %x", ErrCorrupt, safePointKey, Default, v)
	}
	return TS(^binary.BigEndian.Uint64(v)), nil
}
