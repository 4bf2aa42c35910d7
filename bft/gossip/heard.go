package gossip

import (
	"bytes"
	"fmt"

	"github.com/flagship-go/flagship/bft/types"
)

// heard takes what a peer has sent: a message to be given to the node, or nil. ErrMessage: the peer is at fault.
func (s *state) heard(p *peer, msg []byte) (types.Message, error) {
	if len(msg) == 0 {
		return nil, fmt.Errorf("%w: an empty one", ErrMessage)
	}
	if form(msg[0]) == formSaid {
		m, err := types.DecodeMessage(msg[1:])
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMessage, err)
		}
		if !s.said(p, m, msg) {
			return nil, nil
		}
		return m, nil
	}
	r, err := decodeReport(msg)
	if err != nil {
		return nil, err
	}
	switch r.form {
	case formStatus:
		err = s.heardStatus(p, r)
	case formHas:
		s.heardHas(p, r)
	case formWant:
		s.heardWant(p, r)
	case formValue:
		s.heardValue(p, r)
	case formGraft:
		clear(p.score)
		s.touch(p)
	default:
		err = fmt.Errorf("%w: of form %d", ErrMessage, r.form)
	}
	s.ask(p)
	return nil, err
}

// said notes that a peer has a message, and tells whether it is for the node.
func (s *state) said(p *peer, m types.Message, msg []byte) bool {
	at, _ := m.At()
	h := s.at(at)
	if h == nil || h.stored {
		return s.cur == nil || at > s.cur.height
	}
	k, i, origin, ok := h.locate(m)
	if !ok {
		return true // the node says what is wrong with it
	}
	vg := p.look(at).heardGroup(k)
	crossed := vg.sent.has(i)
	if crossed { // it had it when ours came
		vg.sent.remove(i)
		p.learn(origin, 1)
	}
	vg.has.add(i)
	again := h.note(k, i)
	it := h.item(k, i)
	if (again || it != nil) && !crossed { // we had it when this came, and did not have to be sent it
		vg.prune.add(i)
		s.touch(p)
	}
	if k.kind == kindPart && h.source[k.round] == nil && it == nil {
		h.source[k.round] = p
	}
	s.ask(p)
	return it == nil || !bytes.Equal(it.encoded, msg)
}

func (s *state) heardStatus(p *peer, r *report) error {
	if r.height < p.height || r.height == p.height && r.round < p.round {
		return fmt.Errorf("%w: it was at height %d round %d, and says %d and %d", ErrMessage, p.height, p.round, r.height, r.round)
	}
	if r.height > p.height {
		p.answers = 0
	}
	p.height, p.round = r.height, r.round
	own := types.Height(0)
	if s.cur != nil {
		own = s.cur.height
	}
	p.sweep(own)
	v := p.look(r.height)
	for k, g := range v.keys {
		if k.round <= r.round {
			g.early = nil // it says below what it has of them
		}
	}
	s.mark(p, v, r)
	s.touch(p)
	return nil
}

// mark notes what a peer says that it has.
func (s *state) mark(p *peer, v *view, r *report) {
	h := s.at(r.height)
	for _, b := range r.groups {
		vg := v.heardGroup(b.key)
		vg.has.addAll(b.bits)
		if h == nil || h.stored || r.form != formHas {
			continue
		}
		for i := range b.bits.all() {
			if it := h.item(b.key, i); it != nil && vg.sent.has(i) {
				vg.sent.remove(i)
				p.learn(it.origin, 1) // it had it when ours came
			}
		}
	}
	if h != nil && h == s.cur {
		s.lack(p, r)
	}
}

func (s *state) heardHas(p *peer, r *report) {
	if s.cur == nil || r.height != s.cur.height && r.height != s.cur.height-1 && r.height != p.height {
		return
	}
	s.mark(p, p.look(r.height), r)
}

func (s *state) heardWant(p *peer, r *report) {
	h := s.at(r.height)
	if h == nil {
		return
	}
	v := p.look(r.height)
	for _, b := range r.groups {
		g := h.byKey[b.key]
		if g == nil {
			continue
		}
		vg := v.ownGroup(b.key)
		for i := range b.bits.all() {
			if g.have.has(i) {
				vg.owed.add(i)
				p.learn(g.items[i].origin, -2)
			}
		}
	}
	s.touch(p)
}

// heardValue owes a peer all that is here of a value, whatever it was sent before.
func (s *state) heardValue(p *peer, r *report) {
	h := s.at(r.height)
	if h == nil || p.answers == maxAnswers {
		return
	}
	p.answers++
	found, odd := h.ofValue(r.value)
	v := p.look(r.height)
	for _, b := range found {
		v.ownGroup(b.key).owed.addAll(b.bits)
	}
	p.odd = odd
	s.touch(p)
}
