package types

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
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
	// Shared by all turns: by power, the strongest first, then by address. Priority is not used.
	members []Validator
	index   addressIndex
	total   int64
	// Of this turn.
	priorities []int64 // by member
	proposer   int
}

// ErrValidators is what is wrong with a set, or with a change of it.
var ErrValidators = errors.New("bft: validators")

// NewValidatorSet makes the first set: all priorities are 0, and the first turn is taken. Priorities given are ignored.
func NewValidatorSet(validators []Validator) (*ValidatorSet, error) {
	if len(validators) == 0 {
		return nil, fmt.Errorf("%w: there is none", ErrValidators)
	}
	s, err := newSet(slices.Clone(validators), make([]int64, len(validators)))
	if err != nil {
		return nil, err
	}
	s.rotate(1)
	return s, nil
}

// newSet sorts and checks the members, each with the priority given.
func newSet(members []Validator, priorities []int64) (*ValidatorSet, error) {
	for i := range members {
		members[i].Priority = priorities[i]
	}
	slices.SortFunc(members, func(a, b Validator) int {
		return cmp.Or(cmp.Compare(b.Power, a.Power), bytes.Compare(a.Address[:], b.Address[:]))
	})
	s := &ValidatorSet{members: members, index: newAddressIndex(len(members)), priorities: make([]int64, len(members))}
	for i, v := range members {
		switch {
		case v.Power <= 0:
			return nil, fmt.Errorf("%w: %v has power %d, and it must be at least 1", ErrValidators, v.Address, v.Power)
		case v.Power > MaxTotalPower-s.total:
			return nil, fmt.Errorf("%w: their power is more than %d in all", ErrValidators, MaxTotalPower)
		case !s.index.add(members, i):
			return nil, fmt.Errorf("%w: %v is there twice", ErrValidators, v.Address)
		}
		s.total += v.Power
		s.priorities[i] = v.Priority
	}
	return s, nil
}

// Len is the number of validators.
func (s *ValidatorSet) Len() int { return len(s.members) }

// At is the validator with number i, in the order of the set. Its PubKey is not to be changed.
func (s *ValidatorSet) At(i int) Validator {
	v := s.members[i]
	v.Priority = s.priorities[i]
	return v
}

// Power is that of the validator with number i.
func (s *ValidatorSet) Power(i int) int64 { return s.members[i].Power }

// Index is the number of a validator, or -1.
func (s *ValidatorSet) Index(a Address) int { return s.index.find(s.members, &a) }

// TotalPower is the power of all.
func (s *ValidatorSet) TotalPower() int64 { return s.total }

// Proposer is whose turn it is in round 0; that of round r is the proposer of Rotate(r).
func (s *ValidatorSet) Proposer() Validator { return s.At(s.proposer) }

// MoreThanTwoThirds tells whether power is a quorum. K1: 3*power > 2*total, which does
// not overflow: total is less than 2^60.
func (s *ValidatorSet) MoreThanTwoThirds(power int64) bool { return 3*power > 2*s.total }

// MoreThanOneThird tells whether power has a correct validator in it.
func (s *ValidatorSet) MoreThanOneThird(power int64) bool { return 3*power > s.total }

// Rotate is the set after so many more turns. V1.
func (s *ValidatorSet) Rotate(turns int) *ValidatorSet {
	next := *s
	next.priorities = slices.Clone(s.priorities)
	next.rotate(turns)
	return &next
}

// AppendProposers appends whose turn it is in rounds 0 to n-1.
func (s *ValidatorSet) AppendProposers(dst []Address, n int) []Address {
	for turn, r := s, 0; r < n; r++ {
		switch r {
		case 0:
		case 1:
			turn = s.Rotate(1)
		default:
			turn.take()
		}
		dst = append(dst, turn.members[turn.proposer].Address)
	}
	return dst
}

func (s *ValidatorSet) rotate(turns int) {
	if turns <= 0 {
		return
	}
	s.settle()
	for range turns {
		s.take()
	}
}

// take is one turn: everybody's priority grows by its power, and the highest pays the
// total, so that the sum stays what it was.
//
//	power     priority    +power     pays 6
//	 n1 3        0           3        -3  <- proposes
//	 n2 2        0           2         2
//	 n3 1        0           1         1
func (s *ValidatorSet) take() {
	s.proposer = s.grow(1)
	s.priorities[s.proposer] -= s.total
}

