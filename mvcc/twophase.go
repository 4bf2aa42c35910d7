// Commit: from a buffer of changes to a decision that all agree on.
//
//	                one region           small, several      anything else, and whatever
//	                                     regions             has to be validated
//	prewrite        all keys, and they   each region         each region
//	                are committed too    (decided when       (several at once)
//	                                     the last answers)
//	CommitTS                                                 from the clock
//	refresh                                                  if serializable
//	commit primary                       background          decided here
//	the rest                             background          background
//	                one-phase commit     async commit        two-phase commit
//
// What can go wrong before the decision ends in a rollback. The request that decides may
// itself get no answer: then the outcome is unknown, and Commit says so (V15). Whatever
// comes after the decision is housekeeping, which others do if we do not (resolve.go).

package mvcc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/flagship-go/flagship/mvcc/region"
)

const (
	// batchBytes is about how large a prewrite gets.
	batchBytes = 1 << 20
	// An async commit lists all its keys in the primary's lock: it has to be small.
	maxAsyncKeys  = 256
	maxAsyncBytes = 16 << 10
)

// committer is one commit under way.
type committer struct {
	t       *Txn
	db      *DB
	muts    []region.Mutation
	keys    [][]byte // of muts
	bytes   int
	writes  bool // otherwise there are only locks
	checks  bool // some keys are looked at, and not locked
	primary []byte
	now     TS // before the first prewrite
	ttl     time.Duration
	reads   bool     // there are reads to be validated
	parts   [][2]int // of muts, by region and size
	one     [1][2]int
	onePC   bool
	async   bool

	mu       sync.Mutex // of what the prewrites bring
	least    TS         // the highest MinCommitTS
	commitTS TS         // if a prewrite has turned out to be committed
	fellBack bool       // some lock is not one of an async commit
	prewrote bool       // some part is there
	refused  bool       // some part is not, and never will be
	doubt    bool       // some prewrite had no answer
	lapsed   bool       // the safepoint has passed since: the keys do not tell any more
}

// Commit makes all writes visible at once, at CommitTS, or none of them. Whatever it
// returns, the transaction is over.
//
// It fails with ErrConflict (a [*ConflictError] that says with whom), ErrExists for an
// Insert, ErrLocked, ErrRolledBack, or what the regions say: then nothing was written.
// With ErrUndetermined nobody knows; only reading tells.
func (t *Txn) Commit(ctx context.Context) error {
	if t.state != txnOpen {
		return ErrDone
	}
	if err := t.open(); err != nil {
		return errors.Join(err, t.Rollback(ctx))
	}
	if t.buf.n == 0 {
		return t.commitNothing(ctx)
	}
	c := &committer{t: t, db: t.db}
	if c.gather(); !c.writes && t.primary != nil {
		return t.commitNothing(ctx)
	}
	err := c.run(ctx)
	if t.state == txnOpen {
		t.finish(txnRolledBack)
	}
	if errors.Is(err, ErrConflict) {
		t.db.count.conflicts.Add(1)
	}
	return err
}

// commitNothing ends a transaction that has changed nothing.
func (t *Txn) commitNothing(ctx context.Context) error {
	if err := t.stillLocked(ctx); err != nil {
		t.finish(txnRolledBack)
		return errors.Join(err, t.giveBack(ctx))
	}
	t.finish(txnCommitted)
	return t.giveBack(ctx)
}

// gather makes mutations of the buffer.
func (c *committer) gather() {
	t := c.t
	c.muts = make([]region.Mutation, 0, t.buf.n)
	c.keys = make([][]byte, 0, t.buf.n)
	c.primary = t.primary
	t.buf.all(func(ch *change) {
		m := region.Mutation{Kind: ch.kind, Key: ch.key, Value: ch.value}
		if h := ch.held; h != nil {
			if h.pessimistic {
				m.Pessimistic, m.ForUpdateTS = true, h.forUpdateTS
			}
			if m.Kind == region.MutCheckAbsent && h.value == nil {
				m.Kind = region.MutLock // it was looked at, and the lock keeps it so
			}
		}
		switch {
		case m.Kind == region.MutCheckAbsent:
			c.checks = true
			if t.mode == Serializable {
				t.reads.addKey(ch.key) // nothing locks it
			}
		case c.primary == nil:
			c.primary = ch.key
		}
		c.writes = c.writes || m.Kind != region.MutLock
		c.muts, c.keys = append(c.muts, m), append(c.keys, ch.key)
	})
	c.bytes = t.buf.bytes
}

