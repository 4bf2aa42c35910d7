package wal

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// eachOSLog runs a test on the operating system's files.
func eachOSLog(t *testing.T, test func(t *testing.T, dir string, opts *Options)) {
	eachMode(t, func(t *testing.T, mmap bool) {
		skipWithoutLocks(t)
		test(t, t.TempDir(), &Options{Mmap: mmap, SegmentSize: 64 << 10})
	})
}

func skipWithoutLocks(t *testing.T) {
	if runtime.GOOS == "js" {
		t.Skip("js has no file lock")
	}
}

func TestLogOnTheOperatingSystem(t *testing.T) {
	eachOSLog(t, func(t *testing.T, dir string, opts *Options) {
		l, r, err := Open(dir, opts)
		require.NoError(t, err)
		require.True(t, r.Created)
		fill(t, l, 3000)
		require.NoError(t, l.TruncateFront(1500))
		fill(t, l, 1500)
		require.NoError(t, l.TruncateBack(4000))
		first := l.FirstSeq()
		require.Greater(t, first, uint64(1))
		requireNumbered(t, l, first, 4000)
		require.NotZero(t, l.Metrics().Recycled)
		require.NoError(t, l.Close())
		l, r, err = Open(dir, opts)
		require.NoError(t, err)
		require.Zero(t, r.Dropped)
		fill(t, l, 10)
		requireNumbered(t, l, first, 4010)
		require.NoError(t, l.Close())
	})
}

func TestRecordOf64MiB(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 64 MiB")
	}
	skipWithoutLocks(t)
	dir := t.TempDir()
	l, _, err := Open(dir, nil)
	require.NoError(t, err)
	big := make([]byte, 64<<20)
	big[0], big[len(big)-1] = 1, 2
	_, err = l.AppendSync(numbered(1), big)
	require.NoError(t, err)
	require.Less(t, cap(l.buf), keepBuffer+1, "the large buffer is not kept")
	require.NoError(t, l.Close())
	l, _, err = Open(dir, nil)
	require.NoError(t, err)
	defer l.Close()
	for r, err := range l.Records(2) {
		require.NoError(t, err)
		require.Len(t, r.Data, len(big))
		require.Equal(t, byte(2), r.Data[len(big)-1])
	}
	require.Equal(t, uint64(2), l.LastSeq())
}

func TestAppendDoesNotAllocate(t *testing.T) {
	eachOSLog(t, func(t *testing.T, dir string, opts *Options) {
		opts.SegmentSize = 4 << 20
		l, _, err := Open(dir, opts)
		require.NoError(t, err)
		defer l.Close()
		record := numbered(1)
		allocs := testing.AllocsPerRun(200, func() {
			last, err := l.Append(record, record)
			if err == nil && last%50 == 0 {
				err = l.Sync(last)
			}
			if err != nil {
				t.Error(err)
			}
		})
		require.Zero(t, allocs)
	})
}

// childDir tells the test binary that it is the process to be killed.
const childDir = "WAL_TEST_CHILD_DIR"

func TestKilledProcessLosesNothingAppended(t *testing.T) {
	if dir := os.Getenv(childDir); dir != "" {
		appendForever(dir, os.Getenv("WAL_TEST_CHILD_MMAP") == "true")
	}
	eachOSLog(t, func(t *testing.T, dir string, opts *Options) {
		child := exec.Command(os.Args[0], "-test.run=^TestKilledProcessLosesNothingAppended$")
		child.Env = append(os.Environ(), childDir+"="+dir, fmt.Sprintf("WAL_TEST_CHILD_MMAP=%v", opts.Mmap))
		out, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		lines := bufio.NewScanner(out)
		acked := uint64(0)
		for lines.Scan() {
			var seq uint64
			if _, err := fmt.Sscanf(lines.Text(), "appended %d.", &seq); err == nil && strings.HasSuffix(lines.Text(), ".") {
				acked = seq
			}
			if acked == 2000 {
				require.NoError(t, child.Process.Kill())
			}
		}
		child.Wait()
		require.GreaterOrEqual(t, acked, uint64(2000))
		l, _, err := Open(dir, opts)
		require.NoError(t, err)
		defer l.Close()
		if l.LastSeq() < acked {
			broken(t, "W1", "record %d was appended, and after the kill the last is %d", acked, l.LastSeq())
		}
		requireNumbered(t, l, 1, l.LastSeq())
	})
}

func appendForever(dir string, mmap bool) {
	l, _, err := Open(dir, &Options{Mmap: mmap, SegmentSize: 64 << 10})
	for err == nil {
		var last uint64
		if last, err = l.Append(numbered(l.LastSeq() + 1)); err == nil {
			fmt.Printf("appended %d.\n", last)
		}
	}
	fmt.Println(err)
	os.Exit(1)
}
