// Objects that wait to be healed.

package erasure

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
)

// A healQueue is a set of names. What is queued while it is healed is healed
// again: what was seen may be newer.
type healQueue struct {
	mu    sync.Mutex
	names map[string]bool // true: deep
	// drives says that a drive has come that may be new or stale.
	drives bool
	wake   chan struct{} // of capacity 1; nil in a serial store
}

// maxQueued bounds the queue. The scanner finds what does not fit.
const maxQueued = 100_000

// queue has an object healed, later.
func (s *Store) queue(name string) { s.heal.add(name, false) }

// queueDeep has an object healed, later, after a look at all bytes of its shards.
func (s *Store) queueDeep(name string) { s.heal.add(name, true) }

func (q *healQueue) add(name string, deep bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.names == nil {
		q.names = make(map[string]bool)
	}
	if len(q.names) >= maxQueued {
		return
	}
	q.names[name] = deep || q.names[name]
	q.poke()
}

// poke wakes who heals.
func (q *healQueue) poke() {
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

// take empties the queue. The names are in order.
func (q *healQueue) take() (names []string, deep map[string]bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	deep, q.names = q.names, nil
	return slices.Sorted(maps.Keys(deep)), deep
}

// pokeDrives has the drives healed that are new or stale.
func (q *healQueue) pokeDrives() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.drives = true
	q.poke()
}

func (q *healQueue) takeDrives() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	drives := q.drives
	q.drives = false
	return drives
}

// HealQueued heals the objects that reads and writes have queued, and the drives
// that are new or stale, until none is left. Without [Options.Serial] the store does so by itself.
func (s *Store) HealQueued(ctx context.Context) (HealReport, error) {
	if err := s.use(); err != nil {
		return HealReport{}, err
	}
	defer s.leave()
	h := &healer{store: s}
	err := errors.Join(s.healQueued(ctx, h), s.healDrives(ctx, h))
	return h.report, err
}

func (s *Store) healQueued(ctx context.Context, h *healer) error {
	var errs []error
	for names, deep := s.heal.take(); len(names) > 0; names, deep = s.heal.take() {
		for i, name := range names {
			if ctx.Err() != nil {
				for _, name := range names[i:] {
					s.heal.add(name, deep[name])
				}
				return errors.Join(append(errs, ctx.Err())...)
			}
			h.deep = deep[name]
			if err := h.object(ctx, name); err != nil {
				errs = append(errs, err)
			}
		}
	}
	h.deep = false
	if len(errs) == 0 {
		s.missedNothing()
	}
	return errors.Join(errs...)
}

// missedNothing forgets how many writes drives have missed, when all the objects
// are healed, and none waits for the drive.
func (s *Store) missedNothing() {
	for _, set := range s.sets {
		for _, p := range set.places {
			p.mu.Lock()
			if len(p.waiting) == 0 && !p.stale && !p.rebuilding && p.drive != nil && s.heal.len() == 0 {
				p.missed.Store(0)
			}
			p.mu.Unlock()
		}
	}
}

// startHealing heals what is queued, as long as the store is open.
func (s *Store) startHealing() {
	s.heal.wake = make(chan struct{}, 1)
	s.heal.pokeDrives()
	s.background.Go(func() {
		for {
			select {
			case <-s.ctx.Done():
				return
			case <-s.heal.wake:
			}
			h := &healer{store: s}
			err := s.healQueued(s.ctx, h)
			if s.heal.takeDrives() {
				err = errors.Join(err, s.healDrives(s.ctx, h))
			}
			if err != nil && s.ctx.Err() == nil {
				s.o.Logger.Warn("healing", "err", err)
			}
		}
	})
}
