// What the protocol needs of a storage engine, and no more; and the engine that is there
// without any.

package region

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"

	"github.com/flagship-go/flagship/mvcc/ordmap"
)

// CF is a column family: a key space of its own in an engine.
type CF uint8

const (
	// Default has values that are too long for a write record, by key and StartTS.
	Default CF = iota
	// LockCF has the locks of transactions that are not decided, by key.
	LockCF
	// WriteCF has what was committed and rolled back, by key and CommitTS.
	WriteCF
	numCFs
)

func (cf CF) String() string {
	if cf < numCFs {
		return [...]string{"default", "lock", "write"}[cf]
	}
	return "unknown"
}

// Engine is an ordered store of keys and values in three column families. It is
// safe for concurrent use. The default is [NewMemory]; package lsm and a raft group
// fit behind it.
//
// Nothing here compares and swaps: what may conflict is kept apart by latches
// above it.
type Engine interface {
	// Snapshot is the state after every write that has returned, and perhaps some
	// that have not. An engine that is replicated waits until it knows that it
	// serves the latest state.
	Snapshot(ctx context.Context) (Snapshot, error)
	// Write makes all changes of a batch, or none. When it returns without error
	// they are as durable as the engine promises; when the error is an
	// [ErrUndetermined] they may come to be: before a Write that begins after that
	// returns, also one of an empty batch, or never. The engine keeps neither the batch
	// nor its slices.
	Write(ctx context.Context, b *Batch) error
}

// Snapshot is a state of an engine that does not change. Its methods may be called
// concurrently; its iterators serve one goroutine each. Slices that it returns are
// the engine's: they must not be changed, and are valid until Close.
type Snapshot interface {
	// Get returns the value of a key, and whether there is one.
	Get(cf CF, key []byte) (value []byte, ok bool, err error)
	// Iter ranges over lo <= key < hi; nil is no bound. It keeps the bounds.
	Iter(cf CF, lo, hi []byte) Iterator
	Close() error
}

// Iterator stands on a key of a snapshot, or nowhere: at first, behind the last, and
// before the first. Methods that move it report whether it stands on a key.
type Iterator interface {
	// SeekGE moves to the first key at or after key, SeekLT to the last before it.
	// A key outside of the bounds is as good as the bound.
	SeekGE(key []byte) bool
	SeekLT(key []byte) bool
	// Next and Prev move by one key; from nowhere they move to nowhere.
	Next() bool
	Prev() bool
	// Key and Value are valid until the iterator moves.
	Key() []byte
	Value() []byte
	// Err is why it stands nowhere, if it should not.
	Err() error
	Close() error
}

// BulkIterator is an [Iterator] that can show many keys in one call, which is what a
// scan is faster by. An engine need not have it: it is for one whose slices stay where
// they are.
type BulkIterator interface {
	Iterator
	// Take fills keys and values, which are of the same length, with what it stands on
	// and what follows, and moves behind what it took. It returns how many that is: none
	// if it stands nowhere, and perhaps fewer than there is room for. These slices are
	// valid until the snapshot's Close.
	Take(keys, values [][]byte) int
}

// OpKind is what an [Op] does.
type OpKind uint8

const (
	OpPut OpKind = iota
	OpDelete
	// OpDeleteRange deletes Key <= k < Value.
	OpDeleteRange
)

// Op is one change of a batch.
type Op struct {
	Kind  OpKind
	CF    CF
	Key   []byte
	Value []byte // the end, of OpDeleteRange
}

// Batch is changes that are made together, in order: a later one to the same key
// wins. The zero value is empty. It keeps the slices that it is given.
type Batch struct {
	Ops []Op
}

// Put sets the value of a key.
func (b *Batch) Put(cf CF, key, value []byte) { b.Ops = append(b.Ops, Op{OpPut, cf, key, value}) }

// Delete removes a key, which need not be there.
func (b *Batch) Delete(cf CF, key []byte) { b.Ops = append(b.Ops, Op{OpDelete, cf, key, nil}) }

// DeleteRange removes lo <= key < hi.
func (b *Batch) DeleteRange(cf CF, lo, hi []byte) {
	b.Ops = append(b.Ops, Op{OpDeleteRange, cf, lo, hi})
}

// Reset empties the batch, and keeps its memory.
func (b *Batch) Reset() {
	clear(b.Ops)
	b.Ops = b.Ops[:0]
}

// Memory is an [Engine] in memory. A snapshot is a number, and costs writers nothing;
// nobody waits for anybody but writers for each other, so contexts are not looked
// at. Slices that a snapshot returns stay as they are even after Close.
type Memory struct {
	families *ordmap.Map
	closed   atomic.Bool
}

var (
	_ Engine       = (*Memory)(nil)
	_ BulkIterator = (*ordmap.Iterator)(nil)
)

// NewMemory returns an engine without keys.
func NewMemory() *Memory { return &Memory{families: ordmap.New(int(numCFs))} }

// Snapshot returns the state after all writes that have returned. It must be closed: what
// it sees takes memory until then.
func (e *Memory) Snapshot(context.Context) (Snapshot, error) {
	if e.closed.Load() {
		return nil, fmt.Errorf("engine in memory: snapshot: %w", ErrClosed)
	}
	return memorySnapshot{e.families.Snapshot()}, nil
}

// Write makes the changes of a batch. It fails, and changes nothing, if the engine is
// closed, or if a change is not one: an unknown kind or family ([ErrCorrupt]), a key or
// value of 2 GiB ([ErrTooLarge]).
func (e *Memory) Write(_ context.Context, b *Batch) error {
	if e.closed.Load() {
		return fmt.Errorf("engine in memory: write: %w", ErrClosed)
	}
	for i := range b.Ops {
		if err := b.Ops[i].check(); err != nil {
			return fmt.Errorf("engine in memory: write: change %d of %d: %w", i+1, len(b.Ops), err)
		}
	}
	e.families.Update(func(w *ordmap.Writer) {
		for i := range b.Ops {
			switch op := &b.Ops[i]; op.Kind {
			case OpPut:
				w.Put(int(op.CF), op.Key, op.Value)
			case OpDelete:
				w.Delete(int(op.CF), op.Key)
			case OpDeleteRange:
				w.DeleteRange(int(op.CF), op.Key, op.Value)
			}
		}
	})
	return nil
}

func (op *Op) check() error {
	switch {
	case op.Kind > OpDeleteRange || op.CF >= numCFs:
		return fmt.Errorf("%w: kind %d, family %d", ErrCorrupt, op.Kind, op.CF)
	case len(op.Key) > math.MaxInt32 || len(op.Value) > math.MaxInt32:
		return fmt.Errorf("%w: key of %d bytes, value of %d", ErrTooLarge, len(op.Key), len(op.Value))
	}
	return nil
}

// Close ends it. Snapshots that are open stay so. It may be called again.
func (e *Memory) Close() error {
	e.closed.Store(true)
	return nil
}

type memorySnapshot struct{ *ordmap.Snapshot }

func (s memorySnapshot) Get(cf CF, key []byte) (value []byte, ok bool, err error) {
	value, ok = s.Snapshot.Get(int(cf), key)
	return value, ok, nil
}

func (s memorySnapshot) Iter(cf CF, lo, hi []byte) Iterator {
	return s.Snapshot.Iter(int(cf), lo, hi)
}

func (s memorySnapshot) Close() error {
	s.Snapshot.Close()
	return nil
}
