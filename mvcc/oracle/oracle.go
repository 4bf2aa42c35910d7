package oracle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/mvcc/clock"
	"github.com/flagship-go/flagship/mvcc/timestamp"
)

// ErrFuture reports a timestamp that an oracle has not given out.
var ErrFuture = errors.New("oracle: timestamp was not given out yet")

// MaxBatch is how many timestamps may be asked for at once: as many as there are in a
// millisecond.
const MaxBatch = timestamp.MaxLogical + 1

// maxStep is how far time of day may go back without a word: a clock that is kept right
// moves a little all the time.
const maxStep = 50 * time.Millisecond

// Options configure an Oracle. The zero value is one for a store in memory.
type Options struct {
	// Store keeps a bound of what was given out over restarts: a clock.File, for
	// example. Default: none, and a restart begins with the time of day.
	Store clock.Store
	// Window is how far ahead the bound is written. The store is written twice in it at
	// most; after a crash timestamps begin that far ahead at most. Default 3 s.
	Window time.Duration
	// MaxJump is how far time of day may jump ahead and be followed; else the oracle goes
	// on by the stopwatch, so that one wrong minute of the computer's clock does not make all
	// locks expire. Default 1 h; negative: it may jump at will.
	MaxJump time.Duration
	// Source is the clock of the computer. Default: clock.System().
	Source clock.Source
	// Logger is told when time of day steps. Default: silent.
	Logger *slog.Logger
}

// Oracle gives out timestamps. It is safe for concurrent use, and has no lock: its state
// is one word.
type Oracle struct {
	last  clock.Last
	wall  *clock.Wall
	bound *clock.Bound
	log   *slog.Logger
	told  atomic.Bool // that time of day has jumped
}

// New returns an oracle that begins above what an earlier one has given out, if there is
// a Store; nil is the zero Options. It fails when the Store cannot be read.
func New(o *Options) (*Oracle, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.Window <= 0 {
		opts.Window = 3 * time.Second
	}
	if opts.MaxJump == 0 {
		opts.MaxJump = time.Hour
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	or := &Oracle{
		wall:  clock.NewWall(opts.Source, maxStep, opts.MaxJump, opts.Logger),
		bound: clock.NewBound(opts.Store, opts.Window),
		log:   opts.Logger,
	}
	if opts.Store == nil {
		return or, nil
	}
	err := or.bound.Open(context.Background(), func(earlier timestamp.TS) error {
		// C2. Nobody compares this clock with another, so there is nothing to wait for.
		or.last.Raise(earlier)
		if now, _ := or.wall.Now(); earlier.Since(now) > 2*opts.Window {
			or.log.Warn("timestamps were given out up to far ahead of the time of day; they count on from there", "up to", earlier)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return or, nil
}

// Now returns a timestamp above every one that the oracle has returned or observed, also
// before a restart if there is a Store. It waits for the Store only, and fails when that
// does, and after Close.
func (o *Oracle) Now(ctx context.Context) (timestamp.TS, error) { return o.take(ctx, 1) }

// Allocate returns the first of n timestamps that follow one another, all above those
// given out before. It is the server's side of a [Batch].
func (o *Oracle) Allocate(ctx context.Context, n int) (timestamp.TS, error) {
	if n < 1 || n > MaxBatch {
		return 0, fmt.Errorf("oracle: %d timestamps at once; ask for 1 to %d", n, MaxBatch)
	}
	return o.take(ctx, uint64(n))
}

func (o *Oracle) take(ctx context.Context, n uint64) (timestamp.TS, error) {
	now, jump := o.wall.Now()
	if jump != 0 || o.told.Load() {
		o.tell(jump)
	}
	first := o.last.Take(now, n)
	if highest := first + timestamp.TS(n-1); !o.bound.Covers(highest) {
		if err := o.bound.Cover(ctx, highest); err != nil {
			return 0, err
		}
	}
	return first, nil
}

// tell logs where a jump begins and ends.
func (o *Oracle) tell(jump time.Duration) {
	switch {
	case jump != 0 && o.told.CompareAndSwap(false, true):
		o.log.Warn("the time of day jumped ahead and is not followed; set it right, or start again if it is right", "by", jump)
	case jump == 0 && o.told.CompareAndSwap(true, false):
		o.log.Info("the time of day is as expected again")
	}
}

// Observe takes note of a timestamp in a message. Those of an oracle are below what it
// gives out next anyway, but for a CommitTS that a region makes of one by adding 1. It
// fails with [ErrFuture], and changes nothing, if ts is not one of either sort.
func (o *Oracle) Observe(ts timestamp.TS) error {
	if ts <= o.last.Load() {
		return nil
	}
	now, _ := o.wall.Now()
	if last := max(o.last.Load(), now); ts > last && ts-last > MaxBatch { // C5
		return fmt.Errorf("%w: %v; the last is %v", ErrFuture, ts, last)
	}
	o.last.Raise(ts)
	if o.bound.Covers(ts) {
		return nil
	}
	return o.bound.Cover(context.Background(), ts)
}

// MaxOffset is 0: there is one clock.
func (o *Oracle) MaxOffset() time.Duration { return 0 }

// Metrics count what an Oracle has met.
type Metrics struct {
	// StepsBack is how often the time of day went back by more than 50 ms.
	StepsBack uint64
}

// Metrics returns the counts.
func (o *Oracle) Metrics() Metrics { return Metrics{StepsBack: o.wall.Steps()} }

// Close saves how far timestamps were given out. Now fails from then on. The Store
// remains open. A second Close does nothing.
func (o *Oracle) Close() error { return o.bound.Close(&o.last) }
