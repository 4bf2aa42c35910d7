// Somebody else's lock is in the way. Its transaction may be at work, slow, or gone
// for good; the lock does not tell, but its primary does, and what it says is the same
// for everybody who asks (Percolator §2.2, "cleanup"):
//
//	the lock of bob says: primary is joe
//
//	joe's write record   committed at 8   ->  commit bob at 8
//	joe's rollback       rolled back      ->  roll bob back
//	joe's lock, alive    not decided      ->  a reader pushes it above itself and passes,
//	                                          a writer waits
//	  of an async commit                  ->  wait a little, then look at all its keys
//	joe's lock, expired  rolled back, by the question itself
//	  of an async commit                  ->  ask all its keys: all locked is committed
//	nothing              the prewrite of joe may be on its way: wait, until bob's lock
//	                     expires too; then the question leaves a rollback at joe (V6)

package mvcc

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/flagship-go/flagship/mvcc/region"
	"github.com/flagship-go/flagship/mvcc/timestamp"
)

const (
	// rememberDecided is how many decided transactions a client remembers.
	rememberDecided = 2048
	// resolveWhole is the number of keys from which on all locks that a transaction
	// has in a region are resolved with the first one that is met.
	resolveWhole = 64
	// lookAfter is how often a lock of an async commit is waited for before all its locks
	// are looked for: most clients have got to their second phase by then. It is less than
	// yieldAfter: nobody gives way to what is committed.
	lookAfter = 2
)

// resolver finds out about others' transactions. What is decided stays so (V5), and
// is remembered.
type resolver struct {
	db      *DB
	mu      sync.Mutex
	decided map[TS]TS // StartTS to CommitTS, 0 for rolled back
	order   []TS      // a ring: the oldest one makes room
	oldest  int
}

func (r *resolver) recall(startTS TS) (commitTS TS, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	commitTS, ok = r.decided[startTS]
	return commitTS, ok
}

func (r *resolver) remember(startTS, commitTS TS) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.decided == nil {
		r.decided = map[TS]TS{}
	}
	if _, ok := r.decided[startTS]; ok {
		return
	}
	if len(r.order) < rememberDecided {
		r.order = append(r.order, startTS)
	} else {
		delete(r.decided, r.order[r.oldest])
		r.order[r.oldest] = startTS
		r.oldest = (r.oldest + 1) % rememberDecided
	}
	r.decided[startTS] = commitTS
}

// meeting is what came of locks that were met.
type meeting struct {
	// past are the transactions that live and cannot commit at or below callerTS.
	past []TS
	// alive is a lock that has to be waited for, or nil: a pessimistic one, or else the
	// oldest.
	alive *LockInfo
}

// meet does what can be done about locks. A callerTS that is not 0 is that of a
// reader, who passes what will not be visible there.
//
// Where clocks differ, the reader may also not pass what was committed before it
// began, up to until (V12). A transaction that is not decided yet was not: to push it above
// callerTS is enough. It is not pushed above until, which is in no clock's past: then it
// would commit in the future, and who begins after that would miss it.
func (r *resolver) meet(ctx context.Context, locks []LockInfo, callerTS, until TS, p *patience) (m meeting, err error) {
	until = max(until, callerTS)
	r.db.count.locksMet.Add(int64(len(locks)))
	for i := range locks {
		l := &locks[i]
		if slices.ContainsFunc(locks[:i], func(o LockInfo) bool { return o.StartTS == l.StartTS }) {
			continue
		}
		s, err := r.status(ctx, l, callerTS, p)
		if err != nil {
			return m, err
		}
		switch s.State {
		case region.TxnCommitted, region.TxnRolledBack:
			var keys [][]byte
			for _, o := range locks[i:] {
				if o.StartTS == l.StartTS {
					keys = append(keys, o.Key)
				}
			}
			if err := r.resolve(ctx, l, s.CommitTS, keys, p); err != nil {
				return m, err
			}
		default:
			// The locks of an async commit may be all there: then it is decided.
			if s.State == region.TxnAlive && s.Pushed && callerTS != 0 && !(s.Lock.AsyncCommit && s.Lock.MinCommitTS <= until) {
				r.db.count.pushed.Add(1)
				m.past = append(m.past, l.StartTS)
			} else if m.alive == nil || l.Pessimistic || l.StartTS < m.alive.StartTS && !m.alive.Pessimistic {
				m.alive = l
			}
		}
	}
	return m, nil
}

// status asks the primary of a lock what became of its transaction.
func (r *resolver) status(ctx context.Context, l *LockInfo, callerTS TS, p *patience) (*region.TxnStatus, error) {
	if commitTS, ok := r.recall(l.StartTS); ok {
		return decided(commitTS), nil
	}
	now, err := r.db.clock.Now(ctx)
	if err != nil {
		return nil, err
	}
	return r.statusAt(ctx, l, callerTS, now, p)
}

