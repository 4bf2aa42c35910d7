package etcdraft

import (
	"flag"
	"slices"
	"testing"
	"testing/cryptotest"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/rafttest"
)

var (
	seeds = flag.Uint64("seeds", 50, "how many seeds the simulations run")
	seed  = flag.Uint64("seed", 0, "run this one seed and print its events")
)

// crowd says whether a node that starts is to run package raft, and not etcd.
type crowd func(seed uint64, id raft.NodeID, st raft.State) bool

// A mixed cluster must hold everything that rafttest.Simulate judges: the five
// properties after every step, what disks promised, linearizable clients, and
// agreement in the end, through loss, delay, duplicates, partitions, crashes
// and failing disks.
func TestMixedClusterAgrees(t *testing.T) {
	t.Run("one of ours, the rest etcd", func(t *testing.T) {
		simulate(t, func(seed uint64, id raft.NodeID, _ raft.State) bool { return uint64(id) == seed%3+1 })
	})
	t.Run("one of etcd, the rest ours", func(t *testing.T) {
		simulate(t, func(seed uint64, id raft.NodeID, _ raft.State) bool { return uint64(id) != seed%3+1 })
	})
}

// The simulator itself is graded by the production library alone.
func TestClusterOfEtcdAgrees(t *testing.T) {
	simulate(t, func(uint64, raft.NodeID, raft.State) bool { return false })
}

// Who outgrows package raft moves one node after the other, each on the log
// that it has: a node that starts anew runs package raft, and etcd from its
// first restart on. Here the way back is open too.
func TestNodesMoveToEtcdOnTheirLogs(t *testing.T) {
	t.Run("at the first restart", func(t *testing.T) {
		simulate(t, func(_ uint64, _ raft.NodeID, st raft.State) bool { return st.HardState.Term == 0 })
	})
	t.Run("to and fro", func(t *testing.T) {
		simulate(t, func(seed uint64, id raft.NodeID, st raft.State) bool {
			return (seed+uint64(id)+st.HardState.Term)%2 == 0
		})
	})
}

func simulate(t *testing.T, ours crowd) {
	first, last := uint64(1), *seeds
	var o rafttest.Options
	if *seed != 0 {
		first, last = *seed, *seed
		o.Sink = func(e rafttest.Event) { t.Log(e) }
	}
	var sum rafttest.Report
	var w witnesses
	for s := first; s <= last; s++ {
		cryptotest.SetGlobalRandom(t, s) // a seed decides etcd's timeouts, too
		o.Attempts = -1                  // but not again in a second run, so nothing is minimised
		o.NewCore = func(cfg raft.Config, st raft.State) (rafttest.Core, error) {
			if ours(s, cfg.ID, st) {
				c, err := raft.NewCore(cfg, st)
				return &witness{Core: c, ours: true, w: &w}, err
			}
			c, err := New(cfg, st)
			return &witness{Core: c, w: &w}, err
		}
		sum = sum.Add(rafttest.Simulate(t, s, o))
	}
	t.Logf("%d seeds, %v of virtual time, leaders ours %d, etcd's %d: %+v", last-first+1, sum.Virtual, w.ours, w.etcds, sum.Stats)
	if n := int(last - first + 1); n >= 50 {
		require.Greater(t, int(sum.Commits), 50*n)
		require.Greater(t, sum.OpsOK, 100*n)
		require.Greater(t, w.etcds, n/4)
		if ours(1, 1, raft.State{}) || ours(1, 2, raft.State{}) {
			require.Greater(t, w.ours, n/4)
		}
	}
}

// witnesses count who was elected: a cluster in which one library always leads
// shows half of what there is to see.
type witnesses struct{ ours, etcds int }

type witness struct {
	rafttest.Core
	ours bool
	w    *witnesses
	term uint64 // of the last reign seen
}

func (c *witness) Ready() raft.Ready {
	rd := c.Core.Ready()
	if st := c.Core.Status(); st.Role == raft.Leader && st.Term != c.term {
		c.term = st.Term
		if c.ours {
			c.w.ours++
		} else {
			c.w.etcds++
		}
	}
	return rd
}

