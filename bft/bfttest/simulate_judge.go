package bfttest

import (
	"fmt"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/types"
)

// A Violation is a rule that was broken, and by what.
type Violation struct{ Rule, Detail string }

func (v *Violation) Error() string { return fmt.Sprintf("RULE %s: %s", v.Rule, v.Detail) }

// judge knows from outside what everybody said, and judges by that alone:
//
//	agreement   no two correct validators decide differently
//	validity    what is decided is valid, and has precommits of more than two thirds in the deciding round
//	once        a correct validator votes once a round and kind, over all its lives
//	L36         it precommits a value only if there can be a polka for it in that round: correct
//	            validators who prevoted it and all liars are more than two thirds
//	L29         having precommitted one value, it prevotes another only if there can be a polka for that one in a
//	            round since
//	evidence    nobody correct is accused
//	bound       a height that begins after the faults is decided by the third correct proposer's round of those in
//	            which votes are waited for long enough: twice as long as gossip takes
//	liveness    and is decided at all
type judge struct {
	s         *simulation
	power     []int64
	index     map[types.Address]int
	lying     int64
	heights   map[types.Height]*heightRecord
	calmSince types.Height // heights from here on began in a calm world; 0: none
}

// heightRecord is what was said of a height.
type heightRecord struct {
	set      *types.ValidatorSet
	votes    int                             // that were made so far, also by liars
	prevotes map[types.Round][]types.ValueID // by validator; absent is in voted
	voted    map[voterBallot]types.ValueID
	locks    []lock // by validator
	decided  bool
	value    types.ValueID
	round    types.Round
	by       int
	limit    types.Round // bound
}

type voterBallot struct {
	who   int
	round types.Round
	kind  types.VoteType
}

// lock is the last value that a validator precommitted.
type lock struct {
	value types.ValueID
	round types.Round
}

func newJudge(s *simulation) judge {
	j := judge{s: s, index: map[types.Address]int{}, heights: map[types.Height]*heightRecord{}}
	for i, id := range s.ids {
		j.index[id] = i
		j.power = append(j.power, s.opts.Powers[i])
		if i < len(s.opts.Liars) && s.opts.Liars[i] != Honest {
			j.lying += s.opts.Powers[i]
		}
	}
	return j
}

func (j *judge) honest(i int) bool { return i >= len(j.s.opts.Liars) || j.s.opts.Liars[i] == Honest }

// height is the record of a height, begun if there is none.
func (j *judge) height(h types.Height) *heightRecord {
	r := j.heights[h]
	if r == nil {
		r = &heightRecord{set: j.s.set, voted: map[voterBallot]types.ValueID{}, prevotes: map[types.Round][]types.ValueID{}, locks: make([]lock, len(j.power))}
		if before := j.heights[h-1]; before != nil {
			r.set = before.set.Rotate(1)
		}
		for good := 0; good < 3; r.limit++ {
			if j.s.voteTimeout(r.limit) > 2*gossipTakes && j.honest(j.index[r.set.Rotate(int(r.limit)).Proposer().Address]) {
				good++
			}
		}
		j.heights[h] = r
	}
	return r
}

// vote is one of a correct validator, about to leave.
func (j *judge) vote(who int, v *types.Vote) {
	r := j.height(v.Height)
	b := voterBallot{who, v.Round, v.Type}
	if was, voted := r.voted[b]; voted {
		if was != v.Value {
			j.s.fail("once", "n%d %ss %s in height %d round %d, and %s before", who+1, v.Type, valueName(v.Value), v.Height, v.Round, valueName(was))
		}
		return
	}
	r.voted[b] = v.Value
	if v.Type == types.Prevote {
		if r.prevotes[v.Round] == nil {
			r.prevotes[v.Round] = make([]types.ValueID, len(j.power))
		}
		r.prevotes[v.Round][who] = v.Value
	}
	if v.Value.IsNil() {
		return
	}
	if v.Type == types.Precommit {
		if !j.polka(r, v.Round, v.Value) {
			j.s.fail("L36", "n%d precommits %s in height %d round %d, where it has no polka", who+1, valueName(v.Value), v.Height, v.Round)
		}
		r.locks[who] = lock{v.Value, v.Round}
		return
	}
	l := r.locks[who]
	if l.value.IsNil() || l.value == v.Value {
		return
	}
	j.s.stats.Locks++
	for round := l.round; round < v.Round; round++ {
		if j.polka(r, round, v.Value) {
			return
		}
	}
	j.s.fail("L29", "n%d prevotes %s in height %d round %d: it precommitted %s in round %d, and there is no polka since", who+1, valueName(v.Value), v.Height, v.Round, valueName(l.value), l.round)
}

// polka tells whether there can be one: liars may have said anything to somebody.
func (j *judge) polka(r *heightRecord, round types.Round, v types.ValueID) bool {
	power := j.lying
	for i, said := range r.prevotes[round] {
		if said == v {
			power += j.power[i]
		}
	}
	return 3*power > 2*r.set.TotalPower()
}

func (j *judge) evidence(d *types.DoubleVote) {
	i := j.index[d.First.Validator]
	a, b := d.First, d.Second
	if j.honest(i) || a.Validator != b.Validator || a.Round != b.Round || a.Type != b.Type || a.Height != b.Height || a.Value == b.Value {
		j.s.fail("evidence", "against n%d: %ss of round %d for %s and of round %d for %s", i+1, a.Type, a.Round, valueName(a.Value), b.Round, valueName(b.Value))
	}
}

// decide judges what a correct validator decides, and by which precommits.
func (j *judge) decide(who int, o bft.Output, d decision) {
	r := j.height(o.Height)
	var power int64
	counted := make([]bool, len(j.power))
	for _, v := range d.precommits {
		if i := j.index[v.Validator]; !counted[i] {
			counted[i] = true
			power += j.power[i]
		}
	}
	switch {
	case r.decided && r.value != o.Value:
		j.s.fail("agreement", "fork in height %d: n%d decides %s in round %d, n%d decides %s in round %d",
			o.Height, r.by+1, valueName(r.value), r.round, who+1, valueName(o.Value), o.Round)
	case !valid(o.Value) || o.Value.IsNil():
		j.s.fail("validity", "n%d decides %s in height %d", who+1, valueName(o.Value), o.Height)
	case d.proposal == nil || 3*power <= 2*r.set.TotalPower():
		j.s.fail("validity", "n%d decides %s in height %d round %d with precommits of %d of %d", who+1, valueName(o.Value), o.Height, o.Round, power, r.set.TotalPower())
	case j.calmSince > 0 && o.Height > j.calmSince && o.Round > r.limit:
		j.s.fail("bound", "n%d decides height %d in round %d; all is well since before it began, and it should be by round %d", who+1, o.Height, o.Round, r.limit-1)
	}
	if !r.decided {
		r.decided, r.value, r.round, r.by = true, o.Value, o.Round, who
	}
}
