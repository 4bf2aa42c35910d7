package bfttest

import (
	"slices"
	"testing"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/accountability"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

// A forgetful core follows all rules, and votes once a round; but whenever a round begins it has lost its state, as one that was
// restarted without its disk: it is locked on nothing, and knows of no decision.
type forgetful struct {
	*bft.Core
	self  types.Address
	start bft.Start
	round types.Round
	heard []bft.Input // votes and proposals
}

func newForgetful(self types.Address) Core { return &forgetful{Core: bft.NewCore(self), self: self} }

func (f *forgetful) Step(in bft.Input) ([]bft.Output, error) {
	if in.Start != nil {
		f.start = *in.Start
	} else if in.Timeout == nil {
		f.heard = append(f.heard, in)
	}
	return f.step(in)
}

func (f *forgetful) step(in bft.Input) (said []bft.Output, err error) {
	outs, err := f.Core.Step(in)
	for _, o := range outs {
		switch {
		case o.Kind == bft.OutDecide:
			return append(said, f.forget(f.round+1)...), err
		case o.Kind == bft.OutRound && o.Round > f.round:
			return append(said, f.forget(o.Round)...), err
		}
		said = append(said, o)
	}
	return said, err
}

// forget begins a round with a core that has heard of this round only.
func (f *forgetful) forget(r types.Round) (said []bft.Output) {
	f.Core, f.round = bft.NewCore(f.self), r
	do := func(in bft.Input) {
		outs, err := f.step(in)
		if err != nil {
			panic(err)
		}
		said = append(said, outs...)
	}
	do(bft.Input{Start: &f.start})
	for earlier := range r { // L65 is the way to it
		said = nil
		do(bft.Input{Timeout: &bft.Timeout{Height: f.start.Height, Round: earlier, Step: types.StepPrecommit}})
	}
	for _, in := range f.heard {
		if f.round == r && (in.Vote != nil && in.Vote.Round == r || in.Proposal != nil && in.Proposal.Round == r) {
			do(in)
		}
	}
	return said
}

// The network is in two halves, and validators with more than a third of the power between them forget their locks: one half decides, and
// later the other one, something else. There are no two votes of one round; the locks are all that was broken.
func TestForgottenLocksForkAndNameWhoForgot(t *testing.T) {
	forks, rounds := 0, types.Round(0)
	for seed := range uint64(100) {
		n, correct := 4, 2
		if seed%2 == 1 {
			n, correct = 7, 4
		}
		liars := liarsAmong(n, correct)
		tr := newTrial(n, liars...)
		w := newHalves(tr, seed, n, correct, newForgetful)
		w.run()
		if !w.forked() {
			continue
		}
		forks++
		for _, h := range w.nodes { // who is asked shows what came too late as well
			for _, in := range slices.Concat(h.inbox, h.heard) {
				if in.Vote != nil && h.side != between {
					tr.seen = append(tr.seen, in.Vote)
				}
			}
		}
		r := tr.judge(t, true, accountability.Options{SignedValidRounds: true})
		require.Equal(t, liars, tr.names(r.ProvedFaulty()), "RULE L38: who has forgotten has signed it\n%v", r)
		require.Empty(t, r.DoubleVotes, r)
		require.Empty(t, r.Suspects, r)
		r = tr.judge(t, true, accountability.Options{})
		require.Equal(t, liars, tr.names(r.Suspected()), "RULE L28: who has forgotten cannot show a polka\n%v", r)
		require.Empty(t, r.ProvedFaulty(), r)
		for _, v := range tr.seen {
			rounds = max(rounds, v.Round)
		}
	}
	t.Logf("%d forks of 100, up to round %d", forks, rounds)
	require.Greater(t, forks, 20)
	require.Greater(t, rounds, types.Round(1))
}
