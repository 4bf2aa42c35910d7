package bft

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

// slowKeeper counts in the most obvious way: it has all votes in a list, in the order in which they
// came, and adds up power when it is asked. It forgets nothing.
type slowKeeper struct {
	set   *types.ValidatorSet
	votes []types.Vote
}

// power adds up who is accepted, each once.
func (k *slowKeeper) power(accept func(types.Vote) bool) int64 {
	var sum int64
	for i := range k.set.Len() {
		for _, v := range k.votes {
			if v.Validator == k.set.At(i).Address && accept(v) {
				sum += k.set.At(i).Power
				break
			}
		}
	}
	return sum
}

func (k *slowKeeper) any(r types.Round, kind types.VoteType) bool {
	return k.set.MoreThanTwoThirds(k.power(func(v types.Vote) bool { return v.Round == r && v.Type == kind }))
}

func (k *slowKeeper) quorum(r types.Round, kind types.VoteType, value types.ValueID) bool {
	return k.set.MoreThanTwoThirds(k.power(func(v types.Vote) bool { return v.Round == r && v.Type == kind && v.Value == value }))
}

func randomSet(t testing.TB, r *rand.Rand, n int) *types.ValidatorSet {
	var vs []types.Validator
	for i := range n {
		vs = append(vs, named(fmt.Sprintf("v%02d", i), 1+r.Int64N(10)))
	}
	return mustSet(t, vs...)
}

// K1, K2, K4: all votes for rounds up to the current one count, and thresholds are those of a slow count of
// everything. Liars, less than a third in power, vote for two values, often.
func TestKeeperCountsAsTheSlowOneDoes(t *testing.T) {
	values := []types.ValueID{types.NilValue, valueV, valueW}
	k := newKeeper()
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 2))
		set := randomSet(t, r, 1+r.IntN(7))
		k.reset(set) // one keeper for all: nothing is left of the height before
		slow := &slowKeeper{set: set}
		choice := map[string]types.ValueID{} // a correct validator has one a round and kind
		var liars int64
		lies := make([]bool, set.Len())
		for i := range lies {
			if p := set.At(i).Power; r.IntN(2) == 0 && !set.MoreThanOneThird(liars+p) && 3*(liars+p) < set.TotalPower() {
				lies[i], liars = true, liars+p
			}
		}
		const now = 3
		for range 200 {
			i := r.IntN(set.Len())
			v := types.Vote{Type: types.VoteType(1 + r.IntN(2)), Round: types.Round(r.IntN(now + 1)), Validator: set.At(i).Address, Value: values[r.IntN(3)]}
			key := fmt.Sprint(i, v.Type, v.Round)
			first, voted := choice[key]
			switch {
			case !voted:
				choice[key] = v.Value
			case lies[i] && v.Value != first:
				v.Value = values[indexOther(values, first)] // two values, not three
			default:
				v.Value = first
			}
			before := thresholds(k, v.Round)
			how, was := k.add(&v, now)
			require.Equal(t, before != thresholds(k, v.Round), k.crossed, "what a vote completes is said when it does")
			slow.votes = append(slow.votes, v)
			require.NotEqual(t, countedNot, how)
			if how == countedDouble {
				require.True(t, lies[i])
				require.Equal(t, first, was.Value)
				require.NotEqual(t, v.Value, was.Value)
			}
			require.Equal(t, !voted, how == countedNew)
			compareCounts(t, k, slow, v.Round, values)
		}
	}
}

// indexOther is one fixed value beside the first.
func indexOther(values []types.ValueID, first types.ValueID) int {
	for i, v := range values {
		if v != first {
			return i
		}
	}
	return 0
}

// thresholds are those that are reached in a round.
func thresholds(k *keeper, r types.Round) (reached [4]bool) {
	reached[0], reached[1] = k.any(r, types.Prevote), k.any(r, types.Precommit)
	_, reached[2] = k.quorum(r, types.Prevote)
	_, reached[3] = k.quorum(r, types.Precommit)
	return reached
}

func compareCounts(t *testing.T, k *keeper, slow *slowKeeper, r types.Round, values []types.ValueID) {
	t.Helper()
	for _, kind := range []types.VoteType{types.Prevote, types.Precommit} {
		require.Equal(t, slow.any(r, kind), k.any(r, kind))
		got, has := k.quorum(r, kind)
		found := false
		for _, value := range values {
			if q := slow.quorum(r, kind, value); q {
				found = true
				require.True(t, has && got == value, "a quorum of %vs for %v in round %d is missed", kind, value, r)
			}
		}
		require.Equal(t, found, has)
	}
}

