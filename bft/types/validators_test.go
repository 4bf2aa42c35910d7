package types

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/flagship-go/flagship/internal/cputime"
	"github.com/stretchr/testify/require"
)

// named makes a validator whose address is its name.
func named(name string, power int64) Validator {
	v := Validator{Power: power}
	copy(v.Address[:], name)
	return v
}

func nameOf(a Address) string { return strings.TrimRight(string(a[:]), "\x00") }

func mustSet(t testing.TB, vs ...Validator) *ValidatorSet {
	t.Helper()
	s, err := NewValidatorSet(vs)
	require.NoError(t, err)
	return s
}

// turns are the next proposers.
func turns(s *ValidatorSet, n int) string {
	var names []string
	for range n {
		names = append(names, nameOf(s.Proposer().Address))
		s = s.Rotate(1)
	}
	return strings.Join(names, " ")
}

// slowSet is the rotation in the words of its description, in numbers without bounds.
type slowSet struct {
	names             []string // in the order of addresses
	power, priorities []*big.Int
}

func (s *slowSet) total() *big.Int {
	sum := new(big.Int)
	for _, p := range s.power {
		sum.Add(sum, p)
	}
	return sum
}

func (s *slowSet) settle() {
	lo, hi := slices.MinFunc(s.priorities, (*big.Int).Cmp), slices.MaxFunc(s.priorities, (*big.Int).Cmp)
	window := new(big.Int).Mul(big.NewInt(2), s.total())
	if spread := new(big.Int).Sub(hi, lo); spread.Cmp(window) > 0 {
		ratio := new(big.Int).Add(spread, window)
		ratio.Sub(ratio, big.NewInt(1)).Quo(ratio, window)
		for i, p := range s.priorities {
			s.priorities[i] = new(big.Int).Quo(p, ratio) // towards zero
		}
	}
	mean := new(big.Int)
	for _, p := range s.priorities {
		mean.Add(mean, p)
	}
	mean.Div(mean, big.NewInt(int64(len(s.names)))) // down
	for i, p := range s.priorities {
		s.priorities[i] = new(big.Int).Sub(p, mean)
	}
}

func (s *slowSet) turn() string {
	s.settle()
	best := 0
	for i := range s.priorities {
		s.priorities[i].Add(s.priorities[i], s.power[i])
		if s.priorities[i].Cmp(s.priorities[best]) > 0 {
			best = i
		}
	}
	s.priorities[best].Sub(s.priorities[best], s.total())
	return s.names[best]
}

func (s *slowSet) change(name string, power int64) {
	i, found := slices.BinarySearch(s.names, name)
	switch {
	case found && power == 0:
		s.names, s.power, s.priorities = slices.Delete(s.names, i, i+1), slices.Delete(s.power, i, i+1), slices.Delete(s.priorities, i, i+1)
	case found:
		s.power[i] = big.NewInt(power)
	default:
		s.names = slices.Insert(s.names, i, name)
		s.power = slices.Insert(s.power, i, big.NewInt(power))
		total := s.total()
		behind := new(big.Int).Neg(total.Add(total, new(big.Int).Rsh(total, 3)))
		s.priorities = slices.Insert(s.priorities, i, behind)
	}
	s.settle()
}

func (s *slowSet) equals(t *testing.T, set *ValidatorSet) {
	t.Helper()
	require.Equal(t, len(s.names), set.Len())
	for i := range set.Len() {
		v := set.At(i)
		j := slices.Index(s.names, nameOf(v.Address))
		require.Equal(t, s.priorities[j].String(), fmt.Sprint(v.Priority), "the priority of %s", s.names[j])
	}
}

// V1, as CometBFT's specification of proposer selection tells it.
func TestTurnsGoByPower(t *testing.T) {
	require.Equal(t, "n1 n2 n3 n4 n1 n2", turns(mustSet(t, named("n3", 1), named("n1", 1), named("n4", 1), named("n2", 1)), 6))
	// n1 1, n2 3: after two turns both have 2, and the lower address is first.
	require.Equal(t, "n2 n1 n2 n2 n2 n1 n2 n2", turns(mustSet(t, named("n1", 1), named("n2", 3)), 8))
	// 1000 : 330 : 300.
	require.Equal(t, "foo baz foo bar foo foo baz foo bar foo foo baz foo foo bar foo baz foo foo bar",
		turns(mustSet(t, named("foo", 1000), named("bar", 300), named("baz", 330)), 20))
}

