package store_test

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/store"
)

// clock is the leader's, moved by hand.
var start = time.Unix(1_000_000, 0)

func at(seconds float64) time.Time {
	return start.Add(time.Duration(seconds * float64(time.Second)))
}

func (l *log) grant(id, ttl int64) {
	l.t.Helper()
	l.do(&store.LeaseGrantRequest{ID: id, TTL: ttl})
}

func TestALeaseEndsItsTTLAfterItsLastRenewal(t *testing.T) {
	l := newLog(t)
	book := l.Lessor()
	book.Promote(at(0), 0)
	l.grant(1, 10)
	l.grant(2, 5)
	require.Empty(t, book.Expired(at(0), 10))
	require.Equal(t, 10*time.Second, book.Remaining(1, at(0)))
	ttl, checkpoint, err := book.Renew(1, at(4))
	require.NoError(t, err)
	require.Nil(t, checkpoint)
	require.EqualValues(t, 10, ttl)
	for _, c := range []struct {
		at   float64
		want []int64
	}{{4.9, nil}, {5, []int64{2}}, {13.9, []int64{2}}, {14, []int64{2, 1}}} {
		got := book.Expired(at(c.at), 10)
		rule(t, "lease-deadline", len(got) == len(c.want), "at %v: %v, want %v", c.at, got, c.want)
		require.Equal(t, c.want, got)
	}
	require.Equal(t, []int64{2}, book.Expired(at(14), 1), "the limit takes the earliest")
	require.Zero(t, book.Remaining(1, at(15)))
	_, _, err = book.Renew(1, at(14))
	rule(t, "lease-deadline", err == store.ErrLeaseNotFound, "a lease that is over is renewed: %v", err)
	l.do(&store.LeaseRevokeRequest{ID: 2})
	require.Equal(t, []int64{1}, book.Expired(at(14), 10))
	require.EqualValues(t, -1, book.Remaining(2, at(14)))
}

// TestALeaseGrantedBetweenTwoCallsStartsWithTheLater: late, never early.
func TestALeaseGrantedBetweenTwoCallsStartsWithTheLater(t *testing.T) {
	l := newLog(t)
	book := l.Lessor()
	book.Promote(at(0), 0)
	l.grant(1, 10)
	require.Empty(t, book.Expired(at(100), 10))
	require.Equal(t, []int64{1}, book.Expired(at(110), 10))
	l.grant(2, 10)
	l.do(&store.LeaseRevokeRequest{ID: 2}) // before the book was asked
	require.Equal(t, []int64{1}, book.Expired(at(200), 10))
}

func TestANewLeaderGivesEveryLeaseItsWholeTTLAgain(t *testing.T) {
	l := newLog(t)
	book := l.Lessor()
	l.grant(1, 60)
	require.Empty(t, book.Expired(at(1000), 10), "nothing expires by a member that does not lead")
	_, _, err := book.Renew(1, at(0))
	require.Equal(t, store.ErrLeaseNotFound, err)
	book.Promote(at(50), 2*time.Second)
	rule(t, "lease-full-term", len(book.Expired(at(111), 10)) == 0, "ended %v early", at(112).Sub(at(111)))
	require.Equal(t, []int64{1}, book.Expired(at(112), 10))
	book.Demote()
	require.Empty(t, book.Expired(at(1000), 10))
	book.Promote(at(1000), 0)
	rule(t, "lease-full-term", book.Remaining(1, at(1000)) == time.Minute, "%v", book.Remaining(1, at(1000)))
}

func TestACheckpointLetsTheNextLeaderGoOn(t *testing.T) {
	l := newLog(t)
	book := l.Lessor()
	const interval = 300 * time.Second
	book.Promote(at(0), 0)
	l.grant(1, 1000)
	l.grant(2, 300) // not longer than the interval
	require.Nil(t, book.Checkpoints(at(0), interval))
	require.Nil(t, book.Checkpoints(at(299), interval))
	c := book.Checkpoints(at(300), interval)
	require.Equal(t, []store.LeaseCheckpoint{{ID: 1, Remaining: 700}}, c.Checkpoints)
	require.Nil(t, book.Checkpoints(at(301), interval), "once an interval")
	l.do(c)

	book.Demote()
	book.Promote(at(0), 0)
	rule(t, "lease-checkpoint", book.Remaining(1, at(0)) == 700*time.Second, "%v left", book.Remaining(1, at(0)))
	_, c, err := book.Renew(1, at(10))
	require.NoError(t, err)
	rule(t, "lease-checkpoint", c != nil && c.Checkpoints[0] == store.LeaseCheckpoint{ID: 1}, "renewed, but the checkpoint stays: %+v", c)
	l.do(c)
	_, c, _ = book.Renew(1, at(11))
	require.Nil(t, c)
	book.Demote()
	book.Promote(at(20), 0)
	rule(t, "lease-full-term", book.Remaining(1, at(20)) == 1000*time.Second, "%v", book.Remaining(1, at(20)))
}

func TestTheLongestLeaseDoesNotOverflow(t *testing.T) {
	l := newLog(t)
	book := l.Lessor()
	l.grant(1, store.MaxLeaseTTL)
	book.Promote(at(0), 10*time.Second)
	l.grant(2, store.MaxLeaseTTL)
	require.Empty(t, book.Expired(at(1e6), 10))
	require.Nil(t, book.Checkpoints(at(1e6), time.Second))
	c := book.Checkpoints(at(2e6), time.Second)
	require.Len(t, c.Checkpoints, 2)
	for _, p := range c.Checkpoints {
		require.Positive(t, p.Remaining)
		require.Less(t, p.Remaining, int64(math.MaxInt64))
	}
}

// TestTheBookFollowsARestoredState: what the state does not have is gone, what
// is new starts anew.
func TestTheBookFollowsARestoredState(t *testing.T) {
	l, other := newLog(t), newLog(t)
	book := l.Lessor()
	book.Promote(at(0), 0)
	l.grant(1, 10)
	l.grant(2, 10)
	require.Empty(t, book.Expired(at(0), 10))
	other.index = l.index // what is restored is newer
	other.grant(2, 10)
	other.grant(3, 10)
	require.NoError(t, l.Restore(bytes.NewReader(other.snapshot())))
	require.EqualValues(t, -1, book.Remaining(1, at(5)))
	require.Equal(t, 5*time.Second, book.Remaining(2, at(5)))
	require.Equal(t, 10*time.Second, book.Remaining(3, at(5)))
	require.Equal(t, []int64{2}, book.Expired(at(10), 10))
}
