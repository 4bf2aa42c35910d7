// What is old goes: the client's half of V16.
//
// Collection takes four steps, each in all regions before the next one begins:
//
//	1 choose   a safepoint below every active transaction, and older than GCKeep
//	2 raise    regions refuse what began, or reads, at or below it: no lock comes any more
//	3 resolve  the locks that are left there: once records are gone nobody could tell
//	           what became of them
//	4 remove   versions that nobody above the safepoint sees

package mvcc

import (
	"context"
	"fmt"
	"time"

	"github.com/flagship-go/flagship/mvcc/region"
)

const (
	// gcBatch is how many versions one request looks at, and gcPause what comes between
	// two: a third of the time or so, so that those who wait behind it are served.
	gcBatch = 4096
	gcPause = time.Millisecond
	// locksBatch is how many locks are listed at once.
	locksBatch = 1024
)

// Collected says what Collect has done.
type Collected struct {
	SafePoint        TS
	Locks            int // resolved
	Scanned, Removed int // versions
}

// Collect removes versions that no reader above safePoint can see; 0 is what is older
// than GCKeep. Active transactions of this DB that are not older than MaxLifetime
// lower it, so that what they read stays; other DBs on the same regions are not asked, and
// what they have begun at or below it fails with ErrTooOld. It is paced, and may be
// ended by ctx and called again at any point.
func (d *DB) Collect(ctx context.Context, safePoint TS) (c Collected, err error) {
	if d.closed.Load() {
		return c, ErrClosed
	}
	if c.SafePoint, err = d.safePoint(ctx, safePoint); err != nil {
		return c, fmt.Errorf("mvcc: choose a safepoint: %w", err)
	}
	if c.SafePoint == 0 {
		return c, nil // the store is younger than GCKeep
	}
	for _, step := range []func(context.Context, *Collected) error{d.raiseSafePoint, d.resolveOld, d.removeOld} {
		if err := step(ctx, &c); err != nil {
			return c, fmt.Errorf("mvcc: collect below %v: %w", c.SafePoint, err)
		}
	}
	d.opts.Logger.Info("collected", "safepoint", c.SafePoint, "locks", c.Locks, "scanned", c.Scanned, "removed", c.Removed)
	return c, nil
}

// safePoint is as high as wanted, or as GCKeep allows, and below all that is read.
func (d *DB) safePoint(ctx context.Context, wanted TS) (TS, error) {
	now, err := d.clock.Now(ctx)
	if err != nil {
		return 0, err
	}
	at := now.Add(-d.opts.GCKeep)
	if wanted != 0 {
		at = min(wanted, now)
	}
	expired := now.Add(-d.opts.MaxLifetime)
	d.mu.Lock()
	defer d.mu.Unlock()
	for t := d.active.next; t != &d.active; t = t.next {
		if oldest := TS(t.oldest.Load()); oldest > expired {
			at = min(at, oldest-1)
		}
	}
	return at, nil
}

// pages asks about all keys, region by region: ask makes a request of a part of a
// region, and got takes the answer and says from where the region goes on, nil for no
// more.
func (d *DB) pages(ctx context.Context, ask func(start, end []byte) region.Request, got func(answer any) ([]byte, error)) error {
	p := patience{db: d, seed: 1}
	for from := []byte(nil); ; {
		info, err := d.region(ctx, from, &p)
		if err != nil {
			return err
		}
		start, end := clip(&info, from, nil)
		answer, err := d.call(ctx, info.Ref, ask(start, end), &p)
		if err == errAgain {
			continue
		}
		if err != nil {
			return err
		}
		p = patience{db: d, seed: 1} // the next request has its own
		if from, err = got(answer); err != nil {
			return err
		}
		if from == nil {
			if from = end; end == nil {
				return nil
			}
		}
	}
}

func (d *DB) raiseSafePoint(ctx context.Context, c *Collected) error {
	return d.pages(ctx, func(start, end []byte) region.Request {
		return &region.GCRequest{Start: start, End: end, SafePoint: c.SafePoint, Limit: -1}
	}, func(any) ([]byte, error) { return nil, nil })
}

// resolveOld resolves all locks at or below the safepoint. Those that still live
// belong to nobody who could commit: their requests are refused by now.
func (d *DB) resolveOld(ctx context.Context, c *Collected) error {
	return d.pages(ctx, func(start, end []byte) region.Request {
		return &region.ScanLocksRequest{Start: start, End: end, MaxTS: c.SafePoint, Limit: locksBatch}
	}, func(answer any) ([]byte, error) {
		a := answer.(*region.ScanLocksResponse)
		return a.Resume, d.resolveAll(ctx, a.Locks, c)
	})
}

func (d *DB) resolveAll(ctx context.Context, locks []LockInfo, c *Collected) error {
	p := patience{db: d, seed: 1}
	for i := range locks {
		l := &locks[i]
		s, err := d.resolver.statusAt(ctx, l, 0, forever, &p)
		if err != nil {
			return err
		}
		if s.State != region.TxnCommitted && s.State != region.TxnRolledBack {
			return fmt.Errorf("the transaction of %w", &LockedError{Locks: []LockInfo{*l}})
		}
		if err := d.resolver.resolveKeys(ctx, l.StartTS, s.CommitTS, [][]byte{l.Key}, &p); err != nil {
			return err
		}
		c.Locks++
	}
	return nil
}

func (d *DB) removeOld(ctx context.Context, c *Collected) error {
	return d.pages(ctx, func(start, end []byte) region.Request {
		return &region.GCRequest{Start: start, End: end, SafePoint: c.SafePoint, Limit: gcBatch}
	}, func(answer any) ([]byte, error) {
		a := answer.(*region.GCResponse)
		c.Scanned += a.Scanned
		c.Removed += a.Removed
		d.count.collected.Add(int64(a.Removed))
		return a.Resume, d.opts.Sleep(ctx, gcPause)
	})
}

// collecting collects in the background.
func (d *DB) collecting() {
	for sleep(d.stopping, d.opts.GCEvery) == nil {
		if _, err := d.Collect(d.stopping, 0); err != nil && d.stopping.Err() == nil {
			d.opts.Logger.Warn("collect", "err", err)
		}
	}
}
