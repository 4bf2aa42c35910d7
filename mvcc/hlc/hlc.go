package hlc

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/mvcc/clock"
	"github.com/flagship-go/flagship/mvcc/timestamp"
)

// Options configure a Clock. The zero value takes the computer's clock, and begins
// with its time of day.
type Options struct {
	// MaxOffset is the most by which clocks of the store may differ. A larger one makes
	// readers meet more uncertain values, a smaller one is broken more easily. All nodes
	// have the same. Default 500 ms.
	MaxOffset time.Duration
	// MaxJump is how far time of day may jump ahead before Now fails. Default MaxOffset/2;
	// negative: it may jump at will.
	MaxJump time.Duration
	// Node is this clock's number among the Nodes of the store, from 0 on: what it gives out
	// is Node modulo Nodes, so that no two clocks give out the same timestamp, by which
	// transactions are told apart. All nodes have the same Nodes, which may be more than there
	// are; each costs a count of a millisecond's 262,144. Default 0 of 1: clocks of one
	// process, or timestamps that need not differ.
	Node, Nodes int
	// Store keeps a bound of what was given out over restarts. Default: none; then a
	// computer whose clock was set back while the process was down gives
	// timestamps out again.
	Store clock.Store
	// Window is how far ahead the bound is written: after a crash the first Now waits
	// that long at most, and the store is written twice in it at most. Default 1 s.
	Window time.Duration
	// Source is the clock of the computer. Default: clock.System().
	Source clock.Source
	// Sleep waits for the time of day to pass the bound. Default: a timer.
	Sleep func(ctx context.Context, d time.Duration) error
	// Logger is told when time of day steps. Default: silent.
	Logger *slog.Logger
}

// maxNodes leaves each of them some timestamps in a millisecond.
const maxNodes = 1 << 12

// Clock is a hybrid logical clock. It is safe for concurrent use, and has no lock: its
// state is one word.
type Clock struct {
	last  clock.Last
	wall  *clock.Wall
	bound *clock.Bound
	// limit is the highest timestamp to observe, as of the last reading of the time of
	// day: it can only have become later since, so what is below needs no reading.
	limit  atomic.Uint64
	offset timestamp.TS // MaxOffset

	node, nodes       timestamp.TS
	maxOffset, window time.Duration
	sleep             func(context.Context, time.Duration) error
}

// New returns a clock; nil is the zero Options.
func New(o *Options) *Clock {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.MaxOffset <= 0 {
		opts.MaxOffset = 500 * time.Millisecond
	}
	if opts.MaxJump == 0 {
		opts.MaxJump = opts.MaxOffset / 2
	}
	if opts.Window <= 0 {
		opts.Window = time.Second
	}
	if opts.Sleep == nil {
		opts.Sleep = sleep
	}
	if opts.Nodes == 0 {
		opts.Nodes = 1
	}
	if opts.Node < 0 || opts.Node >= opts.Nodes || opts.Nodes > maxNodes {
		panic(fmt.Sprintf("hlc: Options.Node is %d, of %d: it must be below Nodes, of which there are %d at most", opts.Node, opts.Nodes, maxNodes))
	}
	c := &Clock{
		node: timestamp.TS(opts.Node), nodes: timestamp.TS(opts.Nodes),
		// A tenth of the offset, for a step back, is CockroachDB's tolerance; half, for
		// one ahead, too.
		wall:      clock.NewWall(opts.Source, opts.MaxOffset/10, opts.MaxJump, opts.Logger),
		bound:     clock.NewBound(opts.Store, opts.Window),
		offset:    timestamp.TS(0).Add(opts.MaxOffset),
		maxOffset: opts.MaxOffset,
		window:    opts.Window,
		sleep:     opts.Sleep,
	}
	now, _ := c.wall.Now()
	c.limit.Store(uint64(now + c.offset))
	return c
}

// Now returns a timestamp above every one that the clock has returned or observed, also
// before a restart if there is a Store. It waits only for that. It fails with a
// [*JumpError], when the Store does, and after Close.
func (c *Clock) Now(ctx context.Context) (timestamp.TS, error) {
	if !c.bound.Opened() {
		if err := c.open(ctx); err != nil {
			return 0, err
		}
	}
	now, err := c.read()
	if err != nil {
		return 0, err
	}
	ts := c.last.Take(now, uint64(c.nodes))
	if c.nodes > 1 { // one of so many in a row is ours
		ts += (c.node + c.nodes - ts%c.nodes) % c.nodes
	}
	if !c.bound.Covers(ts) {
		if err := c.bound.Cover(ctx, ts); err != nil {
			return 0, err
		}
	}
	return ts, nil
}

