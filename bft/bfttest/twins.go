package bfttest

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/types"
)

// Twins (Bano and others, "Twins: BFT Systems Made Robust", arXiv:2004.10617): the simplest liar is two
// correct replicas with one identity. Each of the twins keeps to the protocol; together they vote twice,
// propose twice, and forget each other's locks. Nothing else has to be invented, so scenarios can be enumerated.
//
// There are four validators n1 to n4 with power 1, and five replicas: n1, n1', n2, n3, n4. A scenario
// says for each round who hears whom:
//
//	who proposes                                     4    if it is n1, both of the twins do
//	the replicas in two groups, or one              16    nothing passes between the groups
//	who is deaf to prevotes                         32    a replica always hears itself
//	who is deaf to precommits                       32
//
// so there are 65,536 rounds, 65,536^k scenarios of k rounds, and every one of them has a number: its rounds are
// its digits. What is lost in a round is not lost for good: when the rounds of the scenario are over, all that was ever said
// is heard by all, correct validators propose, and everybody must decide.
//
// Timeouts are over at the end of each phase, whether they were scheduled or not: safety must not rest on time.

// A TwinsRound is one round of a scenario: 16 bits.
//
//	15       11 10        6 5        2 1      0
//	[deaf to pc][deaf to pv][second gr][proposer]
type TwinsRound uint16

// A TwinsScenario is a number in base 65,536, the lowest digit first.
type TwinsScenario []TwinsRound

// TwinsCount is how many scenarios there are of so many rounds.
func TwinsCount(rounds int) *big.Int {
	return new(big.Int).Exp(big.NewInt(1<<16), big.NewInt(int64(rounds)), nil)
}

func (r TwinsRound) proposer() int { return int(r & 3) }

// apart tells whether two replicas are in different groups.
func (r TwinsRound) apart(a, b int) bool {
	second := int(r>>2&15) << 1 // replica 0 is in the first group
	return (second>>a^second>>b)&1 == 1
}

// deaf tells whether a replica does not hear votes of that kind.
func (r TwinsRound) deaf(kind types.VoteType, replica int) bool {
	return r>>(6+5*(kind-types.Prevote)+types.VoteType(replica))&1 == 1
}

var replicaNames = [...]string{"n1", "n1'", "n2", "n3", "n4"}

// validatorOf is the validator that a replica is.
func validatorOf(replica int) int { return max(0, replica-1) }

// String is a round in words.
func (r TwinsRound) String() string {
	var groups [2][]string
	var deaf [2][]string
	for i, name := range replicaNames {
		g := 0
		if r.apart(0, i) {
			g = 1
		}
		groups[g] = append(groups[g], name)
		for k := range deaf {
			if r.deaf(types.Prevote+types.VoteType(k), i) {
				deaf[k] = append(deaf[k], name)
			}
		}
	}
	s := fmt.Sprintf("n%d proposes", r.proposer()+1)
	if groups[1] != nil {
		s += fmt.Sprintf("; %s | %s", strings.Join(groups[0], " "), strings.Join(groups[1], " "))
	}
	for k, kind := range []string{"prevotes", "precommits"} {
		if deaf[k] != nil {
			s += fmt.Sprintf("; deaf to %s: %s", kind, strings.Join(deaf[k], " "))
		}
	}
	return s
}

// RandomTwins draws a scenario.
func RandomTwins(r *rand.Rand, rounds int) TwinsScenario {
	s := make(TwinsScenario, rounds)
	for i := range s {
		s[i] = TwinsRound(r.Uint32())
	}
	return s
}

// A TwinsWorld plays scenarios, one after the other, each a height of the same cores. It is not safe for concurrent use.
type TwinsWorld struct {
	newCore NewCore
	set     *types.ValidatorSet
	ids     [4]types.Address
	cores   [len(replicaNames)]Core
	height  types.Height

	scenario TwinsScenario
	said     []twinsMessage
	heard    int // so many of said were passed on, or lost
	decided  [len(replicaNames)]types.ValueID
	log      *strings.Builder // nil: nobody listens
	err      error
}

type twinsMessage struct {
	from     int
	vote     types.Vote // if Type is not 0
	proposal bft.Proposed
}

// NewTwins makes a world.
func NewTwins(newCore NewCore) *TwinsWorld {
	w := &TwinsWorld{newCore: newCore}
	var vs []types.Validator
	for i := range w.ids {
		w.ids[i] = types.Address{'n', byte('1' + i)}
		vs = append(vs, types.Validator{Address: w.ids[i], Power: 1})
	}
	w.set, w.err = types.NewValidatorSet(vs)
	w.fresh()
	return w
}

// fresh takes new cores: after a violation the old ones may be anywhere.
func (w *TwinsWorld) fresh() {
	w.height = 0
	for i := range w.cores {
		w.cores[i] = w.newCore(w.ids[validatorOf(i)])
	}
}

// Play plays a scenario. The error is a [*Violation], and tells the story.
func (w *TwinsWorld) Play(s TwinsScenario) error {
	w.log = nil
	first := w.play(s)
	if first == nil {
		return nil
	}
	s = w.minimise(s, ruleOf(first))
	w.log = &strings.Builder{}
	w.fresh()
	again := w.play(s)
	story := w.log.String()
	w.log = nil
	w.fresh()
	if again == nil {
		return first
	}
	return &Violation{ruleOf(again), again.(*Violation).Detail + "\n" + story}
}

// minimise leaves out what the violation does not need: rounds from the end, groups, deafness.
func (w *TwinsWorld) minimise(s TwinsScenario, rule string) TwinsScenario {
	breaks := func(t TwinsScenario) bool {
		w.fresh()
		err := w.play(t)
		return err != nil && ruleOf(err) == rule
	}
	for len(s) > 1 && breaks(s[:len(s)-1]) {
		s = s[:len(s)-1]
	}
	s = append(TwinsScenario(nil), s...)
	for i := range s {
		for bit := 2; bit < 16; bit++ {
			was := s[i]
			if s[i] &^= 1 << bit; s[i] != was && !breaks(s) {
				s[i] = was
			}
		}
	}
	return s
}
