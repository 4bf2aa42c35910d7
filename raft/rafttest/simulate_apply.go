package rafttest

import (
	"slices"

	"github.com/flagship-go/flagship/raft"
)

// What a simulated node does with the core's word: it executes, answers reads,
// and takes snapshots.

// apply hands what is committed to the state machine and answers the clients.
func (n *simNode) apply(snapshot *raft.Snapshot, entries []raft.Entry) {
	if snapshot != nil {
		if !n.restore(snapshot) {
			return
		}
		clear(n.waiting) // whether theirs was in it they find out by asking again
	}
	for i := range entries {
		e := &entries[i]
		c, answer, answered, err := n.state.apply(e)
		if err != nil {
			n.s.fail("state-machine-safety", "§5.3", "%s applies entry %d, which nobody proposed: %v", n.id, e.Index, err)
			return
		}
		n.s.stateAt(n, "state-machine-safety", "§5.4.3")
		if e.Type == raft.EntryMembership {
			n.s.applied(n, e)
		}
		w, ok := n.waiting[e.Index]
		delete(n.waiting, e.Index)
		if ok && answered && w.term == e.Term && w.client == c.client {
			n.s.acked = max(n.s.acked, e.Index)
			n.p.Send(c.client, simReply{seq: c.seq, ok: true, simAnswer: answer})
		}
	}
	if n.state.applied > 0 {
		n.core.Applied(n.state.applied)
	}
}

// restore replaces the state by a snapshot's.
func (n *simNode) restore(snapshot *raft.Snapshot) bool {
	state, err := decodeSimState(snapshot.Data)
	if err != nil || state.applied != snapshot.Index || state.term != snapshot.Term {
		n.s.fail("snapshot-state", "§7", "the snapshot at %d/t%d of %s holds the state at %d/t%d (error: %v)",
			snapshot.Index, snapshot.Term, n.id, state.applied, state.term, err)
		return false
	}
	if want := n.s.membersAt(snapshot.Index); !sameMembers(snapshot.Membership, want) {
		n.s.fail("snapshot-members", "§7", "the snapshot at %d of %s names the members %+v, they were %+v",
			snapshot.Index, n.id, snapshot.Membership, want)
		return false
	}
	n.state, n.snapshotAt = state, snapshot.Index
	n.s.stateAt(n, "snapshot-state", "§7")
	return true
}

// decide takes the core's word on reads.
func (n *simNode) decide(reads []raft.Read) {
	for _, r := range reads {
		request, ok := n.asked[r.ID]
		delete(n.asked, r.ID)
		switch {
		case !ok:
			n.s.fail("read-once", "D§6.4", "%s decides read %d, which is not asked any more", n.id, r.ID)
		case r.Lost:
			n.refuse(request.client, request.seq, &raft.NotLeaderError{})
		default:
			if n.core.Status().Role != raft.Leader {
				n.s.stats.FollowerReads++
			} else if n.s.opts.Lease > 0 && r.ID == n.fresh {
				n.s.stats.LeaseReads++
			}
			n.decided = append(n.decided, simRead{r.Index, request})
		}
	}
}

// releaseReads answers the reads whose index is applied.
func (n *simNode) releaseReads() {
	if len(n.decided) == 0 {
		return
	}
	n.decided = slices.DeleteFunc(n.decided, func(r simRead) bool {
		if r.index > n.state.applied {
			return false
		}
		n.p.Send(r.request.client, simReply{seq: r.request.seq, ok: true, simAnswer: simAnswer{n.state.keys[r.request.key], true}})
		return true
	})
}

// snapshot stores the state and cuts the log behind it.
func (n *simNode) snapshot() error {
	s := raft.Snapshot{
		Index: n.state.applied, Term: n.state.term,
		Membership: raft.Membership{Voters: slices.Clone(n.s.first)}, Data: n.state.encode(),
	}
	if c, ok := n.core.(MembershipCore); ok {
		s.Membership = c.MembershipAt(s.Index)
	}
	if len(s.Membership.Voters) == 0 {
		return nil // a new node, before the entry that made it a member
	}
	if err := n.disk.saveSnapshot(s); err != nil {
		return err
	}
	n.snapshotAt = s.Index
	n.s.stats.Snapshots++
	upTo := max(n.core.Status().First-1, s.Index-min(s.Index, n.s.opts.KeepEntries))
	if err := n.core.Compact(s, upTo); err != nil {
		n.s.fail("compaction", "§7", "%s refuses to compact: %v", n.id, err)
		return nil
	}
	return n.disk.storage.Compact(upTo)
}
