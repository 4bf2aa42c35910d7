package ranges

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/clock"
	"github.com/flagship-go/flagship/mvcc/hlc"
	"github.com/flagship-go/flagship/mvcc/oracle"
	"github.com/flagship-go/flagship/mvcc/timestamp"
)

// The oracle is the cluster's, as TiKV's is that of a program of its own: it dies with
// the process, and not with a node. How far it has given timestamps out must not be
// lost with a node either, so that is in the log of range 1, whose group needs no lease
// for it: a majority is enough to begin and to go on.
//
// Hybrid clocks are the nodes', each with a file beside its store; and the clients' has
// one beside the nodes.

// clockPatience is how long the oracle waits for a majority.
const clockPatience = 10 * time.Second

// clockStore is the [clock.Store] of the oracle.
type clockStore struct{ c *Cluster }

func (s clockStore) Load() (ts timestamp.TS, err error) {
	ctx, cancel := context.WithTimeout(s.c.stopping, 3*clockPatience)
	defer cancel()
	err = s.c.onAny(ctx, func(n *Node) error {
		// A node that cannot reach a leader does not answer at all.
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		v, err := n.storedClock(ctx)
		ts = timestamp.TS(v)
		return err
	})
	return ts, err
}

func (s clockStore) Save(ts timestamp.TS) error {
	ctx, cancel := context.WithTimeout(s.c.stopping, clockPatience)
	defer cancel()
	_, err := s.c.propose(ctx, 1, encodeClock(ts))
	return err
}

// openClock makes the clock of the clients.
func (c *Cluster) openClock(ctx context.Context) error {
	if c.opts.Clock == "hlc" {
		h, closer, err := c.openHybrid(c.opts.Dir)
		if err != nil {
			return err
		}
		c.clock, c.closers = h, append(c.closers, closer)
		_, err = h.Now(ctx) // waits for what an earlier run may have given out
		return err
	}
	o, err := oracle.New(&oracle.Options{Store: clockStore{c}, Logger: c.opts.Logger})
	if err != nil {
		return err
	}
	c.clock = o
	return nil
}

// giveClock gives a node the clock that it looks at.
func (c *Cluster) giveClock(n *Node) error {
	if c.opts.Clock != "hlc" {
		n.clock = c.clock
		return nil
	}
	h, closer, err := c.openHybrid(n.dir)
	if err != nil {
		return err
	}
	n.clock, n.closer = h, closer
	return nil
}

func (c *Cluster) openHybrid(dir string) (mvcc.Clock, func() error, error) {
	f, err := clock.OpenFile(nil, filepath.Join(dir, "CLOCK"))
	if err != nil {
		return nil, nil, err
	}
	h := hlc.New(&hlc.Options{MaxOffset: c.opts.MaxOffset, Store: f, Logger: c.opts.Logger})
	return h, func() error { return errors.Join(h.Close(), f.Close()) }, nil
}
