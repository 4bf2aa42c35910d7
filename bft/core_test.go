package bft

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

func TestAHeightBeginsWithStartAndHeightsGrow(t *testing.T) {
	set := fours(t)
	c := NewCore(set.At(0).Address)
	_, err := c.Step(Input{Vote: ballot(types.Prevote, 0, valueV, "n1")})
	require.ErrorContains(t, err, "the first input is Start")
	_, err = c.Step(Input{Start: &Start{Height: 5, Validators: set}})
	require.NoError(t, err)
	for _, h := range []types.Height{4, 5} {
		_, err = c.Step(Input{Start: &Start{Height: h, Validators: set}})
		require.ErrorContains(t, err, "heights only grow")
	}
	require.Equal(t, types.Height(5), c.Status().Height)
	outs, err := c.Step(Input{})
	require.NoError(t, err)
	require.Empty(t, outs)
}

// A full node follows, and says nothing: it is no validator.
func TestAFullNodeDecidesAndSaysNothing(t *testing.T) {
	set := fours(t)
	c := NewCore(types.Address{'x'})
	var kinds []OutputKind
	step := func(in Input) {
		outs, err := c.Step(in)
		require.NoError(t, err)
		for _, o := range outs {
			kinds = append(kinds, o.Kind)
		}
	}
	step(Input{Start: &Start{Height: 1, Validators: set}})
	p := types.Proposal{Height: 1, ValidRound: types.NoRound, Value: valueV, Proposer: set.Proposer().Address}
	step(Input{Proposal: &Proposed{Proposal: p, Valid: true}})
	for _, kind := range []types.VoteType{types.Prevote, types.Precommit} {
		for _, who := range []string{"n1", "n2", "n3"} {
			v := ballot(kind, 0, valueV, who)
			v.Height = 1
			step(Input{Vote: v})
		}
	}
	require.NotContains(t, kinds, OutVote)
	require.Equal(t, OutDecide, kinds[len(kinds)-1])
	require.True(t, c.Status().Decided)
}

// V1: a core's proposers are those of the set that it was given, whatever order it is asked in.
func TestRoundsHaveTheProposersOfTheSet(t *testing.T) {
	set := mustSet(t, named("n1", 5), named("n2", 17), named("n3", 18))
	c := NewCore(types.Address{})
	for h := range types.Height(3) {
		_, err := c.Step(Input{Start: &Start{Height: h + 1, Validators: set}})
		require.NoError(t, err)
		for _, r := range []types.Round{7, 0, 50, 3} {
			require.Equal(t, set.Rotate(int(r)).Proposer().Address, c.Proposer(r))
		}
		set = set.Rotate(1)
	}
}

// K3: neither a vote nor a proposal of a round that nobody correct is in makes a core work out two billion turns.
func TestARoundFarAheadIsNotWorkedOut(t *testing.T) {
	set := fours(t)
	c := NewCore(set.At(0).Address)
	_, err := c.Step(Input{Start: &Start{Height: 1, Validators: set}})
	require.NoError(t, err)
	v := ballot(types.Prevote, math.MaxInt32, valueV, "n4")
	v.Height = 1
	for _, in := range []Input{
		{Vote: v},
		{Proposal: &Proposed{Proposal: types.Proposal{Height: 1, Round: math.MaxInt32, ValidRound: types.NoRound, Value: valueV, Proposer: v.Validator}}},
		{Timeout: &Timeout{Height: 1, Round: math.MaxInt32, Step: types.StepPrecommit}},
	} {
		_, err = c.Step(in)
		require.NoError(t, err)
	}
	require.LessOrEqual(t, len(c.proposers), 2)
	require.Empty(t, c.proposals[math.MaxInt32])
}

// inputOf makes an input of four bytes: anything that a network or a clock may come with.
func inputOf(b []byte, set *types.ValidatorSet) Input {
	who := types.Address{'n', '1' + b[1]%5} // n5 is none
	height, round := types.Height(1+b[1]/5%2), types.Round(b[2]%8)-1
	value := []types.ValueID{types.NilValue, valueV, valueW, {Hash: types.Hash{'b', 'a', 'd'}}}[b[3]%4]
	switch b[0] % 8 {
	case 0:
		p := types.Proposal{Height: height, Round: round, ValidRound: types.Round(b[3]/4%8) - 2, Value: value, Proposer: who}
		return Input{Proposal: &Proposed{Proposal: p, Valid: value.Hash[0] != 'b'}}
	case 1:
		return Input{Timeout: &Timeout{Height: height, Round: round, Step: types.Step(b[3] % 5)}}
	case 2:
		if b[3] > 250 {
			return Input{Start: &Start{Height: 2, Validators: set}}
		}
	}
	return Input{Vote: &types.Vote{Type: types.VoteType(b[0]%8 + b[3]/4%2), Height: height, Round: round, Value: value, Validator: who}}
}

// FuzzCore gives a core anything in any order. It does not panic, does the same again for the same inputs, votes once
// a round and kind, never goes back, decides once, and keeps no more than it may.
func FuzzCore(f *testing.F) {
	f.Add([]byte("\x00\x00\x01\x01\x04\x00\x01\x01\x04\x02\x01\x01\x05\x00\x01\x05\x05\x02\x01\x05"))
	f.Add([]byte("a lock, a late polka, a liar and a clock that is wrong"))
	f.Fuzz(func(t *testing.T, data []byte) {
		set := fours(t)
		one, two := NewCore(types.Address{'n', '2'}), NewCore(types.Address{'n', '2'})
		start := Input{Start: &Start{Height: 1, Validators: set}}
		voted, decided, last := map[string]bool{}, map[types.Height]bool{}, Status{}
		for ; len(data) >= 4; data = data[4:] {
			outs, err := one.Step(start)
			again, errAgain := two.Step(start)
			require.Equal(t, err, errAgain)
			require.Equal(t, outs, again)
			for _, o := range outs {
				key := fmt.Sprint(o.Height, o.Round, o.Type)
				require.False(t, o.Kind == OutVote && voted[key], "a second vote: %+v", o)
				require.False(t, o.Kind == OutDecide && (decided[o.Height] || o.Value.IsNil() || o.Value.Hash[0] == 'b'), "%+v", o)
				voted[key] = voted[key] || o.Kind == OutVote
				decided[o.Height] = decided[o.Height] || o.Kind == OutDecide
			}
			s := one.Status()
			require.False(t, s.Height < last.Height || s.Height == last.Height && (s.Round < last.Round || s.LockedRound < last.LockedRound || s.ValidRound < last.ValidRound))
			require.True(t, slices.IsSortedFunc(one.votes.rounds, func(a, b *roundVotes) int { return int(a.round - b.round) }))
			require.LessOrEqual(t, len(one.votes.rounds), int(s.Round)+1+2*set.Len())
			last, start = s, inputOf(data, set)
		}
	})
}

// named makes a validator whose address is its name.
func named(name string, power int64) types.Validator {
	v := types.Validator{Power: power}
	copy(v.Address[:], name)
	return v
}

func mustSet(t testing.TB, vs ...types.Validator) *types.ValidatorSet {
	t.Helper()
	s, err := types.NewValidatorSet(vs)
	require.NoError(t, err)
	return s
}
