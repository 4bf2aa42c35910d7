package multi

import (
	"slices"

	"github.com/flagship-go/flagship/raft"
)

// Ready is what a core asks of its shell, for all groups at once. The shell
//
//  1. may send Send at once,
//  2. stores Writes, in order and as one, and waits for the disk once if
//     MustSync,
//  3. then sends AfterSync and calls Synced(Seq),
//  4. hands the snapshots of Writes that say Install, then Committed to the
//     groups' state machines, and calls Applied,
//  5. has the state machines write the Snapshots and sends them.
//
// What package raft says of its Ready holds here: writes reach the disk in the
// order of their Readys, AfterSync waits for all writes before it, also of
// earlier Readys. Send is valid until the core is called again; everything else
// stays valid, and must not be changed.
type Ready struct {
	// Seq names this Ready in Synced; 0 when there is nothing to store.
	Seq uint64
	// Writes are the groups' records (M2).
	Writes   []Write
	MustSync bool
	// Send is at most one envelope a host.
	Send []Envelope
	// AfterSync are the promises of all groups: at most one envelope a host.
	AfterSync []Envelope
	Committed []Committed
	Reads     []Read
	// Snapshots are asked for by followers: their Raft.Snapshot lacks Data, and
	// may be replaced by a newer one.
	Snapshots []Message
	// Leads are the groups whose leadership came to this host or left it.
	Leads []Lead
	// Joining are groups that this host lacks and whose members count on it: it
	// should have a replica. The shell calls Join (M8).
	Joining []GroupID
}

// Write is a record of one group.
type Write struct {
	Group     GroupID
	HardState raft.HardState
	// Entries go to the group's log; the first replaces what is stored at its
	// index and behind.
	Entries []raft.Entry
	// Snapshot, if there is one, replaces all that was stored of the group:
	// nothing is left but it, HardState and Entries.
	Snapshot *raft.Snapshot
	// Install says that Snapshot came from the leader.
	Install bool
	// Remove: nothing of the group is wanted any more, for ever (M9).
	Remove bool
}

// Committed are entries of a group to apply, in order, each exactly once.
type Committed struct {
	Group   GroupID
	Entries []raft.Entry
}

// Read is a decided read of a group.
type Read struct {
	Group GroupID
	raft.Read
}

// Lead says that this host took or lost the lead of a group.
type Lead struct {
	Group GroupID
	Term  uint64
	Leads bool
}

// outbox gathers a Ready.
type outbox struct {
	seq     uint64
	writes  []Write // that no group's core asked for
	joining []GroupID
	leads   []Lead // lost with their group
	parts   []part
	send    []Envelope // reused
	spare   []*replica
}

// flight is a Ready under way to the disk, part a group's share of it.
type flight struct {
	seq   uint64
	parts []part
}

type part struct {
	replica *replica
	seq     uint64
}

// HasReady says whether Ready has anything in it.
func (c *Core) HasReady() bool {
	if len(c.changed)+len(c.out.writes)+len(c.out.joining) > 0 {
		return true
	}
	for _, p := range c.peers {
		if p.beat || len(p.now) > 0 {
			return true
		}
	}
	return false
}

// Ready takes what there is to do. Each thing is handed out once.
func (c *Core) Ready() Ready {
	o := &c.out
	rd := Ready{Writes: o.writes, MustSync: len(o.writes) > 0, Joining: o.joining, Leads: o.leads}
	o.writes, o.joining, o.leads = nil, nil, nil
	changed := c.changed
	c.changed, o.spare = o.spare[:0], changed
	for i, r := range changed {
		changed[i] = nil
		r.marked = false
		if r.core != nil && !r.gone {
			c.take(r, &rd)
		}
	}
	if len(rd.Writes) > 0 {
		o.seq++
		rd.Seq = o.seq
		c.inflight = append(c.inflight, flight{o.seq, o.parts})
		o.parts = nil
	}
	c.pack(&rd)
	return rd
}