// fours is four validators of power 1.
func fours(t testing.TB) *types.ValidatorSet {
	return mustSet(t, named("n1", 1), named("n2", 1), named("n3", 1), named("n4", 1))
}

func ballot(kind types.VoteType, r types.Round, value types.ValueID, who string) *types.Vote {
	return &types.Vote{Type: kind, Round: r, Value: value, Validator: named(who, 0).Address}
}

// K2: whatever the order in which a liar's two votes come, who has all votes sees the quorum.
func TestAnEquivocatorsVotesCountInEveryOrder(t *testing.T) {
	all := []*types.Vote{ballot(types.Precommit, 0, valueV, "n4"), ballot(types.Precommit, 0, valueW, "n4"), ballot(types.Precommit, 0, valueV, "n1"), ballot(types.Precommit, 0, valueV, "n2")}
	order := []int{0, 1, 2, 3}
	var permute func(n int)
	permute = func(n int) {
		if n == len(order) {
			k := newKeeper()
			k.reset(fours(t))
			for _, i := range order {
				k.add(all[i], 0)
			}
			got, ok := k.quorum(0, types.Precommit)
			require.True(t, ok && got == valueV, "RULE K2: n1, n2 and n4 precommit v, n4 w as well, in the order %v: no quorum is seen", order)
			require.False(t, len(k.rounds) != 1 || k.rounds[0].votes[1].power != 3, "RULE K2: n4 counts twice in the order %v", order)
			return
		}
		for i := n; i < len(order); i++ {
			order[n], order[i] = order[i], order[n]
			permute(n + 1)
			order[n], order[i] = order[i], order[n]
		}
	}
	permute(0)
}

// K2: double votes are evidence once, however many follow.
func TestADoubleVoteIsReportedOnce(t *testing.T) {
	k := newKeeper()
	k.reset(fours(t))
	how, _ := k.add(ballot(types.Prevote, 0, valueV, "n4"), 0)
	require.Equal(t, countedNew, how)
	how, first := k.add(ballot(types.Prevote, 0, valueW, "n4"), 0)
	require.Equal(t, countedDouble, how)
	require.Equal(t, valueV, first.Value)
	for i := range 100 {
		how, _ = k.add(ballot(types.Prevote, 0, types.ValueID{Hash: types.Hash{1, byte(i)}}, "n4"), 0)
		require.NotEqual(t, countedDouble, how, "RULE K2: evidence against n4 is reported again")
		require.Equal(t, countedLater, how, "RULE K3: a vote is not kept, and whoever sent it is not told")
	}
	require.Len(t, k.rounds[0].votes[0].values, 2, "RULE K3: a liar's third value and more are kept")
}

// K3: whatever one validator sends, it has two rounds ahead, the highest, and no more than two values a round and
// kind; and that costs the others nothing.
func TestFloodsAreBounded(t *testing.T) {
	k := newKeeper()
	set := fours(t)
	k.reset(set)
	r := rand.New(rand.NewPCG(1, 1))
	k.add(ballot(types.Prevote, 9, valueV, "n1"), 1)
	for i := range 20_000 {
		v := ballot(types.VoteType(1+r.IntN(2)), types.Round(r.IntN(1<<31-1)), types.ValueID{Hash: types.Hash{byte(i), byte(i >> 8), 1}}, "n4")
		k.add(v, 1)
		if len(k.rounds) > 3 {
			t.Fatalf("RULE K3: after %d votes of n4 for rounds ahead %d rounds are kept", i+1, len(k.rounds))
		}
	}
	require.NotNil(t, k.of(9), "RULE K3: the flood washed a vote of n1 away")
	require.Equal(t, int64(1), k.of(9).power)
	require.Less(t, len(k.free), 10)
	for i := range 20_000 {
		k.add(ballot(types.Prevote, 1, types.ValueID{Hash: types.Hash{byte(i), byte(i >> 8), 1}}, "n4"), 1)
	}
	require.Len(t, k.of(1).votes[0].values, 2)
	require.False(t, k.any(1, types.Prevote), "RULE K2: one validator is no quorum, however often it votes")
}

