package lsm

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
)

// A checkpoint that did not fit leaves nothing, and may be tried again.
func TestFailedCheckpointLeavesNothing(t *testing.T) {
	for _, file := range []string{"000001.sst", "0000000000000001.vlog", "MANIFEST-000001"} {
		fs := vfs.NewMem()
		o := small(fs, nil)
		o.ValueThreshold, o.Schedule = 50, func([]string) int { return -1 }
		db := openTest(t, "db", o)
		put(t, db, "a=1", "b="+string(make([]byte, 100)))
		require.NoError(t, db.Flush())
		used := fs.Used()
		fs.Inject(vfs.Fault{Kind: vfs.OpWrite, Name: file, Err: vfs.ErrNoSpace, Short: 1})
		require.ErrorIs(t, db.Checkpoint("copy"), vfs.ErrNoSpace)
		require.Equal(t, used, fs.Used(), "RULE L8: there was no room for %s, and the rest of the copy takes some", file)
		require.NoError(t, db.Checkpoint("copy"), "RULE L8: there is room again")
		require.NoError(t, db.Close())
	}
}
