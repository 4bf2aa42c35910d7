package wal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/stretchr/testify/require"
)

func TestOneSyncServesAllWhoCameDuringTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		l := openSmall(t, mem)
		release := make(chan struct{})
		mem.Inject(vfs.Fault{Kind: vfs.OpSync, Block: func() { <-release }})
		var wg sync.WaitGroup
		caller := func() {
			wg.Go(func() {
				seq, err := l.AppendSync([]byte("x"))
				if err != nil || l.DurableSeq() < seq {
					broken(t, "W2", "record %d was acknowledged at durable %d: %v", seq, l.DurableSeq(), err)
				}
			})
		}
		caller()
		synctest.Wait() // the first is in its sync
		for range 20 {
			caller()
		}
		synctest.Wait() // the others have appended and wait
		require.Equal(t, uint64(21), l.LastSeq())
		require.Zero(t, l.DurableSeq())
		close(release)
		wg.Wait()
		if l.DurableSeq() != 21 || l.Metrics().Syncs != 2 {
			t.Errorf("21 callers took %d syncs, durable is %d", l.Metrics().Syncs, l.DurableSeq())
		}
	})
}

// The record appended while a sync runs may have come after the kernel looked:
// that sync must not count for it.
func TestSyncCountsOnlyWhatCameBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		l := openSmall(t, mem)
		release := make(chan struct{})
		mem.Inject(vfs.Fault{Kind: vfs.OpSync, Block: func() { <-release }})
		fill(t, l, 1)
		done := make(chan error)
		go func() { done <- l.Sync(1) }()
		synctest.Wait()
		fill(t, l, 1)
		close(release)
		require.NoError(t, <-done)
		if l.DurableSeq() != 1 {
			broken(t, "W2", "a sync that began with record 1 made %d durable", l.DurableSeq())
		}
	})
}

// What waits for a sync may find, when its turn comes, that TruncateBack was
// before it. Syncing on would be for ever.
func TestSyncOfARecordThatIsCutOffMeanwhileEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		l := openSmall(t, mem)
		fill(t, l, 3)
		l.mu.Lock()
		l.syncing = true
		l.mu.Unlock()
		done := make(chan error, 1)
		go func() { done <- l.Sync(3) }()
		synctest.Wait()
		l.mu.Lock()
		require.NoError(t, l.truncateBack(l.find(2), 1))
		l.syncing = false
		l.idle.Broadcast()
		l.mu.Unlock()
		mem.Inject(vfs.Fault{Kind: vfs.OpSync, Skip: 10, Err: vfs.ErrIO})
		if err := <-done; !errors.Is(err, ErrOutOfRange) {
			broken(t, "W2", "record 3 was cut off, and whoever waits for it syncs again and again: %v", err)
		}
	})
}

func TestFailedSyncEndsTheLogUntilItIsReopened(t *testing.T) {
	mem := vfs.NewMem()
	l := openSmall(t, mem)
	fill(t, l, 3)
	require.NoError(t, l.Sync(3))
	fill(t, l, 2)
	mem.Inject(vfs.Fault{Kind: vfs.OpSync, Err: vfs.ErrIO})
	first := l.Sync(5)
	if first == nil {
		broken(t, "W6", "the disk failed a sync, and the caller heard that it succeeded")
		return
	}
	require.ErrorIs(t, first, ErrFailed)
	require.ErrorIs(t, first, vfs.ErrIO)
	if err := l.Sync(5); err == nil || l.DurableSeq() != 3 {
		broken(t, "W6", "a sync failed, and the next one says %v with %d durable", err, l.DurableSeq())
	}
	if _, err := l.Append([]byte("x")); err == nil || err.Error() != first.Error() {
		broken(t, "W6", "a sync failed, and the next append says %v", err)
	}
	require.ErrorIs(t, l.TruncateFront(2), ErrFailed)
	require.ErrorIs(t, l.TruncateBack(2), ErrFailed)
	require.NoError(t, l.Sync(2), "what was durable is")
	require.ErrorIs(t, l.Close(), ErrFailed)
	require.NoError(t, l.Close())

	// The kernel still shows the records and takes them for clean: unless they
	// are written again, no sync saves them.
	l = openSmall(t, mem)
	last := l.LastSeq()
	requireNumbered(t, l, 1, last)
	after := openSmall(t, mem.CrashClone(nil))
	if after.LastSeq() != last {
		broken(t, "W11", "after a failed sync, reopening showed %d records and a power cut left %d", last, after.LastSeq())
	}
}

func TestWaitersLearnOfTheFailedSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		l := openSmall(t, mem)
		release := make(chan struct{})
		mem.Inject(vfs.Fault{Kind: vfs.OpSync, Err: vfs.ErrIO, Block: func() { <-release }})
		errs := make(chan error, 5)
		for range 5 {
			go func() {
				_, err := l.AppendSync([]byte("x"))
				errs <- err
			}()
			synctest.Wait()
		}
		close(release)
		for range 5 {
			require.ErrorIs(t, <-errs, ErrFailed)
		}
	})
}

