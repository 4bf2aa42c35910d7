// What a DB has done, in numbers.

package mvcc

import "sync/atomic"

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
