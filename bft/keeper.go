package bft

import "github.com/flagship-go/flagship/bft/types"

// A keeper counts the votes of one height (K1 to K4). It is made once and used again
// height after height; counting a vote allocates nothing but, now and then, the room of
// another round.
//
//	rounds   0         1         2  <- now    7        9
//	n1      pv pc     pv pc     pv
//	n2      pv pc     pv pc     pv pc
//	n3      pv        pv pc
//	n4 (faulty)                               pv       pv pc     <- two rounds ahead, and no more
//
// A round holds n votes of each kind and what they name: at most 2n values of n/8 bytes.
// Rounds ahead are at most 2n, and of those up to now there are no more than
// correct validators have been in, for L55 follows none but them.
type keeper struct {
	set    *types.ValidatorSet
	rounds []*roundVotes // in order
	free   []*roundVotes // to be used again
	// crossed says that the last vote completed something: a quorum for a value or for whatever, or, in a round that is
	// ahead, more than a third. Each is completed once, so most votes need no more looking at.
	crossed bool
	// forgot is the round in which the last vote's validator has no votes any more, for that vote took their room (K3); NoRound: none.
	forgot types.Round
	// ahead are the rounds beyond the current one in which a validator has votes (K3).
	ahead [][2]types.Round
}

// roundVotes is what was heard of one round.
type roundVotes struct {
	round   types.Round
	votes   [2]tally // prevotes, precommits
	senders bitset   // who voted at all: L55
	power   int64    // theirs
}

// A tally counts one kind of vote. A validator is counted once in power, with its first vote.
type tally struct {
	first   []*types.Vote // by validator; nil: it has not come
	power   int64
	doubled bitset // who has voted for a second value, too
	values  []valuePower
	quorum  int // 1 + the place in values of the one that has more than two thirds; 0: none
}

// valuePower is who voted for one value. An equivocator counts for each value that it
// names (K2): so a quorum that others have seen is not missed because of whom it told what first.
type valuePower struct {
	value  types.ValueID
	power  int64
	voters bitset
}

// counted says what became of a vote.
type counted uint8

const (
	countedNew    counted = iota
	countedKnown          // it came before, or it is one more of a double voter
	countedDouble         // the validator has voted for another value, for the first time: evidence
	countedLater          // not kept (K3), and it may count when it comes again
	countedNot            // no validator of the set, or no vote
)

func newKeeper() *keeper { return &keeper{} }

// reset begins another height.
func (k *keeper) reset(set *types.ValidatorSet) {
	for len(k.rounds) > 0 {
		k.drop(len(k.rounds) - 1)
	}
	if k.set == nil || k.set.Len() != set.Len() {
		k.free, k.ahead = nil, make([][2]types.Round, set.Len())
	}
	k.set = set
	for i := range k.ahead {
		k.ahead[i] = [2]types.Round{types.NoRound, types.NoRound}
	}
}

// place is where a round is in rounds, or belongs. Most votes are for one of the last.
func (k *keeper) place(r types.Round) int {
	i := len(k.rounds)
	for i > 0 && k.rounds[i-1].round >= r {
		i--
	}
	return i
}

// of is the votes of a round, nil if there are none.
func (k *keeper) of(r types.Round) *roundVotes {
	if i := k.place(r); i < len(k.rounds) && k.rounds[i].round == r {
		return k.rounds[i]
	}
	return nil
}

// room is the votes of a round, made if there are none.
func (k *keeper) room(r types.Round) *roundVotes {
	i := k.place(r)
	if i < len(k.rounds) && k.rounds[i].round == r {
		return k.rounds[i]
	}
	var rv *roundVotes
	if n := len(k.free); n > 0 {
		rv, k.free = k.free[n-1], k.free[:n-1]
	} else {
		n := k.set.Len()
		rv = &roundVotes{senders: newBitset(n)}
		for j := range rv.votes {
			rv.votes[j] = tally{first: make([]*types.Vote, n), doubled: newBitset(n)}
		}
	}
	rv.round = r
	k.rounds = append(k.rounds, nil)
	copy(k.rounds[i+1:], k.rounds[i:])
	k.rounds[i] = rv
	return rv
}

func (k *keeper) drop(i int) {
	rv := k.rounds[i]
	k.rounds = append(k.rounds[:i], k.rounds[i+1:]...)
	rv.clear()
	k.free = append(k.free, rv)
}

// add counts a vote, while the current round is now. A double vote comes back with the
// first one.
func (k *keeper) add(v *types.Vote, now types.Round) (counted, *types.Vote) {
	k.crossed, k.forgot = false, types.NoRound
	i := k.set.Index(v.Validator)
	if i < 0 || v.Round < 0 || v.Type != types.Prevote && v.Type != types.Precommit {
		return countedNot, nil
	}
	if v.Round > now && !k.admit(i, v.Round, now) {
		return countedLater, nil
	}
	rv, power := k.room(v.Round), k.set.Power(i)
	if rv.senders.set(i) {
		rv.power += power
		k.crossed = v.Round > now && k.set.MoreThanOneThird(rv.power)
	}
	t := &rv.votes[v.Type-types.Prevote]
	first := t.first[i]
	if first == nil {
		t.first[i] = v
		before := k.set.MoreThanTwoThirds(t.power)
		t.power += power
		k.crossed = k.crossed || !before && k.set.MoreThanTwoThirds(t.power)
		k.count(t, v.Value, i, true)
		return countedNew, nil
	}
	if first.Value == v.Value {
		return countedKnown, nil
	}
	// A liar's second value is taken up whatever it is, others only if somebody else has named them:
	// what it can make us keep is bounded.
	another := t.doubled.set(i)
	switch kept := k.count(t, v.Value, i, another); {
	case another:
		return countedDouble, first
	case !kept:
		return countedLater, nil
	}
	return countedKnown, nil
}

