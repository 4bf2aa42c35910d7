package main

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/flagship-go/flagship/raft"
)

// A raftWatch hears every event of every node. It tells the stage those that a
// reader wants to know of, and keeps what the claims are about.
type raftWatch struct {
	stage *Stage

	mu        sync.Mutex
	leaders   map[uint64]raft.NodeID // by term
	twoLead   []string               // terms with two leaders: what must not be
	commits   map[raft.NodeID]uint64
	backwards []string // commit indexes that went back: what must not be
	elected   time.Time
	elections int
	truncated int
	snapshots int
	latencies []time.Duration
}

func newRaftWatch(s *Stage) *raftWatch {
	return &raftWatch{stage: s, leaders: map[uint64]raft.NodeID{}, commits: map[raft.NodeID]uint64{}}
}

// observe takes an event of a core. Nodes call it from their own goroutines.
func (w *raftWatch) observe(e raft.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := ""
	switch e.Kind {
	case raft.EventRole:
		if e.Role == raft.Leader {
			text = w.tookOffice(e)
		}
	case raft.EventQuorumLost:
		text = fmt.Sprintf("reaches no majority, and gives up leading term %d", e.Term)
	case raft.EventTruncated:
		w.truncated++
		text = fmt.Sprintf("drops entry %d and all behind it, which %s does not have: they were never committed", e.Index, e.Peer)
	case raft.EventSnapshotTaken:
		w.snapshots++
		text = fmt.Sprintf("was too far behind for the log, and takes %s's snapshot of entries 1..%d", e.Peer, e.Index)
	case raft.EventMembership:
		text = fmt.Sprintf("logs a change of members, entry %d: it counts at once", e.Index)
	case raft.EventCommitted:
		if e.Index < w.commits[e.Node] {
			w.backwards = append(w.backwards, fmt.Sprintf("%s from %d to %d", e.Node, w.commits[e.Node], e.Index))
		}
		w.commits[e.Node] = e.Index
	}
	if text != "" {
		w.stage.Event(e.Node.String(), text+" ("+e.Rule+")", raftData(e))
	}
}

// raftData is a core's event in words, for those who read the stream as JSON.
func raftData(e raft.Event) any {
	peer := ""
	if e.Peer != raft.None {
		peer = e.Peer.String()
	}
	return struct {
		Node  string `json:"node"`
		Kind  string `json:"kind"`
		Role  string `json:"role"`
		Term  uint64 `json:"term"`
		Peer  string `json:"peer,omitempty"`
		Index uint64 `json:"index,omitempty"`
		Rule  string `json:"rule"`
	}{e.Node.String(), e.Kind.String(), e.Role.String(), e.Term, peer, e.Index, e.Rule}
}

func (w *raftWatch) tookOffice(e raft.Event) string {
	w.elections++
	w.elected = time.Now()
	if other, ok := w.leaders[e.Term]; ok && other != e.Node {
		w.twoLead = append(w.twoLead, fmt.Sprintf("term %d: %s and %s", e.Term, other, e.Node))
	}
	w.leaders[e.Term] = e.Node
	return fmt.Sprintf("is elected leader of term %d", e.Term)
}

// restarted forgets a node's commit index: a node may forget it, and learns it
// anew from its leader.
func (w *raftWatch) restarted(id raft.NodeID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.commits, id)
}

func (w *raftWatch) acknowledged(after time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.latencies = append(w.latencies, after)
}

// lastElection returns when a leader was last elected.
func (w *raftWatch) lastElection() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.elected
}

// summary states what was seen in all, and judges it.
func (w *raftWatch) summary(commit uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := uint64(0)
	for term := range w.leaders {
		last = max(last, term)
	}
	slices.Sort(w.latencies)
	at := func(q float64) time.Duration {
		if len(w.latencies) == 0 {
			return 0
		}
		return w.latencies[int(q*float64(len(w.latencies)-1))].Round(100 * time.Microsecond)
	}
	w.stage.Say("Elections seen: %d. Last term: %d. Commit index: %d. Log ends dropped: %d. Snapshots sent: %d.",
		w.elections, last, commit, w.truncated, w.snapshots)
	w.stage.Say("From proposal to acknowledgement, on disk at a majority: median %v, 99 of 100 within %v, the slowest %v.",
		at(0.50), at(0.99), at(1))
	w.stage.Claim(len(w.twoLead) == 0, "no term has two leaders: of the terms seen, %s", listOr(w.twoLead, fmt.Sprintf("%d had one", len(w.leaders))))
	w.stage.Claim(len(w.backwards) == 0, "no node's commit index goes back: %s", listOr(w.backwards, "it never did"))
}

// listOr is the first few of a list of breaches, or the text if there are none.
func listOr(breaches []string, none string) string {
	if len(breaches) == 0 {
		return none
	}
	return fmt.Sprintf("%d breaches, such as %s", len(breaches), breaches[0])
}
