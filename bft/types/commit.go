package types

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"
)

// ErrCommit is a commit that proves nothing. ErrNotEnoughPower is one that is right as far as it goes, but
// too few have signed.
var (
	ErrCommit         = errors.New("bft: commit")
	ErrNotEnoughPower = errors.New("bft: commit: not enough power")
)

// A Fraction is a part of the whole, like a light client's trust level.
type Fraction struct{ Numerator, Denominator uint64 }

// exceededBy tells whether power/total is more than f, in numbers that do not overflow (K1).
func (f Fraction) exceededBy(power, total int64) bool {
	ph, pl := bits.Mul64(uint64(power), f.Denominator)
	th, tl := bits.Mul64(uint64(total), f.Numerator)
	return ph > th || ph == th && pl > tl
}

// MakeCommit makes a commit of precommits: votes[i] is that of validator i, nil if it did not come in time. One for another
// value than id, or of another round, is taken for absent, for its signature says nothing here.
func MakeCommit(height Height, round Round, id ValueID, votes []*Vote) *Commit {
	c := &Commit{Height: height, Round: round, Value: id, Signatures: make([]CommitSig, len(votes))}
	for i, v := range votes {
		s := &c.Signatures[i]
		s.Flag = CommitAbsent
		if v == nil || v.Type != Precommit || v.Height != height || v.Round != round || !v.Value.IsNil() && v.Value != id {
			continue
		}
		*s = CommitSig{Flag: CommitBlock, Validator: v.Validator, Time: v.Time, Signature: v.Signature}
		if v.Value.IsNil() {
			s.Flag = CommitNil
		}
	}
	return c
}

// Vote is the precommit of validator i; nil if it is absent.
func (c *Commit) Vote(i int) *Vote {
	s := &c.Signatures[i]
	v := &Vote{
		Type: Precommit, Height: c.Height, Round: c.Round, Time: s.Time, Validator: s.Validator, ValidRound: NoRound, Signature: s.Signature,
	}
	switch s.Flag {
	case CommitBlock:
		v.Value = c.Value
	case CommitNil:
	default:
		return nil
	}
	return v
}

// Check tells whether the commit can be one, apart from signatures.
func (c *Commit) Check() error {
	switch {
	case c.Height < 1:
		return fmt.Errorf("%w: height %d", ErrCommit, c.Height)
	case c.Round < 0:
		return fmt.Errorf("%w of height %d: round %d", ErrCommit, c.Height, c.Round)
	case !c.Value.whole():
		return fmt.Errorf("%w of height %d: it is for nil, or for no block's id", ErrCommit, c.Height)
	case len(c.Signatures) == 0:
		return fmt.Errorf("%w of height %d: no signatures", ErrCommit, c.Height)
	}
	for i := range c.Signatures {
		if err := c.Signatures[i].check(); err != nil {
			return fmt.Errorf("%w of height %d: signature %d: %w", ErrCommit, c.Height, i, err)
		}
	}
	return nil
}

func (s *CommitSig) check() error {
	switch s.Flag {
	case CommitAbsent:
		if s.Validator != (Address{}) || !s.Time.IsZero() || len(s.Signature) > 0 {
			return errors.New("absent, and yet with address, time or signature")
		}
	case CommitBlock, CommitNil:
		switch {
		case s.Validator == Address{}:
			return errors.New("it is nobody's")
		case len(s.Signature) != SignatureSize:
			return fmt.Errorf("%d bytes, and not %d", len(s.Signature), SignatureSize)
		}
	default:
		return fmt.Errorf("flag %d", s.Flag)
	}
	return nil
}

// fits tells whether c is for this height and value, by validators of this set in its order.
func (c *Commit) fits(set *ValidatorSet, id ValueID, height Height) error {
	switch {
	case c == nil:
		return fmt.Errorf("%w of height %d: there is none", ErrCommit, height)
	case c.Height != height:
		return fmt.Errorf("%w of height %d: it should be of height %d", ErrCommit, c.Height, height)
	case c.Value != id:
		return fmt.Errorf("%w of height %d: its value is %v (parts %v), and should be %v (parts %v)",
			ErrCommit, height, c.Value, c.Value.Parts, id, id.Parts)
	case len(c.Signatures) != set.Len():
		return fmt.Errorf("%w of height %d: %d signatures, and there are %d validators", ErrCommit, height, len(c.Signatures), set.Len())
	}
	if err := c.Check(); err != nil {
		return err
	}
	for i := range c.Signatures {
		if s := &c.Signatures[i]; s.Flag != CommitAbsent && s.Validator != set.members[i].Address {
			return fmt.Errorf("%w of height %d: signature %d is of validator %v, and should be of %v",
				ErrCommit, height, i, s.Validator, set.members[i].Address)
		}
	}
	return nil
}