// What etcd understands must come back as it was.
func TestMessagesComeBackFromEtcd(t *testing.T) {
	entries := []raft.Entry{{Index: 8, Term: 3, Data: []byte("x")}, {Index: 9, Term: 4, Type: raft.EntryNoop}}
	snapshot := &raft.Snapshot{Index: 7, Term: 3, Data: []byte("s"), Membership: raft.Membership{Voters: []raft.NodeID{1, 2}, Learners: []raft.NodeID{3}, Outgoing: []raft.NodeID{1, 4}}}
	for _, m := range []raft.Message{
		{Type: raft.RequestPreVote, Term: 5, Index: 7, LogTerm: 3},
		{Type: raft.RequestVote, Term: 5, Index: 7, LogTerm: 3, Force: true},
		{Type: raft.RequestPreVoteReply, Term: 5},
		{Type: raft.RequestPreVoteReply, Term: 5, Reject: true},
		{Type: raft.RequestVoteReply, Term: 5},
		{Type: raft.RequestVoteReply, Term: 5, Reject: true},
		{Type: raft.AppendEntries, Term: 5, Index: 7, LogTerm: 3, Commit: 6, Entries: entries},
		{Type: raft.AppendEntries, Term: 5, Index: 7, LogTerm: 3, Commit: 7, Round: heartbeat},
		{Type: raft.AppendEntries, Term: 5, Index: 7, LogTerm: 3, Commit: 7, Round: heartbeat | 12},
		{Type: raft.AppendEntriesReply, Term: 5, Index: 9},
		{Type: raft.AppendEntriesReply, Term: 5, Index: 9, Reject: true, Hint: 7, LogTerm: 3},
		{Type: raft.AppendEntriesReply, Term: 5, Round: heartbeat | 12},
		{Type: raft.InstallSnapshot, Term: 5, Snapshot: snapshot},
		{Type: raft.TimeoutNow, Term: 5},
		{Type: raft.ReadRequest, Term: 5, ID: 99},
		{Type: raft.ReadReply, Term: 5, ID: 99, Index: 7},
	} {
		m.From, m.To = 1, 2
		es, err := ToEtcd(m)
		require.NoError(t, err)
		require.Len(t, es, 1, "%s", m)
		back, err := FromEtcd(es[0], sender{})
		require.NoError(t, err)
		require.Equal(t, m, back)
	}
}

// A round has no place in a MsgApp, so it goes in a heartbeat beside it, and
// comes back in a rejection of index 0, which moves no progress.
func TestRoundTravelsInAHeartbeat(t *testing.T) {
	es, err := ToEtcd(raft.Message{Type: raft.AppendEntries, From: 1, To: 2, Term: 5, Index: 7, LogTerm: 3, Commit: 6, Round: 4})
	require.NoError(t, err)
	require.Len(t, es, 2)
	beat := es[1]
	require.Zero(t, beat.GetCommit(), "etcd would take it for matched")
	answer := slices.Clone(beat.GetContext())
	back, err := FromEtcd(heartbeatResp(answer), sender{})
	require.NoError(t, err)
	require.Equal(t, raft.Message{Type: raft.AppendEntriesReply, From: 2, To: 1, Term: 5, Reject: true, Round: 4}, back)
}

func TestWhatEtcdHasNoWordForIsRefused(t *testing.T) {
	for _, e := range []raft.EntryType{raft.EntryMembership, raft.EntrySession} {
		_, err := ToEtcd(raft.Message{Type: raft.AppendEntries, From: 1, To: 2, Term: 1, Entries: []raft.Entry{{Index: 1, Term: 1, Type: e}}})
		require.ErrorIs(t, err, raft.ErrInvalid)
	}
	es, err := ToEtcd(raft.Message{Type: raft.ReadReply, From: 1, To: 2, Term: 1, Reject: true})
	require.NoError(t, err)
	require.Empty(t, es)
}

// heartbeatResp is what etcd answers to a heartbeat.
func heartbeatResp(context []byte) *pb.Message {
	return &pb.Message{Type: pb.MsgHeartbeatResp.Enum(), From: new(uint64(2)), To: new(uint64(1)), Term: new(uint64(5)), Context: context}
}

// sender is one in term 5 whose log ends with entry 7 of term 3.
type sender struct{}

func (sender) Term() uint64 { return 5 }

func (sender) TermAt(index uint64) (uint64, bool) { return 3, index == 7 }
