package light

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/flagship-go/flagship/bft/types"
)

// A Kind is how validators made a second chain.
type Kind uint8

// The kinds.
const (
	// Lunatic is a header that no execution gave: its validators, parameters, application hash or results are not the chain's.
	Lunatic Kind = iota + 1
	// Equivocation is two blocks that each could be, in one round.
	Equivocation
	// Amnesia is two blocks that each could be, in two rounds: a lock was forgotten.
	Amnesia
)

// String is its name.
func (k Kind) String() string {
	if k < Lunatic || k > Amnesia {
		return fmt.Sprintf("kind %d", uint8(k))
	}
	return [...]string{"lunatic", "equivocation", "amnesia"}[k-1]
}

// An Attack is two headers that C1 holds for and of which one cannot be the chain's, as a report against one of them. It is
// true for whoever knows that Trusted is the chain's; DoubleVotes are for everybody.
type Attack struct {
	Common      *Block // the last one on which both sides agree
	Conflicting *Block // verified by Common alone
	Trusted     *Block // of the same height, or for a lunatic a lower one with a time not earlier
	Kind        Kind
	// Byzantine are those whom the attack proves to be faulty, with their power at the height after Common. None where it is amnesia.
	Byzantine []types.Validator
	// DoubleVotes are their votes, where two signatures of one round are all it takes.
	DoubleVotes []*types.DuplicateVoteEvidence
	// Suspects have signed both blocks, in two rounds: who of them forgot a lock, and who has seen a polka, is what package accountability
	// finds out from the votes in between.
	Suspects []types.Validator
}

// ErrAttack is that the chain was attacked. The remedy is with people: to find out which side is right, and begin with a root of it.
var ErrAttack = errors.New("light: the chain is under attack")

// An AttackError ends a client: more than a third of a trusted set is faulty, and nothing can be trusted by it. It is [ErrAttack].
type AttackError struct {
	Primary, Witness Provider
	AgainstPrimary   *Attack
	AgainstWitness   *Attack // nil: the primary has taken back what it said
}

// Error names the sides and who is faulty.
func (e *AttackError) Error() string {
	text := fmt.Sprintf("%v: %v and %v both have signatures for their own. If %v is right, %v", ErrAttack, e.Primary, e.Witness, e.Witness, e.AgainstPrimary)
	if e.AgainstWitness != nil {
		text += fmt.Sprintf("; if %v is right, %v", e.Primary, e.AgainstWitness)
	}
	return text + ". Find out which, and begin again from a header of that side"
}

// Is makes errors.Is(err, ErrAttack) hold.
func (e *AttackError) Is(target error) bool { return target == ErrAttack }

// String is the report in one line.
func (a *Attack) String() string {
	text := fmt.Sprintf("%v is a %v attack at height %d after common height %d", a.Conflicting.Header.Hash(), a.Kind, a.Conflicting.Height(), a.Common.Height())
	for i, v := range a.Byzantine {
		if i == 0 {
			text += " by"
		}
		text += " " + v.Address.String()
	}
	return text
}

// NewAttack says what the attack is and who is faulty. All blocks must be verified: Conflicting by Common, and Trusted somehow.
func NewAttack(chainID string, common, conflicting, trusted *Block) *Attack {
	a := &Attack{Common: common, Conflicting: conflicting, Trusted: trusted}
	var twice []types.DoubleVote
	if conflicting.Height() == trusted.Height() {
		twice = signedBoth(chainID, conflicting, trusted)
	}
	sameRound := conflicting.Commit.Round == trusted.Commit.Round
	switch {
	case conflicting.Height() != trusted.Height() || !sameExecution(conflicting.Header, trusted.Header):
		a.Kind = Lunatic
		a.Byzantine = signersOf(chainID, common.Next, conflicting)
	case sameRound:
		a.Kind = Equivocation
		for _, d := range twice {
			a.Byzantine = append(a.Byzantine, conflicting.Validators.At(conflicting.Validators.Index(d.First.Validator)))
		}
	default:
		a.Kind = Amnesia
		for _, d := range twice {
			if !d.First.Value.IsNil() && !d.Second.Value.IsNil() {
				a.Suspects = append(a.Suspects, conflicting.Validators.At(conflicting.Validators.Index(d.First.Validator)))
			}
		}
	}
	if sameRound {
		for _, d := range twice {
			if e, err := types.NewEvidence(d, trusted.Validators, trusted.Header.Time); err == nil {
				a.DoubleVotes = append(a.DoubleVotes, e)
			}
		}
	}
	return a
}

