// What a client needs of the world, a transport and a clock; and how a request finds its
// region: split by regions, sent, and sent again when the regions are others by now
// (V17) or nobody answers. Every request is made for that (V3); what is never repeated
// here is a transaction.

package mvcc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sort"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/flagship-go/flagship/mvcc/coprocessor"
	"github.com/flagship-go/flagship/mvcc/region"
)

// Transport brings requests to regions. The default is a [region.Local]. It is safe for
// concurrent use.
//
// A request may be lost, done twice, or done late: all are made for it (V3). An error
// that is none of package region's says that nobody knows whether it was done.
type Transport interface {
	// Region returns the region that has a key, the latest that is known.
	Region(ctx context.Context, key []byte) (region.Info, error)
	// Send has a request done by a region, and returns its answer.
	Send(ctx context.Context, r region.Ref, q region.Request) (answer any, err error)
	// Stale tells that a region is not as Region said; current is what is known
	// instead, which may be nothing.
	Stale(r region.Ref, current []region.Info)
}

// Clock gives out timestamps. It is safe for concurrent use. There are an oracle, in
// package oracle, and a hybrid clock, in package hlc.
type Clock interface {
	// Now returns a timestamp above every one that this clock has returned or
	// observed, also before a restart; and which no other clock of the store returns:
	// it is the name of a transaction.
	Now(ctx context.Context) (TS, error)
	// Observe tells of a timestamp in a message: whoever has seen it must not be given
	// one below it. It fails if ts is from too far in the future.
	Observe(ts TS) error
	// MaxOffset is how far two clocks of the store may differ; 0 if there is but one,
	// so that the order of timestamps is the order of events.
	MaxOffset() time.Duration
}

// errAgain says that the request was not answered: look for its region again, which
// may be several by now, and send it again.
var errAgain = errors.New("mvcc: again")

// patience is how one caller waits between tries: twice as long each time, with
// jitter, so that those who met once do not meet again. It adds up what it slept instead of
// looking at a clock: a simulation's time is in Options.Sleep.
type patience struct {
	db      *DB
	seed    uint64 // of the jitter; the StartTS: no two are the same
	tries   int
	locked  int // tries that a lock has stopped
	step    time.Duration
	slept   time.Duration
	endless bool
	// sent says that a request was sent, and doubt that one had no answer: it may have
	// been done, or be done yet.
	sent, doubt bool
}

const (
	// batchKeys is how many keys a request has at most.
	batchKeys = 4096

	firstWait = 100 * time.Microsecond
	lastWait  = 100 * time.Millisecond
)

