package rafttest

import (
	"fmt"

	"github.com/flagship-go/flagship/raft"
)

// simPromise is what a node's storage has promised to keep. It is checked at
// every boot, so that a lost write shows at once and not when it has led to a
// second leader.
//
//	log   | t t t t t t t t t
//	      base        safe
//	           synced | written: a crash leaves any of it, or what it replaced
type simPromise struct {
	hard     raft.HardState // as of the last sync
	snapshot uint64
	base     uint64   // index before log[0]
	log      []uint64 // terms, by index
	safe     uint64   // entries up to here are durable
}

// saving notes that a Save begins. Even if it fails, or power is cut in it, it
// may have replaced what was at its first index and behind.
func (p *simPromise) saving(entries []raft.Entry) {
	if len(entries) > 0 {
		p.safe = min(p.safe, max(entries[0].Index-1, p.base))
	}
}

// saved notes that it succeeded.
func (p *simPromise) saved(hs raft.HardState, entries []raft.Entry, sync bool) {
	if len(entries) > 0 {
		first := max(entries[0].Index, p.base+1)
		p.log = p.log[:min(first-p.base-1, uint64(len(p.log)))]
		for i := range entries {
			p.log = append(p.log, entries[i].Term)
		}
	}
	if sync {
		p.hard, p.safe = hs, p.base+uint64(len(p.log))
	}
}

// joins tells whether a snapshot belongs to the log, which then stays.
func (p *simPromise) joins(index, term uint64) bool {
	return index > p.base && index <= p.base+uint64(len(p.log)) && p.log[index-p.base-1] == term
}

// savingSnapshot notes that a SaveSnapshot begins: it may have dropped the log.
func (p *simPromise) savingSnapshot(index, term uint64) {
	if !p.joins(index, term) {
		p.safe = min(p.safe, max(index, p.base))
	}
}

// savedSnapshot notes that it succeeded.
func (p *simPromise) savedSnapshot(index, term uint64) {
	switch {
	case p.joins(index, term):
		p.log = append([]uint64(nil), p.log[index-p.base:]...)
	case index >= p.base:
		p.log = nil
	default:
		return
	}
	p.snapshot, p.base, p.safe = index, index, max(p.safe, index)
}

// kept compares a promise with what was found at a boot.
func (p *simPromise) kept(st raft.State) error {
	lost := func(format string, args ...any) error {
		return &raft.Violation{Rule: "lost-write", Section: "Figure 2, persistent state", Detail: fmt.Sprintf(format, args...)}
	}
	h, was := st.HardState, p.hard
	if h.Term < was.Term || h.Term == was.Term && was.VotedFor != raft.None && h.VotedFor != was.VotedFor {
		return lost("it had synced term %d with a vote for %s, and finds term %d with a vote for %s",
			was.Term, was.VotedFor, h.Term, h.VotedFor)
	}
	first, snapshot := uint64(1), uint64(0)
	if st.Snapshot != nil {
		snapshot = st.Snapshot.Index
	}
	if len(st.Entries) > 0 {
		first = st.Entries[0].Index
	}
	// An older snapshot will do where the log still goes back to it.
	if end := max(snapshot, first+uint64(len(st.Entries))-1); snapshot < p.snapshot && (first > snapshot+1 || end < p.snapshot) {
		return lost("it had stored a snapshot at %d, and finds one at %d", p.snapshot, snapshot)
	}
	for index := max(p.base, snapshot) + 1; index <= p.safe; index++ {
		want := p.log[index-p.base-1]
		i := index - first
		if index < first || i >= uint64(len(st.Entries)) {
			return lost("it had synced entry %d/t%d, and finds a log that ends at %d", index, want, first+uint64(len(st.Entries))-1)
		}
		if got := st.Entries[i].Term; got != want {
			return lost("it had synced entry %d/t%d, and finds one of term %d", index, want, got)
		}
	}
	return nil
}

// loaded takes what a node starts from for durable, because the node does.
func (p *simPromise) loaded(st raft.State) {
	*p = simPromise{hard: st.HardState}
	if s := st.Snapshot; s != nil {
		p.snapshot, p.base = s.Index, s.Index
	}
	for i := range st.Entries {
		if st.Entries[i].Index > p.base {
			p.log = append(p.log, st.Entries[i].Term)
		}
	}
	p.safe = p.base + uint64(len(p.log))
}
