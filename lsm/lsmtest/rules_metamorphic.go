package lsmtest

import (
	"fmt"

	"github.com/flagship-go/flagship/internal/sim"
)

func metamorphicRules() []Rule {
	return []Rule{{ID: "metamorphic", Source: "issue, section B", every: true, tell: metamorphic,
		Text: "One random log has one meaning, under every option set: the model's."}}
}

// metamorphic plays random logs with all option sets. Whatever the options, the
// answers are the model's, and so each other's.
func metamorphic(w *world) error {
	for i := range w.runs.Logs {
		seed := w.runs.Seed + uint64(i)
		l := generate(seed, w.impl.Claims, w.runs.Steps, false)
		for _, set := range w.impl.allSets() {
			if err := replay(w, set, l); err != nil {
				return shrink(w, set, l, seed, err)
			}
		}
	}
	return nil
}

// replay plays a log in a new place.
func replay(w *world, set Set, l Log) error {
	with := *w
	with.set = set
	err := with.play(l)
	w.temp, w.made = with.temp, with.made
	return err
}

// shrink looks for a short part of a log that fails too, and puts it in the
// error.
func shrink(w *world, set Set, l Log, seed uint64, failure error) error {
	short, ok := sim.Minimise(l, 600, func(part []step) bool { return w.fails(set, part) })
	if !ok {
		return fmt.Errorf("option set %q, seed %d: %w; it did not fail again, so it depends on timing", set.Name, seed, failure)
	}
	if err := replay(w, set, Log(short)); err != nil {
		failure = err
	}
	return fmt.Errorf("option set %q, seed %d: %w\nReplay(impl, %q, `\n%s`)", set.Name, seed, failure, set.Name, Log(short))
}

// fails plays a part of a log. A panic is a failure like any other here.
func (w *world) fails(set Set, part Log) (failed bool) {
	defer func() {
		if recover() != nil {
			failed = true
		}
	}()
	return replay(w, set, part) != nil
}

// Replay plays a log, as a failure of rule metamorphic prints it, with one of
// the implementation's option sets. It returns what is wrong, nil for nothing.
func Replay(impl Implementation, set, text string) error {
	l, err := ParseLog(text)
	if err != nil {
		return err
	}
	for _, s := range impl.allSets() {
		if s.Name == set {
			r := Rule{ID: "metamorphic", Source: "replay", every: true, tell: func(w *world) error { return replay(w, s, l) }}
			return r.check(impl, "")
		}
	}
	return fmt.Errorf("lsmtest: %s has no option set %q", impl.Name, set)
}
