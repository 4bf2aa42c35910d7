// Doing one thing on all drives of a set at once, and waiting for no drive longer
// than it takes (E12).

package erasure

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"
)

// errLate is the outcome of a drive that was not waited for any longer. What it
// was asked may still happen.
var errLate = errors.New("no answer in time")

// An outcome is what came of asking a place; err of a place that was not asked
// is errNotAsked.
type outcome[T any] struct {
	place int
	value T
	err   error
}

var errNotAsked = errors.New("not asked")

// A fan is one question to some places of a set.
type fan[T any] struct {
	store    *Store
	set      *set
	cancel   context.CancelFunc
	asked    []*question // by place; nil: not asked
	answers  chan outcome[T]
	outcomes []outcome[T] // by place
	pending  int
}

// A question is decided once, by the drive that answers or by the asker who
// gives up.
type question struct{ decided atomic.Bool }

// ask starts do on the drive of each place: in a goroutine of its own, or, in
// a serial store, here and now, one after the other. do must not touch what the
// caller may use after it has given up on the place. What a drive answers after
// that is given to late, if not nil.
func ask[T any](ctx context.Context, s *Store, set *set, places []int, o operation,
	do func(context.Context, *place, Drive) (T, error), late func(*place, T)) *fan[T] {
	ctx, cancel := context.WithCancel(ctx)
	n := len(set.places)
	f := &fan[T]{
		store: s, set: set, cancel: cancel,
		asked: make([]*question, n), answers: make(chan outcome[T], n), outcomes: make([]outcome[T], n),
		pending: len(places),
	}
	for i := range f.outcomes {
		f.outcomes[i] = outcome[T]{place: i, err: errNotAsked}
	}
	for _, i := range places {
		p, q := set.places[i], new(question)
		f.asked[i] = q
		drive, err := p.use()
		if err != nil {
			q.decided.Store(true)
			f.answers <- outcome[T]{place: i, err: err}
			continue
		}
		work := func() {
			value, err := do(ctx, p, drive)
			s.note(p, o, err)
			if q.decided.CompareAndSwap(false, true) {
				f.answers <- outcome[T]{i, value, err}
				return
			}
			p.late.Add(-1)
			if late != nil {
				late(p, value)
			}
		}
		if s.o.Serial {
			work()
		} else {
			s.background.Go(work)
		}
	}
	return f
}

// wait collects outcomes until all are there, or until no more time is given: it
// asks more after each outcome how long to wait for the next ones, counted from
// the first time that the answer was that long.
func (f *fan[T]) wait(more func([]outcome[T]) time.Duration) []outcome[T] {
	defer f.cancel()
	start := time.Now()
	patience := time.Duration(-1)
	var timer *time.Timer
	var expired <-chan time.Time
	for f.pending > 0 {
		if d := more(f.outcomes); d != patience {
			patience = d
			if d <= 0 && !f.store.o.Serial {
				break
			}
			if timer != nil {
				timer.Stop()
			}
			timer = time.NewTimer(d - time.Since(start))
			expired = timer.C
		}
		select {
		case a := <-f.answers:
			f.outcomes[a.place] = a
			f.pending--
			continue
		default:
		}
		select {
		case a := <-f.answers:
			f.outcomes[a.place] = a
			f.pending--
			continue
		case <-expired:
		}
		break
	}
	if timer != nil {
		timer.Stop()
	}
	f.giveUp()
	return f.outcomes
}
