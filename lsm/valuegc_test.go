package lsm

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGarbageOfTheValueLogGoesAfterReopening(t *testing.T) {
	dir := t.TempDir()
	o := &Options{MemTableSize: 256 << 10, ValueThreshold: 100}
	for range 3 {
		db, err := Open(dir, o)
		require.NoError(t, err)
		for i := range 1000 {
			require.NoError(t, db.Put(fmt.Appendf(nil, "key %020d", i), make([]byte, 200)))
		}
		require.NoError(t, db.Close())
	}
	db, err := Open(dir, o)
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, db.Compact(nil, nil))
	m := db.Metrics()
	require.Less(t, m.ValueLogSize, m.ValueLogLive*3/2, "RULE values-go: the first two files have no live byte")
}