// statusAt is status at a time of day: what has expired by then is rolled back.
func (r *resolver) statusAt(ctx context.Context, l *LockInfo, callerTS, now TS, p *patience) (*region.TxnStatus, error) {
	q := &region.CheckTxnStatusRequest{
		Primary: l.Primary, StartTS: l.StartTS, CallerTS: callerTS, CurrentTS: now,
		// V7: while the lock lives, the primary's prewrite may be on its way.
		RollbackIfMissing: now.Since(l.StartTS) >= l.TTL,
	}
	s, err := r.ask(ctx, q, p)
	if err != nil {
		return nil, err
	}
	switch {
	case s.State == region.TxnAlive && s.Lock.AsyncCommit && p.tries >= lookAfter:
		commitTS, all, err := r.complete(ctx, s.Lock, p)
		if err != nil {
			return nil, err
		}
		if all {
			s = decided(commitTS)
		}
	case s.State == region.TxnAsync:
		commitTS, async, err := r.settle(ctx, s.Lock, p)
		if err != nil {
			return nil, err
		}
		if async {
			s = decided(commitTS)
		} else {
			// V10: one of the locks is an ordinary one, so the transaction is: its
			// primary alone decides.
			sync := *q
			sync.ForceSync = true
			if s, err = r.ask(ctx, &sync, p); err != nil {
				return nil, err
			}
		}
	}
	if s.State == region.TxnCommitted || s.State == region.TxnRolledBack {
		r.remember(l.StartTS, s.CommitTS)
		r.db.count.resolved.Add(1)
		r.db.opts.Logger.Debug("transaction of a lock that was met is decided", "start", l.StartTS, "commit", s.CommitTS, "primary", l.Primary)
	}
	return s, nil
}

func decided(commitTS TS) *region.TxnStatus {
	if commitTS == 0 {
		return &region.TxnStatus{State: region.TxnRolledBack}
	}
	return &region.TxnStatus{State: region.TxnCommitted, CommitTS: commitTS}
}

func (r *resolver) ask(ctx context.Context, q *region.CheckTxnStatusRequest, p *patience) (s *region.TxnStatus, err error) {
	err = r.db.each(ctx, [][]byte{q.Primary}, p, exchange{
		ask: func([][]byte) region.Request { return q },
		got: func(_ [][]byte, answer any) error { s = answer.(*region.TxnStatus); return nil },
	})
	return s, err
}

// settle decides an async commit whose client is silent: committed, at the highest
// MinCommitTS, if all its secondaries are locked like the primary; a key that is not is
// rolled back there, so that the prewrite does not come later (V10). async is false if a
// lock is not one of an async commit.
func (r *resolver) settle(ctx context.Context, primary *LockInfo, p *patience) (commitTS TS, async bool, err error) {
	commitTS, all, async, err := r.checkSecondaries(ctx, primary.StartTS, primary.Secondaries, false, p)
	switch {
	case err != nil || !async:
		return 0, false, err
	case all:
		commitTS = max(commitTS, primary.MinCommitTS)
	}
	return commitTS, true, r.resolveAsync(ctx, primary, commitTS, p)
}

// complete commits an async commit that lives if all its locks are there: its client has
// told, or will tell, its user so, and only the second phase is late. It prevents nothing:
// if a lock is missing, all is false, and the client may still be at it.
func (r *resolver) complete(ctx context.Context, primary *LockInfo, p *patience) (commitTS TS, all bool, err error) {
	commitTS, all, async, err := r.checkSecondaries(ctx, primary.StartTS, primary.Secondaries, true, p)
	if err != nil || !all || !async {
		return 0, false, err
	}
	commitTS = max(commitTS, primary.MinCommitTS)
	return commitTS, true, r.resolveAsync(ctx, primary, commitTS, p)
}

// resolveAsync ends an async commit: the primary first, so that whoever asks from here on
// has an answer.
func (r *resolver) resolveAsync(ctx context.Context, primary *LockInfo, commitTS TS, p *patience) error {
	if err := r.resolveKeys(ctx, primary.StartTS, commitTS, [][]byte{primary.Primary}, p); err != nil {
		return err
	}
	return r.resolveKeys(ctx, primary.StartTS, commitTS, primary.Secondaries, p)
}

// checkSecondaries asks whether keys, in order, are locked by an async commit. If all
// are, commitTS is the highest MinCommitTS; if not, the transaction's CommitTS, or 0:
// then it can not commit any more, unless the question was only a look.
func (r *resolver) checkSecondaries(ctx context.Context, startTS TS, keys [][]byte, look bool, p *patience) (commitTS TS, all, async bool, err error) {
	all, async = true, true
	err = r.db.each(ctx, keys, p, exchange{
		ask: func(keys [][]byte) region.Request {
			return &region.CheckSecondaryLocksRequest{Keys: keys, StartTS: startTS, Look: look}
		},
		got: func(keys [][]byte, answer any) error {
			s := answer.(*region.SecondaryStatus)
			if !all {
				return nil
			}
			if len(s.Locks) < len(keys) {
				all, commitTS = false, s.CommitTS
				return nil
			}
			for i := range s.Locks {
				commitTS = max(commitTS, s.Locks[i].MinCommitTS)
				async = async && s.Locks[i].AsyncCommit
			}
			return nil
		},
	})
	return commitTS, all, async || !all, err
}

