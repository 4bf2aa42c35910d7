package etcdraft

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/raft"
)

// The answer of the disk speaks of an entry that was replaced meanwhile: the
// one in its place is not durable yet.
func TestDurableLeavesOutWhatWasReplaced(t *testing.T) {
	c, err := New(raft.Config{ID: 1, Voters: []raft.NodeID{1, 2, 3}}, raft.State{})
	require.NoError(t, err)
	appended := func(from raft.NodeID, term, prev, prevTerm uint64, n int) uint64 {
		m := raft.Message{Type: raft.AppendEntries, From: from, To: 1, Term: term, Index: prev, LogTerm: prevTerm}
		for i := range n {
			m.Entries = append(m.Entries, raft.Entry{Index: prev + uint64(i) + 1, Term: term, Data: []byte("x")})
		}
		require.NoError(t, c.Step(m))
		require.True(t, c.HasReady())
		return c.Ready().Seq
	}
	first := appended(2, 1, 0, 0, 2)
	second := appended(3, 2, 1, 1, 1)
	require.Zero(t, c.Status().Durable)
	c.Synced(first)
	require.EqualValues(t, 1, c.Status().Durable)
	c.Synced(second)
	require.EqualValues(t, 2, c.Status().Durable)
}

// Whoever drives the core need not take each Ready at once.
func TestWhatGathersIsOneReady(t *testing.T) {
	c, err := New(raft.Config{ID: 1, Voters: []raft.NodeID{1}}, raft.State{})
	require.NoError(t, err)
	for c.Status().Role != raft.Leader {
		c.Tick()
		if c.HasReady() {
			c.Synced(c.Ready().Seq)
		}
	}
	for i := range 3 {
		index, _, err := c.Propose([]byte{byte(i)})
		require.NoError(t, err)
		require.EqualValues(t, i+2, index)
	}
	rd := c.Ready()
	require.False(t, c.HasReady())
	require.Len(t, rd.Entries, 4, "the leader's empty entry and three commands")
	require.True(t, rd.MustSync)
	c.Synced(rd.Seq)
	require.Len(t, c.Ready().Committed, 4)
}

func TestRefusalsAreThoseOfPackageRaft(t *testing.T) {
	c, err := New(raft.Config{ID: 1, Voters: []raft.NodeID{1, 2, 3}, MaxEntryBytes: 10}, raft.State{})
	require.NoError(t, err)
	_, _, err = c.Propose([]byte("x"))
	require.ErrorIs(t, err, raft.ErrNotLeader)
	require.ErrorIs(t, c.ReadIndex(1), raft.ErrNotLeader)
	require.ErrorIs(t, c.Compact(raft.Snapshot{Index: 5, Term: 1}, 5), raft.ErrInvalid)

	c, err = New(raft.Config{ID: 1, Voters: []raft.NodeID{1}, MaxEntryBytes: 10, MaxUncommittedBytes: 15}, raft.State{})
	require.NoError(t, err)
	for c.Status().Role != raft.Leader {
		c.Tick()
		if c.HasReady() {
			c.Synced(c.Ready().Seq)
		}
	}
	_, _, err = c.Propose(make([]byte, 11))
	require.ErrorIs(t, err, raft.ErrTooLarge)
	_, _, err = c.Propose(make([]byte, 10))
	require.NoError(t, err)
	_, _, err = c.Propose(make([]byte, 10))
	require.ErrorIs(t, err, raft.ErrBusy)
}
