package bfttest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/accountability"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

// A witnessed core remembers all votes that it was given: what a validator can show when it is asked. It remembers over crashes, too.
type witnessed struct {
	*bft.Core
	seen *[]*types.Vote
}

func (w witnessed) Step(in bft.Input) ([]bft.Output, error) {
	if in.Vote != nil {
		*w.seen = append(*w.seen, in.Vote)
	}
	return w.Core.Step(in)
}

// trial is what was seen in a height by n1, n2, ..., of power 1 each, and who of them is faulty.
type trial struct {
	chain *LightChain
	set   *types.ValidatorSet
	liars []string
	seen  []*types.Vote
}

func newTrial(n int, liars ...string) *trial {
	tr := &trial{chain: NewLightChain("demo"), liars: liars}
	spec := ""
	for i := range n {
		spec += fmt.Sprintf(" n%d=1", i+1)
	}
	tr.set = tr.chain.Set(spec)
	return tr
}

func (tr *trial) core(self types.Address) Core { return witnessed{bft.NewCore(self), &tr.seen} }

// votes are those of the height, signed: simulated validators have no keys.
func (tr *trial) votes() []*types.Vote {
	var votes []*types.Vote
	done := map[*types.Vote]bool{}
	for _, v := range tr.seen {
		if !done[v] {
			done[v] = true
			w, name := *v, name(v.Validator)
			w.Validator = tr.chain.Address(name)
			tr.chain.SignVote(&w, name)
			votes = append(votes, &w)
		}
	}
	return votes
}

// names are those of addresses.
func (tr *trial) names(addresses []types.Address) (names []string) {
	for i := range tr.set.Len() {
		if name := fmt.Sprint("n", i+1); slices.Contains(addresses, tr.chain.Address(name)) {
			names = append(names, name)
		}
	}
	return names
}

// judge demands that liars alone are named, and of a fork more than a third in power.
func (tr *trial) judge(t *testing.T, forked bool, o accountability.Options) *accountability.Report {
	t.Helper()
	r := accountability.Accuse("demo", tr.set, tr.votes(), o)
	require.Subset(t, tr.liars, tr.names(r.ProvedFaulty()), "RULE innocent: somebody correct is proved faulty\n%v", r)
	require.Subset(t, tr.liars, tr.names(r.Suspected()), "RULE innocent: somebody correct has shown all, and is a suspect\n%v", r)
	require.Equal(t, forked, r.Forked, "RULE fork: it is seen\n%v", r)
	if forked {
		require.Greater(t, 3*r.Named, r.Total, "RULE third: of a fork\n%v", r)
	}
	return r
}

