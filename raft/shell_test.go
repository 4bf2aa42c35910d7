package raft

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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

// slowRegister takes its time for each command.
type slowRegister struct{ *register }

func (r slowRegister) Apply(index uint64, command []byte) []byte {
	time.Sleep(10 * time.Millisecond) // virtual
	return r.register.Apply(index, command)
}

// Clients who propose again as soon as they are answered leave a slow state
// machine no pause: the node must not wait for one.
func TestNodeReadsAndTakesSnapshotsWhileItsStateMachineIsNeverIdle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newParty(t, 1, func(o *Options) {
			o.SnapshotEvery, o.KeepEntries = 50, 1
			o.StateMachine = slowRegister{o.StateMachine.(*register)}
		})
		p.leader()
		busy, enough := context.WithCancel(t.Context())
		var clients sync.WaitGroup
		defer clients.Wait()
		defer enough()
		for range 8 {
			clients.Go(func() {
				for busy.Err() == nil {
					p.nodes[1].Propose(busy, put("k", "v"))
				}
			})
		}
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := p.nodes[1].Read(ctx); err != nil {
			t.Errorf("RULE no-silence: a read beside commands that keep coming: %v", err)
		}
		time.Sleep(10 * time.Second)
		s, err := p.disks[1].Snapshot()
		require.NoError(t, err)
		require.NotNil(t, s, "RULE no-silence: no snapshot while commands keep coming, the log grows")
	})
}

// reluctantRegister does not write its state out at first.
type reluctantRegister struct {
	*register
	refused atomic.Bool
}

func (r *reluctantRegister) Snapshot() (io.WriterTo, error) {
	if r.refused.Swap(true) {
		return r.register.Snapshot()
	}
	return unwritable{}, nil
}

type unwritable struct{}

func (unwritable) WriteTo(io.Writer) (int64, error) { return 0, errDisk }

func TestNodeGoesOnWhenItsStateMachineCannotWriteASnapshot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newParty(t, 1, func(o *Options) {
			o.SnapshotEvery, o.KeepEntries = 10, 1
			o.StateMachine = &reluctantRegister{register: o.StateMachine.(*register)}
		})
		p.leader()
		for range 40 {
			_, err := p.nodes[1].Propose(t.Context(), put("k", "v"))
			require.NoError(t, err, "RULE snapshot-may-wait: the state machine could not write its state out, and the disk is well")
			synctest.Wait()
		}
		s, err := p.disks[1].Snapshot()
		require.NoError(t, err)
		require.NotNil(t, s, "RULE snapshot-may-wait: it is not asked again")
	})
}