// grow adds so many times its power to everybody's priority, and is who has the highest one then; of equals, the lowest address.
func (s *ValidatorSet) grow(times int64) int {
	best, highest := 0, int64(math.MinInt64)
	for i := range s.members {
		m := &s.members[i]
		p := s.priorities[i] + times*m.Power
		s.priorities[i] = p
		if p > highest || p == highest && bytes.Compare(m.Address[:], s.members[best].Address[:]) < 0 {
			best, highest = i, p
		}
	}
	return best
}

// settle clips and centres priorities: they are at most twice the total power apart, so that who joins with little power
// does not wait for ever after who left with much, and their mean, rounded down, is 0.
func (s *ValidatorSet) settle() {
	lo, hi, mean := s.spread()
	window := 2 * s.total
	if apart := uint64(hi) - uint64(lo); apart > uint64(window) { // the true difference, also where the signed one overflows
		ratio := int64((apart + uint64(window) - 1) / uint64(window))
		for i := range s.priorities {
			s.priorities[i] /= ratio
		}
		_, _, mean = s.spread()
	}
	if mean == 0 {
		return
	}
	for i := range s.priorities {
		s.priorities[i] -= mean
	}
}

// spread is the lowest priority, the highest, and the mean. They are added up in two halves, p = high * 2^32 + low
// with 0 <= low < 2^32, of which no sum overflows.
func (s *ValidatorSet) spread() (lo, hi, mean int64) {
	lo, hi = math.MaxInt64, math.MinInt64
	var high, low int64
	for _, p := range s.priorities {
		lo, hi = min(lo, p), max(hi, p)
		high += p >> 32
		low += p & (1<<32 - 1)
	}
	n := int64(len(s.priorities))
	quotient, rest := high/n, high%n
	if rest < 0 {
		quotient, rest = quotient-1, rest+n
	}
	return lo, hi, quotient<<32 + (rest<<32+low)/n
}

// Update is the set with changes: power 0 removes a validator, another one adds it or
// changes its power. The turn is not taken: Rotate the result. Who joins begins far behind (9/8 of the
// total), so that nobody gains a turn by leaving and coming back.
func (s *ValidatorSet) Update(changes []Validator) (*ValidatorSet, error) {
	joined, err := s.powerWith(changes)
	if err != nil {
		return nil, err
	}
	members, priorities := slices.Clone(s.members), slices.Clone(s.priorities)
	for _, c := range changes {
		i := slices.IndexFunc(members, func(v Validator) bool { return v.Address == c.Address })
		switch {
		case c.Power == 0:
			members, priorities = slices.Delete(members, i, i+1), slices.Delete(priorities, i, i+1)
		case i < 0:
			members, priorities = append(members, c), append(priorities, -(joined+joined>>3))
		default:
			members[i].Power = c.Power
		}
	}
	if len(members) == 0 {
		return nil, fmt.Errorf("%w: nobody would be left", ErrValidators)
	}
	next, err := newSet(members, priorities)
	if err != nil {
		return nil, err
	}
	next.settle()
	next.proposer = next.grow(0)
	return next, nil
}

// powerWith checks changes, and is the total power with all of them but removals: what
// the newcomers' place in the queue is measured by.
func (s *ValidatorSet) powerWith(changes []Validator) (int64, error) {
	power := s.total
	named := make(map[Address]bool, len(changes))
	for _, c := range changes {
		i := s.Index(c.Address)
		switch {
		case named[c.Address]:
			return 0, fmt.Errorf("%w: %v is changed twice", ErrValidators, c.Address)
		case c.Power < 0 || c.Power > MaxTotalPower:
			return 0, fmt.Errorf("%w: %v is given power %d, and it is from 0 (removed) to %d", ErrValidators, c.Address, c.Power, MaxTotalPower)
		case i < 0 && c.Power == 0:
			return 0, fmt.Errorf("%w: %v is removed, and it is not there", ErrValidators, c.Address)
		}
		named[c.Address] = true
		switch {
		case i < 0:
			power += c.Power
		case c.Power > 0:
			power += c.Power - s.members[i].Power
		}
		// Those who stay and those who leave have MaxTotalPower at most, each; more is never right, and could overflow.
		if power > 2*MaxTotalPower {
			return 0, fmt.Errorf("%w: their power is more than %d in all", ErrValidators, MaxTotalPower)
		}
	}
	return power, nil
}
