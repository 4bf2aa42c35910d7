// A transaction as its user sees it: reads at a snapshot, writes in a buffer, and
// one decision at the end.

package mvcc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/flagship-go/flagship/mvcc/region"
)

const (
	// MaxTxnSize is the most that the keys and values of a transaction may have, in
	// bytes; they wait in memory until Commit.
	MaxTxnSize = 512 << 20
	// scanBytes is about how many bytes of keys and values a scan has in memory.
	scanBytes = 1 << 20
)

type txnState uint8

const (
	txnOpen txnState = iota
	txnCommitted
	txnRolledBack
	txnUnknown
)

// Txn is a transaction. It serves one goroutine at a time, and must be ended by
// Commit or Rollback whatever its methods have returned; after that they return
// ErrDone. Keys and values that are passed in are copied; those that come back are the
// caller's.
type Txn struct {
	db       *DB
	mode     Mode
	state    txnState
	tracks   bool // what it reads, for a refresh
	pointOut bool // somebody may still look at point
	beating  atomic.Bool
	broken   error // why it can only be rolled back

	startTS, readTS, commitTS TS
	uncertainUntil            TS
	past                      []TS // transactions whose locks do not stop a read at readTS
	point                     pointGet
	*work

	oldest     atomic.Uint64 // no read of it is below
	prev, next *Txn          // in DB.active
}

// work is what a transaction keeps that does more than read. Those that only read share
// an empty one, which stays so.
type work struct {
	reads readSet
	buf   buffer
	// Of GetForUpdate: the primary of the locks, keys that may be locked, and the
	// highest timestamp at which one was.
	primary     []byte
	attempted   [][]byte
	forUpdateTS TS
}

// pointGet is a GetRequest of one key.
type pointGet struct {
	region.GetRequest
	one [1][]byte
}

// StartTS is the transaction's identity, and the snapshot that it reads, unless
// it is ReadOnly with a ReadTS. Where clocks differ it may rise while nothing is
// locked (V12).
func (t *Txn) StartTS() TS { return t.startTS }

// ReadTS is the snapshot that it reads.
func (t *Txn) ReadTS() TS { return t.readTS }

// CommitTS is when it was committed; 0 if it was not, or had nothing to write.
func (t *Txn) CommitTS() TS { return t.commitTS }

// Mode is the mode that it was begun in.
func (t *Txn) Mode() Mode { return t.mode }

func (t *Txn) open() error {
	switch {
	case t.state != txnOpen:
		return ErrDone
	case t.db.closed.Load():
		return ErrClosed
	}
	return t.broken
}

func (t *Txn) usable(key []byte) error {
	if err := t.open(); err != nil {
		return err
	}
	return region.CheckKey(key)
}

// Get returns the value of a key, as this transaction has written it, or else as of
// ReadTS. It fails with ErrNotFound if there is none.
func (t *Txn) Get(ctx context.Context, key []byte) ([]byte, error) {
	if err := t.usable(key); err != nil {
		return nil, err
	}
	if c := t.buf.get(key); c != nil {
		if v := c.visible(); v != nil {
			return bytes.Clone(v), nil
		}
		return nil, ErrNotFound
	}
	v, err := t.read(ctx, key)
	if err == nil && v == nil {
		return nil, ErrNotFound
	}
	return v, err
}

func (t *Txn) readOptions() region.ReadOptions {
	return region.ReadOptions{ReadTS: t.readTS, UncertainUntil: t.uncertainUntil, StartTS: t.startTS, Past: t.past}
}

// read reads one key of the snapshot; nil if it has no value.
func (t *Txn) read(ctx context.Context, key []byte) ([]byte, error) {
	p := patience{db: t.db, seed: uint64(t.startTS)}
	for {
		info, err := t.db.region(ctx, key, &p)
		if err != nil {
			return nil, err
		}
		q := &t.point
		if t.pointOut {
			q = new(pointGet)
		}
		q.ReadOptions, q.one[0] = t.readOptions(), key
		q.Keys = q.one[:]
		answer, err := t.db.call(ctx, info.Ref, &q.GetRequest, &p)
		if err == nil {
			if t.tracks {
				t.reads.addKey(key)
			}
			return answer.(*region.GetResponse).Values[0], nil
		}
		t.pointOut = t.pointOut || p.doubt
		if err == errAgain {
			continue
		}
		if err := t.clear(ctx, err, &p); err != nil {
			return nil, err
		}
	}
}

// clear does what can be done about the error of a read: it returns nil if it may be
// tried again.
func (t *Txn) clear(ctx context.Context, err error, p *patience) error {
	if uncertain, ok := errors.AsType[*region.UncertainError](err); ok {
		return t.moveUp(ctx, uncertain)
	}
	o := t.readOptions()
	err = t.db.resolver.pass(ctx, err, &o, p)
	t.past = o.Past
	return err
}

