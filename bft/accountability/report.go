package accountability

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flagship-go/flagship/bft/types"
)

// A Report is who is to blame at one height.
type Report struct {
	Height types.Height
	// Forked tells whether the votes have two commits for different values.
	Forked bool
	// DoubleVotes prove equivocation: one a validator, round and kind. [types.NewEvidence] makes evidence of them, for the chain.
	DoubleVotes []types.DoubleVote
	// Amnesia proves forgotten locks; only with signed valid rounds.
	Amnesia []Forgotten
	// Suspects have voted without a reason that is known. Those proved to be faulty are not among them.
	Suspects []Suspicion
	// Power of those proved, of those proved or suspected, and of all. In a fork, 3*Named > Total.
	Proved, Named, Total int64
}

// Forgotten is a lock and a prevote that ignores it. Both are signed, and together they are a proof on a chain whose prevotes have a signed
// valid round: ValidRound of Prevote is below the round of Precommit.
type Forgotten struct{ Precommit, Prevote types.Vote }

// A Suspicion is a vote without a reason: a polka for Vote.Value in one of the rounds From to Until clears the validator.
type Suspicion struct {
	Vote types.Vote
	// Lock is the precommit that a prevote goes against; nil: Vote is a precommit.
	Lock        *types.Vote
	From, Until types.Round
}

// String is the suspicion in one line, with what is missing.
func (s *Suspicion) String() string {
	v := &s.Vote
	if s.Lock == nil {
		return fmt.Sprintf("%v precommits %v in round %d: no polka for it there is known", v.Validator, v.Value, v.Round)
	}
	return fmt.Sprintf("%v prevotes %v in round %d, locked on %v in round %d: no polka for it in rounds %d to %d is known",
		v.Validator, v.Value, v.Round, s.Lock.Value, s.Lock.Round, s.From, s.Until)
}

// ProvedFaulty are the validators that the report proves to be faulty, each once, in the order of addresses.
func (r *Report) ProvedFaulty() []types.Address {
	var proved []types.Address
	for i := range r.DoubleVotes {
		proved = append(proved, r.DoubleVotes[i].First.Validator)
	}
	for i := range r.Amnesia {
		proved = append(proved, r.Amnesia[i].Prevote.Validator)
	}
	return unique(proved)
}

// Suspected are the validators under suspicion, each once, in the order of addresses.
func (r *Report) Suspected() []types.Address {
	var suspected []types.Address
	for i := range r.Suspects {
		suspected = append(suspected, r.Suspects[i].Vote.Validator)
	}
	return unique(suspected)
}

func unique(a []types.Address) []types.Address {
	slices.SortFunc(a, func(x, y types.Address) int { return slices.Compare(x[:], y[:]) })
	return slices.Compact(a)
}

// String is the report for people.
func (r *Report) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "height %d: fork: %v; proved faulty: %d of %d in power; with suspects: %d\n", r.Height, r.Forked, r.Proved, r.Total, r.Named)
	for i := range r.DoubleVotes {
		a, b := &r.DoubleVotes[i].First, &r.DoubleVotes[i].Second
		fmt.Fprintf(&text, "  proved: %v %ss %v and %v in round %d\n", a.Validator, a.Type, a.Value, b.Value, a.Round)
	}
	for i := range r.Amnesia {
		a, b := &r.Amnesia[i].Precommit, &r.Amnesia[i].Prevote
		fmt.Fprintf(&text, "  proved: %v precommits %v in round %d, and prevotes %v in round %d with valid round %d\n",
			a.Validator, a.Value, a.Round, b.Value, b.Round, b.ValidRound)
	}
	for i := range r.Suspects {
		fmt.Fprintf(&text, "  suspect: %v\n", &r.Suspects[i])
	}
	return text.String()
}
