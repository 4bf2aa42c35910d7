package service_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/service"
	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/raft"
)

func TestCommandWhoseAnswerIsLostIsNotProposedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, 2, nil)
		m := g.follower()
		g.peers[id(m)].answers = 1
		err := put(m)
		rule(t, "S1", version(t, m) == 1, "a put whose answer was lost was done %d times", version(t, m))
		rule(t, "S1", errors.Is(err, service.ErrLeaderFail), "its client is told %v", err)
	})
}

func TestCommandThatWasNotSentIsProposedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, 2, nil)
		m := g.follower()
		peers := g.peers[id(m)]
		peers.questions = 3
		err := put(m)
		rule(t, "S1", err == nil, "nothing was done, and it was not tried again: %v", err)
		require.EqualValues(t, 1, version(t, m))
		peers.questions = 1 << 30
		began := time.Now()
		require.ErrorIs(t, put(m), service.ErrTimeout)
		require.Equal(t, 7*time.Second, time.Since(began).Round(time.Second), "etcd's 5 s and two election timeouts")
		require.EqualValues(t, 1, version(t, m))
	})
}

// A member that hears late of what was committed waits for it, unless it is
// told that the reader does not care.
func TestReadSeesWhatWasAcknowledgedAnywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, 3, nil)
		leader, follower := g.leader(), g.follower()
		for want := int64(1); want <= 50; want++ {
			require.NoError(t, put(leader))
			txn, err := follower.Txn(t.Context(), &store.TxnRequest{Success: []store.Op{{Range: &store.RangeRequest{Key: k}}}}, false)
			require.NoError(t, err)
			got := versionOf(txn.Responses[0].Range)
			rule(t, "S2", got == want, "version %d was acknowledged, and version %d is read by a transaction", want, got)
		}
		for want := int64(51); want <= 100; want++ {
			require.NoError(t, put(leader))
			got := version(t, follower)
			rule(t, "S2", got == want, "version %d was acknowledged, and version %d is read", want, got)
		}
		g.cut(follower)
		require.NoError(t, put(leader))
		_, err := follower.Range(t.Context(), &store.RangeRequest{Key: k}, false)
		rule(t, "S2", errors.Is(err, service.ErrTimeout), "a member that reaches nobody answers a linearizable read: %v", err)
		r, err := follower.Range(t.Context(), &store.RangeRequest{Key: k}, true)
		require.NoError(t, err)
		require.EqualValues(t, 100, versionOf(r), "a serializable read is of what there is")
	})
}

func TestErrorsKeepTheirMeaningBetweenMembers(t *testing.T) {
	over := func(err error) error { return service.DecodeError(service.EncodeError(err)) }
	var refusal *store.Error
	require.ErrorAs(t, over(store.ErrCompacted), &refusal)
	require.Equal(t, *store.ErrCompacted, *refusal)
	require.ErrorIs(t, over(raft.ErrOutcomeUnknown), raft.ErrOutcomeUnknown)
	for _, err := range []error{raft.ErrDropped, &raft.NotLeaderError{Leader: 2}, service.ErrNotSent, raft.ErrPending} {
		rule(t, "S1", errors.Is(over(err), raft.ErrDropped), "%v may be repeated, and on its way it became %v", err, over(err))
		require.False(t, errors.Is(over(err), raft.ErrOutcomeUnknown))
	}
	err := service.DecodeError([]byte("<html>"))
	rule(t, "S1", errors.Is(err, raft.ErrOutcomeUnknown), "a stranger's word is taken for %v", err)
	require.EqualError(t, over(errors.New("else")), "else")
}

// The alarm is at one place of the log: the commands before it are executed by
// all, those behind it by none.
func TestQuotaIsTheClustersNotEachMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, 3, func(o *service.Options) {
			if o.Raft.ID == 2 {
				o.Quota = 8 << 10
			}
		})
		strict, lax := g.members[2], g.members[1]
		big := &store.PutRequest{Key: k, Value: make([]byte, 1<<10)}
		var err error
		for range 20 {
			if _, err = strict.Put(t.Context(), big); err != nil {
				break
			}
			time.Sleep(time.Second) // virtual: it has heard of what was committed
		}
		rule(t, "S4", errors.Is(err, store.ErrNoSpace), "over its quota a member says %v", err)
		size := strict.Status().Store.Size
		rule(t, "S4", size < 8<<10, "it wrote %d bytes, where %d are allowed", size, 8<<10)
		rule(t, "S4", errors.Is(put(lax), store.ErrNoSpace), "a member whose own quota is larger goes on writing")
		alarms, err := lax.Alarm(t.Context(), &store.AlarmRequest{})
		require.NoError(t, err)
		require.Equal(t, []store.Alarm{{Member: 2, Type: store.AlarmNoSpace}}, alarms.Alarms)
		_, err = lax.DeleteRange(t.Context(), &store.DeleteRangeRequest{Key: k})
		require.NoError(t, err, "deletions are the way out")
	})
}