// n3 and n4 are half of the power, and lead n1 and n2 to two decisions. What n1 and n2 have seen names both, and nobody else.
func TestForkStories(t *testing.T) {
	for _, story := range []struct {
		name, script       string
		proved, provedByVR string // without and with signed valid rounds
		suspected          string
	}{
		{"equivocation in one round", `
			> proposers n3
			> cores n1 n2
			> start
			> proposal 0 a to n1
			> proposal 0 b to n2
			> lose * n1->n2
			> lose * n2->n1
			> prevote 0 a n3 n4 to n1
			> prevote 0 b n3 n4 to n2
			> precommit 0 a n3 n4 to n1
			> precommit 0 b n3 n4 to n2`, "n3 n4", "n3 n4", ""},
		{"amnesia: a lock of round 0 is forgotten in round 1", `
			> proposers n3
			> cores n1 n2
			> start
			> proposal 0 a to n1
			> prevote 0 a n3 n4 to n1
			> precommit 0 a n3 n4 to n1
			> prevote 1 b n3 n4 to n2
			> proposal 1 b to n2
			> precommit 1 b n3 n4 to n2`, "", "n3 n4", "n3 n4"},
		{"amnesia, two rounds later, and the innocent one has voted nil", `
			> proposers n3
			> cores n1 n2
			> start
			> proposal 0 a to n1
			> prevote 0 a n3 n4 to n1
			> precommit 0 a n3 n4 to n1
			> prevote 0 nil n3 n4 to n2
			> timeout propose 0 to n2
			> prevote 2 b n3 n4 to n2
			> proposal 2 b to n2
			> precommit 2 b n3 n4 to n2`, "n3 n4", "n3 n4", ""},
		{"one does this, the other one that", `
			> proposers n3
			> cores n1 n2
			> start
			> proposal 0 a to n1
			> prevote 0 a n3 n4 to n1
			> precommit 0 a n3 n4 to n1
			> precommit 0 nil n4 to n2
			> prevote 1 b n3 n4 to n2
			> proposal 1 b to n2
			> precommit 1 b n3 n4 to n2`, "n4", "n3 n4", "n3"},
	} {
		t.Run(story.name, func(t *testing.T) {
			tr := newTrial(4, "n3", "n4")
			script := ""
			for line := range strings.Lines(story.script) {
				script += strings.TrimSpace(line) + "\n"
			}
			transcript, err := Play(script, tr.core)
			require.ErrorContains(t, err, "fork", transcript)
			for _, v := range tr.seen {
				if slices.Contains(tr.liars, name(v.Validator)) {
					v.ValidRound = types.NoRound
				}
			}
			r := tr.judge(t, true, accountability.Options{})
			require.Equal(t, story.proved, strings.Join(tr.names(r.ProvedFaulty()), " "), r)
			require.Equal(t, story.suspected, strings.Join(tr.names(r.Suspected()), " "), r)
			r = tr.judge(t, true, accountability.Options{SignedValidRounds: true})
			require.Equal(t, story.provedByVR, strings.Join(tr.names(r.ProvedFaulty()), " "), r)
		})
	}
}

// A world is two halves of one network that never hear of each other. A liar is there twice, once in each, or once, between them. Messages are
// lost and come in any order.
type halves struct {
	rng   *rand.Rand
	nodes []*half
}

// half is a validator in a half.
type half struct {
	id       types.Address
	side     int // 0, 1, or between
	core     Core
	inbox    []bft.Input
	heard    []bft.Input
	timeouts []bft.Timeout
	decided  types.ValueID
}

// between is the side of who hears both, and is heard by both.
const between = 2

// liarsAmong names those of n validators that are not among the first, correct ones.
func liarsAmong(n, correct int) (names []string) {
	for i := correct; i < n; i++ {
		names = append(names, fmt.Sprint("n", i+1))
	}
	return names
}

// TestTwoHalvesDecideTwice lets liars keep two chains apart, each in itself correct, and judges by what correct validators have seen.
func TestTwoHalvesDecideTwice(t *testing.T) {
	forks, proved, rounds := 0, 0, types.Round(0)
	for seed := range uint64(60) {
		// Of 5 validators n1 | n2 are correct, or of 7 n1 n3 | n2 n4: each half has more than two thirds with the liars.
		n, correct := 5, 2
		if seed%2 == 1 {
			n, correct = 7, 4
		}
		tr := newTrial(n, liarsAmong(n, correct)...)
		w := newHalves(tr, seed, n, correct, nil)
		w.run()
		if !w.forked() {
			continue
		}
		forks++
		r := tr.judge(t, true, accountability.Options{})
		tr.judge(t, true, accountability.Options{SignedValidRounds: true})
		if 3*r.Proved > r.Total {
			proved++
		}
		for _, v := range tr.seen {
			rounds = max(rounds, v.Round)
		}
	}
	t.Logf("%d forks, %d of them proved, up to round %d", forks, proved, rounds)
	require.Greater(t, forks, 40)
	require.Positive(t, rounds)
}

// newHalves makes a world. one makes the core of a liar that is between; nil: liars are correct cores, twice.
func newHalves(tr *trial, seed uint64, n, correct int, one NewCore) *halves {
	w := &halves{rng: rand.New(rand.NewPCG(seed, 9))}
	var vs []types.Validator
	for i := range n {
		v := types.Validator{Power: 1}
		copy(v.Address[:], fmt.Sprint("n", i+1))
		vs = append(vs, v)
	}
	set, err := types.NewValidatorSet(vs)
	if err != nil {
		panic(err)
	}
	for side := range 2 {
		for i, v := range vs {
			h := &half{id: v.Address, side: side}
			switch {
			case i >= correct && one == nil:
				h.core = bft.NewCore(v.Address)
			case i >= correct && side == 0:
				h.core, h.side = one(v.Address), between
			case i < correct && i%2 == side:
				h.core = tr.core(v.Address)
			default:
				continue
			}
			w.nodes = append(w.nodes, h)
			h.inbox = append(h.inbox, bft.Input{Start: &bft.Start{Height: 1, Validators: set.Rotate(int(seed))}})
		}
	}
	return w
}

