package upstream

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// health is what active checks know of an endpoint: the core, without clock and network. An endpoint is up
// until checks have proved otherwise, so that a gateway that starts serves at once.
//
//	   Unhealthy failures in a row
//	up ------------------------------> down
//	   <------------------------------
//	   Healthy successes in a row
type health struct {
	down   bool
	streak int           // results in a row that speak against down or up
	since  time.Duration // when it went down or came up; 0: it has been up from the beginning
	err    error         // of the last check
}

// check takes the result of one check, nil or why it failed.
func (h health) check(result error, now time.Duration, o HealthOptions) health {
	h.err = result
	limit := o.Unhealthy
	if h.down {
		limit = o.Healthy
	}
	if (result != nil) == h.down {
		h.streak = 0
		return h
	}
	if h.streak++; h.streak >= limit {
		return health{down: !h.down, since: now, err: result}
	}
	return h
}

// A checker is the shell: one goroutine that asks one endpoint, for all pools that want it asked in the same
// way. It ends with the last of them.
type checker struct {
	endpoint *Endpoint
	options  HealthOptions
	registry *Registry
	state    atomic.Pointer[health]

	refs int // under Registry.mu
	stop context.CancelFunc
	done chan struct{}
}

func (r *Registry) newChecker(e *Endpoint, o HealthOptions) *checker {
	ctx, stop := context.WithCancel(context.Background())
	c := &checker{endpoint: e, options: o, registry: r, stop: stop, done: make(chan struct{})}
	c.state.Store(new(health))
	go c.run(ctx)
	return c
}

// run asks until ctx ends. Waits are jittered: a thousand checks that a reload has begun at once would
// stay in step for ever, and so would those of several gateways.
func (c *checker) run(ctx context.Context) {
	defer close(c.done)
	timer := time.NewTimer(c.jittered(0, 0.2))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		err := c.ask(ctx)
		if ctx.Err() != nil {
			return
		}
		c.take(err)
		timer.Reset(c.jittered(0.9, 1.1))
	}
}

// jittered is between low and high times the interval.
func (c *checker) jittered(low, high float64) time.Duration {
	u := float64(c.registry.random()>>11) / (1 << 53)
	return time.Duration((low + (high-low)*u) * float64(c.options.Interval))
}

// ask is one check: a GET over the connections that requests take too, as a check that has its own tells
// nothing of those.
func (c *checker) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	target := c.endpoint.Address() + c.options.Path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return fmt.Errorf("upstream: checking %s: %w", target, err)
	}
	req.Header.Set("User-Agent", "flagship-gateway-check")
	answer, err := c.endpoint.transport.RoundTrip(req)
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("no answer within %v", c.options.Timeout)
		}
		return fmt.Errorf("upstream: checking %s: %w", target, err)
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, 64<<10) // so that the connection can be used again
	if answer.StatusCode < 200 || answer.StatusCode >= 400 {
		return fmt.Errorf("upstream: checking %s: status %d, which is not 2xx or 3xx", target, answer.StatusCode)
	}
	return nil
}

// take gives a result to the core, and tells the pools if the endpoint went down or came up.
func (c *checker) take(result error) {
	old := c.state.Load()
	now := old.check(result, c.registry.elapsed(), c.options)
	c.state.Store(&now)
	if now.down == old.down {
		return
	}
	c.registry.version.Add(1)
	if now.down {
		c.registry.log.Warn("endpoint is down", "endpoint", c.endpoint.Address(), "error", result)
	} else {
		c.registry.log.Info("endpoint is up", "endpoint", c.endpoint.Address())
	}
}