// count adds validator i to a value. One that was not named before is taken up, or else not kept.
func (k *keeper) count(t *tally, v types.ValueID, i int, takeUp bool) (kept bool) {
	at := 0
	for at < len(t.values) && t.values[at].value != v {
		at++
	}
	if at == len(t.values) {
		if !takeUp {
			return false
		}
		t.takeUp(v)
	}
	if e := &t.values[at]; e.voters.set(i) {
		e.power += k.set.Power(i)
		if t.quorum == 0 && k.set.MoreThanTwoThirds(e.power) {
			t.quorum, k.crossed = at+1, true
		}
	}
	return true
}

// takeUp makes an entry for a value. The bits of an old one are used again.
func (t *tally) takeUp(v types.ValueID) {
	n := len(t.values)
	if n < cap(t.values) {
		t.values = t.values[:n+1]
	} else {
		t.values = append(t.values, valuePower{})
	}
	e := &t.values[n]
	if e.voters == nil {
		e.voters = newBitset(len(t.first))
	}
	e.value, e.power = v, 0
}

// admit makes room for a vote of validator i in a round that is ahead: of all such
// rounds the two highest are kept, so that who sends votes for any number of rounds
// fills two, and who goes on is never lost.
func (k *keeper) admit(i int, r, now types.Round) bool {
	a := &k.ahead[i]
	for j, have := range a {
		if have <= now { // that round has begun since: its votes stay
			a[j] = types.NoRound
		}
	}
	if a[0] == r || a[1] == r {
		return true
	}
	low := 0
	if a[1] < a[0] {
		low = 1
	}
	if r < a[low] {
		return false
	}
	if a[low] != types.NoRound {
		k.forget(i, a[low])
		k.forgot = a[low]
	}
	a[low] = r
	return true
}

// forget takes back what validator i has in a round. That round is ahead, so
// no more than a third have votes in it (L55), and no threshold is undone.
func (k *keeper) forget(i int, r types.Round) {
	at := k.place(r)
	rv, power := k.rounds[at], k.set.Power(i)
	if rv.senders.unset(i) {
		rv.power -= power
	}
	for j := range rv.votes {
		t := &rv.votes[j]
		if t.first[i] != nil {
			t.first[i] = nil
			t.power -= power
		}
		t.doubled.unset(i)
		for l := range t.values {
			if t.values[l].voters.unset(i) {
				t.values[l].power -= power
			}
		}
	}
	if rv.power == 0 {
		k.drop(at)
	}
}

// quorum is the value for which there are votes of more than two thirds.
func (k *keeper) quorum(r types.Round, kind types.VoteType) (types.ValueID, bool) {
	if rv := k.of(r); rv != nil {
		return rv.votes[kind-types.Prevote].quorumValue()
	}
	return types.ValueID{}, false
}

func (t *tally) quorumValue() (types.ValueID, bool) {
	if t.quorum == 0 {
		return types.ValueID{}, false
	}
	return t.values[t.quorum-1].value, true
}

// polka tells whether v has prevotes of more than two thirds in round r.
func (k *keeper) polka(r types.Round, v types.ValueID) bool {
	got, ok := k.quorum(r, types.Prevote)
	return ok && got == v
}

// any tells whether more than two thirds have cast this vote, for whatever.
func (k *keeper) any(r types.Round, kind types.VoteType) bool {
	rv := k.of(r)
	return rv != nil && k.set.MoreThanTwoThirds(rv.votes[kind-types.Prevote].power)
}

// has tells whether a vote is counted.
func (k *keeper) has(v *types.Vote) bool {
	i, rv := k.set.Index(v.Validator), k.of(v.Round)
	if i < 0 || rv == nil || v.Type != types.Prevote && v.Type != types.Precommit {
		return false
	}
	for _, e := range rv.votes[v.Type-types.Prevote].values {
		if e.value == v.Value {
			return e.voters.has(i)
		}
	}
	return false
}

// skip is the highest round beyond now of which more than a third is known to be in it (L55).
func (k *keeper) skip(now types.Round) types.Round {
	for i := len(k.rounds) - 1; i >= 0 && k.rounds[i].round > now; i-- {
		if k.set.MoreThanOneThird(k.rounds[i].power) {
			return k.rounds[i].round
		}
	}
	return types.NoRound
}

func (rv *roundVotes) clear() {
	clear(rv.senders)
	rv.power = 0
	for i := range rv.votes {
		t := &rv.votes[i]
		clear(t.first)
		clear(t.doubled)
		t.power, t.quorum = 0, 0
		for j := range t.values {
			clear(t.values[j].voters)
		}
		t.values = t.values[:0]
	}
}

// A bitset is a set of validators, by number.
type bitset []uint64

func newBitset(n int) bitset { return make(bitset, (n+63)/64) }

// set adds i, and tells whether it was not there.
func (b bitset) set(i int) bool {
	was := b[i/64]
	b[i/64] |= 1 << (i % 64)
	return b[i/64] != was
}

func (b bitset) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }

// unset removes i, and tells whether it was there.
func (b bitset) unset(i int) bool {
	was := b[i/64]
	b[i/64] &^= 1 << (i % 64)
	return b[i/64] != was
}
