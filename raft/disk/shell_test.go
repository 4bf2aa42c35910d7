package disk

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flagship-go/flagship/raft"
	"github.com/stretchr/testify/require"
)

// What raft.Node owes those who call it, whatever becomes of its leadership and
// its disk. Bugs are planted against these rules too, in raft/testdata/bugs:
//
//	read-applied   a read is answered when its index is applied, not before
//	apply-order    snapshots and entries reach the state machine in log order
//	no-silence     whoever asks is answered: nobody waits for a leader that is
//	               no more, for a command that was refused, or that is gone
//	stalled-disk   a leader whose disk stands still is replaced
//	disk-error     a node whose disk failed stops, and does not try again
//	session-kept   sessions outlive the log that they were opened in; those that
//	               are forgotten execute nothing any more, and say so

// within runs a call that must end in a minute of the bubble.
func within(t *testing.T, rule, what string, call func(ctx context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- call(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-time.After(time.Minute):
		broken(t, rule, "%s is not answered for a minute", what)
		return context.DeadlineExceeded
	}
}

func TestReadIsAnsweredWhenItsIndexIsAppliedAndNotBefore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCluster(t, 3)
		l := c.leader(5*election, c.voters...)
		c.work(l, "before", 5)
		synctest.Wait()
		release := c.states[l].hold()
		defer release()
		written := make(chan error, 1)
		go func() {
			_, err := c.nodes[l].Propose(t.Context(), []byte("slow"))
			written <- err
		}()
		time.Sleep(time.Second)
		require.Greater(t, c.nodes[l].Status().Commit, c.nodes[l].Status().Applied, "it is committed, and not applied")
		read := make(chan error, 1)
		go func() { read <- c.nodes[l].Read(t.Context()) }()
		time.Sleep(time.Second)
		select {
		case err := <-read:
			broken(t, "read-applied", "a read is answered (%v) while the command before it is not applied", err)
		default:
		}
		release()
		require.NoError(t, within(t, "read-applied", "the write", func(context.Context) error { return <-written }))
	})
}

// A follower that starts again with a snapshot of everything has nothing to
// apply, and can answer.
func TestReadOnAFollowerThatStartsWithEverythingIsAnswered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCluster(t, 3)
		l := c.leader(5*election, c.voters...)
		c.work(l, "before", 39) // and the leader's empty entry
		time.Sleep(time.Second)
		f := others(c.voters, l)[0]
		c.stop(f)
		c.start(f)
		time.Sleep(time.Second)
		st := c.nodes[f].Status()
		require.Equal(t, st.Snapshot, st.Last, "its log is empty behind the snapshot")
		err := within(t, "read-applied", "a read on a follower that was started again", c.nodes[f].Read)
		require.NoError(t, err)
	})
}

func TestNobodyWaitsForALeaderThatIsNoMore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCluster(t, 3)
		old := c.leader(5*election, c.voters...)
		c.work(old, "before", 5)
		rest := others(c.voters, old)
		c.network.Cut([]raft.NodeID{old}, rest)
		ends := make(chan error, 20)
		for i := range 10 {
			go func() {
				_, err := c.nodes[old].Propose(t.Context(), fmt.Appendf(nil, "lost %d", i))
				ends <- err
			}()
			go func() { ends <- c.nodes[old].Read(t.Context()) }()
		}
		next := c.leader(10*election, rest...)
		c.work(next, "after", 20)
		c.network.Heal()
		for range cap(ends) {
			err := within(t, "no-silence", "a call to a leader that was deposed", func(context.Context) error { return <-ends })
			if err == nil {
				broken(t, "no-silence", "a leader that was cut off and deposed says that it was done")
			}
			if t.Failed() {
				break
			}
		}
		for id := range c.nodes {
			c.stop(id) // which answers whoever waits still
		}
	})
}

