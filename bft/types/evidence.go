package types

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

// ErrEvidence is evidence that proves nothing.
var ErrEvidence = errors.New("bft: evidence")

// A DoubleVote is two votes of one validator for one height, round and kind: proof that it is faulty.
type DoubleVote struct{ First, Second Vote }

// A Fault is what is punished once, whichever two votes of it are the proof.
type Fault struct {
	Height    Height
	Round     Round
	Type      VoteType
	Validator Address
}

// String names f for people.
func (f Fault) String() string {
	return fmt.Sprintf("the %v of %v at height %d round %d", f.Type, f.Validator, f.Height, f.Round)
}

// Fault is what d proves.
func (d *DoubleVote) Fault() Fault {
	return Fault{d.First.Height, d.First.Round, d.First.Type, d.First.Validator}
}

// NewEvidence completes a double vote by what the block of its height says: the set that decided it, and the block's time.
func NewEvidence(d DoubleVote, set *ValidatorSet, blockTime time.Time) (*DuplicateVoteEvidence, error) {
	i := set.Index(d.First.Validator)
	if i < 0 {
		return nil, fmt.Errorf("%w: %v was no validator at height %d", ErrEvidence, d.First.Validator, d.First.Height)
	}
	if d.Second.Value.before(&d.First.Value) {
		d.First, d.Second = d.Second, d.First
	}
	return &DuplicateVoteEvidence{
		DoubleVote: d, ValidatorIndex: int32(i), TotalVotingPower: set.TotalPower(), ValidatorPower: set.At(i).Power, Time: blockTime,
	}, nil
}

// before is the order of the two votes in evidence: that of their values' encodings.
func (v *ValueID) before(w *ValueID) bool {
	return bytes.Compare(v.key(), w.key()) < 0
}

func (v *ValueID) key() []byte {
	var key []byte
	if v.Hash != (Hash{}) {
		key = append(key, v.Hash[:]...)
	}
	return appendParts(key, &v.Parts)
}

// Verify tells whether two votes of one validator prove that it is faulty: of one height, round and kind, for
// different values, and both signed by it. set is that of the votes' height. Whether the evidence is young
// enough, and not in a block yet, is the evidence pool's to say (E1).
func (e *DuplicateVoteEvidence) Verify(chainID string, set *ValidatorSet) error {
	a, b := &e.First, &e.Second
	i := set.Index(a.Validator)
	wrong := ""
	switch {
	case i < 0:
		wrong = "it was no validator"
	case a.Validator != b.Validator:
		wrong = "the other vote is somebody else's"
	case a.Height != b.Height || a.Round != b.Round || a.Type != b.Type:
		wrong = "the votes are not of one height, round and kind"
	case !a.Value.before(&b.Value):
		wrong = "the votes are for one value, or in the wrong order"
	case e.ValidatorIndex != int32(i):
		wrong = fmt.Sprintf("it is number %d, and not %d", i, e.ValidatorIndex)
	case e.ValidatorPower != set.At(i).Power:
		wrong = fmt.Sprintf("its power was %d, and not %d", set.At(i).Power, e.ValidatorPower)
	case e.TotalVotingPower != set.TotalPower():
		wrong = fmt.Sprintf("the total power was %d, and not %d", set.TotalPower(), e.TotalVotingPower)
	case !a.Verify(chainID, set.At(i).PubKey) || !b.Verify(chainID, set.At(i).PubKey):
		wrong = "a signature is wrong"
	}
	if wrong != "" {
		return fmt.Errorf("%w against %v, height %d round %d: %s", ErrEvidence, a.Validator, a.Height, a.Round, wrong)
	}
	return nil
}