// BatchGet returns the values of keys, nil for those that have none; a value that is
// empty is not nil. Regions are asked at the same time.
func (t *Txn) BatchGet(ctx context.Context, keys ...[]byte) ([][]byte, error) {
	values := make([][]byte, len(keys))
	var missing []int
	for i, k := range keys {
		if err := t.usable(k); err != nil {
			return nil, err
		}
		if c := t.buf.get(k); c != nil {
			values[i] = bytes.Clone(c.visible())
		} else {
			missing = append(missing, i)
		}
	}
	if len(missing) == 0 {
		return values, t.open()
	}
	slices.SortFunc(missing, func(a, b int) int { return bytes.Compare(keys[a], keys[b]) })
	sorted := make([][]byte, len(missing))
	for i, at := range missing {
		sorted[i] = keys[at]
	}
	read, err := t.readSorted(ctx, sorted)
	if err != nil {
		return nil, err
	}
	for i, at := range missing {
		values[at] = read[i]
	}
	return values, nil
}

// readSorted reads keys of the snapshot, in order, all at the same ReadTS.
func (t *Txn) readSorted(ctx context.Context, keys [][]byte) ([][]byte, error) {
	for {
		values, err := t.readOnce(ctx, keys)
		if uncertain, ok := errors.AsType[*region.UncertainError](err); ok {
			if err := t.moveUp(ctx, uncertain); err != nil {
				return nil, err
			}
			continue
		}
		if err == nil && t.tracks {
			for _, k := range keys {
				t.reads.addKey(k)
			}
		}
		return values, err
	}
}

func (t *Txn) readOnce(ctx context.Context, keys [][]byte) ([][]byte, error) {
	p := patience{db: t.db, seed: uint64(t.startTS)}
	parts, err := t.db.parts(ctx, keys, &p)
	if err != nil {
		return nil, err
	}
	values := make([][]byte, len(keys))
	pasts := make([][]TS, len(parts))
	begin := make([]int, len(parts))
	for i := 1; i < len(parts); i++ {
		begin[i] = begin[i-1] + len(parts[i-1])
	}
	err = t.db.parallel(ctx, len(parts), func(ctx context.Context, i int) error {
		p := patience{db: t.db, seed: uint64(t.startTS) + uint64(i)}
		options, at := t.readOptions(), begin[i]
		return t.db.each(ctx, parts[i], &p, exchange{
			ask: func(keys [][]byte) region.Request { return &region.GetRequest{ReadOptions: options, Keys: keys} },
			got: func(_ [][]byte, answer any) error {
				at += copy(values[at:], answer.(*region.GetResponse).Values)
				p = patience{db: t.db, seed: p.seed} // the next request has its own
				return nil
			},
			met: func(err error) error {
				err = t.db.resolver.pass(ctx, err, &options, &p)
				pasts[i] = options.Past
				return err
			},
		})
	})
	for _, past := range pasts {
		if len(past) > len(t.past) {
			t.past = past // the rest is learnt again, if need be
		}
	}
	return values, err
}

// writable checks a write of a key.
func (t *Txn) writable(key []byte, value int) error {
	if err := t.usable(key); err != nil {
		return err
	}
	switch {
	case t.mode == ReadOnly:
		return fmt.Errorf("%w: write of key %q", ErrReadOnly, key)
	case value > region.MaxValueSize:
		return fmt.Errorf("%w: the value of key %q has %d bytes, at most %d fit", ErrTooLarge, key, value, region.MaxValueSize)
	case t.buf.bytes+t.buf.kept+len(key)+value > MaxTxnSize:
		return fmt.Errorf("%w: with key %q the transaction, and what savepoints go back to, would have more than %d bytes", ErrTooLarge, key, MaxTxnSize)
	}
	return nil
}

// Put sets the value of a key; nil is an empty one.
func (t *Txn) Put(key, value []byte) error {
	if err := t.writable(key, len(value)); err != nil {
		return err
	}
	return t.buf.put(region.MutPut, key, value)
}

// Insert is Put of a key that has no value yet. It fails with ErrExists if the
// transaction itself has written one, or has locked the key and found one; otherwise it is Commit
// that looks, and fails.
func (t *Txn) Insert(key, value []byte) error {
	if err := t.writable(key, len(value)); err != nil {
		return err
	}
	return t.buf.put(region.MutInsert, key, value)
}

// Delete removes a key, which need not be there.
func (t *Txn) Delete(key []byte) error {
	if err := t.writable(key, 0); err != nil {
		return err
	}
	return t.buf.put(region.MutDelete, key, nil)
}

// Savepoint is a place to go back to. It costs next to nothing; writes after it
// remember what they replace.
func (t *Txn) Savepoint() Savepoint {
	if t.mode == ReadOnly {
		return Savepoint{}
	}
	return t.buf.savepoint()
}

// RollbackTo takes back all writes that came after a savepoint, which stays good, while
// later ones do not. Locks stay, and so does what a serializable transaction
// has read.
func (t *Txn) RollbackTo(s Savepoint) error {
	if err := t.open(); err != nil || t.mode == ReadOnly {
		return err
	}
	return t.buf.rollbackTo(s)
}

// Rollback ends the transaction without a trace. Locks that it cannot give back,
// which it reports, expire. It fails with ErrDone if the transaction is over.
func (t *Txn) Rollback(ctx context.Context) error {
	if t.state != txnOpen {
		return ErrDone
	}
	t.finish(txnRolledBack)
	t.db.count.rolledBack.Add(1)
	return t.giveBack(ctx)
}

func (t *Txn) finish(s txnState) {
	t.state = s
	t.beating.Store(false)
	t.db.leave(t)
}

// String names the transaction by its mode and StartTS.
func (t *Txn) String() string { return fmt.Sprintf("%v transaction %v", t.mode, t.startTS) }