// sameExecution tells whether two headers of one height agree in what follows from the blocks before.
func sameExecution(a, b *types.Header) bool {
	return a.ValidatorsHash == b.ValidatorsHash && a.NextValidatorsHash == b.NextValidatorsHash && a.ConsensusHash == b.ConsensusHash &&
		bytes.Equal(a.AppHash, b.AppHash) && a.LastResultsHash == b.LastResultsHash
}

// signersOf are members of a set whose signature for the block is right. Each one is looked at: what
// was verified before stopped when there was enough, and the rest may be forged to accuse somebody.
func signersOf(chainID string, set *types.ValidatorSet, b *Block) []types.Validator {
	var signers []types.Validator
	if set == nil {
		set = b.Validators // sequential: b is the next height
	}
	for i := range b.Commit.Signatures {
		s := &b.Commit.Signatures[i]
		at := set.Index(s.Validator)
		if s.Flag == types.CommitBlock && at >= 0 && b.Commit.Vote(i).Verify(chainID, set.At(at).PubKey) {
			signers = append(signers, set.At(at))
		}
	}
	return signers
}

// signedBoth are the pairs of precommits, one for each block, that one validator has signed for different values.
func signedBoth(chainID string, a, b *Block) []types.DoubleVote {
	var pairs []types.DoubleVote
	for i := range a.Commit.Signatures {
		v := a.Commit.Vote(i)
		if v == nil {
			continue
		}
		at, other := a.Validators.Index(v.Validator), b.Validators.Index(v.Validator)
		if at < 0 || other < 0 || other >= len(b.Commit.Signatures) {
			continue
		}
		w := b.Commit.Vote(other)
		if w == nil || w.Validator != v.Validator || w.Value == v.Value {
			continue
		}
		key := a.Validators.At(at).PubKey
		if v.Verify(chainID, key) && w.Verify(chainID, key) {
			pairs = append(pairs, types.DoubleVote{First: *v, Second: *w})
		}
	}
	return pairs
}

// Verify tells a node that has got a report, and has common and trusted in its own chain, whether it is true: C1 holds for Conflicting,
// and kind, and who is faulty, are what they are said to be.
func (a *Attack) Verify(p Params, chainID string, now time.Time) error {
	switch {
	case a.Common == nil || a.Conflicting == nil || a.Trusted == nil:
		return fmt.Errorf("%w: report of an attack: a block is missing", ErrInvalid)
	case a.Conflicting.Height() < a.Trusted.Height():
		return fmt.Errorf("%w: report of an attack: height %d against height %d", ErrInvalid, a.Conflicting.Height(), a.Trusted.Height())
	}
	if err := Verify(p, chainID, a.Common.Trusted(), a.Conflicting, now); err != nil {
		return fmt.Errorf("report of an attack: %w", err)
	}
	same := a.Conflicting.Height() == a.Trusted.Height()
	if same && a.Conflicting.Header.Hash() == a.Trusted.Header.Hash() ||
		!same && a.Conflicting.Header.Time.After(a.Trusted.Header.Time) {
		return fmt.Errorf("%w: report of an attack: height %d does not conflict with height %d", ErrInvalid, a.Conflicting.Height(), a.Trusted.Height())
	}
	b := NewAttack(chainID, a.Common, a.Conflicting, a.Trusted)
	sameVotes := slices.EqualFunc(a.DoubleVotes, b.DoubleVotes, func(x, y *types.DuplicateVoteEvidence) bool { return x.Hash() == y.Hash() })
	if b.Kind != a.Kind || !sameVotes || !slices.EqualFunc(a.Byzantine, b.Byzantine, sameValidator) || !slices.EqualFunc(a.Suspects, b.Suspects, sameValidator) {
		return fmt.Errorf("%w: report of an attack: it is %v by %d validators, and not %v by %d",
			ErrInvalid, b.Kind, len(b.Byzantine), a.Kind, len(a.Byzantine))
	}
	return nil
}

func sameValidator(a, b types.Validator) bool { return a.Address == b.Address && a.Power == b.Power }
