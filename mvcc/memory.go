// The engine that is there without any: three families in memory.

package mvcc

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"

	"github.com/flagship-go/flagship/mvcc/ordmap"
)

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
