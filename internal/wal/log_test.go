package wal

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/stretchr/testify/require"
)

func openSmall(t testing.TB, mem *vfs.Mem) *Log {
	t.Helper()
	l, _, err := Open(testDir, small(mem))
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// fill appends n records of 100 bytes, one by one, each telling its number.
func fill(t testing.TB, l *Log, n int) {
	t.Helper()
	for range n {
		seq := l.LastSeq() + 1
		last, err := l.Append(numbered(seq))
		require.NoError(t, err)
		require.Equal(t, seq, last)
	}
}

func numbered(seq uint64) []byte { return fmt.Appendf(nil, "%-100d", seq) }

// requireNumbered checks that the log holds the filled records from first to
// last, and no others.
func requireNumbered(t testing.TB, l *Log, first, last uint64) {
	t.Helper()
	require.Equal(t, first, l.FirstSeq())
	require.Equal(t, last, l.LastSeq())
	got, err := contents(l)
	require.NoError(t, err)
	require.Len(t, got, int(last+1-first))
	for i, r := range got {
		require.Equal(t, first+uint64(i), r.Seq)
		require.Equal(t, string(numbered(r.Seq)), string(r.Data))
	}
}

func TestNewLogIsEmptyAndCounts(t *testing.T) {
	mem := vfs.NewMem()
	l, r, err := Open(testDir, small(mem))
	require.NoError(t, err)
	require.Equal(t, Recovery{Created: true, FirstSeq: 1}, *r)
	requireNumbered(t, l, 1, 0)
	last, err := l.Append()
	require.NoError(t, err)
	require.Zero(t, last)
	last, err = l.AppendSync([]byte("a"), nil, []byte("c"))
	require.NoError(t, err)
	require.Equal(t, uint64(3), last)
	require.Equal(t, uint64(3), l.DurableSeq())
	require.Equal(t, Metrics{Batches: 1, Records: 3, Payload: 2, Written: 3*16 + 2*8, Syncs: 1, Segments: 1}, l.Metrics())
	require.NoError(t, l.Close())
	require.NoError(t, l.Close())

	l, r, err = Open(testDir, small(mem))
	require.NoError(t, err)
	require.Equal(t, Recovery{Segments: 1, FirstSeq: 1, LastSeq: 3}, *r)
	got, err := contents(l)
	require.NoError(t, err)
	require.Equal(t, "a", string(got[0].Data))
	require.Empty(t, got[1].Data)
	require.NoError(t, l.Close())
}

func TestClosedLogRefusesCalls(t *testing.T) {
	l := openSmall(t, vfs.NewMem())
	fill(t, l, 2)
	require.NoError(t, l.Close())
	_, err := l.Append(nil, nil)
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, l.TruncateFront(1), ErrClosed)
	require.ErrorIs(t, l.TruncateBack(1), ErrClosed)
	_, err = contents(l)
	require.ErrorIs(t, err, ErrClosed)
	require.NoError(t, l.Sync(2), "Close has made it durable")
}

func TestSecondOpenerIsRefusedByDirectory(t *testing.T) {
	mem := vfs.NewMem()
	l := openSmall(t, mem)
	_, _, err := Open(testDir, small(mem))
	require.ErrorIs(t, err, vfs.ErrLocked)
	require.Contains(t, err.Error(), testDir)
	require.NoError(t, l.Close())
	openSmall(t, mem)
}

func TestOptionsOutOfRangeAreRefused(t *testing.T) {
	for _, size := range []int64{-1, 1, minSegmentSize - 1, maxSegmentSize + 1} {
		_, _, err := Open(testDir, &Options{FS: vfs.NewMem(), SegmentSize: size})
		require.ErrorContains(t, err, fmt.Sprint(size))
	}
}

func TestAppendCopiesItsRecords(t *testing.T) {
	l := openSmall(t, vfs.NewMem())
	b := numbered(1)
	_, err := l.Append(b)
	require.NoError(t, err)
	clear(b)
	requireNumbered(t, l, 1, 1)
}

func TestRecordsLargerThanASegmentGetTheirOwn(t *testing.T) {
	mem := vfs.NewMem()
	l := openSmall(t, mem)
	var want [][]byte
	for _, size := range []int{100, 5000, 0, 1 << 20, minSegmentSize, 3 << 20, 8} {
		b := bytes.Repeat([]byte{byte(size), 1, 2}, size/3+1)[:size]
		want = append(want, b)
		_, err := l.AppendSync(b)
		require.NoError(t, err)
	}
	require.NoError(t, l.Close())
	got, r, err := readAll(mem)
	require.NoError(t, err)
	require.Zero(t, r.Dropped)
	require.Len(t, got, len(want))
	for i, r := range got {
		require.True(t, bytes.Equal(want[i], r.Data), "record %d", r.Seq)
	}
}

func TestTooLargeIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	l := openSmall(t, vfs.NewMem())
	fill(t, l, 1)
	_, err := l.Append(make([]byte, MaxRecord+1))
	require.ErrorIs(t, err, ErrTooLarge)
	half := make([]byte, MaxRecord/4) // the same memory, many times
	_, err = l.Append(half, half, half, half, half, half, half, half, half)
	require.ErrorIs(t, err, ErrTooLarge)
	requireNumbered(t, l, 1, 1)
}

func TestSyncOfTheFutureIsRefused(t *testing.T) {
	l := openSmall(t, vfs.NewMem())
	fill(t, l, 1)
	require.ErrorIs(t, l.Sync(2), ErrOutOfRange)
}

func TestRecordsReadFromAnyPlace(t *testing.T) {
	l := openSmall(t, vfs.NewMem())
	fill(t, l, 100)
	require.Greater(t, l.Metrics().Segments, uint64(2))
	for from := uint64(1); from <= 102; from++ {
		next := from
		for r, err := range l.Records(from) {
			require.NoError(t, err)
			require.Equal(t, next, r.Seq)
			require.Equal(t, string(numbered(next)), string(r.Data))
			next++
		}
		require.Equal(t, max(from, 101), next)
	}
	require.NoError(t, l.TruncateFront(90))
	for r, err := range l.Records(1) {
		require.ErrorIs(t, err, ErrTruncated)
		require.Zero(t, r.Seq)
	}
}

func TestReaderSeesTheRecordsThereWereWhenItBegan(t *testing.T) {
	l := openSmall(t, vfs.NewMem())
	fill(t, l, 50)
	n := 0
	for _, err := range l.Records(1) {
		require.NoError(t, err)
		fill(t, l, 1) // rotates, too
		n++
	}
	require.Equal(t, 50, n)
	requireNumbered(t, l, 1, 100)
}

func TestTruncateFrontWaitsForReaders(t *testing.T) {
	mem := vfs.NewMem()
	l := openSmall(t, mem)
	fill(t, l, 100)
	n := uint64(0)
	for r, err := range l.Records(1) {
		require.NoError(t, err)
		n++
		require.Equal(t, n, r.Seq)
		if n == 1 {
			require.NoError(t, l.TruncateFront(101))
			require.Equal(t, uint64(1), l.FirstSeq())
			require.ErrorIs(t, l.TruncateBack(50), ErrBusy)
		}
	}
	require.Equal(t, uint64(100), n)
	requireNumbered(t, l, 101, 100)
}

func TestReaderThatStopsOrPanicsLetsGo(t *testing.T) {
	l := openSmall(t, vfs.NewMem())
	fill(t, l, 100)
	for range l.Records(1) {
		break
	}
	require.Panics(t, func() {
		for range l.Records(1) {
			panic("in the loop's body")
		}
	})
	require.NoError(t, l.TruncateBack(10))
	requireNumbered(t, l, 1, 10)
}

func TestReaderStopsAtClose(t *testing.T) {
	l := openSmall(t, vfs.NewMem())
	fill(t, l, 100)
	var last error
	for _, err := range l.Records(1) {
		require.NoError(t, l.Close())
		last = err
	}
	require.ErrorIs(t, last, ErrClosed)
}

func TestTruncateFrontDropsWholeSegmentsAndRecycles(t *testing.T) {
	mem := vfs.NewMem()
	l := openSmall(t, mem)
	fill(t, l, 200)
	segments := l.Metrics().Segments
	require.NoError(t, l.TruncateFront(150))
	first := l.FirstSeq()
	require.LessOrEqual(t, first, uint64(150))
	require.Greater(t, first, uint64(150-minSegmentSize/100))
	requireNumbered(t, l, first, 200)
	require.ErrorIs(t, l.TruncateFront(202), ErrOutOfRange)
	require.Equal(t, 1, strings.Count(mem.Dump(), spareSuffix), "Recycle is 1:\n%s", mem.Dump())

	fill(t, l, 100)
	require.Equal(t, uint64(1), l.Metrics().Recycled)
	require.Less(t, l.Metrics().Segments, segments)
	require.NoError(t, l.Close())
	requireNumbered(t, openSmall(t, mem), first, 300)
}

