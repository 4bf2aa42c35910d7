package service_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/service"
	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/raft"
)

func grant(t *testing.T, m *service.Member, id, ttl int64) {
	_, err := m.LeaseGrant(t.Context(), &store.LeaseGrantRequest{ID: id, TTL: ttl})
	require.NoError(t, err)
}

// A lease of an hour, which nobody renews, does not begin anew with every
// leader; one that is renewed does.
func TestLongLeaseIsNotProlongedByANewLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, 2, nil)
		leader, follower := g.leader(), g.follower()
		grant(t, leader, 1, 3600)
		grant(t, leader, 2, 3600)
		time.Sleep(30 * time.Minute)
		_, err := leader.LeaseRenew(t.Context(), 2)
		require.NoError(t, err)
		require.NoError(t, leader.MoveLeader(t.Context(), uint64(id(follower))))
		time.Sleep(time.Second)
		require.True(t, follower.Leads())
		left, err := follower.LeaseTimeToLive(t.Context(), 1, false)
		require.NoError(t, err)
		rule(t, "S3", left.Left >= 1790 && left.Left <= 2200, "30 minutes before its end a lease has %d s left with the next leader", left.Left)
		left, err = follower.LeaseTimeToLive(t.Context(), 2, false)
		require.NoError(t, err)
		rule(t, "S3", left.Left >= 3590, "renewed, it has %d s of 3600 left with the next leader", left.Left)
	})
}

// A leader that was cut off, and does not know yet, promises no time: the next
// one does not know of it.
func TestDeposedLeaderRenewsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, 3, nil)
		leader := g.leader()
		grant(t, leader, 1, 60)
		g.cut(leader)
		_, err := leader.LeaseRenew(t.Context(), 1)
		rule(t, "S3", err != nil, "a leader without a majority renewed a lease")
		_, err = leader.LeaseTimeToLive(t.Context(), 1, false)
		rule(t, "S3", err != nil, "a leader without a majority knows how long a lease lives")
	})
}

func TestLeaseEndsForAllAtOnePlaceOfTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, 3, nil)
		m := g.follower()
		grant(t, m, 1, 10)
		_, err := m.Put(t.Context(), &store.PutRequest{Key: k, Lease: 1})
		require.NoError(t, err)
		time.Sleep(9900 * time.Millisecond)
		rule(t, "S3", version(t, m) == 1, "a lease ended before its time")
		time.Sleep(time.Second)
		r, err := m.Range(t.Context(), &store.RangeRequest{Key: k}, false)
		require.NoError(t, err)
		rule(t, "S3", len(r.KVs) == 0, "a second after its lease a key is there")
		_, err = m.LeaseRenew(t.Context(), 1)
		var refusal *store.Error
		rule(t, "S3", errors.As(err, &refusal) && *refusal == *store.ErrLeaseNotFound, "a lease that is over is renewed: %v", err)
		differ, err := m.CheckHashes(t.Context())
		require.NoError(t, err)
		require.Empty(t, differ)
	})
}

// Shorter leases would end by every change of leader.
func TestLeaseIsNotShorterThanAnElection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := start(t, 1, nil).leader()
		r, err := m.LeaseGrant(t.Context(), &store.LeaseGrantRequest{TTL: 1})
		require.NoError(t, err)
		require.EqualValues(t, 2, r.TTL)
		require.Positive(t, r.ID, "and its ID is made up")
	})
}

// busy is a log on which one message, once asked for, takes its time: so do the
// chores of who writes it.
type busy struct {
	slog.Handler
	hold, going chan struct{}
}

func (b *busy) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "lease expired" {
		select {
		case b.hold <- struct{}{}:
			<-b.going
		default:
		}
	}
	return nil
}

func (b *busy) Enabled(context.Context, slog.Level) bool { return true }

// A member that led, and leads again before it noticed that it did not, knows
// nothing of what was renewed in between.
func TestLeaderWhoReturnsForgetsItsOldBookOfLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logs := map[raft.NodeID]*busy{}
		g := start(t, 2, func(o *service.Options) {
			b := &busy{slog.DiscardHandler, make(chan struct{}), make(chan struct{})}
			logs[o.Raft.ID], o.Logger = b, slog.New(b)
		})
		leader, other := g.leader(), g.follower()
		grant(t, leader, 1, 20)
		grant(t, leader, 2, 3)
		<-logs[id(leader)].hold // the second is over, and its leader busy with it
		release := sync.OnceFunc(func() { close(logs[id(leader)].going) })
		defer release()
		require.NoError(t, leader.MoveLeader(t.Context(), uint64(id(other))))
		time.Sleep(time.Second)
		for range 5 {
			_, err := other.LeaseRenew(t.Context(), 1)
			require.NoError(t, err)
			time.Sleep(10 * time.Second)
		}
		require.NoError(t, other.MoveLeader(t.Context(), uint64(id(leader))))
		require.Eventually(t, leader.Leads, time.Minute, 10*time.Millisecond)
		time.AfterFunc(time.Second, release)
		ttl, err := leader.LeaseRenew(t.Context(), 1)
		rule(t, "S3", err == nil && ttl == 20, "some 10 s after its last renewal a lease of 20 s is not renewed: %v", err)
		left, err := leader.LeaseTimeToLive(t.Context(), 1, false)
		require.NoError(t, err)
		require.EqualValues(t, 20, left.Left)
	})
}
