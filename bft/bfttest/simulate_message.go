package bfttest

import (
	"math/bits"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/types"
)

// A message is a *numberedVote or a *bft.Proposed: one, for all who receive it. The log has them, and a *bft.Start and *bft.Timeout between.

// A numberedVote has a number that is its own among all votes of its height: so a set of them is a set of bits.
type numberedVote struct {
	types.Vote
	number int
}

// message is what h says because of an output.
func (h *host) message(o bft.Output) any {
	if o.Kind == bft.OutVote {
		r := h.s.judge.height(o.Height)
		r.votes++
		v := types.Vote{Type: o.Type, Height: o.Height, Round: o.Round, Value: o.Value, ValidRound: o.ValidRound, Validator: h.id}
		return &numberedVote{v, r.votes - 1}
	}
	p := types.Proposal{Height: o.Height, Round: o.Round, ValidRound: o.ValidRound, Value: o.Value, Proposer: h.id}
	return &bft.Proposed{Proposal: p, Valid: valid(o.Value)}
}

// input is a message, or what else is in a log, as a core takes it.
func input(m any) (in bft.Input) {
	switch m := m.(type) {
	case *bft.Start:
		in.Start = m
	case *bft.Proposed:
		in.Proposal = m
	case *numberedVote:
		in.Vote = &m.Vote
	case *bft.Timeout:
		in.Timeout = m
	}
	return in
}

// numbers is a set of votes of one height.
type numbers []uint64

func (s numbers) has(i int) bool { return i/64 < len(s) && s[i/64]&(1<<(i%64)) != 0 }

// add adds i, and tells whether it was not there.
func (s *numbers) add(i int) bool {
	if s.has(i) {
		return false
	}
	for i/64 >= len(*s) {
		*s = append(*s, 0)
	}
	(*s)[i/64] |= 1 << (i % 64)
	return true
}

// remove removes i, which is there.
func (s numbers) remove(i int) { s[i/64] &^= 1 << (i % 64) }

func (s numbers) count() (n int) {
	for _, word := range s {
		n += bits.OnesCount64(word)
	}
	return n
}
