package lsmtest

import (
	"errors"
	"fmt"
	"strings"
)

func checkpointRules() []Rule {
	var many strings.Builder
	for i := range 40 {
		fmt.Fprintf(&many, "put k%02d v%d.*700\n", i*7%40, i)
	}
	return []Rule{
		{ID: "checkpoint", Source: "issue, section A", Capability: "Checkpoint",
			Text: "A checkpoint is a store with what was there, and later writes are not in it.",
			log: many.String() + `
				flush
				del k03
				put k04 2
				checkpoint
				put k05 3
				scan
				checkpoint
				compact
				checkpoint
				reopen
				checkpoint
				scan`},
		{ID: "checkpoint-of-nothing", Source: "issue, section A", Capability: "Checkpoint",
			Text: "The checkpoint of an empty store is one.",
			log: `
				checkpoint
				put a 1
				checkpoint
				del a
				checkpoint
				compact
				checkpoint`},
		{ID: "verify", Source: "issue, section A", Capability: "Verify", Text: "What is not damaged is not called damaged.",
			log: many.String() + `
				verify
				flush
				verify
				del k01
				put k02 3
				flush
				compact
				verify
				reopen
				verify
				scan`},
	}
}

func ownerRules() []Rule {
	return []Rule{
		{ID: "read-only", Source: "issue, section A", Capability: "ReadOnly", Text: "A store opened read-only shows everything and takes nothing.", tell: readOnly},
		{ID: "one-owner", Source: "pitfall 29", Capability: "Locked", Text: "A directory has one owner at a time.", tell: oneOwner},
	}
}

func readOnly(w *world) error {
	p, err := w.player()
	if err != nil {
		return err
	}
	if err := p.play(mustParse("put a 1\nput b v*3000\nflush\nput c 3\ndel a")); err != nil {
		return err
	}
	o := p.options(p.dir)
	o.ReadOnly = true
	store, err := w.impl.Open(o)
	if err != nil {
		return fmt.Errorf("it does not open read-only: %w", err)
	}
	defer store.Close()
	got, err := readAll(store, nil, nil)
	if err != nil {
		return err
	}
	if err := compare(got, p.state.pairs(nil, nil, p.now()), w.set.MayDrop); err != nil {
		return err
	}
	if err := store.Apply([]Op{{Key: []byte("d"), Value: []byte("4")}}, false); err == nil {
		return errors.New("a store opened read-only takes a write")
	}
	if err := store.Close(); err != nil {
		return fmt.Errorf("closing: %w", err)
	}
	return p.inspect(p.dir, p.state)
}

func oneOwner(w *world) error {
	p, err := w.player()
	if err != nil {
		return err
	}
	defer p.release()
	if err := p.open(); err != nil {
		return err
	}
	if second, err := w.impl.Open(p.options(p.dir)); !errors.Is(err, ErrLocked) {
		if err == nil {
			second.Close()
		}
		return fmt.Errorf("a second store on the directory opens with the error %v", err)
	}
	if err := p.step(mustParse("put a 1")[0]); err != nil {
		return fmt.Errorf("after a second one was refused: %w", err)
	}
	return p.reopen()
}
