// One lock for each object: writers one at a time, readers between them.

package erasure

import (
	"context"
	"sync"
)

// locks are the locks of all objects that somebody holds or waits for. They are
// first come, first served, so that neither readers nor writers starve.
type locks struct {
	mu    sync.Mutex
	names map[string]*lock
}

type lock struct {
	readers int
	writer  bool
	queue   []*waiter
}

type waiter struct {
	exclusive bool
	ready     chan struct{} // closed when the lock is the waiter's
}

// acquire waits for the lock of a name, exclusively or shared with others, and
// returns how to give it back.
func (l *locks) acquire(ctx context.Context, name string, exclusive bool) (release func(), err error) {
	l.mu.Lock()
	k := l.names[name]
	if k == nil {
		k = new(lock)
		if l.names == nil {
			l.names = make(map[string]*lock)
		}
		l.names[name] = k
	}
	w := &waiter{exclusive, make(chan struct{})}
	k.queue = append(k.queue, w)
	k.advance()
	l.mu.Unlock()

	release = func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if exclusive {
			k.writer = false
		} else {
			k.readers--
		}
		l.advance(name, k)
	}
	select {
	case <-w.ready:
		return release, nil
	default:
	}
	select {
	case <-w.ready:
		return release, nil
	case <-ctx.Done():
	}
	if !l.withdraw(name, k, w) {
		release() // it was given meanwhile
	}
	return nil, ctx.Err()
}

// withdraw takes a waiter out of the queue, if it is still there.
func (l *locks) withdraw(name string, k *lock, w *waiter) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range k.queue {
		if k.queue[i] == w {
			k.queue = append(k.queue[:i], k.queue[i+1:]...)
			l.advance(name, k)
			return true
		}
	}
	return false
}

// advance passes the lock on, and forgets it when nobody wants it.
func (l *locks) advance(name string, k *lock) {
	k.advance()
	if !k.writer && k.readers == 0 && len(k.queue) == 0 {
		delete(l.names, name)
	}
}

// advance gives the lock to those at the head of the queue, as far as they agree.
func (k *lock) advance() {
	for len(k.queue) > 0 && !k.writer {
		w := k.queue[0]
		if w.exclusive && k.readers > 0 {
			return
		}
		if w.exclusive {
			k.writer = true
		} else {
			k.readers++
		}
		k.queue = k.queue[1:]
		close(w.ready)
	}
}
