package gossip

import (
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
			p.status, p.nothing = true, 0 // a disk that failed may read again
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
	at, r := m.At()
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
