package bft

// A keeper counts the votes of one height (K1 to K4). It is made once for a number of
// validators and used again height after height; counting a vote allocates nothing but,
// now and then, the room of another round.
type keeper struct {
	set    *ValidatorSet
	index  map[Address]int
	rounds map[Round]*roundVotes
	free   []*roundVotes
	// ahead are the rounds beyond the current one in which a validator has votes: two at most, the highest (K3).
	ahead [][2]Round
}

// roundVotes is what was heard of one round.
type roundVotes struct {
	round   Round
	votes   [2]tally // prevotes, precommits
	senders bitset   // who voted at all: L55
	power   int64    // theirs
}

// A tally counts one kind of vote. A validator is counted once in power, with its first
// vote; the values are those of first votes, hence at most as many as validators.
type tally struct {
	first  []Vote // by validator; a zero Type is a vote that has not come
	power  int64
	values []valuePower
}

// valuePower is who voted for one value. An equivocator counts for each value that it named and
// another validator had named (K2): so a quorum that the others have seen is never missed.
type valuePower struct {
	value  ValueID
	power  int64
	voters bitset
}

// counted says what became of a vote.
type counted uint8

const (
	countedNew    counted = iota
	countedKnown          // it came before
	countedDouble         // the validator has voted for another value: evidence
	countedNot            // no validator of the set, or too far ahead
)

func newKeeper() *keeper {
	return &keeper{index: make(map[Address]int), rounds: make(map[Round]*roundVotes)}
}

// reset begins another height.
func (k *keeper) reset(set *ValidatorSet) {
	for r := range k.rounds {
		k.drop(r)
	}
	if k.set == set {
		return
	}
	if k.set == nil || k.set.Len() != set.Len() {
		k.free = nil
	}
	clear(k.index)
	for i := range set.Len() {
		k.index[set.validators[i].Address] = i
	}
	k.set = set
	k.ahead = make([][2]Round, set.Len())
	k.forgetAhead()
}

func (k *keeper) forgetAhead() {
	for i := range k.ahead {
		k.ahead[i] = [2]Round{NoRound, NoRound}
	}
}

func (k *keeper) drop(r Round) {
	rv := k.rounds[r]
	delete(k.rounds, r)
	rv.clear()
	k.free = append(k.free, rv)
}

// of is the votes of a round, made if there are none.
func (k *keeper) of(r Round) *roundVotes {
	if rv := k.rounds[r]; rv != nil {
		return rv
	}
	var rv *roundVotes
	if n := len(k.free); n > 0 {
		rv, k.free = k.free[n-1], k.free[:n-1]
	} else {
		n := k.set.Len()
		rv = &roundVotes{senders: newBitset(n)}
		for i := range rv.votes {
			rv.votes[i].first = make([]Vote, n)
		}
	}
	rv.round = r
	k.rounds[r] = rv
	return rv
}

// add counts a vote, while the current round is now. A double vote comes back with the
// first one.
func (k *keeper) add(v *Vote, now Round) (counted, *Vote) {
	i, ok := k.index[v.Validator]
	if !ok || v.Round < 0 || v.Type != Prevote && v.Type != Precommit {
		return countedNot, nil
	}
	if v.Round > now && !k.admit(i, v.Round, now) {
		return countedNot, nil
	}
	rv, power := k.of(v.Round), k.set.validators[i].Power
	if rv.senders.set(i) {
		rv.power += power
	}
	t := &rv.votes[v.Type-Prevote]
	first := &t.first[i]
	if first.Type == 0 {
		*first = *v
		t.power += power
		t.value(v.Value, i, power, true)
		return countedNew, nil
	}
	if first.Value == v.Value {
		return countedKnown, nil
	}
	t.value(v.Value, i, power, false)
	return countedDouble, first
}

