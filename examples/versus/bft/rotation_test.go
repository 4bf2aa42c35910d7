package main

import (
	"testing"

	cmt "github.com/cometbft/cometbft/types"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

// sameSet looks at everything: members, their order, powers, priorities.
func sameSet(t *testing.T, our *types.ValidatorSet, their *cmt.ValidatorSet) {
	t.Helper()
	require.Equal(t, their.Size(), our.Len())
	require.Equal(t, their.TotalVotingPower(), our.TotalPower())
	for i, v := range their.Validators {
		o := our.At(i)
		require.Equal(t, []byte(v.Address), o.Address[:], "validator %d", i)
		require.Equal(t, v.VotingPower, o.Power, "power of %d", i)
		require.Equal(t, v.ProposerPriority, o.Priority, "priority of %d", i)
	}
}

// TestRotationIsTheSameOverAMillionStepsWithChanges: joins, leaves and new powers, one or several at once, some of them refused.
func TestRotationIsTheSameOverAMillionStepsWithChanges(t *testing.T) { // V1
	const inAll, each = 1_000_000, 20
	steps := inAll / each
	if testing.Short() {
		steps = 2_000
	}
	refused, changed := 0, 0
	worlds(t, each, func(t *testing.T, w *world) {
		n := 1 + w.IntN(60)
		first := w.powers(n)
		our, _ := validators(n, first)
		their := theirSet(our)
		sameSet(t, our, their)
		for step := 0; step < steps; {
			turns := 1
			if w.sometimes(100) {
				turns = 1 + w.IntN(10) // as when rounds fail
			}
			our = our.Rotate(turns)
			their.IncrementProposerPriority(int32(turns))
			step += turns
			if o := our.Proposer().Address; string(o[:]) != string(their.Proposer.Address) {
				t.Fatalf("step %d: our proposer is %v, and CometBFT's %v", step, o, their.Proposer.Address)
			}
			if !w.sometimes(50) {
				continue
			}
			sameSet(t, our, their)
			changes := w.changes(our)
			next, err := our.Update(changes)
			theirErr := their.Copy().UpdateWithChangeSet(theirValidators(changes)) // of a copy: a refused one may be half done
			require.Equal(t, theirErr == nil, err == nil, "ours: %v\nCometBFT's: %v", err, theirErr)
			if err != nil {
				refused++
				continue
			}
			changed++
			require.NoError(t, their.UpdateWithChangeSet(theirValidators(changes)))
			our = next
			sameSet(t, our, their)
			require.Equal(t, their.Hash(), ourHash(our))
		}
	})
	require.Positive(t, refused)
	require.Greater(t, changed, refused)
}

func ourHash(s *types.ValidatorSet) []byte {
	h := s.Hash()
	return h[:]
}

// changes are of a few validators, those who are there or others.
func (w *world) changes(s *types.ValidatorSet) []types.Validator {
	var changes []types.Validator
	power := w.powers(s.Len() + 1)
	for range 1 + w.IntN(3) {
		v := validatorOf(keyOf(w.IntN(100)), 0)
		if w.sometimes(2) {
			v = s.At(w.IntN(s.Len()))
		}
		v.Power = power(0)
		if s.Index(v.Address) >= 0 && w.sometimes(2) || w.sometimes(20) {
			v.Power = 0 // also of one that is not there
		}
		changes = append(changes, v)
	}
	return changes
}
