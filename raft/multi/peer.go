package multi

import (
	"cmp"
	"slices"

	"github.com/flagship-go/flagship/raft"
)

// peer is what a host knows of another one that it shares groups with, and what
// it has to tell it.
type peer struct {
	id     raft.NodeID
	shared int    // groups with a member on both hosts
	life   uint64 // the newest life heard of; 0: none yet
	silent uint64 // ticks since it was heard
	counts uint64 // until this tick: it shares groups with us, it says
	beat   bool   // a sign of life is due

	now   []Message // may leave at once
	after []Message // when the disk has answered
	acks  []Message // with the next tick
}

// silentFor says whether the host has not been heard for so many ticks.
func (p *peer) silentFor(ticks int) bool { return p.silent >= uint64(ticks) }

// peer returns another host, and makes its acquaintance if need be.
func (c *Core) peer(id raft.NodeID) *peer {
	i, ok := slices.BinarySearchFunc(c.peers, id, func(p *peer, id raft.NodeID) int { return cmp.Compare(p.id, id) })
	if !ok {
		c.peers = slices.Insert(c.peers, i, &peer{id: id})
	}
	return c.peers[i]
}

// meet counts the hosts of a new group's members.
func (c *Core) meet(m raft.Membership) {
	for _, id := range everyone(m) {
		if id != c.cfg.ID {
			c.peer(id).shared++
		}
	}
}

// everyone lists the members, each once.
func everyone(m raft.Membership) []raft.NodeID {
	ids := slices.Concat(m.Voters, m.Learners, m.Outgoing)
	slices.Sort(ids)
	return slices.Compact(ids)
}

// count finds out anew who shares groups with whom, after a membership changed:
// a host without a group in common is told nothing.
func (c *Core) count() {
	if !c.recount {
		return
	}
	c.recount = false
	for _, p := range c.peers {
		p.shared = 0
	}
	for _, r := range c.replicas {
		c.meet(r.membership())
	}
}

func (r *replica) membership() raft.Membership {
	if r.core != nil {
		return r.core.Membership()
	}
	return r.asleep.Membership()
}

// tickPeers makes a sign of life due to every peer, whatever the number of
// groups (M1), and sends with it what could wait for it. A host that was not
// heard for an election timeout is taken for dead, once for all its groups (M6).
func (c *Core) tickPeers() {
	for _, p := range c.peers {
		if p.shared == 0 && c.now >= p.counts {
			continue
		}
		p.beat = true
		p.now = append(p.now, p.acks...)
		p.acks = nil
		p.silent++
		if p.silent == uint64(c.cfg.Raft.ElectionTicks) {
			c.emit(0, EventSuspected, p.id, "M6")
			c.wakeAll(p.id, func(st raft.Status) bool { return st.Leader == p.id })
		}
	}
}

// hear takes a sign of life. A host that comes back may lack what its leaders
// had when they went to sleep without it; one that comes back in another life
// leads nothing any more, and does not know its leaders (M4).
func (c *Core) hear(p *peer, life uint64) {
	if life < p.life {
		return // of the dead
	}
	back := p.silentFor(c.cfg.Raft.ElectionTicks)
	again := p.life != 0 && life > p.life
	p.life, p.silent = life, 0
	if !back && !again {
		return
	}
	c.emit(0, EventReturned, p.id, "M4")
	c.wakeAll(p.id, func(st raft.Status) bool { return st.Role == raft.Leader || again && st.Leader == p.id })
}

// wakeAll wakes the sleeping groups that a host is a member of and that are
// concerned.
func (c *Core) wakeAll(id raft.NodeID, concerned func(raft.Status) bool) {
	for _, r := range c.replicas {
		if r.core == nil && concerned(r.asleep.Status()) && r.membership().Contains(id) {
			c.wake(r, id)
		}
	}
}