func (c *committer) run(ctx context.Context) error {
	if err := c.plan(ctx); err != nil {
		c.undo(ctx)
		return err
	}
	if err := c.prewriteAll(ctx); err != nil {
		return c.failed(ctx, err)
	}
	switch {
	case c.commitTS != 0 && c.onePC:
		c.decided(c.commitTS)
		c.db.count.onePhase.Add(1)
		return nil
	case c.commitTS != 0: // somebody has found all locks of an async commit
		c.commitAsync(ctx, c.commitTS)
		return nil
	case c.primary == nil: // only checks
		c.t.finish(txnCommitted)
		return nil
	case c.async && !c.fellBack: // V10: all locks are there
		c.commitAsync(ctx, c.least)
		return nil
	}
	return c.decide(ctx)
}

// plan cuts the mutations in parts and chooses a way to commit.
func (c *committer) plan(ctx context.Context) (err error) {
	t, o := c.t, &c.db.opts
	if t.mode == Serializable {
		t.reads.normalize()
		c.reads = len(t.reads.spans) > 0 || len(t.reads.without(&t.buf)) > 0
	}
	if c.now, err = c.db.clock.Now(ctx); err != nil {
		return err
	}
	c.ttl = c.db.ttl(t.startTS, c.now, c.bytes)
	p := patience{db: c.db, seed: uint64(t.startTS)}
	c.parts = c.one[:0]
	for lo := 0; lo < len(c.keys); {
		info, err := c.db.region(ctx, c.keys[lo], &p)
		if err != nil {
			return err
		}
		hi := lo + max(1, extent(&info, c.keys[lo:]))
		if c.bytes <= batchBytes {
			c.parts = append(c.parts, [2]int{lo, hi})
			lo = hi
			continue
		}
		for from, size := lo, 0; lo < hi; {
			size += len(c.keys[lo]) + len(c.muts[lo].Value)
			if lo++; lo == hi || size >= batchBytes {
				c.parts = append(c.parts, [2]int{from, lo})
				from, size = lo, 0
			}
		}
	}
	if c.primary == nil {
		return nil // only checks
	}
	c.onePC = !o.NoOnePC && !c.reads && len(c.parts) == 1
	// V10: what decides is that all locks are there. A key that is only looked at has none.
	c.async = !o.NoAsyncCommit && !c.reads && !c.checks && !c.onePC && c.isSmall()
	if !c.onePC && !t.beating.Load() {
		// Somebody may look for the primary from now on: it is kept alive (V7).
		t.primary = c.primary
		t.beating.Store(true)
	}
	return nil
}

func (c *committer) isSmall() bool {
	if len(c.keys) > maxAsyncKeys {
		return false
	}
	n := 0
	for _, k := range c.keys {
		n += len(k)
	}
	return n <= maxAsyncBytes
}

// others returns the keys that commit has to make visible, but for the primary and those of
// done, which are in order.
func (c *committer) others(done [][]byte) [][]byte {
	keys := make([][]byte, 0, len(c.keys))
	for i, k := range c.keys {
		for len(done) > 0 && bytes.Compare(done[0], k) < 0 {
			done = done[1:]
		}
		if c.muts[i].Kind == region.MutCheckAbsent || bytes.Equal(k, c.primary) || len(done) > 0 && bytes.Equal(done[0], k) {
			continue
		}
		keys = append(keys, k)
	}
	return keys
}

// locked returns the keys that prewrite locks, in order.
func (c *committer) locked() [][]byte {
	keys := make([][]byte, 0, len(c.keys))
	for i, k := range c.keys {
		if c.muts[i].Kind != region.MutCheckAbsent {
			keys = append(keys, k)
		}
	}
	return keys
}

// undetermined is what is said of a commit when nobody knows (V15).
func (c *committer) undetermined(err error) error {
	c.t.finish(txnUnknown)
	c.db.count.undetermined.Add(1)
	return fmt.Errorf("mvcc: transaction %v, primary %q: %w: %w", c.t.startTS, c.primary, ErrUndetermined, err)
}

func (c *committer) decided(commitTS TS) {
	c.t.commitTS = commitTS
	c.t.finish(txnCommitted)
	if c.db.offset > 0 {
		_ = c.db.clock.Observe(commitTS) // our own: what is read next is above it
	}
}

// undo rolls back what may have been prewritten, in the background. It is never called
// when the transaction may be committed.
func (c *committer) undo(ctx context.Context) {
	c.t.finish(txnRolledBack)
	if !c.prewrote && !c.doubt {
		_ = c.t.giveBack(ctx)
		return
	}
	ctx = context.WithoutCancel(ctx)
	c.db.spawn(func() {
		p := patience{db: c.db, seed: uint64(c.t.startTS)}
		err := c.db.each(ctx, c.keys, &p, exchange{ask: func(keys [][]byte) region.Request {
			return &region.RollbackRequest{Keys: keys, StartTS: c.t.startTS}
		}})
		if err != nil {
			c.db.opts.Logger.Info("a rollback is left to others", "start", c.t.startTS, "err", err)
		}
	})
}

