// Locks that are taken before commit, so that nobody comes between: the client's half of
// V8 and V9.

package mvcc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/flagship-go/flagship/mvcc/region"
	"github.com/flagship-go/flagship/mvcc/timestamp"
)

const (
	// A region waits for another's lock by itself, but does not know whether the other
	// is alive: after so long the client looks, and then after twice as long.
	firstLockWait = 100 * time.Millisecond
	lastLockWait  = time.Second
)

// GetForUpdate locks keys until the transaction ends, and returns their values, nil
// for those that have none. In a pessimistic transaction they are the latest ones, not
// those at ReadTS, and Get and Scan show them from then on. It waits for others' locks,
// up to Options.LockWait, and fails with ErrLocked, or with ErrDeadlock: then roll back.
// All keys of one region are locked by one request, in the order of keys; who locks all
// that it needs at once waits in no circle.
//
// In other modes it is a read that conflicts as a write does: commit fails if a key
// was written since ReadTS.
func (t *Txn) GetForUpdate(ctx context.Context, keys ...[]byte) ([][]byte, error) {
	var sorted [][]byte
	for _, k := range keys {
		if err := t.writable(k, 0); err != nil {
			return nil, err
		}
		if c := t.buf.get(k); c == nil || c.held == nil {
			sorted = append(sorted, k)
		}
	}
	slices.SortFunc(sorted, bytes.Compare)
	sorted = slices.CompactFunc(sorted, bytes.Equal)
	if err := t.open(); err != nil {
		return nil, err
	}
	lock := t.lockNow
	if t.mode != Pessimistic {
		lock = t.lockAtCommit
	}
	if err := lock(ctx, sorted); err != nil {
		return nil, err
	}
	values := make([][]byte, len(keys))
	for i, k := range keys {
		values[i] = bytes.Clone(t.buf.get(k).visible())
	}
	return values, nil
}

// lockAtCommit leaves it to prewrite to lock the keys, and reads them.
func (t *Txn) lockAtCommit(ctx context.Context, keys [][]byte) error {
	values, err := t.readSorted(ctx, keys)
	if err != nil {
		return err
	}
	for i, k := range keys {
		t.buf.lock(k, &heldLock{value: values[i]})
	}
	return nil
}

// lockNow takes pessimistic locks, one region after the other: a circle between
// two regions is found, but costs a transaction.
func (t *Txn) lockNow(ctx context.Context, keys [][]byte) error {
	if len(keys) == 0 {
		return nil
	}
	now, err := t.db.clock.Now(ctx)
	if err != nil {
		return err
	}
	first := t.primary == nil
	if first {
		t.primary = bytes.Clone(keys[0])
	}
	for _, k := range keys {
		t.attempted = append(t.attempted, bytes.Clone(k))
	}
	p := patience{db: t.db, seed: uint64(t.startTS)}
	wait := firstLockWait
	locked := 0
	err = t.db.each(ctx, keys, &p, exchange{
		ask: func(keys [][]byte) region.Request {
			q := &region.LockRequest{
				Keys: keys, Primary: t.primary, StartTS: t.startTS, ForUpdateTS: now, Raise: true, Values: true,
				TTL: t.db.ttl(t.startTS, now, t.buf.bytes),
			}
			if !t.db.opts.Serial {
				q.Wait = min(wait, t.db.opts.LockWait)
			}
			return q
		},
		got: func(keys [][]byte, answer any) error {
			a := answer.(*region.LockResponse)
			t.forUpdateTS = max(t.forUpdateTS, a.ForUpdateTS)
			for i, k := range keys {
				t.buf.lock(k, &heldLock{value: a.Values[i], pessimistic: true, forUpdateTS: a.ForUpdateTS})
			}
			if locked == 0 {
				t.beating.Store(true)
			}
			locked += len(keys)
			return nil
		},
		met: func(err error) error {
			e, ok := errors.AsType[*LockedError](err)
			if !ok {
				return err
			}
			if !t.db.opts.Serial {
				p.slept += min(wait, t.db.opts.LockWait)
				wait = min(2*wait, lastLockWait)
			}
			return t.db.resolver.await(ctx, e, &p)
		},
	})
	if err != nil && first && locked == 0 {
		if !p.doubt {
			t.primary = nil // nothing is locked, and the next call may begin elsewhere
		} else {
			// Other locks must not point to one that may not be there.
			t.broken = fmt.Errorf("mvcc: transaction %v does not know whether its first lock was taken, and can only be rolled back: %w", t.startTS, err)
		}
	}
	return err
}

// stillLocked fails if the locks of a transaction that writes nothing have expired, and
// others may have written since: then its values were never there together. While the
// primary is locked all others are, too (V7).
func (t *Txn) stillLocked(ctx context.Context) error {
	if t.primary == nil {
		return nil
	}
	p := patience{db: t.db, seed: uint64(t.startTS)}
	return t.db.each(ctx, [][]byte{t.primary}, &p, exchange{ask: func([][]byte) region.Request {
		return &region.HeartbeatRequest{Primary: t.primary, StartTS: t.startTS}
	}})
}

// giveBack gives up pessimistic locks, those too that may have been taken.
func (t *Txn) giveBack(ctx context.Context) error {
	if t.primary == nil && len(t.attempted) == 0 {
		return nil
	}
	keys := t.attempted
	slices.SortFunc(keys, bytes.Compare)
	keys = slices.CompactFunc(keys, bytes.Equal)
	give := func() error {
		p := patience{db: t.db, seed: uint64(t.startTS)}
		return t.db.each(context.WithoutCancel(ctx), keys, &p, exchange{ask: func(keys [][]byte) region.Request {
			return &region.PessimisticRollbackRequest{Keys: keys, StartTS: t.startTS, ForUpdateTS: timestamp.Max - 1}
		}})
	}
	if ctx.Err() == nil {
		return give()
	}
	t.db.spawn(func() { _ = give() })
	return nil
}
