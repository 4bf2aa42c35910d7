package bfttest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/flagship-go/flagship/internal/sim"
)

// A Lie is how a validator is faulty.
type Lie uint8

// The lies.
const (
	// Honest is none.
	Honest Lie = iota
	// Silent says nothing.
	Silent
	// Equivocating tells each half of the others something else: votes for two values, proposals of two.
	Equivocating
	// Amnesiac forgets its lock: it votes for whatever was proposed last.
	Amnesiac
	// Wrong votes for values that nobody proposed, and proposes some that are not valid, or with a polka that there is not.
	Wrong
	// Late says the right things, seconds later.
	Late
	// Mixed is one of the others, drawn anew for each message.
	Mixed
	lies
)

// String is its name.
func (l Lie) String() string {
	if l >= lies {
		return fmt.Sprintf("lie %d", uint8(l))
	}
	return [...]string{"honest", "silent", "equivocating", "amnesiac", "wrong", "late", "mixed"}[l]
}

// liar has a mind like others, to know where the others are; but what it says is not what that says.
type liar struct {
	*host
	p      *sim.Process
	core   *bft.Core
	height types.Height
	latest types.ValueID // proposed in this height, of those we heard of
}

func (h *host) bootLiar(p *sim.Process) sim.Handler {
	l := &liar{host: h, p: p, core: bft.NewCore(h.id)}
	l.enter(1)
	return l
}

// enter goes to a height, if it is later.
func (l *liar) enter(h types.Height) {
	if h > l.height {
		l.height, l.latest = h, types.NilValue
		l.step(bft.Input{Start: &bft.Start{Height: h, Validators: l.s.validators(h)}})
	}
}

// Receive listens to what the others say, to know where they are.
func (l *liar) Receive(_ sim.ID, message any) {
	switch m := message.(type) {
	case *numberedVote:
		l.enter(m.Height)
		l.step(input(m))
	case *bft.Proposed:
		l.enter(m.Height)
		l.latest = m.Value
		l.step(input(m))
	}
}

func (l *liar) step(in bft.Input) {
	outs, err := l.core.Step(in)
	if err != nil {
		return
	}
	for _, o := range append([]bft.Output(nil), outs...) {
		switch o.Kind {
		case bft.OutTimeout:
			t := o.Timeout
			l.p.After(300*time.Millisecond, func() { l.step(bft.Input{Timeout: &t}) })
		case bft.OutGetValue:
			o.Value = value(fmt.Sprintf("h%dr%dn%d", o.Height, o.Round, l.index+1))
			l.speak(o)
		case bft.OutPropose, bft.OutVote:
			l.speak(o)
		case bft.OutDecide:
			l.enter(o.Height + 1)
		}
	}
}

// speak says something else than what it should, and then goes on as if it had said that.
func (l *liar) speak(o bft.Output) {
	r := l.p.Rand()
	lie := l.lie
	if lie == Mixed {
		lie = Lie(r.IntN(int(Mixed)))
	}
	said := l.signed(o)
	split := r.IntN(len(l.s.ids))
	for i := range l.s.ids {
		if i == l.index {
			continue
		}
		to := sim.ID(i + 1)
		switch lie {
		case Honest:
			l.p.Send(to, said)
		case Late:
			l.p.After(time.Duration(r.IntN(3000))*time.Millisecond, func() { l.p.Send(to, said) })
		case Equivocating:
			if i < split {
				l.p.Send(to, l.signed(l.other(r, o)))
			} else {
				l.p.Send(to, said)
			}
			if r.IntN(4) == 0 { // so that the evidence is seen
				l.p.Send(to, l.signed(l.other(r, o)))
			}
		case Amnesiac:
			if !l.latest.IsNil() && o.Kind == bft.OutVote {
				o.Value = l.latest
			}
			l.p.Send(to, l.signed(o))
		case Wrong:
			l.p.Send(to, l.signed(l.wrong(r, o)))
		}
		if l.s.keys != nil && r.IntN(4) == 0 {
			l.p.Send(to, l.forged(l.other(r, o)))
		}
	}
	l.step(input(said))
}

// other is another value: nil, or what was proposed last, or one of its own.
func (l *liar) other(r *rand.Rand, o bft.Output) bft.Output {
	switch {
	case o.Kind != bft.OutVote:
		o.Value, o.ValidRound = value(fmt.Sprintf("h%dr%dn%d'", o.Height, o.Round, l.index+1)), types.NoRound
	case r.IntN(2) == 0 && !l.latest.IsNil():
		o.Value = l.latest
	case !o.Value.IsNil():
		o.Value = types.NilValue
	}
	return o
}

// wrong is a value that is not valid, a polka that there is not, a round that nobody is in.
func (l *liar) wrong(r *rand.Rand, o bft.Output) bft.Output {
	o.Value = value(fmt.Sprintf("bad%d", r.IntN(3)))
	switch {
	case o.Kind == bft.OutVote && r.IntN(3) == 0:
		o.Round += types.Round(r.IntN(1000))
	case o.Kind == bft.OutVote:
	case r.IntN(2) == 0:
		o.Value = value(fmt.Sprintf("h%dr%dn%d", o.Height, o.Round, l.index+1))
		o.ValidRound = o.Round - 1 + types.Round(r.IntN(3))
	}
	return o
}

// signed is a message of its own.
func (l *liar) signed(o bft.Output) any {
	m := l.message(o)
	l.s.keys.sign(l.index, m)
	return m
}
