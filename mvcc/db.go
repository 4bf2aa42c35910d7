// The door: a DB begins transactions.

package mvcc

import (
	"context"
	"log/slog"
	"time"
)

// Mode is the isolation of a transaction.
type Mode uint8

const (
	// Snapshot isolation: reads at StartTS; fails if a key it writes was written
	// since. Write skew is possible.
	SnapshotIsolation Mode = iota
	// Serializable: as if alone, at CommitTS.
	Serializable
	// Pessimistic is snapshot isolation for transactions that lock keys before
	// they decide ([Txn.GetForUpdate]); they wait where others fail.
	Pessimistic
	// ReadOnly reads at a snapshot of any time above the safepoint, and takes part in
	// nothing.
	ReadOnly
)

func (m Mode) String() string {
	return [...]string{"snapshot", "serializable", "pessimistic", "read-only"}[m]
}

// Options configure a DB. The zero value is a store in memory, of one region, with an
// oracle in the process.
type Options struct {
	// Transport brings requests to the regions. Default: a Local over Engine with
	// SplitKeys.
	Transport Transport
	// Engine is where the regions of the default Transport keep their records.
	// Default: NewMemory().
	Engine Engine
	// SplitKeys are where the regions of the default Transport begin, but for the
	// first one; in order.
	SplitKeys [][]byte
	// Clock gives out timestamps. Default: oracle.New(nil).
	Clock Clock

	// LockTTL is how long a lock lives without a heartbeat. Short ones make others
	// wait less for a client that has gone, and roll back more that was only slow.
	// Default 3 s; heartbeats come at a third of it.
	LockTTL time.Duration
	// MaxLifetime is how old a transaction may get; heartbeats end then, and collection
	// does not wait for older ones. Default 1 h.
	MaxLifetime time.Duration
	// LockWait is how long a request waits for another's lock before it fails with
	// ErrLocked. Default 10 s.
	LockWait time.Duration
	// NoAsyncCommit and NoOnePC commit in two phases where one would do: to study
	// them, or to measure.
	NoAsyncCommit, NoOnePC bool
	// Concurrency is how many requests of one transaction are under way at once.
	// Default 16.
	Concurrency int
	// Serial starts no goroutine: secondaries are committed before Commit returns,
	// nothing is prolonged and nothing collected in the background. For simulations.
	Serial bool
	// Sleep waits between two tries. Default: a timer. Simulations yield in it.
	Sleep func(ctx context.Context, d time.Duration) error
	// GCEvery is how often old versions are collected in the background, and GCKeep
	// how old a version may be that readers can still ask for. Default: not at all;
	// GCKeep 10 min.
	GCEvery, GCKeep time.Duration
	// Logger says what is resolved, rolled back and collected. Default: silent.
	Logger *slog.Logger
}

// TxnOptions say how a transaction is to be run.
type TxnOptions struct {
	Mode Mode
	// ReadTS is the snapshot of a ReadOnly transaction; 0 is now.
	ReadTS TS
}
