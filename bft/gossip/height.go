package gossip

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/flagship-go/flagship/bft/types"
)

// A height is what this node has to give of one height: each message encoded once, for all peers.
type height struct {
	height types.Height
	set    *types.ValidatorSet // nil: not known, and nothing has a number
	groups []*group            // in the order in which they are of use
	byKey  map[key]*group
	// odd are parts other than the one that has their number: of a liar's second proposal. They are sent to who asks.
	odd []*item
	// incoming were heard and given to the node, which may not have taken them up yet.
	incoming map[key]set
	// source is who has sent the first part of a round: the others are expected from there.
	source map[types.Round]*peer
	stored bool
}

// A group is messages that differ in their number only.
type group struct {
	key
	items []*item
	have  set
}

type item struct {
	message types.Message
	encoded []byte // with its form; shared by all peers
	origin  types.Address
}

func newHeight(h types.Height, vals *types.ValidatorSet) *height {
	return &height{height: h, set: vals, byKey: map[key]*group{}, incoming: map[key]set{}, source: map[types.Round]*peer{}}
}

func encode(m types.Message) []byte { return types.AppendMessage([]byte{byte(formSaid)}, m) }

// locate is a message's key, number and origin.
func (h *height) locate(m types.Message) (k key, i int, origin types.Address, ok bool) {
	if h.set == nil {
		return k, 0, origin, false
	}
	switch m := m.(type) {
	case *types.Vote:
		i = h.set.Index(m.Validator)
		return key{m.Round, kind(m.Type), tagOf(m.Value)}, i, m.Validator, i >= 0
	case *types.Proposal:
		i = h.set.Index(m.Proposer)
		return key{m.Round, kindProposal, tagOf(m.Value)}, i, m.Proposer, i >= 0
	case *types.BlockPart:
		k = key{round: m.Round, kind: kindPart}
		return k, int(m.Part.Index), h.proposer(m.Round), m.Part.Index < types.MaxParts
	}
	return k, 0, origin, false
}

// proposer is who has proposed in a round, as far as it was heard.
func (h *height) proposer(r types.Round) (a types.Address) {
	for _, g := range h.groups {
		if g.kind == kindProposal && g.round == r {
			for i := range g.have.all() {
				return g.items[i].origin
			}
		}
	}
	return a
}

// add takes a message, and tells whether it is new.
func (h *height) add(m types.Message) (k key, i int, added bool) {
	k, i, origin, ok := h.locate(m)
	if !ok {
		return k, i, false
	}
	it := &item{m, encode(m), origin}
	g := h.byKey[k]
	if g == nil {
		g = &group{key: k}
		h.byKey[k] = g
		at, _ := slices.BinarySearchFunc(h.groups, k, func(g *group, k key) int { return before(g.key, k) })
		h.groups = slices.Insert(h.groups, at, g)
	}
	if g.have.has(i) {
		if k.kind == kindPart && !bytes.Equal(g.items[i].encoded, it.encoded) && len(h.odd) < types.MaxParts {
			h.odd = append(h.odd, it)
		}
		return k, i, false
	}
	for len(g.items) <= i {
		g.items = append(g.items, nil)
	}
	g.items[i] = it
	g.have.add(i)
	return k, i, true
}

// before orders groups: proposals and votes before parts, for they are small; the latest round first, for it
// is what a peer that is behind can go on with; in a round as they were made.
func before(a, b key) int {
	part := func(k key) int { return int(k.kind) / int(kindPart) }
	return cmp.Or(cmp.Compare(part(a), part(b)), cmp.Compare(b.round, a.round), cmp.Compare(a.kind, b.kind), bytes.Compare(a.tag[:], b.tag[:]))
}

// forget drops a validator's votes for rounds beyond the current one but for the two highest, as the core does (K3).
func (h *height) forget(i int, current types.Round) {
	var rounds []types.Round // the highest first, as the groups are
	for _, g := range h.groups {
		if g.round > current && (g.kind == kindPrevote || g.kind == kindPrecommit) && g.have.has(i) && !slices.Contains(rounds, g.round) {
			rounds = append(rounds, g.round)
		}
	}
	if len(rounds) <= 2 {
		return
	}
	h.groups = slices.DeleteFunc(h.groups, func(g *group) bool {
		if g.round > current && g.round < rounds[1] && (g.kind == kindPrevote || g.kind == kindPrecommit) && g.have.has(i) {
			g.have.remove(i)
			g.items[i] = nil
		}
		if g.have.empty() {
			delete(h.byKey, g.key)
			return true
		}
		return false
	})
}

// note marks a message as under way to the node, and tells whether it was already.
func (h *height) note(k key, i int) (again bool) {
	s, ok := h.incoming[k]
	if !ok && len(h.incoming) >= maxKeys {
		return false
	}
	again = s.has(i)
	s.add(i)
	h.incoming[k] = s
	return again
}

// item is the one with a key and number; nil: it is not here.
func (h *height) item(k key, i int) *item {
	if g := h.byKey[k]; g != nil && g.have.has(i) {
		return g.items[i]
	}
	return nil
}

// quorum tells whether a set has more than two thirds of the power.
func (h *height) quorum(s set) bool {
	if h.set == nil {
		return false
	}
	power := int64(0)
	for i := range s.all() {
		if i < h.set.Len() {
			power += h.set.At(i).Power
		}
	}
	return h.set.MoreThanTwoThirds(power)
}

// ofValue are the proposals for a value, and its parts, wherever they are.
func (h *height) ofValue(v types.ValueID) (found []groupBits, odd []*item) {
	parts := types.NewPartSet(v.Parts)
	mine := func(it *item) bool {
		m, ok := it.message.(*types.BlockPart)
		if !ok {
			return false
		}
		added, err := parts.Add(&m.Part)
		return added && err == nil
	}
	for _, g := range h.groups {
		var bits set
		switch {
		case g.kind == kindProposal && g.tag == tagOf(v):
			bits.addAll(g.have)
		case g.kind == kindPart:
			for i := range g.have.all() {
				if mine(g.items[i]) {
					bits.add(i)
				}
			}
		}
		if !bits.empty() {
			found = append(found, groupBits{g.key, bits})
		}
	}
	for _, it := range h.odd {
		if mine(it) {
			odd = append(odd, it)
		}
	}
	return found, odd
}
