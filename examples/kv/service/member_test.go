package service_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/service"
	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/raft"
)

// lossy loses the answers, or the questions, of calls.
type lossy struct {
	service.Peers
	answers, questions int // so many
	other              *service.Member
}

func (l *lossy) Call(ctx context.Context, to raft.NodeID, call string, body []byte) ([]byte, error) {
	if call != service.CallPropose {
		return l.Peers.Call(ctx, to, call, body)
	}
	if l.questions > 0 {
		l.questions--
		return nil, service.ErrNotSent
	}
	b, err := l.Peers.Call(ctx, to, call, body)
	if l.answers > 0 {
		l.answers--
		return nil, errors.Join(raft.ErrOutcomeUnknown, errors.New("connection reset"))
	}
	return b, err
}

// pair starts two members, and returns the one that follows.
func pair(t *testing.T) (*service.Member, *lossy) {
	network, local := raft.NewNetwork(), &service.Local{}
	members, peers := map[raft.NodeID]*service.Member{}, map[raft.NodeID]*lossy{}
	for _, id := range []raft.NodeID{1, 2} {
		peers[id] = &lossy{Peers: local.Peers(id)}
		o := service.Options{Peers: peers[id]}
		o.Raft.ID, o.Raft.Voters, o.Raft.Transport = id, []raft.NodeID{1, 2}, network.Join(id)
		m, err := service.Start(o)
		require.NoError(t, err)
		local.Join(id, m)
		members[id] = m
		t.Cleanup(func() { require.NoError(t, m.Close()) })
	}
	time.Sleep(10 * time.Second) // virtual: there is a leader, and rows are published
	for id, m := range members {
		if !m.Leads() {
			peers[id].other = members[3-id]
			return m, peers[id]
		}
	}
	require.Fail(t, "no follower")
	return nil, nil
}

// rule reports a broken rule in the form that the kill matrix reads.
func rule(t *testing.T, id string, kept bool, format string, args ...any) {
	t.Helper()
	if !kept {
		t.Fatalf("RULE %s: %s", id, fmt.Sprintf(format, args...))
	}
}

func version(t *testing.T, m *service.Member) int64 {
	r, err := m.Range(t.Context(), &store.RangeRequest{Key: []byte("k")}, false)
	require.NoError(t, err)
	require.Len(t, r.KVs, 1)
	return r.KVs[0].Version
}

func TestCommandWhoseAnswerIsLostIsNotProposedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, peers := pair(t)
		peers.answers = 1
		_, err := m.Put(t.Context(), &store.PutRequest{Key: []byte("k")})
		require.ErrorIs(t, err, service.ErrLeaderFail)
		require.EqualValues(t, 1, version(t, m), "done, once, although its client was told otherwise")
	})
}

func TestCommandThatWasNotSentIsProposedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, peers := pair(t)
		peers.questions = 3
		_, err := m.Put(t.Context(), &store.PutRequest{Key: []byte("k")})
		require.NoError(t, err)
		require.EqualValues(t, 1, version(t, m))
		peers.questions = 1 << 30
		began := time.Now()
		_, err = m.Put(t.Context(), &store.PutRequest{Key: []byte("k")})
		require.ErrorIs(t, err, service.ErrTimeout)
		require.Equal(t, 7*time.Second, time.Since(began).Round(time.Second), "etcd's 5 s and two election timeouts")
		require.EqualValues(t, 1, version(t, m))
	})
}

// A lease of an hour, which nobody renews, does not begin anew with every
// leader; one that is renewed does.
func TestLongLeaseIsNotProlongedByANewLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		follower, peers := pair(t)
		leader := peers.other
		for id := range int64(2) {
			_, err := leader.LeaseGrant(t.Context(), &store.LeaseGrantRequest{ID: id + 1, TTL: 3600})
			require.NoError(t, err)
		}
		time.Sleep(30 * time.Minute)
		_, err := leader.LeaseRenew(t.Context(), 2)
		require.NoError(t, err)
		require.NoError(t, leader.MoveLeader(t.Context(), follower.Header(0).MemberID))
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

func TestErrorsKeepTheirMeaningBetweenMembers(t *testing.T) {
	over := func(err error) error { return service.DecodeError(service.EncodeError(err)) }
	var refusal *store.Error
	require.ErrorAs(t, over(store.ErrCompacted), &refusal)
	require.Equal(t, *store.ErrCompacted, *refusal)
	require.ErrorIs(t, over(raft.ErrOutcomeUnknown), raft.ErrOutcomeUnknown)
	for _, err := range []error{raft.ErrDropped, &raft.NotLeaderError{Leader: 2}, service.ErrNotSent, raft.ErrPending} {
		require.ErrorIs(t, over(err), raft.ErrDropped, "may be repeated")
		require.False(t, errors.Is(over(err), raft.ErrOutcomeUnknown))
	}
	require.ErrorIs(t, service.DecodeError([]byte("<html>")), raft.ErrOutcomeUnknown, "a stranger's word proves nothing")
	require.EqualError(t, over(errors.New("else")), "else")
}
