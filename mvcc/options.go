// What can be chosen: of a store, and of a transaction.

package mvcc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Mode is the isolation of a transaction.
type Mode uint8

const (
	// Snapshot isolation: reads at StartTS; fails if a key it writes was written
	// since. Write skew is possible.
	SnapshotIsolation Mode = iota
	// Serializable: as if alone, at CommitTS, among transactions that are serializable
	// too. One beside it that is not keeps the promises of its own mode only.
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
	// Default: NewMemory(). One that outlives the process needs a Clock that does too.
	Engine Engine
	// SplitKeys are where the regions of the default Transport begin, but for the
	// first one; in order.
	SplitKeys [][]byte
	// Clock gives out timestamps. Default: oracle.New(nil), which starts at the time of
	// day and remembers nothing; one with a Store never gives out a timestamp twice.
	Clock Clock

	// LockTTL is how long a lock lives without a heartbeat. Short ones make others
	// wait less for a client that has gone, and roll back more that was only slow.
	// Default 3 s; heartbeats come at a third of it.
	LockTTL time.Duration
	// MaxLifetime is how old a transaction may get; heartbeats end then, and collection
	// does not wait for older ones. Default 1 h.
	MaxLifetime time.Duration
	// LockWait is how long a request waits for another's lock before it fails with
	// ErrLocked, and how long it is sent again to a region that does not answer.
	// Default 10 s.
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

func (o *Options) withDefaults() (Options, error) {
	var out Options
	if o != nil {
		out = *o
	}
	for _, d := range []struct {
		name  string
		field *time.Duration
		value time.Duration
	}{
		{"LockTTL", &out.LockTTL, 3 * time.Second},
		{"MaxLifetime", &out.MaxLifetime, time.Hour},
		{"LockWait", &out.LockWait, 10 * time.Second},
		{"GCEvery", &out.GCEvery, 0},
		{"GCKeep", &out.GCKeep, 10 * time.Minute},
	} {
		if *d.field < 0 {
			return out, fmt.Errorf("mvcc: Options.%s is %v: it cannot be negative", d.name, *d.field)
		}
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	switch {
	case out.Concurrency < 0:
		return out, fmt.Errorf("mvcc: Options.Concurrency is %d: at least one request must be under way at a time", out.Concurrency)
	case out.Transport != nil && (out.Engine != nil || out.SplitKeys != nil):
		return out, errors.New("mvcc: Options.Engine and SplitKeys are for the default Transport: set them, or Transport, not both")
	case out.LockTTL < 3*time.Millisecond:
		return out, fmt.Errorf("mvcc: Options.LockTTL is %v: timestamps count milliseconds, and it takes a few of them to prolong a lock", out.LockTTL)
	case out.MaxLifetime < out.LockTTL:
		return out, fmt.Errorf("mvcc: Options.MaxLifetime is %v, less than LockTTL %v", out.MaxLifetime, out.LockTTL)
	}
	for i, k := range out.SplitKeys {
		if len(k) == 0 || i > 0 && bytes.Compare(out.SplitKeys[i-1], k) >= 0 {
			return out, fmt.Errorf("mvcc: Options.SplitKeys[%d] is %q: they must be in order, different, and not empty", i, k)
		}
	}
	if out.Concurrency == 0 {
		out.Concurrency = 16
	}
	if out.Sleep == nil {
		out.Sleep = sleep
	}
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	return out, nil
}

// sleep waits, unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
