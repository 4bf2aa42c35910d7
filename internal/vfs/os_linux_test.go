package vfs_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
)

func TestPreallocateTakesBlocksAndNotOnlyLength(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a")
	f := create(t, vfs.OS(), name, "")
	require.NoError(t, f.Preallocate(1<<20))
	info, err := os.Stat(name)
	require.NoError(t, err)
	require.GreaterOrEqual(t, info.Sys().(*syscall.Stat_t).Blocks, int64(1<<20/512))
}
