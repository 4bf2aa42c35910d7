package clock

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc/timestamp"
)

const window = 10 * time.Millisecond

// disk is a Store whose writes can be held up, and fail.
type disk struct {
	Memory
	saves int
	fail  error
	held  chan struct{} // Save waits until it is closed
}

func (d *disk) Save(ts timestamp.TS) error {
	d.saves++
	if d.held != nil {
		<-d.held
	}
	if d.fail != nil {
		return d.fail
	}
	return d.Memory.Save(ts)
}

func (d *disk) saved() timestamp.TS {
	ts, _ := d.Load()
	return ts
}

func at(ms int64) timestamp.TS { return timestamp.Make(ms, 0) }

// opened returns a bound that is open, of a store that holds earlier.
func opened(t *testing.T, d *disk, earlier timestamp.TS) *Bound {
	require.NoError(t, d.Memory.Save(earlier))
	b := NewBound(d, window)
	require.False(t, b.Opened())
	require.False(t, b.Covers(0), "RULE C2: covered before it was open")
	called := 0
	for range 2 {
		require.NoError(t, b.Open(t.Context(), func(got timestamp.TS) error {
			called++
			require.Equal(t, earlier, got)
			return nil
		}))
	}
	require.Equal(t, 1, called)
	require.True(t, b.Opened())
	return b
}

func TestBoundIsWrittenAheadOfItsUse(t *testing.T) {
	d := &disk{}
	b := opened(t, d, at(90))
	require.False(t, b.Covers(at(100)), "RULE C2: covered, and not written")
	require.NoError(t, b.Cover(t.Context(), at(100)))
	require.Equal(t, at(110), d.saved(), "RULE C2: what is promised is not what is written")
	require.True(t, b.Covers(at(100)))
	require.True(t, b.Covers(at(105)-1))
	require.False(t, b.Covers(at(105)), "half of the window is used up")
	require.NoError(t, b.Cover(t.Context(), at(105)))
	require.Equal(t, at(115), d.saved())
	require.Equal(t, 2, d.saves)
}

func TestWhileOneWritesTheOthersGoOnUpToWhatIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		b := opened(t, d, 0)
		require.NoError(t, b.Cover(t.Context(), at(100)))
		held := make(chan struct{})
		d.held = held
		var wg sync.WaitGroup
		cover := func(ts timestamp.TS, done *bool) {
			wg.Go(func() {
				if err := b.Cover(t.Context(), ts); err != nil {
					t.Error(err)
				}
				*done = true
			})
			synctest.Wait()
		}
		var writes, within, above bool
		cover(at(105), &writes)
		cover(at(106), &within)
		cover(at(110), &above)
		early := []bool{writes, within, above}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		gaveUp := b.Cover(ctx, at(111))
		close(held)
		wg.Wait()
		require.Equal(t, []bool{false, true, false}, early, "RULE C2: given out above what is written, or not although it is below")
		require.ErrorIs(t, gaveUp, context.DeadlineExceeded, "RULE C2: given out above what is written")
		require.Greater(t, d.saved(), at(110))
	})
}

func TestBoundThatCannotBeWrittenIsToldWhenItIsUsedUp(t *testing.T) {
	d := &disk{}
	b := opened(t, d, 0)
	require.NoError(t, b.Cover(t.Context(), at(100)))
	d.fail = errors.New("no disk")
	require.NoError(t, b.Cover(t.Context(), at(105)), "it is covered still")
	require.False(t, b.Covers(at(105)), "RULE C2: a failed write counts")
	require.ErrorIs(t, b.Cover(t.Context(), at(110)), d.fail, "RULE C2: given out, and not written")
	d.fail = nil
	require.NoError(t, b.Cover(t.Context(), at(110)))
	require.Equal(t, at(120), d.saved())
}

func TestBoundThatCannotBeReadIsNotOpen(t *testing.T) {
	b := NewBound(&broken{}, window)
	begin := func(timestamp.TS) error { return nil }
	require.ErrorIs(t, b.Open(t.Context(), begin), ErrCorrupt)
	require.False(t, b.Opened())

	d := &disk{}
	b = NewBound(d, window)
	refused := errors.New("not now")
	require.ErrorIs(t, b.Open(t.Context(), func(timestamp.TS) error { return refused }), refused)
	require.False(t, b.Opened(), "RULE C2: open although it could not begin")
	require.NoError(t, b.Open(t.Context(), begin))
}

type broken struct{ Memory }

func (*broken) Load() (timestamp.TS, error) { return 0, ErrCorrupt }

func TestCloseSavesHowFarItCame(t *testing.T) {
	d := &disk{}
	b := opened(t, d, 0)
	var l Last
	l.Raise(at(100))
	require.NoError(t, b.Cover(t.Context(), at(100)))
	l.Raise(at(103))
	require.NoError(t, b.Close(&l))
	require.NoError(t, b.Close(&l))
	require.Equal(t, at(103)+1, d.saved(), "RULE C2: the next run would begin elsewhere")
	require.False(t, b.Covers(at(103)), "RULE C2: covered after Close")
	require.ErrorIs(t, b.Cover(t.Context(), at(103)), ErrClosed)
	require.ErrorIs(t, b.Open(t.Context(), nil), ErrClosed)

	d = &disk{}
	require.NoError(t, d.Memory.Save(at(7)))
	require.NoError(t, NewBound(d, window).Close(&Last{}))
	require.Equal(t, at(7), d.saved(), "RULE C2: a run that gave out nothing takes the bound back")
}

func TestWithoutAStoreEverythingIsCoveredUntilClose(t *testing.T) {
	b := NewBound(nil, window)
	require.True(t, b.Opened())
	require.True(t, b.Covers(timestamp.Max-1))
	require.NoError(t, b.Close(&Last{}))
	require.False(t, b.Covers(1))
	require.ErrorIs(t, b.Cover(t.Context(), 1), ErrClosed)
}
