package raft

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// A state machine that keeps its state over restarts is not told of what it
// holds again. What the node itself has to know of that it must find out.
func TestNodeWithAStateOfItsOwnTakesSnapshotsWithTheMembershipInForce(t *testing.T) {
	for _, snapshot := range []bool{false, true} { // the change is in the log, or in the last snapshot
		bubble(t, func(t *testing.T) {
			p := newParty(t, 1, func(o *Options) { o.SnapshotEvery, o.KeepEntries = 10, 1 })
			p.leader()
			work := func() {
				for range 20 {
					p.put(1, "k", "v")
				}
				synctest.Wait()
			}
			want := Membership{Voters: []NodeID{1}, Learners: []NodeID{2}}
			require.NoError(t, p.nodes[1].ChangeMembership(t.Context(), want))
			if snapshot {
				work()
			}
			applied := p.nodes[1].Status().Applied
			p.stop(1)
			change := p.change
			p.change = func(o *Options) { change(o); o.Applied = applied } // and of the first voters, as at every start
			p.start(1)
			p.leader()
			work()
			s, err := p.disks[1].Snapshot()
			require.NoError(t, err)
			require.Greater(t, s.Index, applied, "one was taken since")
			require.Equal(t, want, s.Membership, "RULE membership-in-snapshot: at %d, started with the state at %d", s.Index, applied)
			p.stop(1)
			p.start(1)
			m, err := p.nodes[1].Membership(t.Context())
			require.NoError(t, err)
			require.Equal(t, want, m, "RULE membership-in-snapshot: after a restart")
		})
	}
}
