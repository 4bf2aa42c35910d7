package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/store"
)

// What the cluster keeps beside keys: leases and alarms.

func TestLeasesAreGrantedOnce(t *testing.T) {
	l := newLog(t)
	for _, c := range []struct {
		cmd store.Command
		err error
	}{
		{&store.LeaseGrantRequest{TTL: 10}, store.ErrLeaseNotFound},
		{&store.LeaseGrantRequest{ID: 5, TTL: 10}, nil},
		{&store.LeaseGrantRequest{ID: 5, TTL: 20}, store.ErrLeaseExist},
		{&store.LeaseGrantRequest{ID: -5, TTL: store.MaxLeaseTTL}, nil},
		{&store.LeaseRevokeRequest{ID: 6}, store.ErrLeaseNotFound},
		{&store.LeaseCheckpointRequest{Checkpoints: []store.LeaseCheckpoint{{ID: 6, Remaining: 3}, {ID: 5, Remaining: 3}}}, nil},
	} {
		_, err := l.try(c.cmd)
		rule(t, "leases", err == c.err, "%T%+v: %v, want %v", c.cmd, c.cmd, err, c.err)
	}
	require.Equal(t, []store.Lease{{ID: -5, TTL: store.MaxLeaseTTL}, {ID: 5, TTL: 10, Remaining: 3}}, l.Leases())
	_, _, err := l.Lease(6, false)
	require.Equal(t, store.ErrLeaseNotFound, err)
}

func TestRevocationDeletesTheKeysOfTheLeaseInOneRevision(t *testing.T) {
	l := newLog(t)
	for id := range int64(2) {
		l.do(&store.LeaseGrantRequest{ID: id + 1, TTL: 10})
	}
	for _, k := range []string{"c", "a", "b", "moved", "gone"} {
		l.do(&store.PutRequest{Key: []byte(k), Lease: 1})
	}
	l.do(&store.PutRequest{Key: []byte("moved"), Lease: 2})
	l.delete("gone")
	l.put("gone", "again") // without the lease
	w := l.watch(store.WatchRequest{Key: []byte{0}, End: []byte{0}})
	before := l.Status().Revision
	l.do(&store.LeaseRevokeRequest{ID: 1})
	r, _ := w.Next(0)
	var deleted []string
	for _, e := range r.Events {
		require.Equal(t, store.EventDelete, e.Type)
		rule(t, "revision", e.KV.ModRevision == before+1, "%q is deleted in revision %d, of %d", e.KV.Key, e.KV.ModRevision, before+1)
		deleted = append(deleted, string(e.KV.Key))
	}
	rule(t, "leases", strings.Join(deleted, " ") == "a b c", "revocation deleted %q", deleted)
	rule(t, "leases", l.all(0) == "gone=again moved=", "%s", l.all(0))
}

// TestNoSpaceAlarmIsLeftByCompactionDefragmentationAndDisarming walks the whole way.
func TestNoSpaceAlarmIsLeftByCompactionDefragmentationAndDisarming(t *testing.T) {
	l := newLog(t)
	const quota = 10_000
	noSpace := store.Alarm{Member: 1, Type: store.AlarmNoSpace}
	over := func(c store.Command) bool { return l.Status().Size+store.Cost(c) >= quota }
	for !over(put("k", "value")) {
		l.put("k", "value")
	}
	l.do(&store.AlarmRequest{Action: store.AlarmActivate, Alarm: noSpace})
	require.Equal(t, []store.Alarm{noSpace}, l.Alarms())
	for name, cmd := range map[string]store.Command{
		"put":        put("k", "value"),
		"lease":      &store.LeaseGrantRequest{ID: 1, TTL: 10},
		"txn":        &store.TxnRequest{Failure: []store.Op{putOp("k")}},
		"nested txn": &store.TxnRequest{Success: []store.Op{txnOp(nil, []store.Op{putOp("k")})}},
	} {
		_, err := l.try(cmd)
		rule(t, "alarm-refuses", err == store.ErrNoSpace, "%s: %v", name, err)
	}
	for _, cmd := range []store.Command{
		&store.TxnRequest{Success: []store.Op{deleteOp("a", "")}},
		&store.DeleteRangeRequest{Key: []byte("k")},
		&store.AlarmRequest{Action: store.AlarmGet},
		&store.CompactionRequest{Revision: l.Status().Revision},
	} {
		_, err := l.try(cmd)
		rule(t, "alarm-way-out", err == nil, "%T: %v", cmd, err)
	}
	rule(t, "size", over(put("k", "value")), "compaction alone makes room: %+v", l.Status())
	r := l.do(&store.DefragmentRequest{}).(*store.DefragmentResponse)
	rule(t, "size", r.Size == l.Status().SizeInUse && !over(put("k", "value")), "%+v", l.Status())
	_, err := l.try(put("k", "value"))
	rule(t, "alarm-refuses", err == store.ErrNoSpace, "the alarm went by itself")
	l.do(&store.AlarmRequest{Action: store.AlarmDeactivate, Alarm: noSpace})
	l.put("k", "value")
}

func TestCorruptAlarmRefusesEveryWrite(t *testing.T) {
	l := newLog(t)
	l.put("k", "v")
	corrupt := store.Alarm{Member: 2, Type: store.AlarmCorrupt}
	l.do(&store.AlarmRequest{Action: store.AlarmActivate, Alarm: corrupt})
	for _, cmd := range []store.Command{
		put("k", "v"), &store.DeleteRangeRequest{Key: []byte("k")}, &store.TxnRequest{}, &store.CompactionRequest{Revision: 1},
		&store.LeaseGrantRequest{ID: 1}, &store.LeaseRevokeRequest{ID: 1},
	} {
		_, err := l.try(cmd)
		rule(t, "alarm-refuses", err == store.ErrCorrupt, "%T: %v", cmd, err)
	}
	require.Equal(t, "k=v", l.all(0))
	l.do(&store.MemberRemoveRequest{ID: 2})
	require.Empty(t, l.Alarms(), "the alarm of a member that is gone")
	l.put("k", "v")
}

func TestErrorsAreEtcds(t *testing.T) {
	for err, want := range map[*store.Error]string{
		store.ErrCompacted:     "11 etcdserver: mvcc: required revision has been compacted",
		store.ErrFutureRev:     "11 etcdserver: mvcc: required revision is a future revision",
		store.ErrNoSpace:       "8 etcdserver: mvcc: database space exceeded",
		store.ErrLeaseNotFound: "5 etcdserver: requested lease not found",
		store.ErrEmptyKey:      "3 etcdserver: key is not provided",
		store.ErrDuplicateKey:  "3 etcdserver: duplicate key given in txn request",
	} {
		var e *store.Error
		require.True(t, errors.As(fmt.Errorf("wrapped: %w", err), &e))
		require.Equal(t, want, fmt.Sprintf("%d %v", e.Code, e))
	}
}