// decide commits the primary, at a CommitTS that comes after all prewrites.
func (c *committer) decide(ctx context.Context) error {
	t := c.t
	for from := t.readTS; ; {
		commitTS, err := c.later(ctx)
		if err == nil && c.reads {
			if err = t.validate(ctx, from, commitTS); err == nil {
				from = commitTS
			}
		}
		if err != nil {
			c.undo(ctx)
			return err
		}
		p := patience{db: c.db, seed: uint64(t.startTS)}
		done, err := c.commitPrimary(ctx, commitTS, &p)
		if early, ok := errors.AsType[*region.CommitTooEarlyError](err); ok {
			// No copy of this request that is still on its way gets another answer.
			c.least = max(c.least, early.MinCommitTS)
			c.db.count.tooEarly.Add(1)
			continue
		}
		already, ok := errors.AsType[*region.AlreadyCommittedError](err)
		switch {
		case ok:
			commitTS, done = already.CommitTS, nil
		case err == nil:
		case p.doubt && !errors.Is(err, ErrRolledBack):
			return c.undetermined(err)
		default:
			c.undo(ctx)
			return err
		}
		c.decided(commitTS)
		c.db.count.twoPhase.Add(1)
		c.finishOthers(ctx, commitTS, done)
		return nil
	}
}

// later takes a CommitTS that is above all prewrites (V11).
func (c *committer) later(ctx context.Context) (TS, error) {
	if c.db.offset > 0 && c.least != 0 {
		if err := c.db.clock.Observe(c.least); err != nil {
			return 0, err
		}
	}
	now, err := c.db.clock.Now(ctx)
	return max(now, c.least), err
}

// commitPrimary commits the primary, and with it what is in the same region, which it
// returns in order (V5: nothing is committed before it).
func (c *committer) commitPrimary(ctx context.Context, commitTS TS, p *patience) (done [][]byte, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		info, err := c.db.region(ctx, c.primary, p)
		if err != nil {
			return nil, err
		}
		keys := make([][]byte, 1, min(len(c.keys), batchKeys)+1)
		keys[0] = c.primary
		for i, k := range c.keys {
			if info.Contains(k) && c.muts[i].Kind != region.MutCheckAbsent && !bytes.Equal(k, c.primary) && len(keys) < batchKeys {
				keys = append(keys, k)
			}
		}
		_, err = c.db.call(ctx, info.Ref, &region.CommitRequest{Keys: keys, StartTS: c.t.startTS, CommitTS: commitTS}, p)
		if err != errAgain {
			return keys[1:], err
		}
	}
}

// commitAsync is the second phase of what is decided by its prewrites.
func (c *committer) commitAsync(ctx context.Context, commitTS TS) {
	c.decided(commitTS)
	c.db.count.async.Add(1)
	ctx = context.WithoutCancel(ctx)
	c.db.spawn(func() {
		p := patience{db: c.db, seed: uint64(c.t.startTS)}
		done, err := c.commitPrimary(ctx, commitTS, &p)
		if err != nil {
			c.db.opts.Logger.Info("the second phase is left to others", "start", c.t.startTS, "commit", commitTS, "err", err)
			return
		}
		c.commitOthers(ctx, commitTS, c.others(done))
	})
}

func (c *committer) finishOthers(ctx context.Context, commitTS TS, done [][]byte) {
	if others := c.others(done); len(others) > 0 {
		ctx = context.WithoutCancel(ctx)
		c.db.spawn(func() { c.commitOthers(ctx, commitTS, others) })
	}
}

// commitOthers commits secondaries. Where it does not succeed whoever meets the
// lock does it.
func (c *committer) commitOthers(ctx context.Context, commitTS TS, keys [][]byte) {
	p := patience{db: c.db, seed: uint64(c.t.startTS)}
	parts, err := c.db.parts(ctx, keys, &p)
	if err == nil {
		err = c.db.parallel(ctx, len(parts), func(ctx context.Context, i int) error {
			p := patience{db: c.db, seed: uint64(c.t.startTS) + uint64(i)}
			return c.db.each(ctx, parts[i], &p, exchange{ask: func(keys [][]byte) region.Request {
				return &region.CommitRequest{Keys: keys, StartTS: c.t.startTS, CommitTS: commitTS}
			}})
		})
	}
	if err != nil {
		c.db.opts.Logger.Info("secondaries are left to others", "start", c.t.startTS, "commit", commitTS, "err", err)
	}
}
