package privval

import (
	"bytes"
	"cmp"
	"fmt"
	"time"

	"github.com/flagship-go/flagship/bft/types"
	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
)

// A guard remembers the last thing that a validator has signed, and lets nothing be signed that could contradict it (S2).
// Heights, rounds and steps only grow:
//
//	last signed      asked for             answer
//	5/0 prevote x    5/0 precommit         signed, and remembered
//	5/0 prevote x    5/0 prevote x         the old signature
//	5/0 prevote x    5/0 prevote x, later  the old signature, with the old time
//	5/0 prevote x    5/0 prevote y         refused
//	5/0 prevote x    5/0 proposal, 4/7     refused
//
// The zero guard has signed nothing. It is for one goroutine.
type guard struct {
	last signed
	// save makes a record durable before its signature is given away; nil: it need not be.
	save func(signed) error
}

// signed is what was signed last.
type signed struct {
	height    types.Height
	round     types.Round
	step      types.Step // of the vote, or StepPropose
	time      time.Time
	bytes     []byte // the message
	signature []byte
}

// String is the place of what was signed.
func (s *signed) String() string {
	return fmt.Sprintf("height %d round %d %v", s.height, s.round, s.step)
}

// compare tells which of two places comes first.
func (s *signed) compare(t *signed) int {
	return cmp.Or(cmp.Compare(s.height, t.height), cmp.Compare(s.round, t.round), cmp.Compare(s.step, t.step))
}

// signVote signs v, or gives out what was signed in its place.
func (g *guard) signVote(key types.PrivateKey, chainID string, v *types.Vote) error {
	if v.Type != types.Prevote && v.Type != types.Precommit {
		return fmt.Errorf("bft: signing a %v: it is neither prevote nor precommit", v.Type)
	}
	s := signed{height: v.Height, round: v.Round, step: types.StepPrevote, time: v.Time}
	if v.Type == types.Precommit {
		s.step = types.StepPrecommit
	}
	err := g.sign(key, &s, func(at time.Time) []byte {
		w := *v
		w.Time = at
		return w.AppendSignBytes(nil, chainID)
	})
	if err == nil {
		v.Time, v.Signature = s.time, s.signature
	}
	return err
}

// signProposal likewise.
func (g *guard) signProposal(key types.PrivateKey, chainID string, p *types.Proposal) error {
	s := signed{height: p.Height, round: p.Round, step: types.StepPropose, time: p.Time}
	err := g.sign(key, &s, func(at time.Time) []byte {
		q := *p
		q.Time = at
		return q.AppendSignBytes(nil, chainID)
	})
	if err == nil {
		p.Time, p.Signature = s.time, s.signature
	}
	return err
}

// sign fills in s. message is what is signed, with a given time in it.
func (g *guard) sign(key types.PrivateKey, s *signed, message func(time.Time) []byte) error {
	switch order := s.compare(&g.last); {
	case order < 0:
		return fmt.Errorf("%w: %v is asked for, and %v was signed", types.ErrDoubleSign, s, &g.last)
	case order == 0:
		// The same but for its time is no contradiction, and what has been given out may be on its way.
		if !bytes.Equal(message(g.last.time), g.last.bytes) {
			return fmt.Errorf("%w: something else was signed for %v", types.ErrDoubleSign, s)
		}
		s.time, s.signature = g.last.time, bytes.Clone(g.last.signature)
		return nil
	}
	s.bytes = message(s.time)
	s.signature = ed25519.Sign(key, s.bytes)
	if g.save != nil {
		if err := g.save(*s); err != nil {
			return err
		}
	}
	g.last = *s
	s.signature = bytes.Clone(s.signature)
	return nil
}
