package lsm_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/lsm"
	"github.com/flagship-go/flagship/lsm/lsmtest"
)

// A Close beside a Compact ends it with an error, and no panic.
func TestCloseBesideCompact(t *testing.T) {
	for range 30 {
		db, err := lsm.Open("db", &lsm.Options{FS: lsmtest.NewMemFS(), MemTableSize: 64 << 10})
		require.NoError(t, err)
		for i := range 200 {
			require.NoError(t, db.Put(fmt.Appendf(nil, "k%d", i), make([]byte, 100)))
		}
		done := make(chan error)
		go func() { done <- db.Compact(nil, nil) }()
		require.NoError(t, db.Close())
		if err := <-done; err != nil && !errors.Is(err, lsm.ErrClosed) {
			t.Fatalf("RULE closed: %v", err)
		}
	}
}