// K3: less than a third of a hundred validators, each with as many votes and values as it likes, in rounds ahead and in this one.
func TestAFloodFromAThirdIsBounded(t *testing.T) {
	var same []types.Validator
	for i := range 100 {
		same = append(same, named(fmt.Sprintf("v%02d", i), 1))
	}
	for _, set := range []*types.ValidatorSet{mustSet(t, same...), randomSet(t, rand.New(rand.NewPCG(1, 1)), 100)} {
		var liars []types.Address // the strongest
		for power := set.At(0).Power; 3*power < set.TotalPower(); power += set.At(len(liars)).Power {
			liars = append(liars, set.At(len(liars)).Address)
		}
		rounds, kept := flood(set, liars)
		require.LessOrEqual(t, rounds, 1+2*len(liars), "RULE K3: rounds ahead")
		require.Less(t, kept, 3<<16, "RULE K3: bytes")
		t.Logf("%d liars of 100: %d rounds, %d KiB", len(liars), rounds, kept>>10)
	}
}

// flood is what 200,000 votes of liars make a keeper keep.
func flood(set *types.ValidatorSet, liars []types.Address) (rounds, bytes int) {
	k := newKeeper()
	k.reset(set)
	r := rand.New(rand.NewPCG(2, 2))
	for range 200_000 {
		v := types.Vote{Type: types.VoteType(1 + r.IntN(2)), Round: types.Round(r.IntN(1 << 20)), Value: types.ValueID{Hash: types.Hash{byte(r.Uint32()), byte(r.Uint32()), 1}}, Validator: liars[r.IntN(len(liars))]}
		if r.IntN(2) == 0 {
			v.Round = 3
		}
		k.add(&v, 3)
	}
	for _, rv := range slices.Concat(k.rounds, k.free) {
		for i := range rv.votes {
			tally := &rv.votes[i]
			for _, v := range tally.first {
				if bytes += int(unsafe.Sizeof(v)); v != nil {
					bytes += int(unsafe.Sizeof(*v))
				}
			}
			bytes += cap(tally.values) * int(unsafe.Sizeof(valuePower{})+2*unsafe.Sizeof(uint64(0)))
		}
	}
	return len(k.rounds), bytes
}

// K3, L55: who goes on is not lost. n2 and n3 go from round to round while n1 is in round 0;
// as soon as two of four are heard of in one round, that round is where to go.
func TestTheHighestRoundsAheadAreKept(t *testing.T) {
	k := newKeeper()
	k.reset(fours(t))
	for r := types.Round(1); r <= 50; r++ {
		k.add(ballot(types.Prevote, r, valueV, "n2"), 0)
		require.Equal(t, types.NoRound, k.skip(0))
	}
	k.add(ballot(types.Prevote, 30, valueV, "n3"), 0)
	require.Equal(t, types.NoRound, k.skip(0), "n2 has left round 30")
	k.add(ballot(types.Precommit, 50, valueV, "n3"), 0)
	require.Equal(t, types.Round(50), k.skip(0), "RULE L55: n2 and n3 are in round 50")
	require.Equal(t, types.NoRound, k.skip(50))
}

// K3: the bound begins anew with each height.
func TestRoundsAheadAreForgottenWithTheHeight(t *testing.T) {
	k := newKeeper()
	set := fours(t)
	for range 3 {
		k.reset(set)
		how, _ := k.add(ballot(types.Prevote, 5, valueV, "n2"), 0)
		require.Equal(t, countedNew, how)
		k.add(ballot(types.Prevote, 100, valueV, "n2"), 0)
		how, _ = k.add(ballot(types.Prevote, 101, valueV, "n2"), 0)
		require.Equal(t, countedNew, how)
	}
}

func TestVotesThatAreNone(t *testing.T) {
	k := newKeeper()
	k.reset(fours(t))
	for _, v := range []*types.Vote{ballot(types.Prevote, 0, valueV, "n9"), ballot(types.Prevote, -1, valueV, "n1"), ballot(3, 0, valueV, "n1"), ballot(0, 0, valueV, "n1")} {
		how, _ := k.add(v, 0)
		require.Equal(t, countedNot, how)
	}
	require.Empty(t, k.rounds)
}

// The vote path allocates nothing once the rooms are there.
func TestCountingAllocatesNothing(t *testing.T) {
	set := randomSet(t, rand.New(rand.NewPCG(1, 1)), 100)
	c := NewCore(set.At(0).Address)
	height := types.Height(0)
	start := Start{Validators: set}
	votes := make([]types.Vote, 2*set.Len())
	run := func() {
		height++
		start.Height = height
		_, _ = c.Step(Input{Start: &start})
		for i := range votes {
			kind := types.Prevote + types.VoteType(i/set.Len())
			votes[i] = types.Vote{Type: kind, Height: height, Validator: set.At(i % set.Len()).Address, Value: valueV}
			_, _ = c.Step(Input{Vote: &votes[i]})
		}
	}
	run()
	require.Zero(t, testing.AllocsPerRun(20, run))
}