// resolve commits or rolls back the locks that were met of a decided transaction; if it
// is large, all that it has in their region.
func (r *resolver) resolve(ctx context.Context, l *LockInfo, commitTS TS, keys [][]byte, p *patience) error {
	if l.TxnSize < resolveWhole {
		slices.SortFunc(keys, bytes.Compare)
		return r.resolveKeys(ctx, l.StartTS, commitTS, keys, p)
	}
	for {
		info, err := r.db.region(ctx, l.Key, p)
		if err != nil {
			return err
		}
		_, err = r.db.call(ctx, info.Ref, &region.ResolveLockRequest{StartTS: l.StartTS, CommitTS: commitTS, Start: info.Start, End: info.End}, p)
		if err != errAgain {
			return err
		}
	}
}

func (r *resolver) resolveKeys(ctx context.Context, startTS, commitTS TS, keys [][]byte, p *patience) error {
	return r.db.each(ctx, keys, p, exchange{ask: func(keys [][]byte) region.Request {
		return &region.ResolveLockRequest{StartTS: startTS, CommitTS: commitTS, Keys: keys}
	}})
}

// pass does what can be done about locks that stop a reader, and waits a while if it
// cannot pass one. It returns nil if the read may be tried again, with what is in o then; an error that is about
// no lock is returned as it is.
func (r *resolver) pass(ctx context.Context, err error, o *region.ReadOptions, p *patience) error {
	locked, ok := errors.AsType[*LockedError](err)
	if !ok {
		return err
	}
	m, err := r.meet(ctx, locked.Locks, o.ReadTS, o.UncertainUntil, p)
	if err != nil {
		return err
	}
	o.Past = append(slices.Clip(o.Past), m.past...)
	switch {
	case m.alive == nil:
		return nil
	case p.over():
		return &LockedError{Locks: []LockInfo{*m.alive}}
	}
	return p.wait(ctx)
}

// await does what can be done about locks that stop a writer, and waits a while if
// somebody is at work there. It fails with a [*LockedError] after Options.LockWait.
func (r *resolver) await(ctx context.Context, e *LockedError, p *patience) error {
	m, err := r.meet(ctx, e.Locks, 0, 0, p)
	switch {
	case err != nil || m.alive == nil:
		return err
	case p.over():
		return &LockedError{Locks: []LockInfo{*m.alive}}
	}
	return p.wait(ctx)
}

// heartbeats prolongs the locks of transactions that take long, until they are older
// than Options.MaxLifetime: a third of LockTTL passes between two (V7).
func (d *DB) heartbeats() {
	for sleep(d.stopping, d.opts.LockTTL/3) == nil {
		d.heartbeat(d.stopping)
	}
}

// heartbeat prolongs all locks that need it once.
func (d *DB) heartbeat(ctx context.Context) {
	var due []*Txn
	d.mu.Lock()
	for t := d.active.next; t != &d.active; t = t.next {
		if t.beating.Load() {
			due = append(due, t)
		}
	}
	d.mu.Unlock()
	if len(due) == 0 {
		return
	}
	now, err := d.clock.Now(ctx)
	if err != nil {
		return
	}
	// A region that does not answer must not hold up the others' until they expire: each is
	// by itself, and all end before the next ones are due.
	ctx, cancel := context.WithTimeout(ctx, d.opts.LockTTL/3)
	defer cancel()
	var beats sync.WaitGroup
	defer beats.Wait()
	for _, t := range due {
		if d.opts.Serial {
			d.beat(ctx, t, now)
			continue
		}
		beats.Go(func() { d.beat(ctx, t, now) })
	}
}

// beat prolongs the locks of one transaction.
func (d *DB) beat(ctx context.Context, t *Txn, now TS) {
	// startTS and primary do not change once it beats.
	age := now.Since(t.startTS)
	if age >= d.opts.MaxLifetime {
		return
	}
	p := patience{db: d, seed: uint64(t.startTS)}
	q := &region.HeartbeatRequest{Primary: t.primary, StartTS: t.startTS, TTL: age + d.opts.LockTTL}
	err := d.each(ctx, [][]byte{t.primary}, &p, exchange{ask: func([][]byte) region.Request { return q }})
	if err != nil && !errors.Is(err, context.Canceled) {
		d.opts.Logger.Debug("heartbeat", "start", t.startTS, "primary", t.primary, "err", err)
	}
}

// ttl is how long a lock is to live, counted from StartTS as all TTLs are: a
// transaction that has only read until now still gets the whole of LockTTL. A large
// one gets more, since each of its locks has to be written before it commits.
func (d *DB) ttl(startTS, now TS, bytes int) time.Duration {
	scaled := d.opts.LockTTL + d.opts.LockTTL*time.Duration(min(bytes>>20, 20))/2
	return max(0, now.Since(startTS)) + scaled
}

// forever is a time of day at which every lock has expired.
const forever = timestamp.Max
