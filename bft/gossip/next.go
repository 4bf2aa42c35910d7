package gossip

import (
	"slices"

	"github.com/flagship-go/flagship/bft/types"
)

// next is the message for a peer that is of the most use to it now; nil: there is none. If load is not 0, that height
// is to be loaded from the store first.
func (s *state) next(p *peer) (msg []byte, load types.Height) {
	if s.cur == nil {
		return nil, 0
	}
	if r := s.control(p); r != nil {
		return r.encode(), 0
	}
	if len(p.odd) > 0 {
		msg, p.odd = p.odd[0].encoded, p.odd[1:]
		return msg, 0
	}
	all := func(key) bool { return true }
	precommits := func(k key) bool { return k.kind == kindPrecommit }
	h := s.at(p.height)
	switch {
	case p.height == 0 || h == nil && p.height > s.cur.height+1:
	case p.height == s.cur.height+1: // ours of the last height may come late, for the next block
		if it := p.choose(s.cur, s.turn, precommits); it != nil {
			return it.encoded, 0
		}
	case h == nil:
		if p.nothing == p.height {
			return nil, 0
		}
		return nil, p.height
	default:
		if it := p.choose(h, s.turn, all); it != nil {
			return it.encoded, 0
		}
		if h == s.cur && s.prev != nil {
			if it := p.choose(s.prev, s.turn, precommits); it != nil {
				return it.encoded, 0
			}
		}
	}
	return s.tell(p), 0
}

// control is what is due beside messages.
func (s *state) control(p *peer) *report {
	switch {
	case p.status:
		p.status = false
		return s.report(p)
	case p.graft:
		p.graft = false
		return &report{form: formGraft}
	case p.asks != nil:
		r := p.asks
		p.asks = nil
		return r
	case len(p.wants) > 0:
		r := &report{form: formWant, height: s.cur.height}
		for _, w := range p.wants { // what has come meanwhile is not asked for
			if g := s.cur.byKey[w.key]; g != nil {
				w.bits.removeAll(g.have)
			}
			w.bits.removeAll(s.cur.incoming[w.key])
			if !w.bits.empty() {
				r.groups = append(r.groups, w)
			}
		}
		p.wants = nil
		if len(r.groups) > 0 {
			return r
		}
	}
	return nil
}

// lack asks a peer for what it says to have of our height, and we neither have nor expect. Parts are expected
// from whoever has sent the first.
func (s *state) lack(p *peer, r *report) {
	for _, b := range r.groups {
		var have set
		if g := s.cur.byKey[b.key]; g != nil {
			have = g.have
		}
		news := b.bits.without(nil, have, s.cur.incoming[b.key])
		if b.kind == kindPart && s.cur.source[b.round] != nil {
			continue
		}
		if !news.empty() && len(p.wants) < maxGroups {
			p.wants = append(p.wants, groupBits{b.key, news})
			s.touch(p)
		}
	}
}

// report is where we are, and what we have.
func (s *state) report(p *peer) *report {
	r := &report{form: formStatus, height: s.cur.height, round: s.round}
	v := p.look(s.cur.height)
	for _, g := range s.cur.groups {
		if len(r.groups) < maxGroups {
			r.groups = append(r.groups, groupBits{g.key, g.have})
			v.ownGroup(g.key).told.addAll(g.have)
		}
	}
	return r
}

// tell announces what a peer would send us, or ask us for: when nothing better is to be said.
func (s *state) tell(p *peer) []byte {
	h := s.cur
	if p.height < h.height {
		if h = s.prev; h == nil || p.height != h.height {
			return nil
		}
	}
	groups := p.tells(h)
	if len(groups) == 0 {
		return nil
	}
	return (&report{form: formHas, height: h.height, groups: groups}).encode()
}

// loaded takes a height from the store; nil: it is not there for p.
func (s *state) loaded(p *peer, at types.Height, h *height) {
	if h == nil {
		p.nothing = at
		return
	}
	if s.at(at) == nil {
		s.old = append(s.old, h)
		if len(s.old) > maxOld {
			s.old = slices.Delete(s.old, 0, 1)
		}
	}
}