// VerifyCommit tells whether validators with more than two thirds of the power have decided id. All
// signatures are verified, also those for nil: who has signed is given to the application.
func VerifyCommit(chainID string, set *ValidatorSet, id ValueID, height Height, c *Commit) error {
	if err := c.fits(set, id, height); err != nil {
		return err
	}
	t := newCommitTally(NewCommitVerifier(chainID, c))
	for i := range c.Signatures {
		if c.Signatures[i].Flag != CommitAbsent {
			t.add(i, &set.members[i])
		}
	}
	return t.judge(Fraction{2, 3}, set.TotalPower())
}

// VerifyCommitLight is VerifyCommit for who does not need to know who has signed: it looks at no more signatures than it takes.
func VerifyCommitLight(chainID string, set *ValidatorSet, id ValueID, height Height, c *Commit) error {
	return NewCommitVerifier(chainID, c).Light(set, id, height)
}

// VerifyCommitTrusting tells whether validators with more than a fraction of the power of a trusted set have signed
// the commit. The set is an older one: validators are found by address, and those it does not know do not count (C1).
// Each is counted once, and one that is there twice makes the commit wrong.
func VerifyCommitTrusting(chainID string, trusted *ValidatorSet, c *Commit, level Fraction) error {
	return NewCommitVerifier(chainID, c).Trusting(trusted, level)
}

// A CommitVerifier judges one commit by several sets, as a light client does, and verifies no signature twice by one key. It is not
// safe for concurrent use, and the commit must not change meanwhile.
type CommitVerifier struct {
	chainID string
	commit  *Commit
	right   [][]byte // by which key each signature was found to be right; nil: none yet
}

// NewCommitVerifier begins with nothing verified.
func NewCommitVerifier(chainID string, c *Commit) *CommitVerifier {
	return &CommitVerifier{chainID: chainID, commit: c}
}

// Light is [VerifyCommitLight].
func (v *CommitVerifier) Light(set *ValidatorSet, id ValueID, height Height) error {
	c := v.commit
	if err := c.fits(set, id, height); err != nil {
		return err
	}
	t := newCommitTally(v)
	for i := range c.Signatures {
		if set.MoreThanTwoThirds(t.power) {
			break
		}
		if c.Signatures[i].Flag == CommitBlock {
			t.add(i, &set.members[i])
		}
	}
	return t.judge(Fraction{2, 3}, set.TotalPower())
}

// Trusting is [VerifyCommitTrusting].
func (v *CommitVerifier) Trusting(trusted *ValidatorSet, level Fraction) error {
	c := v.commit
	if level.Denominator == 0 || level.Numerator > level.Denominator {
		return fmt.Errorf("%w: a trust level of %d/%d", ErrCommit, level.Numerator, level.Denominator)
	}
	if c == nil {
		return fmt.Errorf("%w: there is none", ErrCommit)
	}
	if err := c.Check(); err != nil {
		return err
	}
	seen := make([]bool, trusted.Len())
	t := newCommitTally(v)
	for i := range c.Signatures {
		s := &c.Signatures[i]
		at := trusted.Index(s.Validator)
		if s.Flag != CommitBlock || at < 0 {
			continue
		}
		if seen[at] {
			return fmt.Errorf("%w of height %d: signature %d is the second of validator %v", ErrCommit, c.Height, i, s.Validator)
		}
		seen[at] = true
		if !level.exceededBy(t.power, trusted.TotalPower()) {
			t.add(i, &trusted.members[at])
		}
	}
	return t.judge(level, trusted.TotalPower())
}

// A commitTally gathers signatures to verify, and the power of those for the block.
type commitTally struct {
	*CommitVerifier
	batch *Batch
	added []int    // the signatures in batch
	keys  [][]byte // and whose they are
	power int64
}

func newCommitTally(v *CommitVerifier) *commitTally {
	n := len(v.commit.Signatures)
	if v.right == nil {
		v.right = make([][]byte, n)
	}
	return &commitTally{CommitVerifier: v, batch: NewBatch(n), added: make([]int, 0, n), keys: make([][]byte, 0, n)}
}

func (t *commitTally) add(i int, v *Validator) {
	if t.right[i] == nil || !bytes.Equal(t.right[i], v.PubKey) {
		var room [256]byte
		vote := t.commit.Vote(i)
		t.batch.Add(v.PubKey, vote.AppendSignBytes(room[:0], t.chainID), vote.Signature)
		t.added, t.keys = append(t.added, i), append(t.keys, v.PubKey)
	}
	if t.commit.Signatures[i].Flag == CommitBlock {
		t.power += v.Power
	}
}

// judge looks at power first: that is cheaper.
func (t *commitTally) judge(level Fraction, total int64) error {
	if !level.exceededBy(t.power, total) {
		return fmt.Errorf("%w at height %d: %d, and it takes more than %d/%d of %d",
			ErrNotEnoughPower, t.commit.Height, t.power, level.Numerator, level.Denominator, total)
	}
	if bad := t.batch.Verify(); bad >= 0 {
		i := t.added[bad]
		return fmt.Errorf("%w of height %d on chain %s: signature %d, of validator %v, is wrong",
			ErrCommit, t.commit.Height, t.chainID, i, t.commit.Signatures[i].Validator)
	}
	for n, i := range t.added {
		t.right[i] = t.keys[n]
	}
	return nil
}
