// The first phase, from the client: keys are prewritten region by region, and what became
// of that is put together.

package mvcc

import (
	"bytes"
	"context"
	"errors"

	"github.com/flagship-go/flagship/mvcc/region"
)

// yieldAfter is how often a transaction that holds locks waits for one that might wait
// for it.
const yieldAfter = 4

func (c *committer) prewriteAll(ctx context.Context) error {
	if len(c.parts) == 1 {
		return c.prewrite(ctx, 0, len(c.muts))
	}
	return c.db.parallel(ctx, len(c.parts), func(ctx context.Context, i int) error {
		return c.prewrite(ctx, c.parts[i][0], c.parts[i][1])
	})
}

// prewrite prewrites muts[lo:hi], region by region.
func (c *committer) prewrite(ctx context.Context, lo, hi int) error {
	p := patience{db: c.db, seed: uint64(c.t.startTS) + uint64(lo)}
	err := c.prewriteParts(ctx, lo, hi, &p)
	if err == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.doubt = c.doubt || p.doubt
	if (p.doubt || p.tries > 0) && errors.Is(err, ErrTooOld) {
		c.lapsed = true // an earlier copy was not too old, perhaps
	} else {
		c.refused = c.refused || !p.sent || forGood(err)
	}
	return err
}

// forGood reports whether a prewrite that was refused will be refused again. A region
// that has refused has done nothing; but if the reason passes, a copy of the request
// that is still on its way may yet be done.
func forGood(err error) bool {
	if conflict, ok := errors.AsType[*ConflictError](err); ok {
		return conflict.OtherCommitTS != 0
	}
	return errors.Is(err, ErrRolledBack) || errors.Is(err, ErrTooOld) || errors.Is(err, ErrTooLarge) || errors.Is(err, ErrKey)
}

func (c *committer) prewriteParts(ctx context.Context, lo, hi int, p *patience) error {
	for lo < hi {
		if err := ctx.Err(); err != nil {
			return err
		}
		info, err := c.db.region(ctx, c.keys[lo], p)
		if err != nil {
			return err
		}
		n := max(1, extent(&info, c.keys[lo:hi]))
		answer, err := c.db.call(ctx, info.Ref, c.request(lo, lo+n), p)
		switch locked, isLock := errors.AsType[*LockedError](err); {
		case err == nil:
			c.prewritten(answer.(*region.PrewriteResponse))
			lo += n
		case err == errAgain:
		case isLock:
			if err := c.blocked(ctx, locked, p); err != nil {
				return err
			}
		default:
			return err
		}
	}
	return nil
}

// request is the prewrite of muts[lo:hi]. It is made anew each time: an old one may
// still be on its way.
func (c *committer) request(lo, hi int) *region.PrewriteRequest {
	q := &region.PrewriteRequest{
		Mutations: c.muts[lo:hi], Primary: c.primary, StartTS: c.t.startTS, ForUpdateTS: c.t.forUpdateTS,
		TTL: c.ttl, TxnSize: len(c.muts),
		OnePC: c.onePC && lo == 0 && hi == len(c.muts), AsyncCommit: c.async,
	}
	if q.Primary == nil {
		q.Primary = c.keys[0]
	}
	if q.OnePC || q.AsyncCommit {
		// Whatever was committed before we began to is before us.
		q.MinCommitTS = c.now
	}
	if q.AsyncCommit && within(c.keys[lo:hi], c.primary) {
		q.Secondaries = c.others(nil)
	}
	return q
}

// within reports whether a key is among keys, which are in order.
func within(keys [][]byte, key []byte) bool {
	return bytes.Compare(keys[0], key) <= 0 && bytes.Compare(key, keys[len(keys)-1]) <= 0
}

func (c *committer) prewritten(a *region.PrewriteResponse) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.prewrote = true
	c.least = max(c.least, a.MinCommitTS)
	c.commitTS = max(c.commitTS, a.CommitTS)
	c.fellBack = c.fellBack || !a.Async
}

// blocked does what can be done about locks that stop a prewrite, and waits. Of
// transactions that hold locks and wait for each other one has to give way, or
// both wait until they time out: the younger one does, and an optimistic one to a
// pessimistic one, whose waits are looked after elsewhere (V9). Who holds nothing
// while it waits is in no circle.
func (c *committer) blocked(ctx context.Context, e *LockedError, p *patience) error {
	m, err := c.db.resolver.meet(ctx, e.Locks, 0, 0, p)
	if err != nil || m.alive == nil {
		return err
	}
	holds := len(c.parts) > 1 || c.t.forUpdateTS != 0
	switch {
	case holds && p.locked >= yieldAfter && (m.alive.Pessimistic || m.alive.StartTS < c.t.startTS):
		return c.t.conflict(WriteConflict, m.alive, c.now)
	case p.over():
		return &LockedError{Locks: []LockInfo{*m.alive}}
	}
	p.locked++
	return p.wait(ctx)
}

// failed ends a commit of which a prewrite failed. Where prewrites decide, and none was
// refused for good, the keys are asked, as others would ask them: whatever is missing is
// prevented by that.
func (c *committer) failed(ctx context.Context, err error) error {
	decisive := c.onePC || c.async && !c.fellBack
	if !decisive || c.refused {
		c.undo(ctx)
		return err
	}
	if ctx.Err() == nil && !c.lapsed {
		p := patience{db: c.db, seed: uint64(c.t.startTS)}
		commitTS, all, async, serr := c.db.resolver.checkSecondaries(ctx, c.t.startTS, c.locked(), false, &p)
		switch {
		case serr != nil:
		case commitTS == 0 || all && !async:
			c.undo(ctx)
			return err
		case c.async: // they are all there, or somebody has found so
			c.commitAsync(ctx, commitTS)
			return nil
		default:
			c.decided(commitTS)
			c.db.count.onePhase.Add(1)
			return nil
		}
	}
	return c.undetermined(err)
}
