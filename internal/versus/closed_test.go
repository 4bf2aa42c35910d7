package versus

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestClosedRunsAsManyOperationsAsAskedFromAsManyClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left, began := 100, time.Now()
		var done, busy, most atomic.Int64
		err := Closed(8, func() bool { left--; return left >= 0 }, func() error {
			n := busy.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(time.Second)
			busy.Add(-1)
			done.Add(1)
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, int64(100), done.Load())
		require.Equal(t, int64(8), most.Load())
		require.Equal(t, 13*time.Second, time.Since(began), "each client waits for its own operation only")
	})
}

func TestClosedEndsWithTheFirstError(t *testing.T) {
	wrong := errors.New("the disk is full")
	left := 1000
	var done atomic.Int64
	err := Closed(4, func() bool { left--; return left >= 0 }, func() error {
		if done.Add(1) >= 10 {
			return wrong
		}
		return nil
	})
	require.ErrorIs(t, err, wrong)
	require.LessOrEqual(t, done.Load(), int64(10+4), "the others end the operation they are at")
	require.Equal(t, -1, left, "and all is taken in")
}
