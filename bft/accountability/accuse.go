package accountability

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/flagship-go/flagship/bft/types"
)

// Options tune what is taken for proof.
type Options struct {
	// SignedValidRounds says that this chain's prevotes carry a signed valid round, so that one without has signed that there was none.
	SignedValidRounds bool
}

// Votes are the precommits of commits, for [Accuse].
func Votes(commits ...*types.Commit) []*types.Vote {
	var votes []*types.Vote
	for _, c := range commits {
		for i := range c.Signatures {
			if v := c.Vote(i); v != nil {
				votes = append(votes, v)
			}
		}
	}
	return votes
}

// Accuse says who broke the algorithm at a height, by all votes of that height that are known: of commits, and of what validators have received and
// sent. set is that of the height, and the height is that of the first vote. Votes that are of another height, of nobody in the set, or not signed by whom they
// are said to be are passed over; one that comes twice counts once. The answer does not depend on the order of votes.
func Accuse(chainID string, set *types.ValidatorSet, votes []*types.Vote, o Options) *Report {
	c := &court{set: set, options: o, said: make([][]*types.Vote, set.Len()), power: map[ballot]int64{}, report: &Report{Total: set.TotalPower()}}
	if len(votes) > 0 {
		c.report.Height = votes[0].Height
	}
	c.hear(chainID, votes)
	c.report.Forked = c.forked()
	for i := range c.said {
		c.equivocation(c.said[i])
		c.memory(c.said[i])
	}
	c.sum()
	return c.report
}

// court is what is known while it is judged.
type court struct {
	set     *types.ValidatorSet
	options Options
	said    [][]*types.Vote  // by validator: by round, prevotes first, then by value
	power   map[ballot]int64 // who voted for it, each once
	report  *Report
}

// A ballot is what votes are counted for.
type ballot struct {
	kind  types.VoteType
	round types.Round
	value types.ValueID
}

func ballotOf(v *types.Vote) ballot { return ballot{v.Type, v.Round, v.Value} }

// hear takes the votes that are signed, in order.
func (c *court) hear(chainID string, votes []*types.Vote) {
	type voice struct {
		who        int
		ballot     ballot
		validRound types.Round
	}
	heard := map[voice]bool{}
	for _, v := range votes {
		i := c.set.Index(v.Validator)
		if i < 0 || v.Height != c.report.Height || v.Round < 0 || v.Type != types.Prevote && v.Type != types.Precommit {
			continue
		}
		n := voice{i, ballotOf(v), v.ValidRound}
		if v.Type == types.Precommit { // of which it is not signed
			n.validRound = types.NoRound
		}
		if !heard[n] && v.Verify(chainID, c.set.At(i).PubKey) {
			heard[n] = true
			c.said[i] = append(c.said[i], v)
		}
	}
	for i := range c.said {
		slices.SortFunc(c.said[i], compareVotes)
		for j, v := range c.said[i] {
			if j == 0 || ballotOf(v) != ballotOf(c.said[i][j-1]) {
				c.power[ballotOf(v)] += c.set.At(i).Power
			}
		}
	}
}

func compareVotes(a, b *types.Vote) int {
	return cmp.Or(
		cmp.Compare(a.Round, b.Round), cmp.Compare(a.Type, b.Type),
		bytes.Compare(a.Value.Hash[:], b.Value.Hash[:]), bytes.Compare(a.Value.Parts.Hash[:], b.Value.Parts.Hash[:]),
		cmp.Compare(a.Value.Parts.Total, b.Value.Parts.Total), cmp.Compare(a.ValidRound, b.ValidRound),
	)
}

// polka tells whether a value has one in one of the rounds from, ..., until. Rounds that nobody voted in are not looked at, for there may be two billion.
func (c *court) polka(v types.ValueID, from, until types.Round) bool {
	for b, power := range c.power {
		if b.kind == types.Prevote && b.value == v && b.round >= from && b.round <= until && c.set.MoreThanTwoThirds(power) {
			return true
		}
	}
	return false
}

// forked tells whether two values have commits.
func (c *court) forked() bool {
	var decided types.ValueID
	for b, power := range c.power {
		if b.kind != types.Precommit || b.value.IsNil() || !c.set.MoreThanTwoThirds(power) {
			continue
		}
		if !decided.IsNil() && decided != b.value {
			return true
		}
		decided = b.value
	}
	return false
}

// equivocation finds two votes of one round and kind.
func (c *court) equivocation(said []*types.Vote) {
	for i := 1; i < len(said); i++ {
		a, b := said[i-1], said[i]
		again := i > 1 && said[i-2].Round == a.Round && said[i-2].Type == a.Type && said[i-2].Value != a.Value // a third value
		if a.Round == b.Round && a.Type == b.Type && a.Value != b.Value && !again {
			c.report.DoubleVotes = append(c.report.DoubleVotes, types.DoubleVote{First: *a, Second: *b})
		}
	}
}

// memory goes through what a validator said, with its lock in mind.
func (c *court) memory(said []*types.Vote) {
	var locks []*types.Vote // its precommits for values, of rounds before
	for _, v := range said {
		switch {
		case v.Value.IsNil():
		case v.Type == types.Precommit:
			if !c.polka(v.Value, v.Round, v.Round) { // L36
				c.report.Suspects = append(c.report.Suspects, Suspicion{Vote: *v, From: v.Round, Until: v.Round})
			}
			locks = append(locks, v)
		default:
			c.prevote(locks, v)
		}
	}
}

// prevote judges one for a value.
func (c *court) prevote(locks []*types.Vote, v *types.Vote) {
	for _, lock := range locks {
		// L38, L39, L42, L43: who locks in a round has that round as valid round at least, for ever.
		if c.options.SignedValidRounds && lock.Round < v.Round && lock.Value != v.Value && v.ValidRound < lock.Round {
			c.report.Amnesia = append(c.report.Amnesia, Forgotten{Precommit: *lock, Prevote: *v})
			return
		}
	}
	last := lastBefore(locks, v.Round)
	if last == nil || last.Value == v.Value {
		return
	}
	if !c.polka(v.Value, last.Round, v.Round-1) { // L28, L29
		c.report.Suspects = append(c.report.Suspects, Suspicion{Vote: *v, Lock: last, From: last.Round, Until: v.Round - 1})
	}
}

// lastBefore is the newest lock of an earlier round.
func lastBefore(locks []*types.Vote, r types.Round) *types.Vote {
	for i := len(locks) - 1; i >= 0; i-- {
		if locks[i].Round < r {
			return locks[i]
		}
	}
	return nil
}

// sum takes those who are proved faulty off the suspects, and adds up power.
func (c *court) sum() {
	r := c.report
	proved := r.ProvedFaulty()
	r.Suspects = slices.DeleteFunc(r.Suspects, func(s Suspicion) bool { return slices.Contains(proved, s.Vote.Validator) })
	for _, a := range proved {
		r.Proved += c.set.At(c.set.Index(a)).Power
	}
	r.Named = r.Proved
	for _, a := range r.Suspected() {
		r.Named += c.set.At(c.set.Index(a)).Power
	}
}