// Commands of a deposed leader stand at indexes that its successor's log does
// not reach, perhaps for hours: what became of them is known all the same.
func TestNobodyWaitsForAnIndexThatNobodyReaches(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCluster(t, 3)
		old := c.leader(5*election, c.voters...)
		c.work(old, "before", 5)
		rest := others(c.voters, old)
		c.network.Cut([]raft.NodeID{old}, rest)
		ends := make(chan error, 20)
		for i := range cap(ends) {
			go func() {
				_, err := c.nodes[old].Propose(t.Context(), fmt.Appendf(nil, "lost %d", i))
				ends <- err
			}()
		}
		synctest.Wait()
		c.leader(10*election, rest...) // adds one entry, and nobody another
		c.network.Heal()
		for range cap(ends) {
			err := within(t, "no-silence", "a command of a deposed leader", func(context.Context) error { return <-ends })
			if !t.Failed() && !errors.Is(err, raft.ErrDropped) {
				broken(t, "no-silence", "a command that can never be applied ends with %v", err)
			}
			if t.Failed() {
				break
			}
		}
		for id := range c.nodes {
			c.stop(id) // which answers whoever waits still
		}
	})
}

func TestNobodyWaitsForWhatWasRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCluster(t, 3)
		l := c.leader(5*election, c.voters...)
		c.work(l, "before", 5)
		follower := c.nodes[others(c.voters, l)[0]]
		err := within(t, "no-silence", "a command for a follower", func(ctx context.Context) error {
			_, err := follower.Propose(ctx, []byte("for the leader"))
			return err
		})
		var elsewhere *raft.NotLeaderError
		if !t.Failed() && (!errors.As(err, &elsewhere) || elsewhere.Leader != l) {
			broken(t, "no-silence", "a follower is asked to do what only %s can, and says %v", l, err)
		}
	})
}

func TestSessionOutlivesTheLogItWasOpenedIn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCluster(t, 3)
		l := c.leader(5*election, c.voters...)
		session, err := c.nodes[l].Session(t.Context())
		require.NoError(t, err)
		_, err = session.Propose(t.Context(), c.nodes[l], []byte("first"))
		require.NoError(t, err)
		c.work(l, "many", 100) // the log is cut behind two snapshots
		for _, id := range c.voters {
			c.stop(id)
		}
		for _, id := range c.voters {
			c.start(id)
		}
		l = c.leader(5*election, c.voters...)
		err = within(t, "session-kept", "a session's command", func(ctx context.Context) error {
			_, err := session.Propose(ctx, c.nodes[l], []byte("second"))
			return err
		})
		if err != nil {
			broken(t, "session-kept", "a session was opened before the snapshots that the nodes restarted from, and its command ends with %v", err)
		}
	})
}

func TestForgottenSessionExecutesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCluster(t, 0)
		c.sessions = 2
		c.add(3)
		l := c.leader(5*election, c.voters...)
		var first *raft.Session
		for i := range 3 { // the third makes the nodes forget the first
			session, err := c.nodes[l].Session(t.Context())
			require.NoError(t, err)
			if i == 0 {
				first = session
			}
		}
		_, err := first.Propose(t.Context(), c.nodes[l], []byte("forgotten"))
		if !errors.Is(err, raft.ErrSessionExpired) {
			broken(t, "session-kept", "a session that was forgotten proposes, and is told %v", err)
		}
		time.Sleep(time.Second)
		for _, id := range c.voters {
			if all := c.states[id].all(); len(all) > 0 {
				broken(t, "session-kept", "%s executed %q of a session that was forgotten: it may have been executed before", id, all)
			}
		}
	})
}

func TestSnapshotAndEntriesReachTheStateMachineInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCluster(t, 3)
		l := c.leader(5*election, c.voters...)
		c.work(l, "before", 5)
		slow := others(c.voters, l)[0]
		release := c.states[slow].hold()
		defer release()
		c.work(l, "held", 1)
		time.Sleep(time.Second)
		c.network.Cut([]raft.NodeID{slow}, others(c.voters, slow))
		c.work(l, "meanwhile", 100) // the leader's log is cut behind a snapshot
		c.network.Heal()
		time.Sleep(2 * election)
		require.Positive(t, c.nodes[slow].Metrics().SnapshotsApplied)
		c.work(c.leader(5*election, c.voters...), "behind it", 5) // both wait now
		time.Sleep(time.Second)
		release()
		c.keeps("apply-order", c.voters...)
	})
}
