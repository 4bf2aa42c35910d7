package service_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/service"
	"github.com/flagship-go/flagship/raft"
)

var there = []string{"http://there:1"}

// Whoever cannot be reached yet counts as a voter, and a cluster must be able
// to decide with him against it.
func TestMembershipChangesOnlyWithAMajorityBehindIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, 3, nil)
		leader := g.leader()
		var lost, other *service.Member
		for _, m := range g.members {
			switch {
			case m == leader:
			case lost == nil:
				lost = m
			default:
				other = m
			}
		}
		g.cut(lost)
		_, _, err := leader.MemberAdd(t.Context(), there, false)
		rule(t, "S5", errors.Is(err, service.ErrNotEnoughStarted), "two of three run, and a fourth voter is accepted: %v", err)
		_, err = leader.MemberRemove(t.Context(), uint64(id(other)))
		rule(t, "S5", errors.Is(err, service.ErrNotEnoughStarted), "two of three run, and one of these is removed: %v", err)
		_, err = leader.MemberRemove(t.Context(), uint64(id(lost)))
		rule(t, "S5", err == nil, "the one that is lost cannot be removed: %v", err)
		added, _, err := leader.MemberAdd(t.Context(), there, true)
		rule(t, "S5", err == nil, "a learner, who does not count, is refused: %v", err)
		_, err = leader.MemberPromote(t.Context(), added.ID)
		rule(t, "S5", errors.Is(err, service.ErrLearnerNotReady), "a learner that was never there is promoted: %v", err)
		require.NoError(t, put(leader))
	})
}

// Whoever needs longer than an election for all its data is there nonetheless.
func TestMembershipOfALargeStoreCanBeChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, 3, nil)
		leader, lost := g.leader(), g.follower()
		g.peers[id(leader)].large = true
		g.cut(lost)
		_, err := leader.MemberRemove(t.Context(), uint64(id(lost)))
		rule(t, "S5", err == nil, "of three members with much data the one that is lost cannot be removed: %v", err)
		_, _, err = leader.MemberAdd(t.Context(), there, false)
		rule(t, "S5", err == nil, "to two members that run no third can be added: %v", err)
	})
}

// A member that comes at the place of an old one must not have its ID: the old
// one has voted.
func TestMemberAtTheSamePlaceHasAnotherID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := start(t, 1, nil).leader()
		ids := map[uint64]bool{}
		for range 3 {
			added, list, err := m.MemberAdd(t.Context(), there, true)
			require.NoError(t, err)
			require.Len(t, list, 2)
			rule(t, "S5", !ids[added.ID], "ID %x comes again", added.ID)
			ids[added.ID] = true
			list, err = m.MemberRemove(t.Context(), added.ID)
			require.NoError(t, err)
			require.Len(t, list, 1)
		}
		_, err := m.MemberRemove(t.Context(), uint64(id(m)))
		rule(t, "S5", errors.Is(err, service.ErrNotEnoughStarted), "the last member is removed: %v", err)
	})
}

// The others do not send to whom they have removed: it has to ask.
func TestRemovedMemberStopsThoughNobodyTellsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, 3, nil)
		removed, leader := g.follower(), g.leader()
		g.cut(removed)
		_, err := leader.MemberRemove(t.Context(), uint64(id(removed)))
		require.NoError(t, err)
		time.Sleep(time.Minute)
		require.NoError(t, removed.Err(), "whoever reaches nobody is not removed")
		g.heal()
		time.Sleep(time.Minute)
		rule(t, "S6", errors.Is(removed.Err(), service.ErrRemoved), "a minute after it could have asked: %v", removed.Err())
		require.NoError(t, put(leader))
	})
}

func TestLeaderIsRemovedByItsHeir(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, 3, nil)
		leader := g.leader()
		list, err := g.follower().MemberRemove(t.Context(), uint64(id(leader)))
		require.NoError(t, err)
		require.Len(t, list, 2)
		time.Sleep(10 * time.Second)
		rule(t, "S6", errors.Is(leader.Err(), service.ErrRemoved), "removed, the leader says %v", leader.Err())
		rows := g.leader().Status()
		require.Equal(t, raft.Leader, rows.Raft.Role)
		require.NoError(t, put(g.leader()))
	})
}

// A planned stop costs no election timeout.
func TestLeaderHandsOverBeforeItStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, 3, nil)
		old := g.leader()
		old.HandOver(t.Context())
		require.NoError(t, old.Close())
		require.ErrorIs(t, old.Err(), service.ErrStopped)
		time.Sleep(200 * time.Millisecond) // an election timeout is a second
		led := false
		for _, m := range g.members {
			led = led || m != old && m.Leads()
		}
		rule(t, "S7", led, "nobody leads after a planned stop")
		require.ErrorIs(t, put(old), service.ErrStopped)
	})
}
