package bft

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// A Validator has a key and power. Its priority says when it proposes (V1).
type Validator struct {
	Address  Address
	PubKey   []byte // ed25519, 32 bytes
	Power    int64
	Priority int64
}

// A ValidatorSet is the validators of one height, with whose turn it is. It is not
// changed while a height is decided; [ValidatorSet.Rotate] and [ValidatorSet.Update] make the next.
// It is safe for concurrent reading.
type ValidatorSet struct {
	validators []Validator // by power, the strongest first; then by address
	total      int64
	proposer   int
}

// ErrValidators is what is wrong with a set, or with a change of it.
var ErrValidators = errors.New("bft: validators")

// NewValidatorSet makes the first set: all priorities are 0, and the first turn is taken. Priorities given are ignored.
func NewValidatorSet(validators []Validator) (*ValidatorSet, error) {
	if len(validators) == 0 {
		return nil, fmt.Errorf("%w: there is none", ErrValidators)
	}
	s := &ValidatorSet{validators: slices.Clone(validators)}
	for i := range s.validators {
		s.validators[i].Priority = 0
	}
	if err := s.settle(); err != nil {
		return nil, err
	}
	s.rotate(1)
	return s, nil
}

// settle sorts the set, checks it and adds up its power.
func (s *ValidatorSet) settle() error {
	slices.SortFunc(s.validators, func(a, b Validator) int {
		return cmp.Or(cmp.Compare(b.Power, a.Power), bytes.Compare(a.Address[:], b.Address[:]))
	})
	s.total = 0
	seen := make(map[Address]bool, len(s.validators))
	for _, v := range s.validators {
		switch {
		case v.Power <= 0:
			return fmt.Errorf("%w: %v has power %d, and it must be at least 1", ErrValidators, v.Address, v.Power)
		case v.Power > MaxTotalPower-s.total:
			return fmt.Errorf("%w: their power is more than %d in all", ErrValidators, MaxTotalPower)
		case seen[v.Address]:
			return fmt.Errorf("%w: %v is there twice", ErrValidators, v.Address)
		}
		seen[v.Address] = true
		s.total += v.Power
	}
	return nil
}

// Len is the number of validators.
func (s *ValidatorSet) Len() int { return len(s.validators) }

// At is the validator with number i, in the order of the set. Its PubKey is not to be changed.
func (s *ValidatorSet) At(i int) Validator { return s.validators[i] }

// Index is the number of a validator, or -1.
func (s *ValidatorSet) Index(a Address) int {
	return slices.IndexFunc(s.validators, func(v Validator) bool { return v.Address == a })
}

// TotalPower is the power of all.
func (s *ValidatorSet) TotalPower() int64 { return s.total }

// Proposer is whose turn it is in round 0; that of round r is the proposer of Rotate(r).
func (s *ValidatorSet) Proposer() Validator { return s.validators[s.proposer] }

// MoreThanTwoThirds tells whether power is a quorum. K1: 3*power > 2*total, which does
// not overflow: total is at most 2^60.
func (s *ValidatorSet) MoreThanTwoThirds(power int64) bool { return 3*power > 2*s.total }

// MoreThanOneThird tells whether power has a correct validator in it.
func (s *ValidatorSet) MoreThanOneThird(power int64) bool { return 3*power > s.total }

// Rotate is the set after so many more turns. V1.
func (s *ValidatorSet) Rotate(turns int) *ValidatorSet {
	next := &ValidatorSet{validators: slices.Clone(s.validators), total: s.total, proposer: s.proposer}
	next.rotate(turns)
	return next
}

func (s *ValidatorSet) rotate(turns int) {
	if turns <= 0 {
		return
	}
	s.clip()
	s.centre()
	for range turns {
		best := 0
		for i := range s.validators {
			v := &s.validators[i]
			v.Priority += v.Power
			if before(v, &s.validators[best]) {
				best = i
			}
		}
		s.validators[best].Priority -= s.total
		s.proposer = best
	}
}

// before tells whether a's turn is before b's.
func before(a, b *Validator) bool {
	if a.Priority != b.Priority {
		return a.Priority > b.Priority
	}
	return bytes.Compare(a.Address[:], b.Address[:]) < 0
}

// clip scales priorities down until they are at most twice the total power apart, so
// that who joins with little power does not wait for ever after who left with much.
func (s *ValidatorSet) clip() {
	lo, hi := s.validators[0].Priority, s.validators[0].Priority
	for _, v := range s.validators {
		lo, hi = min(lo, v.Priority), max(hi, v.Priority)
	}
	window := 2 * s.total
	spread := uint64(hi) - uint64(lo) // the true difference, also where the signed one overflows
	if spread <= uint64(window) {
		return
	}
	ratio := int64((spread + uint64(window) - 1) / uint64(window))
	for i := range s.validators {
		s.validators[i].Priority /= ratio
	}
}

// centre moves priorities so that their mean is 0. The mean is rounded down:
// p = q*n + r for each, with 0 <= r < n, and then no sum overflows.
func (s *ValidatorSet) centre() {
	n := int64(len(s.validators))
	var quotients, rests int64
	for _, v := range s.validators {
		q, r := v.Priority/n, v.Priority%n
		if r < 0 {
			q, r = q-1, r+n
		}
		quotients, rests = quotients+q, rests+r
	}
	mean := quotients + rests/n
	for i := range s.validators {
		s.validators[i].Priority -= mean
	}
}

// Update is the set with changes: power 0 removes a validator, another one adds it or
// changes its power. The turn is not taken: Rotate the result. Who joins begins far behind (9/8 of the
// total), so that nobody gains a turn by leaving and coming back.
func (s *ValidatorSet) Update(changes []Validator) (*ValidatorSet, error) {
	next := &ValidatorSet{validators: slices.Clone(s.validators), total: s.total}
	power := s.total
	named := make(map[Address]bool, len(changes))
	for _, c := range changes {
		i := s.Index(c.Address)
		switch {
		case named[c.Address]:
			return nil, fmt.Errorf("%w: %v is changed twice", ErrValidators, c.Address)
		case c.Power < 0 || c.Power > MaxTotalPower:
			return nil, fmt.Errorf("%w: %v is given power %d, and it is from 0 (removed) to %d", ErrValidators, c.Address, c.Power, MaxTotalPower)
		case i < 0 && c.Power == 0:
			return nil, fmt.Errorf("%w: %v is removed, and it is not there", ErrValidators, c.Address)
		}
		named[c.Address] = true
		if i < 0 {
			power += c.Power
		} else {
			power += max(c.Power-s.validators[i].Power, 0)
		}
		if power > MaxTotalPower {
			return nil, fmt.Errorf("%w: their power is more than %d in all", ErrValidators, MaxTotalPower)
		}
	}
	for _, c := range changes {
		i := next.Index(c.Address)
		switch {
		case c.Power == 0:
			next.validators = slices.Delete(next.validators, i, i+1)
		case i < 0:
			c.Priority = -(power + power>>3)
			next.validators = append(next.validators, c)
		default:
			next.validators[i].Power = c.Power
		}
	}
	if len(next.validators) == 0 {
		return nil, fmt.Errorf("%w: nobody would be left", ErrValidators)
	}
	if err := next.settle(); err != nil {
		return nil, err
	}
	next.clip()
	next.centre()
	next.proposer = 0
	for i := range next.validators {
		if before(&next.validators[i], &next.validators[next.proposer]) {
			next.proposer = i
		}
	}
	return next, nil
}
