package versus

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Work is what a Runner has to do in one sample: a number of operations, or as
// many as fit into a duration. It is safe for concurrent use.
type Work struct {
	// Cell is the combination of parameters under measurement.
	Cell Cell

	ops   int64       // to claim in all; 0 means until stop
	timed bool        // Each records latencies
	up    atomic.Bool // the time
	stop  atomic.Bool // all is to end

	claimed atomic.Int64
	mu      sync.Mutex
	clients []*Client
}

// A Client is one of the concurrent users of a contender. Not safe for
// concurrent use.
type Client struct {
	// ID counts the clients of a sample from 0.
	ID int
	// Rand is seeded from the ID alone: the same for every contender and round.
	Rand *rand.Rand

	work    *Work
	left    int64 // claimed, but not yet begun
	done    int64
	latency histogram
}

// NewClient is for a Runner that loops by itself: while Next, do an operation.
// [Work.Each] is simpler where one client waits for each of its operations.
func (w *Work) NewClient() *Client {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := len(w.clients)
	c := &Client{ID: id, work: w, Rand: rand.New(rand.NewPCG(0x766572737573, uint64(id)))}
	w.clients = append(w.clients, c)
	return c
}

// Next reports whether to do one more operation, and counts it as done. When the time is
// up on a machine that did not let it begin, there is one all the same.
func (c *Client) Next() bool {
	w := c.work
	if w.stop.Load() || w.up.Load() && c.done > 0 {
		return false
	}
	if w.ops > 0 {
		if c.left == 0 {
			// Claims of several operations keep the shared counter from being
			// what is measured; small ones keep the clients ending together.
			size := min(max(w.ops/1024, 1), 64)
			c.left = min(size, w.ops-(w.claimed.Add(size)-size))
		}
		if c.left <= 0 {
			c.left = 0
			return false
		}
		c.left--
	}
	c.done++
	return true
}

// Record notes how long one operation took from the client's point of view.
// Without any record, latencies are absent from the results.
func (c *Client) Record(d time.Duration) { c.latency.add(d) }

// Each calls op once for every operation, from as many goroutines as there are
// clients, and waits for them. The first error ends the work and is returned; a
// panic counts as an error. With Config.Latency it records how long op takes.
func (w *Work) Each(ctx context.Context, clients int, op func(ctx context.Context, c *Client) error) error {
	if clients < 1 {
		return fmt.Errorf("versus: %d clients; at least one is needed", clients)
	}
	var wg sync.WaitGroup
	var first error
	var once sync.Once
	for range clients {
		c := w.NewClient()
		wg.Go(func() {
			// Each has its own context, as requests have: one Done channel for all
			// would be a lock that they meet at.
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			if err := c.loop(ctx, op); err != nil {
				w.stop.Store(true)
				once.Do(func() { first = err })
			}
		})
	}
	wg.Wait()
	return first
}

func (c *Client) loop(ctx context.Context, op func(context.Context, *Client) error) (err error) {
	defer recovered(&err)
	for c.Next() {
		var start time.Time
		if c.work.timed {
			start = time.Now()
		}
		if err := op(ctx, c); err != nil {
			return fmt.Errorf("client %d, operation %d: %w", c.ID, c.done, err)
		}
		if c.work.timed {
			c.Record(time.Since(start))
		}
	}
	return ctx.Err()
}

// recovered turns a panic of a contender into its error: others' results must
// not be lost to it.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
	}
}

// total sums up what the clients have done.
func (w *Work) total() (ops int64, latency histogram) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.clients {
		ops += c.done
		latency.merge(&c.latency)
	}
	return ops, latency
}
