package lsm

import (
	"testing"

	"github.com/stretchr/testify/require"
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
