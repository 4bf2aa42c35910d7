package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	etcd "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// etcdCluster is three RawNodes, each driven by a goroutine of its own, in the
// two ways that etcd offers:
//
//	synchronous    the loop saves, sends, applies, advances; a leader sends
//	               before it saves, as etcd's server does
//	asynchronous   a second goroutine saves, everything that has gathered with
//	               one sync, and the loop goes on meanwhile
//
// Both take whatever has arrived as one step: messages, and all proposals as
// one MsgProp. Applying is done by the loop, for there is nothing to do.
type etcdCluster struct {
	nodes []*etcdNode
}

type etcdNode struct {
	rn      *etcd.RawNode
	storage *etcd.MemoryStorage
	log     *wal.WAL // nil: in memory only
	peers   []*etcdNode
	id      uint64
	async   bool

	mu        sync.Mutex
	messages  []*pb.Message
	proposals []*etcdProposal
	wake      chan struct{} // holds one token while there is something
	pool      sync.Pool     // of *etcdProposal

	// Of the loop.
	waiting []*etcdProposal // in the log, in its order
	outgo   [][]*pb.Message // by receiver-1, reused
	applied uint64
	first   uint64 // of the log

	appends *appendThread // async only
	stop    chan struct{}
	wg      sync.WaitGroup
	lead    chan struct{} // closed when it leads and has committed something
}

type etcdProposal struct {
	command []byte
	done    chan error // holds one
}

var errNoLeader = errors.New("the leader was deposed")

func startEtcd(async bool) start {
	return func(ctx context.Context, dirs []string) (cluster, error) {
		c := &etcdCluster{}
		for i := range 3 {
			n := &etcdNode{id: uint64(i + 1), async: async, wake: make(chan struct{}, 1), stop: make(chan struct{}), lead: make(chan struct{}), outgo: make([][]*pb.Message, 3)}
			n.rn, n.storage = newRawNode(n.id, async)
			n.pool.New = func() any { return &etcdProposal{done: make(chan error, 1)} }
			if dirs != nil {
				var err error
				if n.log, err = wal.Create(nil, filepath.Join(dirs[i], "wal"), nil); err != nil {
					return nil, err
				}
			}
			c.nodes = append(c.nodes, n)
		}
		for _, n := range c.nodes {
			n.peers = c.nodes
			if async {
				n.appends = &appendThread{n: n, wake: make(chan struct{}, 1)}
				n.wg.Go(n.appends.run)
			}
			n.wg.Go(func() { n.run(n.id == 1) })
		}
		select {
		case <-c.nodes[0].lead:
			return c, nil
		case <-time.After(10 * time.Second):
			return nil, errors.Join(errors.New("electing a leader: too long"), c.Close())
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), c.Close())
		}
	}
}

