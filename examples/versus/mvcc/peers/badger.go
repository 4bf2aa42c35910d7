package peers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/flagship-go/flagship/mvcc/mvcctest"
)

// BadgerClaims is what badger claims: transactions that are serializable as far as they
// have read keys, and scans in both directions. What is not set it has not:
//
//	Ranges      a scan remembers the keys that it found, not those between them
//	Insert      it is a get and a set: that nothing was there is remembered
//	Savepoints  a transaction's writes are one map
//	Locks       conflicts are found at commit alone
//	TimeTravel  a caller has timestamps only where he makes all of them himself
var BadgerClaims = mvcctest.Mode{Name: "badger", Serializable: true, RealTime: true, Reverse: true}

// OpenBadger opens badger in memory, for the kit.
func OpenBadger() (mvcctest.DB, error) {
	db, err := badger.Open(badger.DefaultOptions("").WithInMemory(true).WithLogger(nil).WithMetricsEnabled(false).
		WithMemTableSize(8 << 20).WithNumMemtables(2).WithCompression(options.None).WithBlockCacheSize(0))
	if err != nil {
		return nil, err
	}
	return badgerDB{db}, nil
}

type badgerDB struct{ db *badger.DB }

func (d badgerDB) Begin(context.Context) (mvcctest.Txn, error) {
	return badgerTxn{d.db.NewTransaction(true)}, nil
}

func (d badgerDB) Close() error { return d.db.Close() }

// badgerTxn copies what is written and what is found: badger keeps slices until commit, and
// gives its own.
type badgerTxn struct{ txn *badger.Txn }

func (t badgerTxn) Get(_ context.Context, key []byte) ([]byte, error) {
	item, err := t.txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, fmt.Errorf("%w: %w", mvcctest.ErrNotFound, err)
	}
	if err != nil {
		return nil, err
	}
	return item.ValueCopy(nil)
}

func (t badgerTxn) Put(key, value []byte) error {
	return t.txn.Set(bytes.Clone(key), bytes.Clone(value))
}

func (t badgerTxn) Delete(key []byte) error { return t.txn.Delete(bytes.Clone(key)) }

func (t badgerTxn) Scan(_ context.Context, lo, hi []byte) iter.Seq2[mvcctest.KV, error] {
	return t.scan(lo, hi, false)
}

func (t badgerTxn) ScanReverse(_ context.Context, lo, hi []byte) iter.Seq2[mvcctest.KV, error] {
	return t.scan(lo, hi, true)
}

// scan adds bounds to badger's iterator, which has none.
func (t badgerTxn) scan(lo, hi []byte, reverse bool) iter.Seq2[mvcctest.KV, error] {
	return func(yield func(mvcctest.KV, error) bool) {
		o := badger.DefaultIteratorOptions
		o.Reverse = reverse
		it := t.txn.NewIterator(o)
		defer it.Close()
		from := lo
		if reverse {
			from = hi
		}
		if from == nil {
			it.Rewind()
		} else {
			it.Seek(from)
		}
		for ; it.Valid(); it.Next() {
			item := it.Item() // from here on the key counts as read, also the one behind the end
			key := item.KeyCopy(nil)
			below, above := bytes.Compare(key, lo) < 0, hi != nil && bytes.Compare(key, hi) >= 0
			if above && reverse {
				continue // a seek backwards finds hi itself
			}
			if below || above {
				return
			}
			value, err := item.ValueCopy(nil)
			if !yield(mvcctest.KV{Key: key, Value: value}, err) || err != nil {
				return
			}
		}
	}
}

func (t badgerTxn) Commit(context.Context) error {
	err := t.txn.Commit()
	if errors.Is(err, badger.ErrConflict) {
		err = fmt.Errorf("%w: %w", mvcctest.ErrConflict, err)
	}
	return err
}

func (t badgerTxn) Rollback(context.Context) error {
	t.txn.Discard()
	return nil
}
