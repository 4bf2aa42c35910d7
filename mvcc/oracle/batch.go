// An oracle on another machine: those who ask at the same time share the way.

package oracle

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/flagship-go/flagship/mvcc/clock"
	"github.com/flagship-go/flagship/mvcc/timestamp"
)

// Allocate asks an oracle for n timestamps that follow one another, and returns the
// first; [Oracle.Allocate] is one, and what calls it over a wire another.
type Allocate func(ctx context.Context, n int) (first timestamp.TS, err error)

// Batch is a clock in front of an oracle that is far. One request is under way at a time;
// all who come meanwhile share the next. It is safe for concurrent use.
type Batch struct {
	allocate Allocate
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	running  sync.WaitGroup

	mu   sync.Mutex
	next *round       // for whom to ask next; nil: nobody
	busy bool         // a goroutine asks
	last timestamp.TS // the highest that was answered
	seen timestamp.TS // the highest that was observed
}

// maxRound is how many share a request, at most. As many again may be skipped.
const maxRound = MaxBatch / 2

// round is one request.
type round struct {
	n     int
	done  chan struct{} // closed when first or err is set
	first timestamp.TS
	err   error
}

// NewBatch returns a Batch. It has a goroutine only while somebody waits.
func NewBatch(allocate Allocate) *Batch {
	b := &Batch{allocate: allocate}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b
}

// Now returns a timestamp that was allocated after the call. It fails when the oracle
// cannot be asked, with ctx, and after Close.
func (b *Batch) Now(ctx context.Context) (timestamp.TS, error) {
	r, i, err := b.join()
	if err != nil {
		return 0, err
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		return 0, ctx.Err() // its timestamp is lost
	}
	if r.err != nil {
		return 0, r.err
	}
	return r.first + timestamp.TS(i), nil
}

// join takes place i of the next round.
func (b *Batch) join() (r *round, i int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ctx.Err() != nil {
		return nil, 0, clock.ErrClosed
	}
	if b.next != nil && b.next.n == maxRound {
		return nil, 0, fmt.Errorf("oracle: %d callers wait already", maxRound)
	}
	if b.next == nil {
		b.next = &round{done: make(chan struct{})}
	}
	r, i = b.next, b.next.n
	r.n++
	if !b.busy {
		b.busy = true
		b.running.Go(b.run)
	}
	return r, i, nil
}

// run asks, round after round, until nobody waits.
func (b *Batch) run() {
	for {
		b.mu.Lock()
		r := b.next
		b.next = nil // C1: whoever comes now is too late for it
		b.busy = r != nil
		b.mu.Unlock()
		if r == nil {
			return
		}
		b.ask(r)
	}
}

func (b *Batch) ask(r *round) {
	defer close(r.done)
	b.mu.Lock()
	last, seen := b.last, b.seen
	b.mu.Unlock()
	first, err := b.allocate(b.ctx, r.n)
	if err == nil && first <= seen && seen-first < maxRound {
		// What was observed is a CommitTS that a region made by adding 1.
		skip := seen - first + 1
		first, err = b.allocate(b.ctx, r.n+int(skip))
		first += skip
	}
	if b.ctx.Err() != nil {
		err = clock.ErrClosed
	}
	if err == nil && first <= last {
		err = fmt.Errorf("oracle: it gave out %v after %v: it has lost its bound", first, last)
	}
	if err != nil {
		r.err = err
		return
	}
	r.first = first
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = first + timestamp.TS(r.n-1)
	if b.seen == seen {
		b.seen = 0 // it is below last now, or no timestamp of this oracle (C5)
	}
}

// Observe takes note of a timestamp in a message. One that the oracle cannot have given
// out is forgotten when the oracle has answered the next time.
func (b *Batch) Observe(ts timestamp.TS) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ts > b.last {
		b.seen = max(b.seen, ts)
	}
	return nil
}

// MaxOffset is 0: there is one clock.
func (b *Batch) MaxOffset() time.Duration { return 0 }

// Close fails those who wait, and waits until no goroutine is left. A second Close does
// nothing.
func (b *Batch) Close() error {
	b.mu.Lock()
	b.cancel()
	b.mu.Unlock()
	b.running.Wait()
	return nil
}
