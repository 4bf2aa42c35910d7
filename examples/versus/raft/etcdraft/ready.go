package etcdraft

import (
	"encoding/binary"
	"fmt"
	"slices"

	etcd "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/flagship-go/flagship/raft"
)

// What leaves a RawNode, and what comes back from the disk and from the state
// machine.

// HasReady implements [rafttest.Core].
func (c *Core) HasReady() bool { return c.gathered != nil || len(c.behind) > 0 }

// Ready implements [rafttest.Core].
func (c *Core) Ready() raft.Ready {
	if len(c.behind) > 0 {
		rd := c.behind[0]
		c.behind = c.behind[1:]
		return rd
	}
	rd := c.ready
	if c.gathered == nil {
		rd.HardState = c.hard
	}
	c.ready, c.gathered = raft.Ready{}, nil
	return rd
}

// drain gathers what the RawNode has to say.
func (c *Core) drain() {
	for c.rn.HasReady() {
		c.gather(c.rn.Ready())
	}
	c.loseReads()
}

// gather adds a Ready of the RawNode to what was not handed out yet.
func (c *Core) gather(rd etcd.Ready) {
	if !etcd.IsEmptySnap(rd.Snapshot) && c.gathered != nil {
		// What was committed before goes to the state machine first.
		c.behind = append(c.behind, c.ready)
		c.ready, c.gathered = raft.Ready{}, nil
	}
	if c.gathered == nil {
		c.seq++
		c.gathered = &write{seq: c.seq}
		c.writes = append(c.writes, c.gathered)
		c.ready.Seq = c.seq
	}
	out := &c.ready
	if !etcd.IsEmptyHardState(rd.HardState) {
		c.hard = raft.HardState{Term: rd.GetTerm(), VotedFor: raft.NodeID(rd.GetVote()), Commit: rd.GetCommit()}
	}
	out.HardState = c.hard
	out.MustSync = out.MustSync || rd.MustSync
	if !etcd.IsEmptySnap(rd.Snapshot) {
		out.Snapshot, out.MustSync = snapshotFromEtcd(rd.Snapshot), true
		c.log.restore(out.Snapshot.Index, out.Snapshot.Term)
		c.sink(0)
	}
	if len(rd.Entries) > 0 {
		entries := must(EntriesFromEtcd(rd.Entries))
		first := entries[0].Index
		c.sink(first - 1)
		c.log.splice(entries)
		keep, _ := slices.BinarySearchFunc(out.Entries, first, func(e raft.Entry, i uint64) int { return int(e.Index) - int(i) })
		out.Entries = append(out.Entries[:keep:keep], entries...)
	}
	c.gathered.last = c.log.last()
	out.Committed = append(out.Committed, must(EntriesFromEtcd(rd.CommittedEntries))...)
	for _, s := range rd.ReadStates {
		id := binary.LittleEndian.Uint64(s.RequestCtx)
		if i := slices.IndexFunc(c.reads, func(r read) bool { return r.id == id }); i >= 0 {
			c.reads = slices.Delete(c.reads, i, i+1)
			out.Reads = append(out.Reads, raft.Read{ID: id, Index: s.Index})
		}
	}
	c.route(rd.Messages)
}

// sink caps what the writes under way will have made durable.
func (c *Core) sink(index uint64) {
	for _, w := range c.writes {
		w.last = min(w.last, index)
	}
}

// route sorts a Ready's messages: those to the storage threads carry what must
// wait for them.
func (c *Core) route(messages []*pb.Message) {
	for _, m := range messages {
		switch m.GetTo() {
		case etcd.LocalAppendThread:
			c.gathered.appends = append(c.gathered.appends, m)
			for _, r := range m.GetResponses() {
				if r.GetTo() != c.id {
					c.ready.AfterSync = append(c.ready.AfterSync, must(FromEtcd(r, c)))
				}
			}
		case etcd.LocalApplyThread:
			c.applying = append(c.applying, m.GetResponses()...)
		default:
			if m.GetFrom() == m.GetTo() {
				// etcd passes a read on to whom it follows now: to the asker
				// itself, who has given the read up when it began to lead.
				continue
			}
			c.ready.Messages = append(c.ready.Messages, must(FromEtcd(m, c)))
		}
	}
}

// loseReads reports the reads that nobody will answer any more.
func (c *Core) loseReads() {
	st := c.rn.BasicStatus()
	c.reads = slices.DeleteFunc(c.reads, func(r read) bool {
		if r.term == st.GetTerm() && r.leader == st.Lead && r.left > 0 {
			return false
		}
		if c.gathered == nil {
			c.gathered = &write{} // nothing to store
			c.ready.HardState = c.hard
		}
		c.ready.Reads = append(c.ready.Reads, raft.Read{ID: r.id, Lost: true})
		return true
	})
}

// Synced implements [rafttest.Core].
func (c *Core) Synced(seq uint64) {
	var own []*pb.Message
	for len(c.writes) > 0 && c.writes[0].seq <= seq {
		w := c.writes[0]
		c.writes = c.writes[1:]
		for _, m := range w.appends {
			c.store(m)
			for _, r := range m.GetResponses() {
				if r.GetTo() == c.id {
					own = append(own, r)
				}
			}
		}
		c.log.durable = max(c.log.durable, w.last)
	}
	for _, m := range own {
		c.rn.Step(m)
	}
	c.drain()
}

// store makes a write visible to the RawNode: from now on it reads from there.
func (c *Core) store(m *pb.Message) {
	if s := m.GetSnapshot(); !etcd.IsEmptySnap(s) {
		c.storage.ApplySnapshot(&pb.Snapshot{Metadata: s.GetMetadata()})
	}
	c.storage.Append(m.GetEntries())
	if m.Term != nil {
		c.storage.SetHardState(&pb.HardState{Term: m.Term, Vote: m.Vote, Commit: m.Commit})
	}
}

// Applied implements [rafttest.Core].
func (c *Core) Applied(index uint64) {
	for len(c.applying) > 0 {
		m := c.applying[0]
		if es := m.GetEntries(); es[len(es)-1].GetIndex() > index {
			break
		}
		c.applying = c.applying[1:]
		c.rn.Step(m)
	}
	c.drain()
}

// Compact implements [rafttest.Core].
func (c *Core) Compact(snapshot raft.Snapshot, upTo uint64) error {
	if applied := c.rn.BasicStatus().Applied; snapshot.Index > applied || snapshot.Index < c.log.snapshot || upTo > snapshot.Index {
		return fmt.Errorf("%w: cannot compact to %d with a snapshot at %d: applied is %d, the last snapshot %d",
			raft.ErrInvalid, upTo, snapshot.Index, applied, c.log.snapshot)
	}
	if snapshot.Index > c.log.snapshot {
		if _, err := c.storage.CreateSnapshot(snapshot.Index, confState(snapshot.Membership), nil); err != nil {
			return fmt.Errorf("%w: %w", raft.ErrInvalid, err)
		}
		c.log.snapshot = snapshot.Index
	}
	if upTo > c.log.offset {
		if err := c.storage.Compact(upTo); err != nil {
			return fmt.Errorf("%w: %w", raft.ErrInvalid, err)
		}
		c.log.compact(upTo)
	}
	return nil
}

var roles = map[etcd.StateType]raft.Role{
	etcd.StateFollower: raft.Follower, etcd.StatePreCandidate: raft.PreCandidate,
	etcd.StateCandidate: raft.Candidate, etcd.StateLeader: raft.Leader,
}