func TestTruncateFrontEmptiesTheLog(t *testing.T) {
	mem := vfs.NewMem()
	l := openSmall(t, mem)
	fill(t, l, 60)
	require.NoError(t, l.TruncateFront(61))
	requireNumbered(t, l, 61, 60)
	require.Equal(t, uint64(1), l.Metrics().Segments)
	fill(t, l, 2)
	require.NoError(t, l.Close())
	requireNumbered(t, openSmall(t, mem), 61, 62)
}

func TestTruncateBackTakesAnyRecord(t *testing.T) {
	for keep := uint64(0); keep <= 61; keep++ {
		mem := vfs.NewMem()
		l := openSmall(t, mem)
		for l.LastSeq() < 60 {
			seq := l.LastSeq()
			_, err := l.Append(numbered(seq+1), numbered(seq+2), numbered(seq+3))
			require.NoError(t, err)
		}
		require.NoError(t, l.TruncateBack(keep))
		keep := min(keep, 60)
		requireNumbered(t, l, 1, keep)
		if keep < 60 && l.DurableSeq() != keep {
			broken(t, "W10", "TruncateBack(%d) returned and only %d is durable", keep, l.DurableSeq())
		}
		after := openSmall(t, mem.CrashClone(nil))
		if keep < 60 && after.LastSeq() != keep {
			broken(t, "W10", "TruncateBack(%d) returned and after a power cut the last record is %d", keep, after.LastSeq())
		}
		fill(t, l, 30)
		require.NoError(t, l.Close())
		requireNumbered(t, openSmall(t, mem), 1, keep+30)
	}
}

func TestTruncateBackBeforeTheFrontIsRefused(t *testing.T) {
	l := openSmall(t, vfs.NewMem())
	fill(t, l, 100)
	require.NoError(t, l.TruncateFront(80))
	first := l.FirstSeq()
	require.ErrorIs(t, l.TruncateBack(first-2), ErrOutOfRange)
	require.NoError(t, l.TruncateBack(first-1))
	requireNumbered(t, l, first, first-1)
}

// The old bytes of a recycled file are frames of the same sizes at the same
// places as the new ones: whatever of the new is lost, no old one may show.
func TestRecycledSegmentNeverShowsOldRecords(t *testing.T) {
	mem := vfs.NewMem()
	l := openSmall(t, mem)
	fill(t, l, 70)
	require.NoError(t, l.TruncateFront(70))
	for l.Metrics().Recycled == 0 {
		fill(t, l, 1)
	}
	fill(t, l, 3)
	require.NoError(t, l.Sync(l.LastSeq()))
	synced := l.LastSeq()
	fill(t, l, 8)
	rng := rand.New(rand.NewPCG(1, 1))
	for draw := range 200 {
		got, _, err := readAll(crashClone(mem, rng, draw))
		require.NoError(t, err)
		last := got[len(got)-1]
		if last.Seq < synced || last.Seq > l.LastSeq() {
			broken(t, "W9", "the last of %d to %d records is %d", synced, l.LastSeq(), last.Seq)
		}
		for _, r := range got {
			if string(r.Data) != string(numbered(r.Seq)) {
				broken(t, "W9", "record %d is the old record %s", r.Seq, r.Data)
			}
		}
	}
	got, r, err := readAll(mem.KillClone())
	require.NoError(t, err)
	require.Equal(t, l.LastSeq(), got[len(got)-1].Seq)
	if r.Dropped != 0 {
		broken(t, "W9", "old bytes in a recycled segment were taken for lost records: %+v", *r)
	}
}

// A spare file whose id is not older than the log could hold frames that pass
// for new ones; one may be there when somebody removes segments by hand.
func TestSpareFileThatMayPassForNewIsRemoved(t *testing.T) {
	mem := vfs.NewMem()
	l := openSmall(t, mem)
	fill(t, l, 40)
	require.NoError(t, l.Close())
	spare := filepath.Join(testDir, segmentName(1, spareSuffix))
	require.NoError(t, mem.Rename(segmentPath(1), spare))
	require.NoError(t, mem.Remove(segmentPath(2)))
	l = openSmall(t, mem)
	requireNumbered(t, l, 1, 0)
	require.NotContains(t, mem.Dump(), spareSuffix)
}
