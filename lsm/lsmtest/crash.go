package lsmtest

import (
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/flagship-go/flagship/internal/vfs"
)

// A watcher knows which states of the model a store may come back with.
//
//	states   0 ---- 1 ---- 2 ---- 3 ---- 4 ---- 5
//	                       ^             ^      ^
//	                  promised        acked   begun
//	             (synced, flushed)
//
// After a power cut the store holds one of the states from promised to begun,
// after a kill one from acked to begun; nothing between two states, and nothing
// else.
type watcher struct {
	impl *Implementation
	p    *player

	mu              sync.Mutex
	states          []state
	promised, acked int
	checks          int
	err             error // the first thing wrong
}

// watch begins to follow a player.
func watch(impl *Implementation, p *player) *watcher {
	c := &watcher{impl: impl, p: p, states: []state{p.state}}
	p.before = func(next state) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.states = append(c.states, next)
	}
	p.after = func(_ state, durable bool) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.acked = len(c.states) - 1
		if durable {
			c.promised = c.acked
		}
	}
	return c
}

// draw takes a state of the disk.
func draw(m *MemFS, rng *rand.Rand, kind int) *MemFS {
	switch kind % 4 {
	case 0:
		return m.CrashClone(nil)
	case 1:
		return m.CrashCloneKeepAll()
	}
	return m.CrashClone(rng)
}

// look is called after an operation on the disk, by whoever did it: it takes
// what a crash would leave, and checks that.
func (c *watcher) look(op vfs.Op, take func() *MemFS, killed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	low := c.promised
	if killed {
		low = c.acked
	}
	c.checks++
	if err := c.recovers(take(), low, len(c.states)-1, c.checks%4 == 0); err != nil {
		what := "a power cut"
		if killed {
			what = "a kill"
		}
		c.err = fmt.Errorf("%s at operation %v: %w", what, op, err)
	}
}

// recovers opens what a crash has left: a state from low to high.
func (c *watcher) recovers(left *MemFS, low, high int, again bool) error {
	o := c.p.options(c.p.dir)
	o.FS = left
	store, err := c.impl.Open(o)
	if err != nil {
		return fmt.Errorf("it does not open: %w", err)
	}
	defer store.Close()
	got, err := readAll(store, nil, nil)
	if err != nil {
		return fmt.Errorf("reading what was left: %w", err)
	}
	found := -1
	for i := high; i >= 0 && found < 0; i-- {
		if compare(got, c.pairs(i), c.p.set.MayDrop) == nil {
			found = i
		}
	}
	switch {
	case found < 0:
		return fmt.Errorf("what is left is no state that there was: beside the last promised one, %w", compare(got, c.pairs(low), c.p.set.MayDrop))
	case found < low:
		return fmt.Errorf("%d batches of %d promised are left, the last is lost", found, low)
	}
	if again {
		return c.goesOn(store, left, c.states[found])
	}
	return nil
}

func (c *watcher) pairs(i int) []pair { return c.states[i].pairs(nil, nil, c.p.now()) }

// goesOn writes to a store that has come back, and cuts power once more: what
// the first life has left must not come to stand behind the second's.
func (c *watcher) goesOn(store Store, disk *MemFS, st state) error {
	ops := []Op{{Key: []byte("k00"), Value: []byte("second life")}, {Key: []byte("zz"), Value: []byte("second life")}}
	if err := store.Apply(ops, true); err != nil {
		return fmt.Errorf("writing to what was left: %w", err)
	}
	o := c.p.options(c.p.dir)
	o.FS = disk.CrashClone(nil)
	second, err := c.impl.Open(o)
	if err != nil {
		return fmt.Errorf("after a second life and a second power cut it does not open: %w", err)
	}
	defer second.Close()
	got, err := readAll(second, nil, nil)
	if err != nil {
		return err
	}
	if err := compare(got, st.apply(ops, c.p.now()).pairs(nil, nil, c.p.now()), c.p.set.MayDrop); err != nil {
		return fmt.Errorf("after a second life and a second power cut: %w", err)
	}
	return nil
}

// crashing plays a log and looks after every operation that chosen picks, and
// after every batch that was acknowledged.
func crashing(w *world, l Log, killed bool, rng *rand.Rand, chosen func() bool) (checks int, err error) {
	p, err := w.player()
	if err != nil {
		return 0, err
	}
	c := watch(w.impl, p)
	kind := 0
	visit := func(op vfs.Op) {
		c.mu.Lock()
		here := chosen()
		kind++
		k := kind
		c.mu.Unlock()
		if here {
			c.look(op, func() *MemFS {
				if killed {
					return p.fs.KillClone()
				}
				return draw(p.fs, rng, k)
			}, killed)
		}
	}
	acked := p.after
	p.after = func(now state, durable bool) {
		acked(now, durable)
		visit(vfs.Op{Kind: "acknowledged"})
	}
	p.fs.Observe(visit)
	err = p.play(l)
	p.fs.Observe(nil)
	if c.err != nil {
		err = c.err
	}
	return c.checks, err
}

// errOf names an error's step.
func errOf(s step, err error) error { return fmt.Errorf("%s: %w", s.short(), err) }