// A newcomer of power 4 to a set of 1 and 3: -(8 + 8/8) = -9, and centred by the mean of -3.
func TestWhoJoinsBeginsBehind(t *testing.T) {
	s := mustSet(t, named("n1", 1), named("n2", 3)).Rotate(3) // both at 0
	s, err := s.Update([]Validator{named("n3", 4)})
	require.NoError(t, err)
	got := map[string]int64{}
	for i := range s.Len() {
		got[nameOf(s.At(i).Address)] = s.At(i).Priority
	}
	require.Equal(t, map[string]int64{"n1": 3, "n2": 3, "n3": -6}, got)
	require.Equal(t, "n2 n1 n3 n2 n3", turns(s.Rotate(1), 5))
}

// V1: somebody who leaves and comes back gains nothing by it.
func TestLeavingAndComingBackGainsNoTurn(t *testing.T) {
	s := mustSet(t, named("n1", 10), named("n2", 10), named("n3", 10))
	won := 0
	for range 300 {
		if nameOf(s.Proposer().Address) == "n1" {
			won++
			var err error
			s, err = s.Update([]Validator{named("n1", 0)})
			require.NoError(t, err)
			s, err = s.Update([]Validator{named("n1", 10)})
			require.NoError(t, err)
		}
		s = s.Rotate(1)
	}
	require.Less(t, won, 100, "a third of the turns is its share")
}

// V1: with changes in between, every priority is that of the slow set, which cannot overflow.
func TestTurnsAreThoseOfTheDescription(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		high := int64(1) << (1 + r.IntN(58))
		s, slow := mustSet(t, named("v00", 1)), &slowSet{names: []string{"v00"}, power: []*big.Int{big.NewInt(1)}, priorities: []*big.Int{big.NewInt(0)}}
		slow.turn()
		for range 400 {
			if r.IntN(5) == 0 {
				name, power := fmt.Sprintf("v%02d", r.IntN(12)), r.Int64N(high)
				if next, err := s.Update([]Validator{named(name, power)}); err == nil {
					s = next
					slow.change(name, power)
				} else {
					require.ErrorIs(t, err, ErrValidators)
				}
			}
			s = s.Rotate(1)
			require.Equal(t, slow.turn(), nameOf(s.Proposer().Address))
			slow.equals(t, s)
		}
	}
}

// V1: in a million turns each validator has its share, to one turn; priorities stay within
// twice the total, and their sum what it was.
func TestAMillionTurnsAreFair(t *testing.T) {
	steps := 1_000_000
	if testing.Short() {
		steps = 100_000
	}
	set := mustSet(t, named("n1", 1), named("n2", 7), named("n3", 50), named("n4", 333), named("n5", 1000))
	s := *set
	s.priorities = slices.Clone(set.priorities)
	had := make([]int, s.Len())
	for n := 1; n <= steps; n++ {
		had[s.proposer]++
		s.rotate(1)
		var sum int64
		for i, p := range s.priorities {
			sum += p
			if p > 2*s.total || p < -2*s.total {
				t.Fatalf("turn %d: priority %d of %d", n, p, i)
			}
		}
		if sum < 0 || sum >= int64(s.Len()) {
			t.Fatalf("turn %d: the priorities are %d in all", n, sum)
		}
	}
	for i, turns := range had {
		share := float64(steps) * float64(s.members[i].Power) / float64(s.total)
		require.InDelta(t, share, float64(turns), 2, "turns of a validator with power %d", s.members[i].Power)
	}
}

func TestManyTurnsAtOnceAreTheSame(t *testing.T) {
	s := mustSet(t, named("n1", 5), named("n2", 17), named("n3", 18))
	one := s
	for n := range 200 {
		require.Equal(t, one.priorities, s.Rotate(n).priorities)
		require.Equal(t, one.Proposer(), s.Rotate(n).Proposer())
		one = one.Rotate(1)
	}
}