// read returns the time of day, and moves the limit with it.
func (c *Clock) read() (timestamp.TS, error) {
	now, jump := c.wall.Now()
	if jump != 0 {
		return 0, &JumpError{By: jump}
	}
	if limit := uint64(now + c.offset); limit != c.limit.Load() {
		c.limit.Store(limit) // once a millisecond
	}
	return now, nil
}

// Observe tells of a timestamp that another node gave out: Now returns only ones above
// it from now on. It fails with a [*FutureError], and then has changed nothing; and
// when the Store does.
func (c *Clock) Observe(ts timestamp.TS) error {
	if ts <= c.last.Load() {
		return nil
	}
	return c.ahead(ts)
}

// stride is in what steps the counter moves by what is observed: timestamps come in
// flocks, a few counts apart, and so only one in eight of a flock has to write the word
// that all share. The counter has room for 32,000 such steps a millisecond.
const stride = 8

func (c *Clock) ahead(ts timestamp.TS) error {
	if uint64(ts) > c.limit.Load() {
		now, err := c.read()
		if err != nil {
			return err
		}
		// C5: before it is taken in.
		if ts > now+c.offset {
			return &FutureError{TS: ts, Now: now, MaxOffset: c.maxOffset}
		}
	}
	ts |= stride - 1
	c.last.Raise(ts)
	if c.bound.Covers(ts) || !c.bound.Opened() { // the first Now covers it too
		return nil
	}
	return c.bound.Cover(context.Background(), ts)
}

// open waits until time of day has passed what an earlier run may have given out.
func (c *Clock) open(ctx context.Context) error {
	return c.bound.Open(ctx, func(earlier timestamp.TS) error {
		for {
			now, err := c.read()
			if err != nil {
				return err
			}
			if now >= earlier {
				break
			}
			// What was given out was at most MaxOffset ahead of the time of day, and
			// the bound a window ahead of that.
			wait := earlier.Since(now) + time.Millisecond
			if most := c.maxOffset + c.window + time.Second; wait > most {
				return fmt.Errorf("hlc: timestamps were given out up to %v, but it is %v only: the clock was set back since; set it right", earlier, now)
			}
			if err := c.sleep(ctx, wait); err != nil {
				return err
			}
		}
		c.last.Raise(earlier)
		return nil
	})
}

// MaxOffset is the most by which the clocks of the store may differ.
func (c *Clock) MaxOffset() time.Duration { return c.maxOffset }

// Metrics count what a Clock has met.
type Metrics struct {
	// StepsBack is how often the time of day went back by more than a tenth of
	// MaxOffset.
	StepsBack uint64
	// Ahead is how far the clock is ahead of the time of day, by what it has observed
	// from others or by a step back.
	Ahead time.Duration
}

// Metrics returns the counts.
func (c *Clock) Metrics() Metrics {
	now, _ := c.wall.Now()
	return Metrics{StepsBack: c.wall.Steps(), Ahead: max(0, c.last.Load().Since(now))}
}

// Close saves how far timestamps were given out, so that the next run need not wait. Now
// fails from then on. The Store remains open. A second Close does nothing.
func (c *Clock) Close() error { return c.bound.Close(&c.last) }

// JumpError reports that the time of day has jumped ahead of what has passed by the
// stopwatch. Now fails while it is so: until the time is set right, or, if it is right
// now, until the process is started again.
type JumpError struct{ By time.Duration }

func (e *JumpError) Error() string {
	return fmt.Sprintf("hlc: the time of day has jumped ahead by %v; set it right, or start again if it is right", e.By)
}

// FutureError reports a timestamp from further ahead than clocks may differ.
type FutureError struct {
	TS, Now   timestamp.TS
	MaxOffset time.Duration
}

func (e *FutureError) Error() string {
	return fmt.Sprintf("hlc: timestamp %v is %v ahead of the clock, and clocks may differ by %v: look at both nodes' time", e.TS, e.TS.Since(e.Now), e.MaxOffset)
}

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
