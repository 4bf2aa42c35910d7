package gossip

import (
	"slices"

	"github.com/flagship-go/flagship/bft/types"
)

// A peer is what is known of another node, and what is due to it.
type peer struct {
	id     string
	height types.Height // 0: it has not said
	round  types.Round
	views  []*view

	// score tells, for each validator, how often the peer had that one's messages from elsewhere when ours came:
	// from enough on, they are announced and not sent.
	score map[types.Address]int

	status  bool // is due
	graft   bool
	asks    *report      // for a value
	asked   bool         // the value that is wanted now
	answers int          // to its own such questions, at its height
	wants   []groupBits  // to be asked for, of our height
	odd     []*item      // owed
	nothing types.Height // of which the store has nothing for it
}

// A view is what a peer has of a height.
type view struct {
	height types.Height
	keys   map[key]*viewGroup
}

// A viewGroup is a peer's part in a group.
type viewGroup struct {
	has   set // it has sent it, said so, or we have sent it
	sent  set // we have, and nothing was heard of it
	early set // sent for a round that the peer was not in: it may have been forgotten (K3)
	told  set // it knows that we have it
	owed  set // it has asked for it
	prune set // it has sent it again: to be told once more
}

const (
	// maxKeys bounds a view: what a peer says of more groups is not kept.
	maxKeys = 512
	// lazyFrom is the score from which messages are announced, and maxScore the highest.
	lazyFrom, maxScore = 2, 4
	// maxAnswers is how often a peer may ask for values at one height.
	maxAnswers = 8
)

func newPeer(id string) *peer { return &peer{id: id, score: map[types.Address]int{}, status: true} }

func (p *peer) lazy(origin types.Address) bool { return p.score[origin] >= lazyFrom }

func (p *peer) learn(origin types.Address, by int) {
	if origin != (types.Address{}) {
		p.score[origin] = max(0, min(p.score[origin]+by, maxScore))
	}
}

// view is the one of a height; nil: there is none.
func (p *peer) view(h types.Height) *view {
	for _, v := range p.views {
		if v.height == h {
			return v
		}
	}
	return nil
}

// look is view, and makes it.
func (p *peer) look(h types.Height) *view {
	v := p.view(h)
	if v == nil {
		v = &view{height: h, keys: map[key]*viewGroup{}}
		p.views = append(p.views, v)
	}
	return v
}

// sweep drops the views of heights that matter neither to the peer nor to us.
func (p *peer) sweep(own types.Height) {
	p.views = slices.DeleteFunc(p.views, func(v *view) bool {
		return v.height != p.height && v.height != p.height-1 && v.height != own && v.height != own-1
	})
}

// group is the peer's part in a group; nil: it has none.
func (v *view) group(k key) *viewGroup { return v.keys[k] }

// heardGroup is group, and makes it, if the peer has not named too many: then what it says is forgotten.
func (v *view) heardGroup(k key) *viewGroup {
	if v.keys[k] == nil && len(v.keys) >= maxKeys {
		return &viewGroup{}
	}
	return v.ownGroup(k)
}

// ownGroup is group, and makes it, for one that we have messages of.
func (v *view) ownGroup(k key) *viewGroup {
	g := v.keys[k]
	if g == nil {
		g = &viewGroup{}
		v.keys[k] = g
	}
	return g
}

// choose finds a message of h that the peer lacks, and marks it as sent. only: of this kind.
func (p *peer) choose(h *height, turn int, only func(key) bool) *item {
	v := p.look(h.height)
	var lacks set
	for _, g := range h.groups {
		if !only(g.key) {
			continue
		}
		vg := v.ownGroup(g.key)
		lacks = g.have.without(lacks, vg.has, vg.early)
		lacks.addAll(vg.owed)
		lacks.keepAll(g.have) // what was owed may be gone: K3, or the store has another commit than was heard
		best := -1
		for i := range lacks.all() {
			if !vg.owed.has(i) && !h.stored && p.lazy(g.items[i].origin) {
				continue
			}
			if best < 0 || best < turn%len(g.items) && i >= turn%len(g.items) {
				best = i
			}
			if g.kind != kindPart || !h.stored {
				break // in order
			}
		}
		if best >= 0 {
			p.gave(vg, g.key, best, h.height)
			return g.items[best]
		}
	}
	return nil
}

// gave marks a message as sent.
func (p *peer) gave(vg *viewGroup, k key, i int, h types.Height) {
	vg.owed.remove(i)
	vg.told.add(i)
	vg.sent.add(i)
	if h == p.height && k.round > p.round {
		vg.early.add(i)
	} else {
		vg.has.add(i)
	}
}

// tells is what we have and the peer does not know of.
func (p *peer) tells(h *height) (groups []groupBits) {
	v := p.look(h.height)
	for _, g := range h.groups {
		vg := v.ownGroup(g.key)
		news := g.have.without(nil, vg.has, vg.told)
		news.addAll(vg.prune)
		if !news.empty() && len(groups) < maxGroups {
			vg.told.addAll(news)
			vg.prune = nil
			groups = append(groups, groupBits{g.key, news})
		}
	}
	return groups
}
