package etcdraft

import (
	"errors"
	"fmt"

	etcd "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"

	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/rafttest"
)

// Core is an etcd RawNode in the place of a [raft.Core]. Calls and answers mean
// what they mean there. Election timeouts do not follow Config.Seed, though:
// etcd draws them from crypto/rand.
//
// It takes each Ready of the RawNode as soon as there is one, so that the log
// and its end are known after every call, and hands out what has gathered.
type Core struct {
	id      uint64
	rn      *etcd.RawNode
	storage *etcd.MemoryStorage // holds what is durable
	cfg     raft.Config
	log     mirror
	hard    raft.HardState

	ready    raft.Ready // gathered, not handed out yet
	gathered *write     // what Synced has to do for it; nil: nothing has gathered
	behind   []raft.Ready
	seq      uint64
	writes   []*write
	applying []*pb.Message // the RawNode's notes that entries are applied
	reads    []read
	sending  map[uint64]int // snapshots on their way: ticks since, by receiver
}

var _ rafttest.TransferCore = (*Core)(nil)

// write is one Ready under way to the disk.
type write struct {
	seq     uint64
	last    uint64        // what is durable with it, unless it is replaced meanwhile
	appends []*pb.Message // MsgStorageAppends
}

// read is a question that the RawNode was asked. It forgets those that it
// cannot answer any more.
type read struct {
	id           uint64
	term, leader uint64 // as they were; when they change, it is lost
	left         int    // ticks until it is given up, on a follower
}

// New starts a node from what its storage held.
func New(cfg raft.Config, st raft.State) (*Core, error) {
	c := &Core{id: uint64(cfg.ID), cfg: cfg, storage: etcd.NewMemoryStorage(), sending: map[uint64]int{}}
	setDefault(&c.cfg.ElectionTicks, 10)
	setDefault(&c.cfg.HeartbeatTicks, 1)
	setDefault(&c.cfg.MaxMessageBytes, 1<<20)
	setDefault(&c.cfg.MaxInflight, 256)
	setDefault(&c.cfg.MaxInflightBytes, 16<<20)
	setDefault(&c.cfg.MaxApplyBytes, 4<<20)
	setDefault(&c.cfg.MaxUncommittedBytes, 256<<20)
	setDefault(&c.cfg.MaxEntryBytes, 64<<20)
	if err := c.load(&st); err != nil {
		return nil, err
	}
	applied := max(cfg.Applied, c.log.snapshot)
	// etcd wants the commit index to cover what is applied, and Commit alone is
	// stored without a sync.
	c.hard = st.HardState
	c.hard.Commit = max(c.hard.Commit, applied, c.log.offset)
	if c.hard != (raft.HardState{}) {
		c.storage.SetHardState(hardToEtcd(c.hard))
	}
	var err error
	c.rn, err = etcd.NewRawNode(&etcd.Config{
		ID: c.id, Storage: c.storage, Applied: applied, AsyncStorageWrites: true,
		ElectionTick: c.cfg.ElectionTicks, HeartbeatTick: c.cfg.HeartbeatTicks,
		MaxSizePerMsg:   uint64(min(c.cfg.MaxMessageBytes, c.cfg.MaxInflightBytes)),
		MaxInflightMsgs: c.cfg.MaxInflight, MaxInflightBytes: uint64(c.cfg.MaxInflightBytes),
		MaxCommittedSizePerReady:  uint64(c.cfg.MaxApplyBytes),
		MaxUncommittedEntriesSize: uint64(c.cfg.MaxUncommittedBytes),
		PreVote:                   !cfg.NoPreVote, CheckQuorum: !cfg.NoCheckQuorum,
		DisableProposalForwarding: true, Logger: Silent{},
	})
	return c, err
}

func setDefault(v *int, d int) {
	if *v == 0 {
		*v = d
	}
}

// load fills the storage. etcd's begins with an entry of which it knows index
// and term alone: the snapshot's last, or, where the log still holds entries
// that the snapshot covers, the first of them.
func (c *Core) load(st *raft.State) error {
	snapshot := raft.Snapshot{Membership: raft.Membership{Voters: c.cfg.Voters}}
	if st.Snapshot != nil {
		snapshot = *st.Snapshot
		snapshot.Data = nil // it stays with the shell
	}
	base, entries := snapshot, st.Entries
	if len(entries) > 0 && entries[0].Index <= snapshot.Index {
		base.Index, base.Term = entries[0].Index, entries[0].Term
		entries = entries[1:]
	}
	es, err := entriesToEtcd(entries)
	if err != nil {
		return err
	}
	c.storage.ApplySnapshot(snapshotToEtcd(&base))
	c.storage.Append(es)
	if base.Index < snapshot.Index {
		if _, err := c.storage.CreateSnapshot(snapshot.Index, confState(snapshot.Membership), nil); err != nil {
			return fmt.Errorf("%w: snapshot at %d: %w", raft.ErrCorrupt, snapshot.Index, err)
		}
	}
	c.log.restore(base.Index, base.Term)
	if len(entries) > 0 {
		c.log.splice(entries)
	}
	c.log.snapshot, c.log.durable = snapshot.Index, c.log.last()
	return nil
}

// Term and TermAt make it a [Sender].
func (c *Core) Term() uint64 { return c.rn.BasicStatus().GetTerm() }

// TermAt returns the term of an entry of the log.
func (c *Core) TermAt(index uint64) (term uint64, known bool) { return c.log.term(index) }

