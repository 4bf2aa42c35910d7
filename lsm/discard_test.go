package lsm

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
)

// openVersions opens a store with timestamps in which k was deleted at 10.
func openVersions(t *testing.T, before, after func(b *Batch)) *DB {
	t.Helper()
	db := openTest(t, "db", &Options{FS: vfs.NewMem(), Timestamps: true})
	for _, write := range []func(*Batch){before, func(b *Batch) { b.DeleteAt([]byte("k"), 10) }, after} {
		b := db.NewBatch()
		write(b)
		require.NoError(t, db.Apply(b))
		require.NoError(t, db.Compact(nil, nil))
	}
	return db
}

// An older version of a deleted key may lie where a compaction of the delete does not
// look for older entries: beside it in its level, or above.
func TestDiscardedDeleteHidesOlderVersionsElsewhere(t *testing.T) {
	older := func(b *Batch) { b.PutAt([]byte("k"), 5, []byte("old")) }
	other := func(b *Batch) { b.PutAt([]byte("a"), 5, []byte("other")) }
	for name, db := range map[string]*DB{
		"beside":               openVersions(t, older, other),
		"beside, written late": openVersions(t, other, older),
	} {
		db.SetDiscard(20)
		require.NoError(t, db.Compact(nil, nil))
		_, err := db.GetAt([]byte("k"), 30)
		require.ErrorIs(t, err, ErrNotFound, "RULE L5: an older version lies %s", name)
		require.NoError(t, db.Close())
	}

	db := openVersions(t, other, other)
	late := db.NewBatch()
	older(late)
	require.NoError(t, db.Apply(late))
	db.SetDiscard(20)
	state, err := db.acquire()
	require.NoError(t, err)
	plan := db.view().Manual(6, 6, nil, nil)
	require.NotNil(t, plan)
	require.False(t, db.alone(plan)(appendTS(nil, []byte("k"), 10)), "RULE L5: an older version lies in the memtable")
	require.True(t, db.alone(plan)(appendTS(nil, []byte("a"), 5)))
	state.unref()
	require.NoError(t, db.Close())
}

// An older version that was written later is seen by fewer snapshots than the delete:
// it stays, and so must the delete that hides it.
func TestDiscardedDeleteStaysWithAVersionThatStays(t *testing.T) {
	db := openTest(t, "db", &Options{FS: vfs.NewMem(), Timestamps: true, Schedule: func([]string) int { return -1 }})
	b := db.NewBatch()
	b.DeleteAt([]byte("k"), 10)
	require.NoError(t, db.Apply(b))
	s := db.Snapshot()
	b = db.NewBatch()
	b.PutAt([]byte("k"), 5, []byte("old"))
	require.NoError(t, db.Apply(b))
	db.SetDiscard(20)
	require.NoError(t, db.Compact(nil, nil))
	require.NoError(t, db.Compact(nil, nil))
	_, err := db.GetAt([]byte("k"), 30)
	require.ErrorIs(t, err, ErrNotFound, "RULE L5: the delete is gone, and the version that it hides is not")
	require.NoError(t, s.Close())
	require.NoError(t, db.Compact(nil, nil))
	_, err = db.GetAt([]byte("k"), 30)
	require.ErrorIs(t, err, ErrNotFound)
	require.NoError(t, db.Close())
}
