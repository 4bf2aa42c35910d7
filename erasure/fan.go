// Doing one thing on all drives of a set at once, and waiting for no drive longer
// than it takes (E12).

package erasure

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// errLate is the outcome of a drive that was not waited for any longer. What it
// was asked may still happen.
var errLate = errors.New("no answer in time")

// An outcome is what came of asking a place; err is errNotAsked or
// errPending as long as nothing has.
type outcome[T any] struct {
	place int
	value T
	err   error
}

var (
	errNotAsked = errors.New("not asked")
	errPending  = errors.New("not answered yet")
)

// A fan is one question to some places of a set.
type fan[T any] struct {
	store    *Store
	set      *set
	ctx      context.Context
	cancel   context.CancelFunc
	kind     operation
	do       func(context.Context, *place, Drive) (T, error)
	late     func(*place, T)
	asked    []*question // by place; nil: not asked
	answers  chan outcome[T]
	outcomes []outcome[T] // by place
	pending  int
}

// A question is decided once, by the drive that answers or by the asker who
// gives up.
type question struct {
	decided atomic.Bool
	overdue bool // written before the asker decides, read after
	debts   *debts
}

// ask starts do on the drive of each place: in a goroutine of its own, or, in
// a serial store, here and now, one after the other. do must not touch what the
// caller may use after it has given up on the place. What a drive answers after
// that is given to late, if not nil.
func ask[T any](ctx context.Context, s *Store, set *set, places []int, o operation,
	do func(context.Context, *place, Drive) (T, error), late func(*place, T)) *fan[T] {
	ctx, cancel := context.WithCancel(ctx)
	n := len(set.places)
	f := &fan[T]{
		store: s, set: set, ctx: ctx, cancel: cancel, kind: o, do: do, late: late,
		asked: make([]*question, n), answers: make(chan outcome[T], n), outcomes: make([]outcome[T], n),
	}
	for i := range f.outcomes {
		f.outcomes[i] = outcome[T]{place: i, err: errNotAsked}
	}
	for _, i := range places {
		f.ask(i)
	}
	return f
}

// ask asks one more place, which was not asked yet.
func (f *fan[T]) ask(i int) {
	p := f.set.places[i]
	q := &question{debts: p.owes()}
	f.asked[i] = q
	f.outcomes[i].err = errPending
	f.pending++
	drive, err := p.use()
	if err != nil {
		q.decided.Store(true)
		f.answers <- outcome[T]{place: i, err: err}
		return
	}
	work := func() {
		value, err := f.do(f.ctx, p, drive)
		f.store.note(p, f.kind, err)
		if q.decided.CompareAndSwap(false, true) {
			f.answers <- outcome[T]{i, value, err}
			return
		}
		q.debts.late.Add(-1)
		if q.overdue {
			q.debts.overdue.Add(-1)
		}
		if f.late != nil {
			f.late(p, value)
		}
	}
	f.store.start(drive, work)
}

// start has a drive do what it was asked: in a goroutine, or, in a serial store,
// at once unless the simulator says that the drive is slow.
func (s *Store) start(drive Drive, work func()) {
	switch {
	case !s.o.Serial:
		s.background.Go(work)
	case s.o.Postpone == nil || !s.o.Postpone(drive, work):
		work()
	}
}

// wait collects outcomes, and gives up those that are not there in time.
func (f *fan[T]) wait(more func([]outcome[T]) time.Duration) []outcome[T] {
	f.collect(more)
	f.giveUp()
	return f.outcomes
}

// collect collects outcomes until all are there or time is up, and reports whether
// it is: after each outcome it asks more how long to wait for the next ones. A time
// runs from when it was first given; zero is not to wait.
func (f *fan[T]) collect(more func([]outcome[T]) time.Duration) (expired bool) {
	const never = time.Duration(1<<63 - 1)
	var timer <-chan time.Time
	for patience := never; f.pending > 0; {
		// What is there already is taken in any case, before looking at the clock.
		select {
		case a := <-f.answers:
			f.take(a)
			continue
		default:
		}
		d := more(f.outcomes)
		if d <= 0 {
			return false
		}
		if f.store.o.Serial || d <= f.store.o.Grace && f.waitsForDebtors() { // serial: nothing more comes meanwhile
			f.allOverdue()
			return true
		}
		if d != patience {
			patience = d
			t := time.NewTimer(d)
			defer t.Stop()
			timer = t.C
		}
		select {
		case a := <-f.answers:
			f.take(a)
		case <-timer:
			f.allOverdue()
			return true
		}
	}
	return false
}

// allOverdue marks the questions that are still open: they were waited for.
func (f *fan[T]) allOverdue() {
	for _, q := range f.asked {
		if q != nil {
			q.overdue = true
		}
	}
}

// overdue reports whether a place was waited for and has not answered.
func (f *fan[T]) overdue(i int) bool { return f.asked[i] != nil && f.asked[i].overdue }

// waitsForDebtors reports whether all that have not answered owe other answers
// too: each has had its grace, and an operation of several phases gives it once.
func (f *fan[T]) waitsForDebtors() bool {
	for _, q := range f.asked {
		if q != nil && q.debts.overdue.Load() == 0 {
			return false
		}
	}
	return true
}

func (f *fan[T]) take(a outcome[T]) {
	f.outcomes[a.place] = a
	f.asked[a.place] = nil
	f.pending--
}

// giveUp decides the questions that are still open: late. Those that their
// drives have decided meanwhile are about to be there.
func (f *fan[T]) giveUp() {
	defer f.cancel()
	for i, q := range f.asked {
		if q != nil && q.decided.CompareAndSwap(false, true) {
			p := f.set.places[i]
			q.debts.late.Add(1)
			if q.overdue {
				q.debts.overdue.Add(1)
			}
			f.outcomes[i].err = fmt.Errorf("%s: %w", p, errLate)
			f.pending--
		}
	}
	for f.pending > 0 {
		f.take(<-f.answers)
	}
}

// quorum is a way to wait: for all that were asked; but no longer than the grace
// when n have done it, and no longer than the patience when they have not.
func quorum[T any](s *Store, n int) func([]outcome[T]) time.Duration {
	return func(outcomes []outcome[T]) time.Duration {
		if succeeded(outcomes) >= n {
			return s.o.Grace
		}
		return s.patience()
	}
}

// patience is how long a drive may take when it is needed for a quorum.
func (s *Store) patience() time.Duration { return 10 * s.o.Grace }

// succeeded counts the drives that have done what they were asked.
func succeeded[T any](outcomes []outcome[T]) int {
	n := 0
	for _, o := range outcomes {
		if o.err == nil {
			n++
		}
	}
	return n
}

// failures joins what went wrong.
func failures[T any](outcomes []outcome[T]) error {
	var errs []error
	for _, o := range outcomes {
		if o.err != nil && o.err != errNotAsked {
			errs = append(errs, o.err)
		}
	}
	return errors.Join(errs...)
}
