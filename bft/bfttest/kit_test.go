package bfttest_test

import (
	"strings"
	"testing"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/bfttest"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

func newCore(self types.Address) bfttest.Core { return bft.NewCore(self) }

func TestKit(t *testing.T) { bfttest.Run(t, newCore) }

// idle does nothing.
type idle struct{}

func (idle) Step(bft.Input) ([]bft.Output, error) { return nil, nil }

// A grader that lets a core pass that does nothing is worse than none.
func TestACoreThatDoesNothingPassesNoRule(t *testing.T) {
	for _, r := range bfttest.Grade(func(types.Address) bfttest.Core { return idle{} }) {
		require.ErrorContains(t, r.Err, "RULE "+r.Rule.ID+": ", "rule %s", r.Rule.ID)
	}
}

// eager votes for everything that is proposed, decides at the first precommit, and goes on at every timeout.
type eager struct{ self types.Address }

func (e eager) Step(in bft.Input) ([]bft.Output, error) {
	switch {
	case in.Start != nil:
		return []bft.Output{{Kind: bft.OutRound, Height: in.Start.Height}}, nil
	case in.Proposal != nil:
		p := in.Proposal
		return []bft.Output{
			{Kind: bft.OutVote, Type: types.Prevote, Height: p.Height, Round: p.Round, Value: p.Value},
			{Kind: bft.OutVote, Type: types.Precommit, Height: p.Height, Round: p.Round, Value: p.Value},
		}, nil
	case in.Vote != nil && in.Vote.Type == types.Precommit && !in.Vote.Value.IsNil():
		return []bft.Output{{Kind: bft.OutDecide, Height: in.Vote.Height, Round: in.Vote.Round, Value: in.Vote.Value}}, nil
	case in.Timeout != nil:
		return []bft.Output{{Kind: bft.OutRound, Height: in.Timeout.Height, Round: in.Timeout.Round + 1}}, nil
	}
	return nil, nil
}

func TestACoreThatAgreesToEverythingPassesNoRule(t *testing.T) {
	for _, r := range bfttest.Grade(func(self types.Address) bfttest.Core { return eager{self} }) {
		require.Error(t, r.Err, "rule %s", r.Rule.ID)
	}
}

func TestRulesAreNamedOnceAndSayWhatTheyAre(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range bfttest.Rules() {
		require.False(t, seen[r.ID])
		seen[r.ID] = true
		require.NotEmpty(t, r.Text)
		for _, s := range r.Scripts {
			require.True(t, strings.Contains(s, "expect") || strings.Contains(s, "refuse") || strings.Contains(s, "run "), "a script of %s asks for nothing", r.ID)
		}
	}
}
