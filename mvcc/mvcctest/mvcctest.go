package mvcctest

import (
	"context"
	"iter"

	"github.com/flagship-go/flagship/mvcc"
)

// KV is a key with its value.
type KV = mvcc.KV

// Errors that a store, or its adapter, must return, wrapped or not, for the kit to know
// them.
var (
	// ErrNotFound is what Get returns for a key that has no value.
	ErrNotFound = mvcc.ErrNotFound
	// ErrConflict is that somebody came between: the transaction has done nothing, and may
	// be run again. Commit returns it, or the call that finds out.
	ErrConflict = mvcc.ErrConflict
	// ErrExists is for Insert, which returns it, or Commit.
	ErrExists = mvcc.ErrExists
	// ErrDeadlock is for GetForUpdate.
	ErrDeadlock = mvcc.ErrDeadlock
	// ErrUnknown is that nobody knows whether a commit has happened.
	ErrUnknown = mvcc.ErrUndetermined
)

// DB is what is graded. If it is an io.Closer it is closed when a rule's story is over.
// It is safe for concurrent use.
type DB interface {
	Begin(ctx context.Context) (Txn, error)
}

// Txn is a transaction, which serves one goroutine at a time. Keys and values that are
// passed in are the caller's again when a call returns, and what comes back is the caller's.
type Txn interface {
	// Get fails with ErrNotFound if there is no value.
	Get(ctx context.Context, key []byte) ([]byte, error)
	// Scan ranges over lo <= key < hi in order; nil is no bound. An error ends it.
	Scan(ctx context.Context, lo, hi []byte) iter.Seq2[KV, error]
	Put(key, value []byte) error
	Delete(key []byte) error
	// Commit makes all writes visible, or none. The transaction is over either way.
	Commit(ctx context.Context) error
	// Rollback ends the transaction; after Commit it may do nothing, or fail.
	Rollback(ctx context.Context) error
}

// What fields of Mode ask of a Txn, or of the DB, beyond the rest. A claim without the
// method fails.
type (
	// Reverser is for Mode.Reverse: the same range, from its last key down.
	Reverser interface {
		ScanReverse(ctx context.Context, lo, hi []byte) iter.Seq2[KV, error]
	}
	// Inserter is for Mode.Insert: Put of a key that has no value.
	Inserter interface{ Insert(key, value []byte) error }
	// Savepointer is for Mode.Savepoints: back undoes all writes since.
	Savepointer interface{ Savepoint() (back func() error) }
	// Locker is for Mode.Locks: nobody else writes the keys until the transaction ends. It
	// waits for others' locks, and returns the latest values, nil for none.
	Locker interface {
		GetForUpdate(ctx context.Context, keys ...[]byte) ([][]byte, error)
	}
	// Stamped is for Mode.TimeTravel: when a transaction was committed, as BeginAt takes it.
	Stamped interface{ Stamp() uint64 }
	// Traveller is for Mode.TimeTravel; it is of the DB. The transaction only reads.
	Traveller interface {
		BeginAt(ctx context.Context, stamp uint64) (Txn, error)
	}
)

// Mode is what a store claims of its transactions. The zero value is snapshot isolation,
// which is required; what is not claimed is printed so, and not graded.
type Mode struct {
	// Name is printed in front of the results.
	Name string

	Serializable bool // no write skew on keys, found or not
	Ranges       bool // with Serializable: on ranges neither (no phantoms)
	RealTime     bool // what was committed is seen by all who begin later
	Reverse      bool // see [Reverser]
	Insert       bool // see [Inserter]
	Savepoints   bool // see [Savepointer]
	Locks        bool // see [Locker]
	TimeTravel   bool // see [Stamped] and [Traveller]
}

// Flagship is package mvcc, as the kit sees it: all transactions of a DB are in one mode.
// It does not close the DB.
func Flagship(db *mvcc.DB, m mvcc.Mode) DB { return &flagship{db, m} }

// Claims is what package mvcc claims of a mode. realTime is false if its clocks are hybrid:
// then two transactions that have no key in common may be in another order than on the
// wall.
func Claims(m mvcc.Mode, realTime bool) Mode {
	return Mode{
		Name: m.String(), Serializable: m == mvcc.Serializable, Ranges: m == mvcc.Serializable,
		RealTime: realTime, Reverse: true, Insert: true, Savepoints: true, Locks: m == mvcc.Pessimistic, TimeTravel: true,
	}
}

type flagship struct {
	db   *mvcc.DB
	mode mvcc.Mode
}

func (f *flagship) Begin(ctx context.Context) (Txn, error) {
	t, err := f.db.Begin(ctx, mvcc.TxnOptions{Mode: f.mode})
	return flagshipTxn{t}, err
}

func (f *flagship) BeginAt(ctx context.Context, stamp uint64) (Txn, error) {
	t, err := f.db.Begin(ctx, mvcc.TxnOptions{Mode: mvcc.ReadOnly, ReadTS: mvcc.TS(stamp)})
	return flagshipTxn{t}, err
}

type flagshipTxn struct{ *mvcc.Txn }

func (t flagshipTxn) Scan(ctx context.Context, lo, hi []byte) iter.Seq2[KV, error] {
	return t.Txn.Scan(ctx, lo, hi, mvcc.ScanOptions{})
}

func (t flagshipTxn) ScanReverse(ctx context.Context, lo, hi []byte) iter.Seq2[KV, error] {
	return t.Txn.Scan(ctx, lo, hi, mvcc.ScanOptions{Reverse: true})
}

func (t flagshipTxn) Savepoint() func() error {
	s := t.Txn.Savepoint()
	return func() error { return t.RollbackTo(s) }
}

func (t flagshipTxn) Stamp() uint64 { return uint64(t.CommitTS()) }
