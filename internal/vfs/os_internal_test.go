package vfs

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// The way of the platforms without fallocate is tested on all.
func TestWriteZerosGrowsAndKeepsWhatIsThere(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a")
	require.NoError(t, os.WriteFile(name, []byte("head"), 0o600))
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	const size = 2<<20 + 123 // more than a chunk
	for _, n := range []int64{0, 4, size, size - 1} {
		require.NoError(t, writeZeros(f, n))
	}
	got, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Len(t, got, size)
	require.Equal(t, "head", string(got[:4]))
	require.Zero(t, bytes.Count(got[4:], []byte{0})-(size-4))
}

func TestWriteZerosReportsTheFullDisk(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has /dev/full")
	}
	f, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	require.ErrorIs(t, osError(writeZeros(f, 4096)), ErrNoSpace)
}
