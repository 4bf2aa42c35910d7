package lsm

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
)

// What is waited for is looked for in the store's state, which Close takes away.
func TestNobodyWaitsForAClosedStore(t *testing.T) {
	db, err := Open("db", &Options{InMemory: true})
	require.NoError(t, err)
	require.NoError(t, db.Close())
	db.mu.Lock()
	defer db.mu.Unlock()
	require.ErrorIs(t, db.wait(func() bool {
		t.Error("RULE closed: a closed store is looked at")
		return true
	}), ErrClosed, "RULE closed")
}

// A flush may fail after the write that caused it has returned: then Close is who
// tells that what was written is not durable.
func TestCloseTellsOfTheFailureThatNobodyHeard(t *testing.T) {
	fs := vfs.NewMem()
	db, err := Open("db", &Options{FS: fs})
	require.NoError(t, err)
	require.NoError(t, db.Put([]byte("a"), nil))
	fs.Inject(vfs.Fault{Kind: vfs.OpSync, Err: vfs.ErrIO})
	require.ErrorIs(t, db.Flush(), vfs.ErrIO)
	require.ErrorIs(t, db.Close(), vfs.ErrIO, "RULE closed: Close promises that all is durable")
	require.NoError(t, db.Close())
}