// other is the correct one of the other half.
func (w *halves) other() *half {
	for _, h := range w.nodes {
		if h.side == 1 {
			return h
		}
	}
	return nil
}

func (w *halves) forked() bool {
	return !w.nodes[0].decided.IsNil() && !w.other().decided.IsNil() && w.nodes[0].decided != w.other().decided
}

// run lets messages come, or be lost, until both halves have decided, or for long enough.
func (w *halves) run() {
	for range 20000 {
		h := w.nodes[w.rng.IntN(len(w.nodes))]
		switch {
		case len(h.inbox) > 0:
			i := w.rng.IntN(len(h.inbox))
			if h.inbox[0].Start != nil {
				i = 0
			}
			in := h.inbox[i]
			h.inbox = slices.Delete(h.inbox, i, i+1)
			if in.Start == nil && w.rng.IntN(4) == 0 { // it comes later, again
				h.heard = append(h.heard, in)
				continue
			}
			w.step(h, in)
		case len(h.timeouts) > 0 && w.rng.IntN(8) == 0:
			timeout := h.timeouts[0]
			h.timeouts = h.timeouts[1:]
			w.step(h, bft.Input{Timeout: &timeout})
		case w.rng.IntN(20) == 0:
			h.inbox, h.heard = append(h.inbox, h.heard...), nil
		}
		if !w.nodes[0].decided.IsNil() && !w.other().decided.IsNil() {
			return
		}
	}
}

func (w *halves) step(h *half, in bft.Input) {
	outs, err := h.core.Step(in)
	if err != nil {
		panic(err)
	}
	for _, o := range slices.Clone(outs) {
		var said bft.Input
		switch o.Kind {
		case bft.OutVote:
			said.Vote = &types.Vote{Type: o.Type, Height: o.Height, Round: o.Round, Value: o.Value, ValidRound: o.ValidRound, Validator: h.id}
		case bft.OutGetValue:
			o.Value = value(fmt.Sprintf("%sside%dround%d", name(h.id), h.side, o.Round))
			fallthrough
		case bft.OutPropose:
			p := types.Proposal{Height: o.Height, Round: o.Round, ValidRound: o.ValidRound, Value: o.Value, Proposer: h.id}
			said.Proposal = &bft.Proposed{Proposal: p, Valid: true}
		case bft.OutTimeout:
			h.timeouts = append(h.timeouts, o.Timeout)
			continue
		case bft.OutDecide:
			h.decided = o.Value
			continue
		case bft.OutLater:
			h.heard = append(h.heard, in)
			continue
		default:
			continue
		}
		for _, to := range w.nodes {
			if to.side == h.side || to.side == between || h.side == between {
				to.inbox = append(to.inbox, said)
			}
		}
	}
}

// With less than a third of liars, nobody correct is named, in any world of the simulator.
func TestNobodyCorrectIsAccused(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		tr := newTrial(4, "n1")
		o := Options{Powers: []int64{1, 1, 1, 1}, Liars: []Lie{Lie(1 + seed%uint64(lies-1))}, NewCore: tr.core}.withDefaults(seed)
		s, err := newSimulation(seed, o, nil)
		require.NoError(t, err)
		require.NoError(t, s.run(o.Schedule))
		all := tr.seen
		for h := types.Height(1); h <= min(s.lowest()-1, 5); h++ {
			tr.seen = slices.DeleteFunc(slices.Clone(all), func(v *types.Vote) bool { return v.Height != h })
			tr.judge(t, false, accountability.Options{})
			tr.judge(t, false, accountability.Options{SignedValidRounds: true})
		}
	}
}
