package accountability_test

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/flagship-go/flagship/bft/accountability"
	"github.com/flagship-go/flagship/bft/bfttest"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

// A scene is votes of height 5 by n1, n2, ... with a word for each value.
type scene struct {
	chain *bfttest.LightChain
	set   *types.ValidatorSet
	votes []*types.Vote
}

func newScene(powers string) *scene {
	c := bfttest.NewLightChain("demo")
	return &scene{chain: c, set: c.Set(powers)}
}

func valueOf(word string) (v types.ValueID) {
	if word != "nil" {
		v.Hash, v.Parts = sha256.Sum256([]byte(word)), types.PartsHeader{Total: 1, Hash: sha256.Sum256([]byte(word))}
	}
	return v
}

// say reads "prevote 0 v n1 n2" lines; "prevote 2 w valid 1 n1" has a signed valid round.
func (s *scene) say(script string) *scene {
	for line := range strings.Lines(script) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		v := types.Vote{Type: types.Prevote, Height: 5, Value: valueOf(words[2]), ValidRound: types.NoRound}
		if words[0] == "precommit" {
			v.Type = types.Precommit
		}
		round, _ := strconv.Atoi(words[1])
		v.Round = types.Round(round)
		names := words[3:]
		if names[0] == "valid" {
			round, _ = strconv.Atoi(names[1])
			v.ValidRound, names = types.Round(round), names[2:]
		}
		for _, name := range names {
			s.votes = append(s.votes, s.vote(v, name))
		}
	}
	return s
}

func (s *scene) vote(v types.Vote, name string) *types.Vote {
	v.Validator = s.chain.Address(name)
	s.chain.SignVote(&v, name)
	return &v
}

func (s *scene) accuse(o accountability.Options) *accountability.Report {
	return accountability.Accuse("demo", s.set, s.votes, o)
}