func TestFullDiskIsAnErrorUntilThereIsRoom(t *testing.T) {
	eachMode(t, func(t *testing.T, mmap bool) {
		mem := vfs.NewMem()
		mem.SetCapacity(3*minSegmentSize + 100)
		opts := small(mem)
		opts.Mmap = mmap
		l, _, err := Open(testDir, opts)
		require.NoError(t, err)
		defer l.Close()
		var full error
		for full == nil {
			_, full = l.AppendSync(numbered(l.LastSeq() + 1))
		}
		require.ErrorIs(t, full, vfs.ErrNoSpace)
		last := l.LastSeq()
		_, again := l.Append(numbered(last + 1))
		require.ErrorIs(t, again, vfs.ErrNoSpace)
		requireNumbered(t, l, 1, last)
		requireNumbered(t, openSmall(t, mem.CrashClone(nil)), 1, last)

		// Dropping old records makes room without taking any.
		require.NoError(t, l.TruncateFront(last))
		fill(t, l, 10)
		mem.SetCapacity(0)
		fill(t, l, 100)
		require.NoError(t, l.Sync(l.LastSeq()))
		requireNumbered(t, openSmall(t, mem.CrashClone(nil)), l.FirstSeq(), last+110)
	})
}

// What a failed write left must never come back: not when the log goes on, nor
// when TruncateBack makes its segment the last one again.
func TestFailedWriteLeavesNothing(t *testing.T) {
	batch := [][]byte{nil, []byte("half"), []byte("and half")}
	span, _, err := batchSpan(batch)
	require.NoError(t, err)
	for short := range int(span) + 1 {
		mem := vfs.NewMem()
		l := openSmall(t, mem)
		fill(t, l, 5)
		mem.Inject(vfs.Fault{Kind: vfs.OpWrite, Match: func(op vfs.Op) bool { return op.Length >= span }, Err: vfs.ErrIO, Short: short})
		_, err := l.Append(batch...)
		require.ErrorIs(t, err, vfs.ErrIO)
		fill(t, l, 5)
		requireNumbered(t, l, 1, 10)
		require.NoError(t, l.Sync(10))
		where := fmt.Sprintf("after a write that failed with %d bytes written", short)
		states := []*vfs.Mem{mem.KillClone()}
		mem.Observe(func(vfs.Op) { states = append(states, mem.CrashClone(nil)) })
		require.NoError(t, l.TruncateBack(3))
		mem.Observe(nil)
		for _, state := range states {
			got, _, err := readAll(state)
			require.NoError(t, err)
			for _, r := range got {
				if string(r.Data) != string(numbered(r.Seq)) {
					broken(t, "W7", "record %d is %q %s", r.Seq, r.Data, where)
				}
			}
		}
	}
}

// A shorter batch in the place of a failed one would leave the rest of that
// behind it: here, from a sector's first byte on, so that the disk may have the
// new sector and the old one.
func TestPlaceOfAFailedWriteIsNotUsedAgain(t *testing.T) {
	for part, size := range []int{20, writeChunk} { // a batch of one part, and of two
		placeOfAFailedWrite(t, part, size)
	}
}

// placeOfAFailedWrite lets a part of a batch fail, although it was written.
func placeOfAFailedWrite(t *testing.T, part, size int) {
	mem := vfs.NewMem()
	l, _, err := Open(testDir, &Options{FS: mem, SegmentSize: 1 << 20})
	require.NoError(t, err)
	defer l.Close()
	before := make([]byte, vfs.SectorSize-segmentHeader-2*frameHeader)
	_, err = l.AppendSync(before)
	require.NoError(t, err)
	mem.Inject(vfs.Fault{Kind: vfs.OpWrite, Err: vfs.ErrIO, Skip: part, Short: 1 << 20})
	_, err = l.Append(nil, make([]byte, size)) // zeros: no sector of it can be missed
	require.ErrorIs(t, err, vfs.ErrIO)
	_, err = l.Append(nil)
	require.NoError(t, err)
	require.Equal(t, int64(vfs.SectorSize), segmentHeader+frameSpan(len(before))+frameHeader)
	rng := rand.New(rand.NewPCG(1, 2))
	for draw := range 100 {
		got, _, err := readAll(crashClone(mem, rng, draw))
		require.NoError(t, err)
		if len(got) > 2 {
			broken(t, "W7", "record %d of %d bytes is there, of a batch whose append failed", got[2].Seq, len(got[2].Data))
		}
	}
}

func TestConcurrentAppendersReadersAndTruncation(t *testing.T) {
	mem := vfs.NewMem()
	l := openSmall(t, mem)
	const writers, each = 6, 60
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if _, err := l.AppendSync(fmt.Appendf(nil, "%d %d %200d", w, i, 0)); err != nil {
					t.Errorf("append: %v", err)
				}
			}
		})
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			first := l.FirstSeq()
			next := first
			for r, err := range l.Records(first) {
				if err != nil || r.Seq != next {
					t.Errorf("record %d, wanted %d: %v", r.Seq, next, err)
					return
				}
				next++
			}
			if err := l.TruncateFront(next - (next-first)/2); err != nil {
				t.Errorf("truncate: %v", err)
			}
		}
	})
	wg.Wait()
	close(stop)
	readers.Wait()
	require.Equal(t, uint64(writers*each), l.LastSeq())
	// Each writer's records are in its order.
	next := map[int]int{}
	for r, err := range l.Records(l.FirstSeq()) {
		require.NoError(t, err)
		var w, i int
		_, err := fmt.Sscanf(string(r.Data), "%d %d", &w, &i)
		require.NoError(t, err)
		if n, ok := next[w]; ok {
			require.Equal(t, n, i)
		}
		next[w] = i + 1
	}
}
