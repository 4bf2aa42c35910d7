package bft_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/bfttest"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/flagship-go/flagship/internal/cputime"
)

// equals is a set of n validators of power 1.
func equals(b *testing.B, n int) *types.ValidatorSet {
	var vs []types.Validator
	for i := range n {
		vs = append(vs, types.Validator{Address: types.Address{byte(i), byte(i >> 8), 1}, Power: 1})
	}
	set, err := types.NewValidatorSet(vs)
	if err != nil {
		b.Fatal(err)
	}
	return set
}

// BenchmarkCore is the vote path: an operation is one vote. A height takes all the prevotes and all the precommits; the
// decision falls with the proposal at two thirds.
func BenchmarkCore(b *testing.B) {
	for _, n := range []int{4, 100} {
		b.Run(fmt.Sprintf("validators=%d", n), func(b *testing.B) {
			set := equals(b, n)
			c := bft.NewCore(set.At(n - 1).Address)
			value := types.ValueID{Hash: types.Hash{1}}
			start := bft.Start{Validators: set}
			proposal := bft.Proposed{Proposal: types.Proposal{ValidRound: types.NoRound, Value: value, Proposer: set.Proposer().Address}, Valid: true}
			votes := make([]types.Vote, 2*n) // in the core until the height is over
			for i := range votes {
				votes[i] = types.Vote{Type: types.Prevote + types.VoteType(i/n), Value: value, Validator: set.At(i % n).Address, ValidRound: types.NoRound}
			}
			step := func(in bft.Input) {
				if _, err := c.Step(in); err != nil {
					b.Fatal(err)
				}
			}
			i := len(votes)
			b.ReportAllocs()
			stop := cputime.Report(b)
			for b.Loop() {
				if i == len(votes) {
					i = 0
					start.Height++
					proposal.Height = start.Height
					step(bft.Input{Start: &start})
					step(bft.Input{Proposal: &proposal})
				}
				votes[i].Height = start.Height
				step(bft.Input{Vote: &votes[i]})
				i++
			}
			stop()
			if s := c.Status(); b.N > 2*n && s.Height < 2 {
				b.Fatal("nothing is decided")
			}
		})
	}
}

// BenchmarkSimulate is a network in virtual time, without faults: an operation is a block that all have decided.
func BenchmarkSimulate(b *testing.B) {
	for _, n := range []int{4, 100} {
		b.Run(fmt.Sprintf("validators=%d", n), func(b *testing.B) {
			o := bfttest.Options{
				Powers: make([]int64, n), Liars: []bfttest.Lie{}, Schedule: bfttest.Schedule{},
				Duration: 200 * time.Millisecond, Pace: 100 * time.Millisecond,
			}
			for i := range o.Powers {
				o.Powers[i] = 1
			}
			blocks := 0
			stop := cputime.Report(b)
			start := time.Now()
			for b.Loop() {
				blocks += bfttest.Simulate(b, 1, o).Heights
			}
			stop()
			b.ReportMetric(float64(blocks)/time.Since(start).Seconds(), "blocks/s")
			b.ReportMetric(float64(blocks)/float64(b.N), "blocks/op")
		})
	}
}

// BenchmarkTwins plays scenarios of seven rounds: an operation is one.
func BenchmarkTwins(b *testing.B) {
	w := bfttest.NewTwins(newCore)
	r := rand.New(rand.NewPCG(1, 1))
	stop := cputime.Report(b)
	for b.Loop() {
		if err := w.Play(bfttest.RandomTwins(r, 7)); err != nil {
			b.Fatal(err)
		}
	}
	stop()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "scenarios/s")
}
