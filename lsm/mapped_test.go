package lsm

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/lsm/table"
)

// openMapped returns a store with two tables in L0 that are mapped, and a function that
// cuts their files.
func openMapped(t *testing.T) (db *DB, cut func()) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("a mapped file cannot be cut there")
	}
	dir := t.TempDir()
	db = openTest(t, dir, &Options{BaseTableSize: 16 << 10, Schedule: func([]string) int { return -1 }})
	if db.opts.NoMmap {
		t.Skip("tables are not mapped here")
	}
	for range 2 {
		for i := range 2000 {
			put(t, db, fmt.Sprintf("%05d=%0100d", i, i))
		}
		require.NoError(t, db.Flush())
	}
	require.NoError(t, db.Verify()) // opens them
	return db, func() {
		names, err := filepath.Glob(filepath.Join(dir, "*.sst"))
		require.NoError(t, err)
		require.NotEmpty(t, names)
		for _, name := range names {
			require.NoError(t, os.Truncate(name, 0))
		}
	}
}

// A loop asks Valid, or Next, whether to go on.
func TestIteratorIsNotValidAfterAFault(t *testing.T) {
	db, cut := openMapped(t)
	it, err := db.NewIter(nil)
	require.NoError(t, err)
	require.True(t, it.First())
	cut()
	for range 2000 {
		if !it.Next() {
			break
		}
	}
	var fault *table.FaultError
	require.ErrorAs(t, it.Err(), &fault)
	require.False(t, it.Valid(), "RULE L6: the iterator is at a key that it could not read")
	require.Nil(t, it.Value())
	require.False(t, it.Next())
	require.ErrorAs(t, it.Close(), &fault)
	db.Close()
}

// A compaction that is divided looks at the index first.
func TestFaultBeforeACompactionIsAnError(t *testing.T) {
	db, cut := openMapped(t)
	defer db.Close()
	plan := db.view().Manual(0, 6, nil, nil)
	db.opts.MaxCompactions = 4 // with Schedule there is one
	bounds, err := db.divide(db.state.Load().version, plan)
	require.NoError(t, err)
	require.NotEmpty(t, bounds)
	cut()
	var fault *table.FaultError
	_, err = db.divide(db.state.Load().version, plan)
	require.ErrorAs(t, err, &fault, "RULE L6")
}
