package rafttest

import (
	"fmt"
	"slices"

	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/disk"
)

// simDisk brings Readys to a node's storage in the order that [raft.Ready]
// asks for: at once, or gathered.
//
//	at once:   Ready 1 | write, sync | AfterSync 1, Synced 1 | Ready 2 | write ...
//
//	gathered:  Ready 1, write | Ready 2, write | Ready 3, write | sync | AfterSync 1, 2, 3, Synced 3
//	                          ^ a power cut here may lose any of it
type simDisk struct {
	n       *simNode
	storage raft.Storage
	hard    raft.HardState // last written
	pending []simWrite     // written, not synced
}

// simWrite is what waits for a sync.
type simWrite struct {
	seq       uint64
	afterSync []raft.Message
}

func (d *simDisk) open(n *simNode) (raft.State, error) {
	d.n = n
	var err error
	if d.storage, err = n.s.opts.OpenStorage(n.id, n.p.Disk()); err != nil {
		return raft.State{}, err
	}
	st, err := d.storage.Load()
	d.hard = st.HardState
	return st, err
}

func (d *simDisk) promise() *simPromise { return &d.n.s.host(d.n.id).promise }

// take does what a Ready asks for behind its Messages.
func (d *simDisk) take(rd *raft.Ready) error {
	gather := d.n.s.opts.SyncDelay > 0
	if gather {
		// The next call of the core may reuse these.
		rd.AfterSync, rd.Reads = slices.Clone(rd.AfterSync), slices.Clone(rd.Reads)
	}
	if rd.Snapshot != nil {
		// It is durable when it is stored: what came before it must be so too.
		if err := d.sync(); err != nil {
			return err
		}
		if err := d.saveSnapshot(*rd.Snapshot); err != nil {
			return err
		}
	}
	if rd.Seq > 0 {
		if err := d.save(rd.HardState, rd.Entries, rd.MustSync && !gather); err != nil {
			return err
		}
	}
	d.n.decide(rd.Reads)
	if gather && (rd.MustSync || len(d.pending) > 0) {
		d.n.apply(rd.Snapshot, rd.Committed)
		if len(d.pending) == 0 {
			d.n.p.After(d.n.s.opts.SyncDelay, d.n.onSync)
		}
		d.pending = append(d.pending, simWrite{rd.Seq, rd.AfterSync})
		return nil
	}
	d.n.send(rd.AfterSync)
	d.n.apply(rd.Snapshot, rd.Committed)
	if rd.Seq > 0 {
		d.n.core.Synced(rd.Seq)
	}
	return nil
}

// sync makes durable what gathered, and keeps the promises that waited for it.
func (d *simDisk) sync() error {
	if len(d.pending) == 0 {
		return nil
	}
	if err := d.save(d.hard, nil, true); err != nil {
		return err
	}
	done := d.pending
	d.pending = nil
	for _, w := range done {
		d.n.send(w.afterSync)
		if w.seq > 0 {
			d.n.core.Synced(w.seq)
		}
	}
	return nil
}

func (d *simDisk) save(hs raft.HardState, entries []raft.Entry, sync bool) error {
	before := d.n.p.Now()
	if was := d.hard; hs.Term < was.Term || hs.Term == was.Term && was.VotedFor != raft.None && hs.VotedFor != was.VotedFor {
		d.n.s.fail("vote-kept", "§5.2, Figure 2", "%s, in term %d with a vote for %s, stores term %d with a vote for %s",
			d.n.id, was.Term, was.VotedFor, hs.Term, hs.VotedFor)
	}
	d.promise().saving(entries)
	if err := d.storage.Save(hs, entries, sync); err != nil {
		return err
	}
	d.hard = hs
	d.promise().saved(hs, entries, sync)
	if sync {
		d.n.s.stats.Syncs++
	}
	if d.n.p.Now() > before {
		d.n.s.stats.DiskStalls++
	}
	return nil
}

func (d *simDisk) saveSnapshot(s raft.Snapshot) error {
	d.promise().savingSnapshot(s.Index, s.Term)
	if err := d.storage.SaveSnapshot(s); err != nil {
		return err
	}
	d.promise().savedSnapshot(s.Index, s.Term)
	return nil
}

// OpenStorage opens a node's storage as the simulator does by default: package
// raft/disk, with log files so small that a run fills and drops several.
func OpenStorage(id raft.NodeID, fs FS) (raft.Storage, error) {
	s, err := disk.Open("raft", &disk.Options{Node: id, Cluster: "simulated", FS: fs, SegmentSize: 4 << 10})
	if err != nil {
		return nil, fmt.Errorf("open the storage of %s: %w", id, err)
	}
	return s, nil
}
