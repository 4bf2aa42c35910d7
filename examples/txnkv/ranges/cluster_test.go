package ranges

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/raft"
)

func TestWhatIsCommittedIsReadAndSurvivesARestart(t *testing.T) {
	forClocks(t, func(t *testing.T, o Options) {
		w := start(t, o)
		w.put("a", "1", "m", "2", "z", "3")
		require.NoError(t, w.Split(within(t, time.Minute), []byte("h")))
		require.NoError(t, w.Split(within(t, time.Minute), []byte("q")))
		w.put("b", "4", "n", "5", "y", "6")
		for range 2 {
			for k, v := range map[string]string{"a": "1", "m": "2", "z": "3", "b": "4", "n": "5", "y": "6"} {
				got := w.get(k)
				rule(t, "T1", got == v, "%s is %q after a restart, and %q was committed", k, got, v)
			}
			w.close()
			w.open()
		}
	})
}

func TestANodeIsStoppedAndTheOthersGoOn(t *testing.T) {
	forClocks(t, func(t *testing.T, o Options) {
		w := start(t, o)
		w.put("a", "1")
		for round := range 3 {
			_, n := w.holder("a")
			require.NoError(t, w.Stop(n.id))
			v := fmt.Sprint(round)
			w.put("a", v)
			require.Equal(t, v, w.get("a"))
			require.NoError(t, w.Cluster.Start(n.id))
		}
	})
}

func TestLeadersMoveByCommand(t *testing.T) {
	w := start(t, Options{})
	w.put("a", "1")
	for _, to := range []raft.NodeID{1, 2, 3, 2, 1} {
		id, _ := w.holder("a")
		require.NoError(t, w.Move(within(t, time.Minute), id, to))
		require.Equal(t, "1", w.get("a"))
		_, n := w.holder("a")
		require.Equal(t, to, n.id)
	}
	err := w.Move(within(t, time.Minute), 77, 1)
	require.ErrorIs(t, err, ErrUnknown)
	require.ErrorIs(t, w.Stop(9), ErrUnknown)
	require.ErrorIs(t, w.Cluster.Start(0), ErrUnknown)
}

func TestRangesSplitBySize(t *testing.T) {
	w := start(t, Options{MaxRangeBytes: 64 << 10})
	value := make([]byte, 1000)
	ctx := within(t, time.Minute)
	for i := range 20 {
		w.run(func(_ context.Context, t *mvcc.Txn) error {
			for j := range 20 {
				if err := t.Put(fmt.Appendf(nil, "k%04d", 20*i+j), value); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for len(w.Status(ctx).Ranges) < 4 {
		require.NoError(t, pause(ctx, 20*time.Millisecond), "%v", w.Status(ctx).Ranges)
	}
	n := 0
	w.run(func(ctx context.Context, t *mvcc.Txn) error {
		n = 0
		for kv, err := range t.Scan(ctx, nil, nil, mvcc.ScanOptions{}) {
			if err != nil {
				return err
			}
			if string(kv.Key) != fmt.Sprintf("k%04d", n) || len(kv.Value) != 1000 {
				return fmt.Errorf("key %q in place %d", kv.Key, n)
			}
			n++
		}
		return nil
	})
	rule(t, "T4", n == 400, "%d keys after splits, of 400", n)
}

func TestADirectoryIsOneProcessAndKeepsWhatItWasMadeWith(t *testing.T) {
	w := start(t, Options{})
	_, err := Open(within(t, time.Minute), w.o)
	rule(t, "T8", err != nil, "a second one opened the directory")
	require.ErrorContains(t, err, "in use")
	w.close()
	defer w.open()
	o := w.o
	o.Clock = "hlc"
	_, err = Open(within(t, time.Minute), o)
	rule(t, "T8", err != nil, "the clock was changed")
	require.ErrorContains(t, err, "neither can change")
}