// Tick implements [rafttest.Core].
func (c *Core) Tick() {
	c.rn.Tick()
	if c.rn.BasicStatus().RaftState != etcd.StateLeader {
		for i := range c.reads {
			c.reads[i].left--
		}
	}
	c.giveUpSnapshots()
	c.drain()
}

// giveUpSnapshots tells the RawNode of snapshots that nobody acknowledged in
// an election timeout: it waits for its shell's report for ever.
func (c *Core) giveUpSnapshots() {
	var lost []uint64
	c.rn.WithProgress(func(id uint64, _ etcd.ProgressType, p tracker.Progress) {
		c.sending[id]++
		if p.State != tracker.StateSnapshot {
			delete(c.sending, id)
		} else if c.sending[id] > c.cfg.ElectionTicks {
			lost = append(lost, id)
			delete(c.sending, id)
		}
	})
	for _, id := range lost {
		c.rn.ReportSnapshot(id, etcd.SnapshotFailure)
	}
}

// Step implements [rafttest.Core].
func (c *Core) Step(m raft.Message) error {
	// etcd takes a message without a term for one of its own. Of others there
	// is none: who says anything has begun a term.
	if m.Term == 0 && m.Type != raft.ReadRequest {
		return nil
	}
	es, err := ToEtcd(m)
	for _, e := range es {
		// A stranger's answer is refused by etcd and counts for nothing; that is
		// no error of the message's kind.
		if stepErr := c.rn.Step(e); stepErr != nil && !errors.Is(stepErr, etcd.ErrStepPeerNotFound) {
			err = errors.Join(err, stepErr)
		}
		c.drain()
	}
	return err
}

// Propose implements [rafttest.Core].
func (c *Core) Propose(commands ...[]byte) (index, term uint64, err error) {
	st := c.rn.BasicStatus()
	if st.RaftState != etcd.StateLeader {
		return 0, 0, &raft.NotLeaderError{Leader: raft.NodeID(st.Lead)}
	}
	m := &pb.Message{Type: pb.MsgProp.Enum(), From: new(c.id)}
	for _, data := range commands {
		if len(data) > c.cfg.MaxEntryBytes {
			return 0, 0, fmt.Errorf("%w: %d bytes, at most %d", raft.ErrTooLarge, len(data), c.cfg.MaxEntryBytes)
		}
		m.Entries = append(m.Entries, &pb.Entry{Data: data})
	}
	switch err := c.rn.Step(m); {
	case errors.Is(err, etcd.ErrProposalDropped) && st.LeadTransferee != 0:
		return 0, 0, fmt.Errorf("%w: leadership is being given to n%d", raft.ErrPending, st.LeadTransferee)
	case errors.Is(err, etcd.ErrProposalDropped):
		return 0, 0, fmt.Errorf("%w: %w", raft.ErrBusy, err)
	case err != nil:
		return 0, 0, err
	}
	c.drain()
	return c.log.last() - uint64(len(commands)) + 1, st.GetTerm(), nil
}

// ReadIndex implements [rafttest.Core].
func (c *Core) ReadIndex(id uint64) error {
	st := c.rn.BasicStatus()
	if st.Lead == etcd.None {
		return &raft.NotLeaderError{}
	}
	c.reads = append(c.reads, read{id, st.GetTerm(), st.Lead, c.cfg.ElectionTicks})
	c.rn.ReadIndex(readContext(id))
	c.drain()
	return nil
}

// TransferLeadership implements [rafttest.TransferCore].
func (c *Core) TransferLeadership(to raft.NodeID) error {
	st := c.rn.BasicStatus()
	voter := false
	c.rn.WithProgress(func(id uint64, _ etcd.ProgressType, p tracker.Progress) {
		voter = voter || id == uint64(to) && !p.IsLearner
	})
	switch {
	case st.RaftState != etcd.StateLeader:
		return &raft.NotLeaderError{Leader: raft.NodeID(st.Lead)}
	case !voter:
		return fmt.Errorf("%w: leadership cannot go to %s, who is no voter", raft.ErrInvalid, to)
	case st.LeadTransferee != 0:
		return fmt.Errorf("%w: leadership is being given to n%d", raft.ErrPending, st.LeadTransferee)
	}
	c.rn.TransferLeader(uint64(to))
	c.drain()
	return nil
}

// Status implements [rafttest.Core].
func (c *Core) Status() raft.Status {
	st := c.rn.BasicStatus()
	lastTerm, _ := c.log.term(c.log.last())
	return raft.Status{
		ID: raft.NodeID(c.id), Role: roles[st.RaftState], Term: st.GetTerm(), VotedFor: raft.NodeID(st.GetVote()), Leader: raft.NodeID(st.Lead),
		Commit: st.GetCommit(), Applied: st.Applied, First: c.log.offset + 1, Last: c.log.last(), LastTerm: lastTerm,
		Durable: c.log.durable, Snapshot: c.log.snapshot,
	}
}

func hardToEtcd(h raft.HardState) *pb.HardState {
	return &pb.HardState{Term: new(h.Term), Vote: new(uint64(h.VotedFor)), Commit: new(h.Commit)}
}

// must is for what the RawNode made of what this package gave it.
func must[T any](v T, err error) T {
	if err != nil {
		panic("etcdraft: broken invariant: " + err.Error())
	}
	return v
}
