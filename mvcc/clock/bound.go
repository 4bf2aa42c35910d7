package clock

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/mvcc/timestamp"
)

// ErrClosed reports a call on a closed clock.
var ErrClosed = errors.New("clock: closed")

// Store keeps one timestamp over restarts. [File] is one; a raft group may be another.
// It is called by one goroutine at a time.
type Store interface {
	// Load returns what was saved last, or 0. After a Save that failed it may be
	// either.
	Load() (timestamp.TS, error)
	// Save returns once ts will survive whatever happens.
	Save(ts timestamp.TS) error
}

// Memory is a Store that lasts as long as it is referred to. The zero value is empty.
type Memory struct{ ts atomic.Uint64 }

// Load returns what was saved last.
func (m *Memory) Load() (timestamp.TS, error) { return timestamp.TS(m.ts.Load()), nil }

// Save keeps ts.
func (m *Memory) Save(ts timestamp.TS) error {
	m.ts.Store(uint64(ts))
	return nil
}

// Bound promises that every timestamp which was given out is below the one in a store;
// see the picture of the package. It is safe for concurrent use.
//
// Who gives out a timestamp takes it first, from [Last], and then asks Covers: so
// Close, which ends the cover before it looks at Last, misses none.
type Bound struct {
	soft, hard atomic.Uint64
	opened     atomic.Bool
	store      Store
	window     time.Duration

	turn   chan struct{} // held by who reads or writes the store
	closed bool          // under turn
}

// NewBound returns a bound that is not open yet. Without a store it is, and promises
// nothing.
func NewBound(store Store, window time.Duration) *Bound {
	b := &Bound{store: store, window: window, turn: make(chan struct{}, 1)}
	if store == nil {
		b.opened.Store(true)
		b.soft.Store(uint64(timestamp.Max))
		b.hard.Store(uint64(timestamp.Max))
	}
	return b
}

// Opened reports whether timestamps may be taken.
func (b *Bound) Opened() bool { return b.opened.Load() }

// Open reads what an earlier run has promised, and calls begin with it, once, before
// anybody may take a timestamp: begin sees to it that none below it is taken. If begin
// fails, the bound is not open, and the next call tries again.
func (b *Bound) Open(ctx context.Context, begin func(earlier timestamp.TS) error) error {
	if err := b.take(ctx); err != nil {
		return err
	}
	defer b.release()
	if b.closed {
		return ErrClosed
	}
	if b.opened.Load() {
		return nil
	}
	earlier, err := b.store.Load()
	if err != nil {
		return fmt.Errorf("clock: reading up to where timestamps were given out: %w", err)
	}
	if err := begin(earlier); err != nil {
		return err
	}
	b.opened.Store(true)
	return nil
}

// Covers reports whether ts may be given out, and nothing is to be done.
func (b *Bound) Covers(ts timestamp.TS) bool { return uint64(ts) < b.soft.Load() }

// Cover sees to it that ts may be given out, which it must not if Cover fails.
func (b *Bound) Cover(ctx context.Context, ts timestamp.TS) error {
	promised := uint64(ts) < b.hard.Load()
	if promised {
		select {
		case b.turn <- struct{}{}:
		default: // somebody is writing the next one
			return nil
		}
	} else if err := b.take(ctx); err != nil {
		return err
	}
	defer b.release()
	if b.closed {
		return ErrClosed
	}
	if b.Covers(ts) {
		return nil
	}
	hard := ts.Add(b.window)
	if err := b.store.Save(hard); err != nil {
		if promised {
			return nil // it will be tried again, and told once the window is used up
		}
		return fmt.Errorf("clock: writing up to where timestamps may be given out: %w", err)
	}
	// C2: only now, when it is written.
	b.hard.Store(uint64(hard))
	b.soft.Store(uint64(ts.Add(b.window / 2)))
	return nil
}

// Close ends the cover, and saves how far timestamps really were given out, so that the
// next run loses nothing. A second Close does nothing.
func (b *Bound) Close(last *Last) error {
	b.turn <- struct{}{}
	defer b.release()
	if b.closed {
		return nil
	}
	b.closed = true
	b.soft.Store(0)
	b.hard.Store(0)
	if b.store == nil || !b.opened.Load() {
		return nil
	}
	if err := b.store.Save(last.Load() + 1); err != nil {
		return fmt.Errorf("clock: writing up to where timestamps were given out: %w", err)
	}
	return nil
}

func (b *Bound) take(ctx context.Context) error {
	select {
	case b.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *Bound) release() { <-b.turn }
