package main

import (
	"context"
	"encoding/binary"
	"fmt"

	etcd "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/flagship-go/flagship/examples/versus/raft/etcdraft"
	"github.com/flagship-go/flagship/internal/versus"
	"github.com/flagship-go/flagship/raft"
)

// The cores alone: three replicas on one goroutine, without disk or network.
// What is measured is the algorithm's own cost, of the whole cluster.

// trio is three replicas in lockstep, the first of them leading.
type trio interface {
	// commit brings commands through the cluster, all replicas have applied
	// them in the end.
	commit(commands [][]byte)
	// read asks the leader for so many read indexes, and waits for them.
	read(n int)
	// tick lets a tick pass at all replicas.
	tick()
}

func lockstepTable() table {
	const (
		one, many   = versus.Cell("op=commit/batch=1"), versus.Cell("op=commit/batch=256")
		some        = versus.Cell("op=commit/batch=16")
		read, reads = versus.Cell("op=read/batch=1"), versus.Cell("op=read/batch=64")
		tick        = versus.Cell("op=tick")
	)
	return table{Table: versus.Table{
		Name: "lockstep", Ours: ours, Title: "The core alone: three replicas on one goroutine, 64 B commands",
		Contenders: []versus.Contender{
			{Name: ours, Module: "github.com/flagship-go/flagship", Setup: lockstep(func() trio { return newOurTrio() })},
			{Name: etcdSync, Module: "go.etcd.io/raft/v3", Setup: lockstep(func() trio { return newEtcdTrio() })},
		},
		Cells: []versus.Cell{one, some, many, read, reads, tick}, Quick: []versus.Cell{one, reads, tick},
		Goals: []versus.Goal{
			{Metric: versus.CPUPerOp, AtMost: 0.25, Cells: []versus.Cell{one}},
			{Metric: versus.CPUPerOp, AtMost: 0.4, Cells: []versus.Cell{many}},
		},
	}, limits: []limit{
		{versus.AllocsPerOp, 8, []versus.Cell{one}},
		{versus.AllocsPerOp, 2, []versus.Cell{many}},
		// Of the machinery around the loop a few remain in each sample.
		{versus.AllocsPerOp, 0.01, []versus.Cell{tick}},
	}}
}

func lockstep(build func() trio) func(context.Context, versus.Cell) (versus.Runner, error) {
	return func(context.Context, versus.Cell) (versus.Runner, error) { return lockstepRunner{build()}, nil }
}

type lockstepRunner struct{ trio }

func (lockstepRunner) Close() error { return nil }

// Run counts a commit, a read or a tick of all three as an operation.
func (r lockstepRunner) Run(_ context.Context, w *versus.Work) error {
	batch := w.Cell.Int("batch", 1)
	commands := make([][]byte, batch)
	for i := range commands {
		commands[i] = make([]byte, 64)
	}
	work := map[string]func(){
		"commit": func() { r.commit(commands) },
		"read":   func() { r.read(batch) },
		"tick":   r.tick,
	}[w.Cell.Get("op")]
	c := w.NewClient()
	for {
		for range batch {
			if !c.Next() {
				return nil
			}
		}
		work()
	}
}

// keep is how many entries a replica's log holds before the older are
// compacted; the same for all.
const keep = 10_000

// ourTrio runs package raft.
type ourTrio struct {
	cores [3]*raft.Core
	queue []raft.Message
	reads int
	id    uint64
}

func newOurTrio() *ourTrio {
	t := &ourTrio{}
	for i := range t.cores {
		c, err := raft.NewCore(raft.Config{ID: raft.NodeID(i + 1), Voters: []raft.NodeID{1, 2, 3}, Seed: 1}, raft.State{})
		if err != nil {
			panic(err)
		}
		t.cores[i] = c
	}
	for t.cores[0].Status().Role != raft.Leader {
		t.cores[0].Tick()
		t.settle()
	}
	return t
}

func (t *ourTrio) settle() {
	for again := true; again; {
		again = false
		for _, c := range t.cores {
			for c.HasReady() {
				rd := c.Ready()
				t.queue = append(append(t.queue, rd.Messages...), rd.AfterSync...)
				if n := len(rd.Committed); n > 0 {
					c.Applied(rd.Committed[n-1].Index)
				}
				t.reads += len(rd.Reads)
				c.Synced(rd.Seq)
				again = true
			}
		}
		for i := range t.queue {
			if err := t.cores[t.queue[i].To-1].Step(t.queue[i]); err != nil {
				panic(err)
			}
			again = true
		}
		clear(t.queue)
		t.queue = t.queue[:0]
	}
}

