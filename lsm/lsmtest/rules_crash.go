package lsmtest

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

func crashRules() []Rule {
	return []Rule{
		{ID: "power-cut", Source: "issue, section B", Capability: "Crash", every: true, tell: powerCuts,
			Text: "Power may go after any operation on the disk: every synced write survives, and of the others a prefix, in whole batches."},
		{ID: "power-cut-random", Source: "issue, section B", Capability: "Crash", every: true, tell: randomPowerCuts,
			Text: "The same in random logs, with every option set."},
		{ID: "power-cut-in-recovery", Source: "issue, section B", Capability: "Crash", every: true, tell: recoveryPowerCuts,
			Text: "Power may go again while the store is opened."},
		{ID: "killed", Source: "issue, section A", Capability: "Crash", every: true, tell: killClones,
			Text: "The death of the process loses nothing that was applied, synced or not."},
	}
}

// letters are the steps of short workloads; %d is the place in the workload, so
// that no two states are alike.
func letters(c Capabilities) []string {
	all := []string{"sync put a s%d*40", "put b u%d*40", "sync batch put a t%d*400, put c t%d*400, del b", "batch put d w%d.*5000, del a", "del c", "reopen"}
	if c.Maintenance {
		all = append(all, "flush", "compact")
	}
	if c.RangeDelete {
		all = append(all, "sync delrange a c", "delrange b zz")
	}
	if c.Merge {
		all = append(all, "merge a m%d", "sync merge d m%d")
	}
	return all
}

// workload spells a log.
func workload(words []string) Log {
	var lines []string
	for i, word := range words {
		lines = append(lines, strings.ReplaceAll(word, "%d", fmt.Sprint(i)))
	}
	return mustParse(strings.Join(lines, "\n"))
}

// workloads enumerates short logs: first one with all letters, then all of two
// letters, of three, of four.
func workloads(c Capabilities, yield func(Log) bool) {
	all := letters(c)
	if !yield(workload(append(append(all, all...), all[0]))) {
		return
	}
	for n := 2; n <= 4; n++ {
		at := make([]int, n)
		for {
			words := make([]string, n)
			for i, l := range at {
				words[i] = all[l]
			}
			if !yield(workload(words)) {
				return
			}
			i := n - 1
			for ; i >= 0 && at[i] == len(all)-1; i-- {
				at[i] = 0
			}
			if i < 0 {
				break
			}
			at[i]++
		}
	}
}

// powerCuts cuts power at every operation of enumerated workloads, with the
// option sets in turn, until the number of tries is used up.
func powerCuts(w *world) error {
	rng := rand.New(rand.NewPCG(w.runs.Seed, 21))
	sets, left, n := w.impl.allSets(), w.runs.Crashes/2, 0
	var failure error
	workloads(w.impl.Claims, func(l Log) bool {
		w.set = sets[n%len(sets)]
		n++
		checks, err := crashing(w, l, false, rng, func() bool { return true })
		left -= checks
		if err != nil {
			failure = fmt.Errorf("option set %q: %w\nin the log\n%s", w.set.Name, err, l)
		}
		return err == nil && left > 0
	})
	return failure
}

// randomPowerCuts looks at some operations of random logs.
func randomPowerCuts(w *world) error {
	return crashLogs(w, w.runs.Crashes/4, false)
}

func killClones(w *world) error {
	return crashLogs(w, w.runs.Crashes/8, true)
}

func crashLogs(w *world, left int, killed bool) error {
	sets := w.impl.allSets()
	for i := 0; left > 0; i++ {
		seed := w.runs.Seed + uint64(i)
		rng := rand.New(rand.NewPCG(seed, 22))
		w.set = sets[i%len(sets)]
		l := generate(seed, w.impl.Claims, 60, true)
		some := max(2, 400/max(left, 1))
		checks, err := crashing(w, l, killed, rng, func() bool { return rng.IntN(some+10) == 0 })
		left -= max(checks, 1)
		if err != nil {
			return fmt.Errorf("option set %q, seed %d: %w\nin the log\n%s", w.set.Name, seed, err, l)
		}
	}
	return nil
}

// recoveryPowerCuts leaves a state by one power cut, and cuts power at the
// operations of opening it.
func recoveryPowerCuts(w *world) error {
	sets, left := w.impl.allSets(), w.runs.Crashes/8
	for i := 0; left > 0; i++ {
		seed := w.runs.Seed + uint64(i)
		rng := rand.New(rand.NewPCG(seed, 23))
		w.set = sets[i%len(sets)]
		p, err := w.player()
		if err != nil {
			return err
		}
		c := watch(w.impl, p)
		l := generate(seed, w.impl.Claims, 40, true)
		p.fs.CutPower(int64(20 + rng.IntN(200)))
		if err := p.play(l); err == nil {
			c.promised = len(c.states) - 1
		}
		first := draw(p.fs, rng, i)
		for n := int64(1 + rng.IntN(3)); left > 0; n += 1 + int64(rng.IntN(4)) {
			left--
			second := first.KillClone()
			second.CutPower(n)
			o := p.options(p.dir)
			o.FS = second
			store, err := w.impl.Open(o)
			if err == nil {
				store.Close()
			}
			over := second.Ops() < n // it was opened, and closed, before
			if err := c.recovers(draw(second, rng, int(n)), c.promised, len(c.states)-1, n%2 == 0); err != nil {
				return fmt.Errorf("option set %q, seed %d: power cuts in a log, and at operation %d of opening what it left: %w", w.set.Name, seed, n, err)
			}
			if over {
				break
			}
		}
	}
	return nil
}