// K1: the strongest set there can be, at the border of each threshold.
func TestThresholdsDoNotOverflow(t *testing.T) {
	for _, total := range []int64{1, 2, 3, 4, 5, 6, 7, 100, MaxTotalPower - 1, MaxTotalPower} {
		s := &ValidatorSet{total: total}
		two := new(big.Int).Mul(big.NewInt(2), big.NewInt(total))
		for _, power := range []int64{0, total / 3, total/3 + 1, 2 * total / 3, 2*total/3 + 1, total} {
			three := new(big.Int).Mul(big.NewInt(3), big.NewInt(power))
			require.Equal(t, three.Cmp(two) > 0, s.MoreThanTwoThirds(power), "%d of %d", power, total)
			require.Equal(t, three.Cmp(big.NewInt(total)) > 0, s.MoreThanOneThird(power), "%d of %d", power, total)
		}
	}
}

func TestSetsThatCannotBe(t *testing.T) {
	s := mustSet(t, named("n1", 1), named("n2", MaxTotalPower-1))
	for _, c := range []struct {
		changes []Validator
		want    string
	}{
		{[]Validator{named("n3", 1)}, "more than"},
		{[]Validator{named("n1", 5), named("n1", 5)}, "changed twice"},
		{[]Validator{named("n1", -1)}, "is given power -1"},
		{[]Validator{named("n1", MaxTotalPower+1)}, "is given power"},
		{[]Validator{named("n3", 0)}, "is removed, and it is not there"},
		{[]Validator{named("n1", 0), named("n2", 0)}, "nobody would be left"},
		{[]Validator{named("a", MaxTotalPower), named("b", MaxTotalPower), named("c", MaxTotalPower), named("d", MaxTotalPower),
			named("e", MaxTotalPower), named("f", MaxTotalPower), named("g", MaxTotalPower), named("h", MaxTotalPower)}, "more than"},
	} {
		_, err := s.Update(c.changes)
		require.ErrorIs(t, err, ErrValidators)
		require.ErrorContains(t, err, c.want)
	}
	s, err := s.Update([]Validator{named("n2", 0), named("n3", MaxTotalPower-1)})
	require.NoError(t, err, "one comes as another goes, at the limit")
	require.Equal(t, MaxTotalPower, s.TotalPower())

	_, err = NewValidatorSet(nil)
	require.ErrorContains(t, err, "there is none")
	_, err = NewValidatorSet([]Validator{named("n1", 1), named("n1", 1)})
	require.ErrorContains(t, err, "is there twice")
	_, err = NewValidatorSet([]Validator{named("n1", 0)})
	require.ErrorContains(t, err, "has power 0")
	_, err = NewValidatorSet([]Validator{named("n1", MaxTotalPower), named("n2", 1)})
	require.ErrorContains(t, err, "more than")
}

// BenchmarkRotate is one turn of a set; the new set is a copy.
func BenchmarkRotate(b *testing.B) {
	for _, n := range []int{4, 100} {
		b.Run(fmt.Sprintf("validators=%d", n), func(b *testing.B) {
			var vs []Validator
			r := rand.New(rand.NewPCG(1, 1))
			for i := range n {
				vs = append(vs, Validator{Address: Address{byte(i), 1}, Power: 1 + r.Int64N(1_000_000)})
			}
			set := mustSet(b, vs...)
			b.ReportAllocs()
			stop := cputime.Report(b)
			for b.Loop() {
				set = set.Rotate(1)
			}
			stop()
		})
	}
}

// A set finds its members, and nobody else, also where all addresses say one place of its table.
func TestAddressesThatSayOnePlaceAreFound(t *testing.T) {
	const n = 20
	var same, others []Address
	index := newAddressIndex(n)
	for i := 0; len(same) < n+1; i++ {
		a := Address{byte(i), byte(i >> 8), byte(i >> 16)}
		if index.place(&a) == len(index.places)-1 { // the last one, so that they go on at the first
			same = append(same, a)
		} else {
			others = append(others, a)
		}
	}
	var members []Validator
	for _, a := range same[:n] {
		members = append(members, Validator{Address: a, Power: 1})
	}
	set, err := NewValidatorSet(members)
	require.NoError(t, err)
	for i := range n {
		require.Equal(t, i, set.Index(set.At(i).Address), "RULE V1: one who is there is not found")
	}
	for _, a := range append(others[:1000:1000], same[n], Address{}) {
		require.Equal(t, -1, set.Index(a))
	}
	_, err = NewValidatorSet(append(members, members[n-1]))
	require.ErrorIs(t, err, ErrValidators, "twice")
}
