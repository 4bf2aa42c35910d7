package gossip

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/flagship-go/flagship/bft/types"
)

// A state is the whole of the gossip as a value: events go in, and next says what to send to a peer
// now. It has no clock, goroutine or network. It is not safe for concurrent use.
//
//	enter, publish, want   heard from a peer   a link began, ended
//	           \                  |                 /
//	            +-------> heights, peers <---------+ ----> dirty: peers for which there may be something
//	                              |
//	            next(peer): the one message that is of the most use to it
type state struct {
	self  string
	cur   *height // nil: before the first Enter
	prev  *height
	old   []*height // from the store, for peers far behind; the latest last
	round types.Round
	want  *report // the value that the node lacks
	peers []*peer
	dirty []*peer
	turn  int // where this node begins with a stored block's parts, so that several do not send the same
}

const maxOld = 4

func (s *state) touch(p *peer) {
	if !slices.Contains(s.dirty, p) {
		s.dirty = append(s.dirty, p)
	}
}

func (s *state) touchAll() {
	for _, p := range s.peers {
		s.touch(p)
	}
}

func (s *state) addPeer(id string) *peer {
	p := newPeer(id)
	s.peers = append(s.peers, p)
	s.touch(p)
	return p
}

// removePeer also tells the others that this node may lack what it was getting from there.
func (s *state) removePeer(p *peer) {
	s.peers = slices.DeleteFunc(s.peers, func(o *peer) bool { return o == p })
	s.dirty = slices.DeleteFunc(s.dirty, func(o *peer) bool { return o == p })
	for _, h := range []*height{s.cur, s.prev} {
		if h != nil {
			for r, from := range h.source {
				if from == p {
					delete(h.source, r)
				}
			}
		}
	}
	for _, o := range s.peers {
		o.graft = true
		s.touch(o)
	}
}

// enter is Network.Enter; set is that of the height, and nil where it is entered already.
func (s *state) enter(h types.Height, r types.Round, set *types.ValidatorSet) {
	switch {
	case s.cur == nil || h > s.cur.height:
		s.prev = nil
		if s.cur != nil && s.cur.height == h-1 {
			s.prev = s.cur
		}
		s.cur, s.round, s.want = newHeight(h, set), r, nil
		for _, p := range s.peers {
			p.wants, p.asks, p.asked = nil, nil, false
			p.sweep(h)
			p.forget(set)
			p.status = true
		}
	case h < s.cur.height || r <= s.round:
		return
	default:
		s.round = r
		for k := range s.cur.incoming {
			if k.round >= r {
				delete(s.cur.incoming, k) // what the node had no use for until now it says again, or lacks
			}
		}
		for _, p := range s.peers {
			p.status = true
		}
	}
	s.touchAll()
}

// forget drops the scores of who is no validator any more.
func (p *peer) forget(set *types.ValidatorSet) {
	if set == nil || len(p.score) <= set.Len() {
		return
	}
	for a := range p.score {
		if set.Index(a) < 0 {
			delete(p.score, a)
		}
	}
}

// at is what is here of a height; nil: nothing.
func (s *state) at(h types.Height) *height {
	for _, have := range []*height{s.cur, s.prev} {
		if have != nil && have.height == h {
			return have
		}
	}
	for _, have := range s.old {
		if have.height == h {
			return have
		}
	}
	return nil
}

// publish is Network.Publish.
func (s *state) publish(m types.Message) {
	at, r := heightOf(m)
	h := s.at(at)
	if h == nil || h.stored {
		return
	}
	k, i, added := h.add(m)
	if !added {
		return
	}
	if h == s.cur && r > s.round && (k.kind == kindPrevote || k.kind == kindPrecommit) {
		h.forget(i, s.round)
	}
	for _, p := range s.peers {
		if v := p.view(at); v == nil || v.group(k) == nil || !v.group(k).has.has(i) {
			s.touch(p)
		}
	}
}

// wanted is Network.Want.
func (s *state) wanted(h types.Height, r types.Round, v types.ValueID) {
	if s.cur == nil || h != s.cur.height {
		return
	}
	s.want = &report{form: formValue, height: h, round: r, value: v}
	for _, p := range s.peers {
		p.asked = false
		s.ask(p)
	}
}

// ask asks a peer for the wanted value, once, if it claims to have it: it is beyond this height, or has a quorum's votes.
func (s *state) ask(p *peer) {
	if s.want == nil || p.asked {
		return
	}
	claims := p.height > s.want.height
	if v := p.view(s.want.height); v != nil && !claims {
		for _, kind := range []kind{kindPrevote, kindPrecommit} {
			if g := v.group(key{s.want.round, kind, tagOf(s.want.value)}); g != nil && s.cur.quorum(g.has) {
				claims = true
			}
		}
	}
	if claims {
		p.asks, p.asked = s.want, true
		s.touch(p)
	}
}

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
	at, _ := heightOf(m)
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
	if s.cur != nil {
		p.sweep(s.cur.height)
	}
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