func (c *etcdCluster) propose(ctx context.Context, command []byte) error {
	n := c.nodes[0]
	p := n.pool.Get().(*etcdProposal)
	p.command = command
	n.mu.Lock()
	n.proposals = append(n.proposals, p)
	n.mu.Unlock()
	wakeUp(n.wake)
	select {
	case err := <-p.done:
		n.pool.Put(p)
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *etcdCluster) Close() error {
	var err error
	for _, n := range c.nodes {
		close(n.stop)
	}
	for _, n := range c.nodes {
		n.wg.Wait()
		if n.log != nil {
			err = errors.Join(err, n.log.Close())
		}
	}
	return err
}

func wakeUp(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// deliver hands over messages; the slice stays the caller's.
func (n *etcdNode) deliver(messages []*pb.Message) {
	n.mu.Lock()
	n.messages = append(n.messages, messages...)
	n.mu.Unlock()
	wakeUp(n.wake)
}

func (n *etcdNode) run(campaign bool) {
	ticker := time.NewTicker(clusterTick)
	defer ticker.Stop()
	if campaign {
		must(n.rn.Campaign())
	}
	var messages []*pb.Message
	var proposals []*etcdProposal
	for {
		for n.rn.HasReady() {
			n.handle(n.rn.Ready())
		}
		select {
		case <-n.stop:
			return
		case <-ticker.C:
			n.rn.Tick()
		case <-n.wake:
			// Who else is ready to propose or to answer does so first: larger
			// batches, at a third of the processor time.
			runtime.Gosched()
			clear(messages)
			clear(proposals)
			n.mu.Lock()
			messages, n.messages = n.messages, messages[:0]
			proposals, n.proposals = n.proposals, proposals[:0]
			n.mu.Unlock()
			for _, m := range messages {
				must(n.rn.Step(m))
			}
			n.enter(proposals)
		}
	}
}

// enter proposes what has gathered, as one message.
func (n *etcdNode) enter(proposals []*etcdProposal) {
	if len(proposals) == 0 {
		return
	}
	m := &pb.Message{Type: pb.MsgProp.Enum(), From: &n.id, Entries: make([]*pb.Entry, len(proposals))}
	for i, p := range proposals {
		m.Entries[i] = &pb.Entry{Data: p.command}
	}
	if err := n.rn.Step(m); err != nil {
		for _, p := range proposals {
			p.done <- err
		}
		return
	}
	n.waiting = append(n.waiting, proposals...)
}

func (n *etcdNode) handle(rd etcd.Ready) {
	if rd.SoftState != nil && rd.RaftState != etcd.StateLeader {
		for _, p := range n.waiting {
			p.done <- errNoLeader
		}
		n.waiting = nil
	}
	if n.async {
		n.send(rd.Messages)
		return
	}
	leads := n.rn.BasicStatus().RaftState == etcd.StateLeader
	if leads {
		n.send(rd.Messages)
	}
	n.restore(rd.Snapshot)
	if n.log != nil {
		must(n.log.Save(rd.HardState, rd.Entries))
	}
	must(n.storage.Append(rd.Entries))
	if !etcd.IsEmptyHardState(rd.HardState) {
		must(n.storage.SetHardState(rd.HardState))
	}
	if !leads {
		n.send(rd.Messages)
	}
	n.apply(rd.CommittedEntries)
	n.rn.Advance(rd)
	n.compact()
}

// send gives each receiver its messages at once. What goes to the storage
// threads of this node is theirs.
func (n *etcdNode) send(messages []*pb.Message) {
	for _, m := range messages {
		switch to := m.GetTo(); to {
		case etcd.LocalAppendThread:
			n.appends.put(m)
		case etcd.LocalApplyThread:
			n.apply(m.GetEntries())
			for _, r := range m.GetResponses() {
				must(n.rn.Step(r))
			}
			n.compact()
		default:
			n.outgo[to-1] = append(n.outgo[to-1], m)
			if m.GetType() == pb.MsgSnap {
				defer n.rn.ReportSnapshot(to, etcd.SnapshotFinish)
			}
		}
	}
	flush(n.peers, n.outgo)
}

// restore takes the snapshot that a follower far behind is sent; there is no
// state in it.
func (n *etcdNode) restore(s *pb.Snapshot) {
	if etcd.IsEmptySnap(s) {
		return
	}
	must(n.storage.ApplySnapshot(s))
	if meta := s.GetMetadata(); n.log != nil {
		must(n.log.SaveSnapshot(&walpb.Snapshot{Index: meta.Index, Term: meta.Term, ConfState: meta.ConfState}))
	}
}

func flush(peers []*etcdNode, outgo [][]*pb.Message) {
	for i, ms := range outgo {
		if len(ms) > 0 {
			peers[i].deliver(ms)
			clear(ms)
			outgo[i] = ms[:0]
		}
	}
}

// apply is the state machine, and wakes those who wait. Every entry with data
// was proposed here, in this order.
func (n *etcdNode) apply(entries []*pb.Entry) {
	if len(entries) == 0 {
		return
	}
	k := 0
	for _, e := range entries {
		if len(e.GetData()) > 0 && k < len(n.waiting) {
			n.waiting[k].done <- nil
			k++
		}
	}
	rest := copy(n.waiting, n.waiting[k:])
	clear(n.waiting[rest:])
	n.waiting = n.waiting[:rest]
	n.applied = entries[len(entries)-1].GetIndex()
	if n.id == 1 && n.first == 0 {
		n.first = 1
		close(n.lead)
	}
}

// compact keeps as many entries as package raft does by default: it cuts to
// the last 5,000 every 10,000.
func (n *etcdNode) compact() {
	if n.log != nil && n.applied < n.first+durableSnapshots || n.applied < n.first+keep+keep/2 {
		return
	}
	if first, _ := n.storage.FirstIndex(); first > n.first { // a snapshot came
		n.first = first
		n.compact()
		return
	}
	if _, err := n.storage.CreateSnapshot(n.applied, nil, nil); err != nil {
		panic(err)
	}
	n.first = n.applied - keep/2 + 1
	must(n.storage.Compact(n.first - 1))
}

// appendThread saves what the loop gives it, and answers.
type appendThread struct {
	n     *etcdNode
	mu    sync.Mutex
	queue []*pb.Message
	wake  chan struct{}
}

func (t *appendThread) put(m *pb.Message) {
	t.mu.Lock()
	t.queue = append(t.queue, m)
	t.mu.Unlock()
	wakeUp(t.wake)
}

func (t *appendThread) run() {
	var batch []*pb.Message
	var entries []*pb.Entry
	outgo := make([][]*pb.Message, len(t.n.peers))
	for {
		select {
		case <-t.n.stop:
			return
		case <-t.wake:
		}
		clear(batch)
		t.mu.Lock()
		batch, t.queue = t.queue, batch[:0]
		t.mu.Unlock()
		entries = t.save(batch, entries[:0])
		for _, m := range batch {
			for _, r := range m.GetResponses() {
				outgo[r.GetTo()-1] = append(outgo[r.GetTo()-1], r)
			}
		}
		flush(t.n.peers, outgo)
	}
}

// save makes a batch durable with one sync. The log is read back in its order,
// where later entries replace earlier ones.
func (t *appendThread) save(batch []*pb.Message, entries []*pb.Entry) []*pb.Entry {
	var hard *pb.HardState
	for _, m := range batch {
		if !etcd.IsEmptySnap(m.GetSnapshot()) {
			entries = entries[:0] // it replaces the log
			t.n.restore(m.GetSnapshot())
		}
		entries = append(entries, m.GetEntries()...)
		if m.Term != nil {
			hard = &pb.HardState{Term: m.Term, Vote: m.Vote, Commit: m.Commit}
		}
	}
	if t.n.log != nil {
		must(t.n.log.Save(hard, entries))
	}
	for _, m := range batch {
		must(t.n.storage.Append(m.GetEntries()))
	}
	if hard != nil {
		must(t.n.storage.SetHardState(hard))
	}
	clear(entries)
	return entries
}

// must is for what cannot fail in a benchmark without ending it.
func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("raft: etcd: %v", err))
	}
}