// take adds what one group has to do.
func (c *Core) take(r *replica, rd *Ready) {
	if r.core.HasReady() {
		g := r.core.Ready()
		if c.spy != nil {
			c.spy(r.id, r.core.Status(), &g)
		}
		if g.Seq > 0 {
			c.write(r, &g, rd)
		}
		c.post(r, &g, rd)
		if len(g.Committed) > 0 {
			rd.Committed = append(rd.Committed, Committed{r.id, g.Committed})
		}
		for _, read := range g.Reads {
			rd.Reads = append(rd.Reads, Read{r.id, read})
		}
	}
	r.ticked, r.urgent = false, false
	if st := r.core.Status(); (st.Role == raft.Leader) != r.led {
		r.led = !r.led
		rd.Leads = append(rd.Leads, Lead{r.id, st.Term, r.led})
	}
	if r.core.HasReady() {
		c.mark(r)
	} else {
		c.followRest(r)
	}
}

// write puts a group's record beside those of the others (M2).
func (c *Core) write(r *replica, g *raft.Ready, rd *Ready) {
	rd.Writes = append(rd.Writes, Write{
		Group: r.id, HardState: g.HardState, Entries: g.Entries, Snapshot: g.Snapshot, Install: g.Snapshot != nil,
	})
	rd.MustSync = rd.MustSync || g.MustSync
	r.writing++
	c.out.parts = append(c.out.parts, part{r, g.Seq})
	changed := g.Snapshot != nil
	for i := range g.Entries {
		changed = changed || g.Entries[i].Type == raft.EntryMembership
	}
	if changed {
		c.meet(r.core.Membership()) // at once, for what is sent now
		c.recount = true
	}
}

// post puts a group's messages into the envelopes.
func (c *Core) post(r *replica, g *raft.Ready, rd *Ready) {
	for _, m := range g.Messages {
		if m.Type == raft.InstallSnapshot {
			rd.Snapshots = append(rd.Snapshots, Message{Group: r.id, Raft: m})
			continue
		}
		beat := r.ticked && !r.urgent && m.Type == raft.AppendEntries && len(m.Entries) == 0
		p := c.peer(m.To)
		p.now = append(p.now, Message{Group: r.id, Beat: beat, Raft: m})
	}
	for _, m := range g.AfterSync {
		if r.restAnswer(&m) {
			continue // the leader sleeps, and knows
		}
		p := c.peer(m.To)
		to, beat := &p.now, false
		switch {
		case r.writing > 0:
			to = &p.after
		case !r.urgent && m.Type == raft.AppendEntriesReply && !m.Reject:
			to, beat = &p.acks, true // M1: heartbeats are answered with the next tick
		}
		*to = append(*to, Message{Group: r.id, Beat: beat, Raft: m})
	}
}

// pack makes envelopes of what is to be sent: one a host.
func (c *Core) pack(rd *Ready) {
	clear(c.out.send)
	rd.Send = c.out.send[:0]
	for _, p := range c.peers {
		if p.beat || len(p.now) > 0 {
			rd.Send = append(rd.Send, c.Envelope(p.id, p.now))
			p.now, p.beat = nil, false
		}
		if len(p.after) > 0 {
			rd.AfterSync = append(rd.AfterSync, c.Envelope(p.id, p.after))
			p.after = nil
		}
	}
	c.out.send = rd.Send
}

// Envelope addresses messages of this host: what the shell has to send by itself.
func (c *Core) Envelope(to raft.NodeID, messages []Message) Envelope {
	return Envelope{From: c.cfg.ID, To: to, Life: c.cfg.Life, Shares: c.peer(to).shared > 0, Messages: messages}
}

// Synced tells that the writes of all Readys up to seq are durable.
func (c *Core) Synced(seq uint64) {
	done := 0
	for _, f := range c.inflight {
		if f.seq > seq {
			break
		}
		done++
		for _, p := range f.parts {
			p.replica.writing--
			if p.replica.core != nil {
				p.replica.core.Synced(p.seq)
				c.mark(p.replica)
			}
		}
	}
	c.inflight = slices.Delete(c.inflight, 0, done)
}