func (s *scene) names(addresses []types.Address) string {
	var names []string
	for i := 1; i <= s.set.Len(); i++ {
		if name := fmt.Sprint("n", i); slices.Contains(addresses, s.chain.Address(name)) {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

func TestWhoIsAccused(t *testing.T) {
	for _, test := range []struct {
		rule, what, script string
		signed             bool // valid rounds
		forked             bool
		proved, suspected  string
	}{
		{"double", "two commits of one round: who signed both", `
			precommit 0 v n1 n2 n3
			precommit 0 w n2 n3 n4
			prevote 0 v n1 n2 n3
			prevote 0 w n2 n3 n4`, false, true, "n2 n3", ""},
		{"double", "nil and a value are two votes", `
			prevote 0 v n1 n2 n3
			prevote 0 nil n1`, false, false, "n1", ""},
		{"L36", "two commits of two rounds, and nothing else: all who precommitted, for no polka is known", `
			precommit 0 v n1 n2 n3
			precommit 2 w n2 n3 n4`, false, true, "", "n1 n2 n3 n4"},
		{"L28", "the polkas clear those who did not prevote against their lock", `
			prevote 0 v n1 n2 n3
			precommit 0 v n1 n2 n3
			prevote 2 w n2 n3 n4
			precommit 2 w n2 n3 n4`, false, true, "", "n2 n3"},
		{"L28", "who goes over by a polka without having prevoted for it is correct", `
			prevote 0 v n1 n2 n3
			precommit 0 v n1 n2 n3
			prevote 1 w n1 n2 n4
			prevote 2 w n1 n2 n4
			precommit 2 w n3 n2 n4`, false, true, "", "n1 n2"},
		{"L28", "a polka since the lock is a reason", `
			prevote 0 v n1 n2 n3
			precommit 0 v n1
			prevote 1 w n2 n3 n4
			prevote 2 w n1`, false, false, "", ""},
		{"L28", "a polka before the lock is none", `
			prevote 0 w n2 n3 n4
			prevote 1 v n1 n2 n3
			precommit 1 v n1
			prevote 2 w n1`, false, false, "", "n1"},
		{"L28", "the lock's own round is soon enough, the prevote's own too late", `
			prevote 0 v n1 n2 n3
			precommit 0 v n1
			prevote 0 x n2 n3 n4
			prevote 1 x n1
			precommit 1 nil n1
			prevote 2 w n2 n3 n4 n1`, false, false, "n2 n3", "n1"},
		{"L28", "the last lock counts, not an older one", `
			prevote 0 v n1 n2 n3
			precommit 0 v n1
			prevote 1 w n2 n3 n4
			precommit 1 w n1
			prevote 2 w n1`, false, false, "", ""},
		{"L28", "the last lock counts, also if the older one was on the value", `
			prevote 0 v n1 n2 n3
			precommit 0 v n1
			prevote 1 w n2 n3 n4
			precommit 1 w n1
			prevote 2 v n1`, false, false, "", "n1"},
		{"L28", "any polka since the lock will do", `
			prevote 0 v n1 n2 n3
			precommit 0 v n1
			prevote 1 w n2 n3 n4
			prevote 5 w n1`, false, false, "", ""},
		{"L28", "nil is always allowed", `
			prevote 0 v n1 n2 n3
			precommit 0 v n1
			prevote 1 nil n1
			precommit 1 nil n1`, false, false, "", ""},
		{"L38", "a valid round below the lock is a proof where it is signed", `
			prevote 0 v n1 n2 n3
			prevote 1 v valid 0 n1 n2 n3
			precommit 1 v n1
			prevote 2 w valid 0 n1`, true, false, "n1", ""},
		{"L38", "also if there is none", `
			prevote 0 v n1 n2 n3
			precommit 0 v n1
			prevote 2 w n1`, true, false, "n1", ""},
		{"L38", "where it is not signed it proves nothing", `
			prevote 0 v n1 n2 n3
			precommit 0 v n1
			prevote 2 w n1`, false, false, "", "n1"},
		{"L38", "who claims the lock's round is no more than a suspect", `
			prevote 0 v n1 n2 n3
			precommit 0 v n1
			prevote 2 w valid 0 n1`, true, false, "", "n1"},
	} {
		t.Run(test.rule+": "+test.what, func(t *testing.T) {
			s := newScene("n1=1 n2=1 n3=1 n4=1").say(test.script)
			r := s.accuse(accountability.Options{SignedValidRounds: test.signed})
			require.Equal(t, test.proved, s.names(r.ProvedFaulty()), "RULE %s: proved: %s\n%v", test.rule, test.what, r)
			require.Equal(t, test.suspected, s.names(r.Suspected()), "RULE %s: suspected: %s\n%v", test.rule, test.what, r)
			require.Equal(t, test.forked, r.Forked, "%s\n%v", test.what, r)
		})
	}
}

// What is not signed by whom it is said to be, is of another height or by a stranger counts for nothing.
func TestOnlySignedVotesAreHeard(t *testing.T) {
	s := newScene("n1=1 n2=1 n3=1 n4=1").say(`
		precommit 0 v n1 n2 n3
		prevote 0 v n1 n2 n3`)
	forged := s.vote(types.Vote{Type: types.Precommit, Height: 5, Value: valueOf("w"), ValidRound: types.NoRound}, "n1")
	forged.Signature[9] ^= 1
	other := s.vote(types.Vote{Type: types.Precommit, Height: 6, Value: valueOf("w"), ValidRound: types.NoRound}, "n1")
	framed := s.vote(types.Vote{Type: types.Precommit, Height: 5, Value: valueOf("w"), ValidRound: types.NoRound}, "n2")
	framed.Validator = s.chain.Address("n1")
	stranger := s.vote(types.Vote{Type: types.Precommit, Height: 5, Value: valueOf("w"), ValidRound: types.NoRound}, "n9")
	again := *s.votes[0]
	again.ValidRound = 3 // not signed in a precommit
	s.votes = append(s.votes, forged, other, framed, stranger, &again)
	r := s.accuse(accountability.Options{})
	require.Empty(t, r.ProvedFaulty(), "RULE signed: %v", r)
	require.Empty(t, r.Suspects, "RULE signed: %v", r)
	require.Empty(t, accountability.Accuse("other", s.set, s.votes, accountability.Options{}).Suspects)
	require.Equal(t, &accountability.Report{Total: 4}, accountability.Accuse("demo", s.set, nil, accountability.Options{}))
}

// Power is counted in polkas and in what is named.
func TestPowerIsCounted(t *testing.T) {
	s := newScene("n1=10 n2=1 n3=1 n4=1").say(`
		prevote 0 v n2 n3 n4
		precommit 0 v n2
		prevote 1 w n1
		precommit 1 w n1`)
	r := s.accuse(accountability.Options{})
	require.Equal(t, "n2", s.names(r.Suspected()), "RULE power: %v", r)
	require.Equal(t, []int64{0, 1, 13}, []int64{r.Proved, r.Named, r.Total})
	r = s.say(`precommit 1 x n1`).accuse(accountability.Options{})
	require.Equal(t, []int64{10, 11, 13}, []int64{r.Proved, r.Named, r.Total})
}

// Evidence for the chain comes out of the report, whichever vote was heard first.
func TestADoubleVoteIsEvidence(t *testing.T) {
	s := newScene("n1=1 n2=1 n3=1 n4=1").say(`
		precommit 3 w n2
		precommit 3 x n2
		precommit 3 v n2`)
	r := s.accuse(accountability.Options{})
	require.Len(t, r.DoubleVotes, 1)
	e, err := types.NewEvidence(r.DoubleVotes[0], s.set, bfttest.LightStart)
	require.NoError(t, err)
	require.NoError(t, e.Verify("demo", s.set))
}

// Whatever votes there are: of a fork, more than a third in power is named, with and without signed valid rounds, and in whatever order they come.
func TestAForkNamesMoreThanAThird(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	forks := 0
	signed := map[string]*types.Vote{}
	for forks < 300 {
		n := 3 + rng.IntN(4)
		powers := ""
		for i := 1; i <= n; i++ {
			powers += fmt.Sprintf(" n%d=%d", i, 1+rng.IntN(3))
		}
		s := newScene(powers)
		// A third of the possible votes, and two commits.
		add := func(v types.Vote, name string) {
			key := fmt.Sprint(name, v.Type, v.Round, v.Value, v.ValidRound)
			if signed[key] == nil {
				signed[key] = s.vote(v, name)
			}
			s.votes = append(s.votes, signed[key])
		}
		words := []string{"v", "w", "x", "nil"}
		for range rng.IntN(12 * n) {
			v := types.Vote{Type: types.VoteType(1 + rng.IntN(2)), Height: 5, Round: types.Round(rng.IntN(4)), Value: valueOf(words[rng.IntN(4)]), ValidRound: types.NoRound}
			if v.Type == types.Prevote {
				v.ValidRound = types.Round(rng.IntN(int(v.Round)+1)) - 1
			}
			add(v, fmt.Sprint("n", 1+rng.IntN(n)))
		}
		for _, word := range words[:2] {
			round := types.Round(rng.IntN(4))
			for _, i := range rng.Perm(n)[:n-rng.IntN(2)] {
				add(types.Vote{Type: types.Precommit, Height: 5, Round: round, Value: valueOf(word), ValidRound: types.NoRound}, fmt.Sprint("n", i+1))
				if rng.IntN(3) > 0 {
					add(types.Vote{Type: types.Prevote, Height: 5, Round: round, Value: valueOf(word), ValidRound: round - 1}, fmt.Sprint("n", i+1))
				}
			}
		}
		for _, o := range []accountability.Options{{}, {SignedValidRounds: true}} {
			r := s.accuse(o)
			if !r.Forked {
				continue
			}
			forks++
			require.Greater(t, 3*r.Named, r.Total, "RULE third: of a fork, more than a third is named\n%v", r)
			require.LessOrEqual(t, r.Proved, r.Named)
			rng.Shuffle(len(s.votes), func(i, j int) { s.votes[i], s.votes[j] = s.votes[j], s.votes[i] })
			require.Equal(t, r.String(), s.accuse(o).String(), "RULE order: the answer depends on the order of votes")
		}
	}
}
