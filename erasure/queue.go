// Objects that wait to be healed.

package erasure

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// A healQueue is a set of names. What is queued while it is healed is healed
// again: what was seen may be newer.
type healQueue struct {
	mu    sync.Mutex
	names map[string]bool
	wake  chan struct{} // of capacity 1; nil in a serial store
}

// maxQueued bounds the queue. The scanner finds what does not fit.
const maxQueued = 100_000

// queue has an object healed, later.
func (s *Store) queue(name string) {
	q := &s.heal
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.names == nil {
		q.names = make(map[string]bool)
	}
	if len(q.names) >= maxQueued {
		return
	}
	q.names[name] = true
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *healQueue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.names)
}

// take empties the queue.
func (q *healQueue) take() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	names := make([]string, 0, len(q.names))
	for name := range q.names {
		names = append(names, name)
	}
	clear(q.names)
	slices.Sort(names)
	return names
}

// HealQueued heals the objects that reads and writes have queued, until none is
// left. Without [Options.Serial] the store does so by itself.
func (s *Store) HealQueued(ctx context.Context) (HealReport, error) {
	if err := s.use(); err != nil {
		return HealReport{}, err
	}
	defer s.leave()
	h := &healer{store: s}
	err := s.healQueued(ctx, h)
	return h.report, err
}

func (s *Store) healQueued(ctx context.Context, h *healer) error {
	var errs []error
	for names := s.heal.take(); len(names) > 0; names = s.heal.take() {
		for i, name := range names {
			if ctx.Err() != nil {
				for _, name := range names[i:] {
					s.queue(name)
				}
				return errors.Join(append(errs, ctx.Err())...)
			}
			if err := h.object(ctx, name); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// startHealing heals what is queued, as long as the store is open.
func (s *Store) startHealing() {
	s.heal.wake = make(chan struct{}, 1)
	s.background.Go(func() {
		for {
			select {
			case <-s.ctx.Done():
				return
			case <-s.heal.wake:
			}
			if err := s.healQueued(s.ctx, &healer{store: s}); err != nil {
				s.o.Logger.Warn("healing", "err", err)
			}
		}
	})
}
