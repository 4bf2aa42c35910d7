package lsmtest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
)

func concurrentRules() []Rule {
	return []Rule{
		{ID: "batch-visible-whole", Source: "pitfall 7", tell: readersAndWriters,
			Text: "Readers beside writers, flushes and compactions see batches whole, and no key going back."},
	}
}

// readersAndWriters has each writer count up two keys of its own in one batch.
// Whatever moment a reader sees, the two are equal, and no number is below one
// that it has seen.
func readersAndWriters(w *world) error {
	const writers, readers, rounds, size = 3, 3, 120, 700
	p, err := w.player()
	if err != nil {
		return err
	}
	defer p.release()
	if err := p.open(); err != nil {
		return err
	}
	var first atomic.Pointer[error]
	fail := func(err error) { first.CompareAndSwap(nil, &err) }
	done := make(chan struct{})
	var writing, reading sync.WaitGroup
	for id := range writers {
		writing.Go(func() {
			for n := 1; n <= rounds && first.Load() == nil; n++ {
				v := repeated(strconv.Itoa(n)+".", size)
				if err := p.store.Apply([]Op{{Key: fmt.Appendf(nil, "a%d", id), Value: v}, {Key: fmt.Appendf(nil, "b%d", id), Value: v}}, n%40 == 0); err != nil {
					fail(err)
				}
			}
		})
	}
	for range readers {
		reading.Go(func() {
			r := pairReader{store: p.store, seen: map[string]int{}}
			for first.Load() == nil {
				if err := r.look(); err != nil {
					fail(err)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	if m, ok := p.store.(Maintainer); ok && w.impl.Claims.Maintenance {
		reading.Go(func() {
			for first.Load() == nil {
				if err := errors.Join(m.Flush(), m.Compact()); err != nil {
					fail(err)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	writing.Wait()
	close(done)
	reading.Wait()
	if err := first.Load(); err != nil {
		return *err
	}
	for id := range writers {
		for _, half := range []string{"a", "b"} {
			v := repeated(strconv.Itoa(rounds)+".", size)
			p.state = p.state.apply([]Op{{Key: fmt.Appendf(nil, "%s%d", half, id), Value: v}}, p.now())
		}
	}
	if err := p.step(step{verb: "scan"}); err != nil {
		return err
	}
	return p.reopen()
}

// pairReader looks at pairs of keys.
type pairReader struct {
	store Store
	seen  map[string]int
}

func (r *pairReader) look() error {
	got, err := readAll(r.store, nil, nil)
	if err != nil {
		return err
	}
	half := len(got) / 2
	if len(got)%2 != 0 {
		return fmt.Errorf("a scan beside writers shows %d keys of pairs", len(got))
	}
	for i, a := range got[:half] {
		if b := got[half+i]; a.value != b.value || a.key[1:] != b.key[1:] {
			return fmt.Errorf("a scan beside writers shows half a batch: %s is %s and %s is %s", a.key, show(a.value), b.key, show(b.value))
		}
		if err := r.forward(a.key, a.value); err != nil {
			return err
		}
	}
	for _, p := range got {
		v, err := r.store.Get([]byte(p.key))
		if err != nil {
			return fmt.Errorf("key %s beside writers: %w", p.key, err)
		}
		if err := r.forward(p.key, string(v)); err != nil {
			return err
		}
	}
	return nil
}

// forward checks that a key's number did not go back.
func (r *pairReader) forward(key, value string) error {
	n, digits := 0, 0
	for digits < len(value) && value[digits] != '.' {
		n = n*10 + int(value[digits]-'0')
		digits++
	}
	if n < r.seen[key] {
		return fmt.Errorf("key %s was %d and is %d", key, r.seen[key], n)
	}
	r.seen[key] = n
	return nil
}
