package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc"
)

// TestEverythingRuns measures all tables with few keys: each contender is in each, and
// none fails.
func TestEverythingRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("half a minute")
	}
	var out bytes.Buffer
	require.NoError(t, program().Run(t.Context(), []string{"-quick", "-dir", t.TempDir()}, &out, io.Discard))
	for _, want := range []string{
		"| versions=1000/at=middle | flagship |", "| versions=1000/at=middle | etcd |", "| versions=1 | client-go-mock |",
		"| clients=16 | badger-disk |", "| clients=16 | flagship-2pc |", "| clients=16 | sqlite |",
		"| accounts=16/clients=64 | flagship-lock-each |", "| accounts=16/clients=64 | go-memdb |",
		"| query=groupby | floor-loopback |", "| query=top10 | flagship-rows |", "| query=sum | flagship |",
		"| clients=16 | flagship-quiet |", "| clients=16 | etcd-quiet |", "| op=ahead/clients=1 | cockroach |",
	} {
		require.Contains(t, out.String(), want)
	}
	require.NotContains(t, out.String(), "failed")
}

// TestStoresDoTheSame gives each store the same transactions, and reads what they leave.
func TestStoresDoTheSame(t *testing.T) {
	all := append(peers(), oursAs(ours, mvcc.SnapshotIsolation, mvcc.Options{}), oursAs(ours2PC, mvcc.SnapshotIsolation, twoPhases),
		oursAs(oursSerial, mvcc.Serializable, mvcc.Options{}), oursAs(oursLock, mvcc.Pessimistic, mvcc.Options{}))
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) {
			ctx := t.Context()
			s, err := c.open(t.TempDir())
			require.NoError(t, err)
			defer func() { require.NoError(t, s.Close()) }()
			require.NoError(t, fill(ctx, s, 250, amount(3)))
			before, err := s.Snapshot(ctx)
			require.NoError(t, err)
			_, err = s.Update(ctx, func(tx tx) error {
				a, b, err := balances(tx, accountKey(7), accountKey(8), false)
				if err != nil {
					return err
				}
				require.Equal(t, []int64{3, 3}, []int64{a, b})
				if err := errors.Join(tx.Put(accountKey(7), amount(a-2)), tx.Put(accountKey(8), amount(b+2))); err != nil {
					return err
				}
				v, err := tx.Get(accountKey(7))
				require.NoError(t, err)
				require.Equal(t, amount(1), v, "it reads what it has written")
				return nil
			})
			require.NoError(t, err)
			sum, err := total(ctx, s)
			require.NoError(t, err)
			require.Equal(t, int64(750), sum)
			v, err := before.Get(accountKey(7))
			require.NoError(t, err)
			require.Equal(t, amount(3), v, "a snapshot does not change")
			n := 0
			require.NoError(t, before.Scan(accountKey(5), accountKey(10), func(k, v []byte) error {
				require.Equal(t, accountKey(5+n), k)
				require.Equal(t, amount(3), v)
				n++
				return nil
			}))
			require.Equal(t, 5, n)
			require.NoError(t, before.Close())
			snap, err := s.Snapshot(ctx)
			require.NoError(t, err)
			v, err = snap.Get([]byte("nobody"))
			require.NoError(t, err)
			require.Nil(t, v)
			require.NoError(t, snap.Close())
		})
	}
}

// TestAnAttemptIsMadeAgain: what a conflict ends is counted and done again.
func TestAnAttemptIsMadeAgain(t *testing.T) {
	left := 3
	n, err := retry(t.Context(), func() error {
		if left--; left >= 0 {
			return errConflict
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 3, n)
	wrong := errors.New("wrong")
	_, err = retry(t.Context(), func() error { return wrong })
	require.ErrorIs(t, err, wrong)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = retry(ctx, func() error { return errConflict })
	require.ErrorIs(t, err, context.Canceled)
}

func TestWrongUseIsTold(t *testing.T) {
	for _, args := range [][]string{{"surplus"}, {"-only", "("}, {"-rows", "3"}} {
		err := program().Run(t.Context(), args, io.Discard, io.Discard)
		require.Error(t, err, strings.Join(args, " "))
	}
}