// value counts i for a value. One that nobody has named first is not taken up for an equivocator.
func (t *tally) value(v ValueID, i int, power int64, first bool) {
	for j := range t.values {
		if e := &t.values[j]; e.value == v {
			if e.voters.set(i) {
				e.power += power
			}
			return
		}
	}
	if !first {
		return
	}
	n := len(t.values)
	if n < cap(t.values) { // its bits are used again
		t.values = t.values[:n+1]
	} else {
		t.values = append(t.values, valuePower{})
	}
	e := &t.values[n]
	if e.voters == nil {
		e.voters = newBitset(len(t.first))
	}
	e.value, e.power = v, power
	e.voters.set(i)
}

// admit makes room for a vote of validator i in a round that is ahead: of all such
// rounds the two highest are kept, so that somebody who sends votes for any number of rounds
// fills two, and one who goes on is never lost.
func (k *keeper) admit(i int, r, now Round) bool {
	a := &k.ahead[i]
	low := 0
	for j, have := range a {
		if have == r {
			return true
		}
		if have <= now { // that round has begun since: its votes stay
			a[j] = NoRound
		}
	}
	if a[1] < a[0] {
		low = 1
	}
	if r < a[low] {
		return false
	}
	if a[low] != NoRound {
		k.forget(i, a[low])
	}
	a[low] = r
	return true
}

// forget takes back what validator i has in a round.
func (k *keeper) forget(i int, r Round) {
	rv := k.rounds[r]
	if rv == nil {
		return
	}
	power := k.set.validators[i].Power
	if rv.senders.unset(i) {
		rv.power -= power
	}
	for j := range rv.votes {
		t := &rv.votes[j]
		if t.first[i].Type != 0 {
			t.first[i] = Vote{}
			t.power -= power
		}
		for l := range t.values {
			if t.values[l].voters.unset(i) {
				t.values[l].power -= power
			}
		}
	}
	if rv.power == 0 {
		k.drop(r)
	}
}

// quorum is the value for which there are votes of more than two thirds.
func (k *keeper) quorum(r Round, kind VoteType) (ValueID, bool) {
	if rv := k.rounds[r]; rv != nil {
		for _, e := range rv.votes[kind-Prevote].values {
			if k.set.MoreThanTwoThirds(e.power) {
				return e.value, true
			}
		}
	}
	return ValueID{}, false
}

// polka tells whether v has prevotes of more than two thirds in round r.
func (k *keeper) polka(r Round, v ValueID) bool {
	got, ok := k.quorum(r, Prevote)
	return ok && got == v
}

// any tells whether more than two thirds have cast this vote, for whatever.
func (k *keeper) any(r Round, kind VoteType) bool {
	rv := k.rounds[r]
	return rv != nil && k.set.MoreThanTwoThirds(rv.votes[kind-Prevote].power)
}

// skip is the highest round beyond now of which more than a third is known to be in it (L55).
func (k *keeper) skip(now Round) Round {
	best := NoRound
	for r, rv := range k.rounds {
		if r > now && r > best && k.set.MoreThanOneThird(rv.power) {
			best = r
		}
	}
	return best
}

func (rv *roundVotes) clear() {
	rv.senders.clear()
	rv.power = 0
	for i := range rv.votes {
		t := &rv.votes[i]
		clear(t.first)
		t.power = 0
		for j := range t.values {
			t.values[j].voters.clear()
		}
		t.values = t.values[:0]
	}
}

// A bitset is a set of validators, by number.
type bitset []uint64

func newBitset(n int) bitset { return make(bitset, (n+63)/64) }

func (b bitset) has(i int) bool { return b[i/64]>>(i%64)&1 == 1 }

// set adds i, and tells whether it was not there.
func (b bitset) set(i int) bool {
	if b.has(i) {
		return false
	}
	b[i/64] |= 1 << (i % 64)
	return true
}

// unset removes i, and tells whether it was there.
func (b bitset) unset(i int) bool {
	if !b.has(i) {
		return false
	}
	b[i/64] &^= 1 << (i % 64)
	return true
}

func (b bitset) clear() { clear(b) }
