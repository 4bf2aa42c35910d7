package ranges

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/region"
)

// interceptor is a way to a cluster on which something happens before a request.
type interceptor struct {
	mvcc.Transport
	before func(ctx context.Context, q region.Request) error
}

func (i *interceptor) Send(ctx context.Context, r region.Ref, q region.Request) (any, error) {
	if err := i.before(ctx, q); err != nil {
		return nil, err
	}
	return i.Transport.Send(ctx, r, q)
}

var errGone = errors.New("the client is gone")

// killTwice stops the node that serves a key, and then the one that takes its place.
func (w *world) killTwice(key string) {
	for range 2 {
		_, n := w.holder(key)
		require.NoError(w.t, w.Stop(n.id))
	}
}

// A transaction writes a, m and z, which are in three ranges. When all three are
// prewritten, the leader of one range dies, and then its replacement too. The commit goes
// on, and is whole; or, if the client dies with them, is whole in one way or the other.
func TestLeaderAndReplacementDieBetweenPrewriteAndCommit(t *testing.T) {
	for _, clock := range clocks {
		for _, async := range []bool{false, true} {
			for _, victim := range []string{"a", "z"} { // the primary's range, and another
				for _, gone := range []bool{false, true} {
					name := fmt.Sprintf("clock=%s/async=%v/victim=%s/clientgone=%v", clock, async, victim, gone)
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						killBetween(t, clock, async, victim, gone)
					})
				}
			}
		}
	}
}

func killBetween(t *testing.T, clock string, async bool, victim string, gone bool) {
	ctx := within(t, 2*time.Minute)
	w := start(t, Options{Clock: clock, Nodes: 5})
	require.NoError(t, w.Split(ctx, []byte("h")))
	require.NoError(t, w.Split(ctx, []byte("q")))
	w.put("a", "old", "m", "old", "z", "old")

	commitCtx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var once sync.Once
	armed, dead := false, false
	var mu sync.Mutex
	db, err := mvcc.Open(&mvcc.Options{Clock: w.Clock(), NoAsyncCommit: !async, LockTTL: 500 * time.Millisecond, LockWait: 30 * time.Second,
		Transport: &interceptor{w.Cluster, func(_ context.Context, q region.Request) error {
			mu.Lock()
			defer mu.Unlock()
			if _, commit := q.(*region.CommitRequest); commit && armed {
				once.Do(func() {
					w.killTwice(victim)
					if dead = gone; dead && !async {
						cancel() // an async commit has been answered
					}
				})
			}
			if dead {
				return errGone
			}
			return nil
		}}})
	require.NoError(t, err)
	defer db.Close()
	txn, err := db.Begin(ctx, mvcc.TxnOptions{})
	require.NoError(t, err)
	for _, k := range []string{"a", "m", "z"} {
		require.NoError(t, txn.Put([]byte(k), []byte("new")))
	}
	armed = true
	err = txn.Commit(commitCtx)
	switch {
	case async || !gone:
		rule(t, "T1", err == nil, "a commit that nobody hindered failed: %v", err)
	default:
		rule(t, "T1", errors.Is(err, mvcc.ErrUndetermined), "nobody knows what became of the commit, and it says %v", err)
	}
	got := [3]string{w.get("a"), w.get("m"), w.get("z")}
	rule(t, "T1", got[0] == got[1] && got[1] == got[2], "the transaction is there in part: %v", got)
	if err == nil {
		rule(t, "T1", got[0] == "new", "a commit was acknowledged, and reads say %v", got)
	}
}