// wait waits before the next try. It fails when ctx ends.
func (p *patience) wait(ctx context.Context) error {
	p.tries++
	p.step = min(max(2*p.step, firstWait), lastWait)
	// splitmix64
	p.seed += 0x9e3779b97f4a7c15
	z := (p.seed ^ p.seed>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	d := p.step/2 + time.Duration(z>>33)%(p.step/2+1)
	p.slept += d
	return p.db.opts.Sleep(ctx, d)
}

// over reports whether it has waited for as long as was to be.
func (p *patience) over() bool { return !p.endless && p.slept >= p.db.opts.LockWait }

// region finds the region of a key.
func (d *DB) region(ctx context.Context, key []byte, p *patience) (region.Info, error) {
	for {
		info, err := d.transport.Region(ctx, key)
		if err == nil {
			return info, nil
		}
		if ctx.Err() != nil || p.over() || d.closed.Load() {
			return info, fmt.Errorf("mvcc: find the region of key %q: %w", key, err)
		}
		if err := p.wait(ctx); err != nil {
			return info, err
		}
	}
}

// call sends a request to a region. Its error is errAgain, or a region's answer, or
// says that nobody has answered for too long.
func (d *DB) call(ctx context.Context, r region.Ref, q region.Request, p *patience) (any, error) {
	p.sent = true
	answer, err := d.transport.Send(ctx, r, q)
	if err == nil || answered(err) {
		return answer, err
	}
	return nil, d.unanswered(ctx, r, err, p)
}

func (d *DB) unanswered(ctx context.Context, r region.Ref, err error, p *patience) error {
	stale, ok := errors.AsType[*region.Error](err)
	if ok {
		d.count.stale.Add(1)
		d.transport.Stale(r, stale.Current)
	} else {
		p.doubt = true
	}
	if ctx.Err() != nil || p.over() || d.closed.Load() || errors.Is(err, ErrClosed) {
		return fmt.Errorf("mvcc: region %d: no answer after %d tries: %w", r.ID, p.tries+1, err)
	}
	d.count.resent.Add(1)
	if ok && p.tries == 0 {
		p.tries++
		return errAgain // the regions are known better now
	}
	if werr := p.wait(ctx); werr != nil {
		return fmt.Errorf("mvcc: region %d: no answer after %d tries: %w", r.ID, p.tries, errors.Join(werr, err))
	}
	return errAgain
}

// answered reports whether an error is what a region said about a request. After
// any other one nobody knows whether it was done.
func answered(err error) bool {
	switch err.(type) {
	case *LockedError, *ConflictError, *region.UncertainError, *region.CommitTooEarlyError, *region.AlreadyCommittedError, *DeadlockError:
		return true
	case *region.Error:
		return false
	}
	if errors.Is(err, ErrUndetermined) {
		return false // the engine's own
	}
	for _, known := range [...]error{
		ErrNotFound, ErrConflict, ErrExists, ErrDeadlock, ErrLocked, ErrRolledBack,
		ErrTooOld, ErrFuture, ErrTooLarge, ErrKey, ErrCorrupt,
		coprocessor.ErrRow, coprocessor.ErrArithmetic, coprocessor.ErrMemory,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	_, uncertain := errors.AsType[*region.UncertainError](err)
	_, early := errors.AsType[*region.CommitTooEarlyError](err)
	_, committed := errors.AsType[*region.AlreadyCommittedError](err)
	return uncertain || early || committed
}

// extent is how many of the keys, which are in order and begin in a region, are its.
func extent(r *region.Info, keys [][]byte) int {
	if r.End == nil || bytes.Compare(keys[len(keys)-1], r.End) < 0 {
		return len(keys)
	}
	return sort.Search(len(keys), func(i int) bool { return bytes.Compare(keys[i], r.End) >= 0 })
}

// exchange is a kind of request about many keys, in order: what to ask about those of
// one region, what to do with the answer, and with an error, which it may clear out
// of the way to have the request sent again.
type exchange struct {
	ask func(keys [][]byte) region.Request
	got func(keys [][]byte, answer any) error // nil: nothing
	met func(err error) error                 // nil: it is the error
}

// each asks about keys, one region after the other.
func (d *DB) each(ctx context.Context, keys [][]byte, p *patience, x exchange) error {
	for len(keys) > 0 {
		info, err := d.region(ctx, keys[0], p)
		if err != nil {
			return err
		}
		n := min(max(1, extent(&info, keys)), batchKeys)
		answer, err := d.call(ctx, info.Ref, x.ask(keys[:n]), p)
		switch {
		case err == nil:
			if x.got != nil {
				err = x.got(keys[:n], answer)
			}
			keys = keys[n:]
		case err == errAgain:
			err = nil
		case x.met != nil:
			err = x.met(err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// parts cuts keys by their regions, as they are now.
func (d *DB) parts(ctx context.Context, keys [][]byte, p *patience) (parts [][][]byte, err error) {
	for len(keys) > 0 {
		info, err := d.region(ctx, keys[0], p)
		if err != nil {
			return nil, err
		}
		n := max(1, extent(&info, keys))
		parts = append(parts, keys[:n])
		keys = keys[n:]
	}
	return parts, nil
}

// parallel runs f for 0 <= i < n, several at once, and returns the first error, at
// which ctx ends for the others. One alone needs no goroutine.
func (d *DB) parallel(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	if n == 1 || d.opts.Serial || d.opts.Concurrency == 1 {
		for i := range n {
			if err := f(ctx, i); err != nil {
				return err
			}
		}
		return nil
	}
	return d.together(ctx, n, f)
}

func (d *DB) together(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(d.opts.Concurrency)
	for i := range n {
		g.Go(func() error { return f(ctx, i) })
	}
	return g.Wait()
}

// around finds the region where a scan goes on: that of lo, or, if it goes back, that
// which has the keys just below hi; nil is behind the last key.
func (d *DB) around(ctx context.Context, lo, hi []byte, reverse bool, p *patience) (region.Info, error) {
	if !reverse {
		return d.region(ctx, lo, p)
	}
	// No byte string is the last one below hi: begin a little below, and go up.
	at := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	if n := len(hi) - 1; n >= 0 {
		at = append(bytes.Clone(hi[:n]), at...)
		if hi[n] == 0 {
			at = at[:n]
		} else {
			at[n] = hi[n] - 1
		}
	}
	for {
		info, err := d.region(ctx, at, p)
		if err != nil || info.End == nil || hi != nil && bytes.Compare(info.End, hi) >= 0 {
			return info, err
		}
		at = info.End
	}
}

// clip is the part of lo <= key < hi that is in a region.
func clip(r *region.Info, lo, hi []byte) (start, end []byte) {
	start, end = lo, hi
	if bytes.Compare(r.Start, start) > 0 {
		start = r.Start
	}
	if end == nil || r.End != nil && bytes.Compare(r.End, end) < 0 {
		end = r.End
	}
	return start, end
}

// above is the first key after k.
func above(k []byte) []byte { return append(k[:len(k):len(k)], 0) }