func (t *ourTrio) commit(commands [][]byte) {
	index, _, err := t.cores[0].Propose(commands...)
	if err != nil {
		panic(err)
	}
	t.settle()
	st := t.cores[0].Status()
	if st.Applied < index+uint64(len(commands))-1 {
		panic(fmt.Sprintf("not applied: %+v", st))
	}
	if st.Applied-st.First > keep {
		for _, c := range t.cores {
			st := c.Status()
			s := raft.Snapshot{Index: st.Applied, Term: st.LastTerm, Membership: raft.Membership{Voters: []raft.NodeID{1, 2, 3}}}
			if err := c.Compact(s, st.Applied); err != nil {
				panic(err)
			}
		}
	}
}

func (t *ourTrio) read(n int) {
	want := t.reads + n
	for range n {
		t.id++
		if err := t.cores[0].ReadIndex(t.id); err != nil {
			panic(err)
		}
	}
	t.settle()
	if t.reads != want {
		panic("reads were not answered")
	}
}

func (t *ourTrio) tick() {
	for _, c := range t.cores {
		c.Tick()
	}
	t.settle()
}

// etcdTrio runs etcd's RawNode, with storage that answers at once.
type etcdTrio struct {
	nodes   [3]*etcd.RawNode
	storage [3]*etcd.MemoryStorage
	queue   []*pb.Message
	reads   int
	id      uint64
	applied uint64 // by the first
	first   uint64
}

func newEtcdTrio() *etcdTrio {
	t := &etcdTrio{}
	for i := range t.nodes {
		t.nodes[i], t.storage[i] = newRawNode(uint64(i+1), false)
	}
	if err := t.nodes[0].Campaign(); err != nil {
		panic(err)
	}
	t.settle()
	return t
}

// newRawNode makes a node of three with the limits of package raft's defaults.
func newRawNode(id uint64, async bool) (*etcd.RawNode, *etcd.MemoryStorage) {
	s := etcd.NewMemoryStorage()
	s.ApplySnapshot(&pb.Snapshot{Metadata: &pb.SnapshotMetadata{ConfState: &pb.ConfState{Voters: []uint64{1, 2, 3}}}})
	n, err := etcd.NewRawNode(&etcd.Config{
		ID: id, Storage: s, ElectionTick: 10, HeartbeatTick: 1, AsyncStorageWrites: async,
		MaxSizePerMsg: 1 << 20, MaxCommittedSizePerReady: 4 << 20, MaxInflightMsgs: 256, MaxInflightBytes: 16 << 20,
		MaxUncommittedEntriesSize: 256 << 20, PreVote: true, CheckQuorum: true, Logger: etcdraft.Silent{},
	})
	if err != nil {
		panic(err)
	}
	return n, s
}

func (t *etcdTrio) settle() {
	for again := true; again; {
		again = false
		for i, n := range t.nodes {
			for n.HasReady() {
				rd := n.Ready()
				t.storage[i].Append(rd.Entries)
				if !etcd.IsEmptyHardState(rd.HardState) {
					t.storage[i].SetHardState(rd.HardState)
				}
				t.queue = append(t.queue, rd.Messages...)
				if k := len(rd.CommittedEntries); k > 0 && i == 0 {
					t.applied = rd.CommittedEntries[k-1].GetIndex()
				}
				t.reads += len(rd.ReadStates)
				n.Advance(rd)
				again = true
			}
		}
		for _, m := range t.queue {
			if err := t.nodes[m.GetTo()-1].Step(m); err != nil {
				panic(err)
			}
			again = true
		}
		clear(t.queue)
		t.queue = t.queue[:0]
	}
}

func (t *etcdTrio) commit(commands [][]byte) {
	want := t.applied + uint64(len(commands))
	m := &pb.Message{Type: pb.MsgProp.Enum(), From: new(uint64(1)), Entries: make([]*pb.Entry, len(commands))}
	for i, c := range commands {
		m.Entries[i] = &pb.Entry{Data: c}
	}
	if err := t.nodes[0].Step(m); err != nil {
		panic(err)
	}
	t.settle()
	if t.applied < want {
		panic("not applied")
	}
	if t.applied-t.first > keep {
		for _, s := range t.storage {
			if err := s.Compact(t.applied); err != nil {
				panic(err)
			}
		}
		t.first = t.applied
	}
}

func (t *etcdTrio) read(n int) {
	want := t.reads + n
	for range n {
		t.id++
		t.nodes[0].ReadIndex(binary.LittleEndian.AppendUint64(nil, t.id))
	}
	t.settle()
	if t.reads != want {
		panic("reads were not answered")
	}
}

func (t *etcdTrio) tick() {
	for _, n := range t.nodes {
		n.Tick()
	}
	t.settle()
}
