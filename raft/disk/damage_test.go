package disk

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flagship-go/flagship/raft"
	"github.com/stretchr/testify/require"
)

// grown is a closed storage with snapshots at 100 and 200 and entries to 250.
func grown(t *testing.T, mem *MemFS) raft.State {
	s := open(t, mem)
	grow(t, s, 1, 250)
	require.NoError(t, s.Close())
	s = open(t, mem)
	defer s.Close()
	return normal(load(t, s))
}

func TestDamagedSnapshotFallsBackToTheOneBefore(t *testing.T) {
	mem := NewMemFS()
	grown(t, mem)
	name := filepath.Join(testDir, snapshotDir, snapshotID{200, 1}.name())
	require.NoError(t, mem.FlipBit(name, 8*50))
	s, err := Open(testDir, options(mem))
	if err != nil {
		broken(t, "D6", "the newest snapshot is damaged, the one before and the log are not, and the error is %v", err)
		return
	}
	require.Equal(t, []string{name + damagedSuffix}, s.Recovery().Damaged)
	st := load(t, s)
	require.Equal(t, snapshotAt(100, 1), *st.Snapshot)
	core, err := raft.NewCore(raft.Config{ID: 1, Voters: []raft.NodeID{1, 2, 3}}, st)
	require.NoError(t, err)
	require.Equal(t, uint64(250), core.Status().Last)

	// It goes on, restarts, and the next snapshot stands for the lost one.
	grow(t, s, 251, 299)
	require.NoError(t, s.Close())
	s = open(t, mem)
	require.Empty(t, s.Recovery().Damaged)
	require.Equal(t, uint64(100), load(t, s).Snapshot.Index)
	grow(t, s, 300, 310)
	require.NoError(t, s.Close())
	require.Equal(t, uint64(300), load(t, open(t, mem)).Snapshot.Index)
}

func TestDamagedFirstSnapshotFallsBackToTheWholeLog(t *testing.T) {
	mem := NewMemFS()
	s := open(t, mem)
	grow(t, s, 1, 150)
	require.NoError(t, s.Close())
	require.NoError(t, mem.FlipBit(filepath.Join(testDir, snapshotDir, snapshotID{100, 1}.name()), 8*50))
	st := load(t, open(t, mem))
	require.Nil(t, st.Snapshot)
	require.Len(t, st.Entries, 150)
}

func TestDamagedSnapshotThatTheLogCannotReplaceIsAnError(t *testing.T) {
	for name, c := range map[string]struct {
		keep    int
		prepare func(s *Storage)
	}{
		"the only one kept": {1, func(s *Storage) { grow(t, s, 1, 250) }},
		"a leader's, behind the log": {2, func(s *Storage) {
			grow(t, s, 1, 250)
			require.NoError(t, s.SaveSnapshot(snapshotAt(300, 2)))
		}},
		"a leader's, in conflict with the log": {2, func(s *Storage) {
			grow(t, s, 1, 250)
			require.NoError(t, s.SaveSnapshot(snapshotAt(240, 2)))
			require.NoError(t, s.Save(raft.HardState{Term: 2}, entries(241, 260, 2), true))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			mem := NewMemFS()
			opts := options(mem)
			opts.KeepSnapshots = c.keep
			s, err := Open(testDir, opts)
			require.NoError(t, err)
			c.prepare(s)
			require.NoError(t, s.Close())
			names, err := mem.List(filepath.Join(testDir, snapshotDir))
			require.NoError(t, err)
			file := filepath.Join(testDir, snapshotDir, names[len(names)-1])
			require.NoError(t, mem.FlipBit(file, 8*50))
			for range 2 {
				_, err = Open(testDir, opts)
				var damage *CorruptError
				if !errors.Is(err, raft.ErrCorrupt) || !errors.As(err, &damage) {
					broken(t, "D4", "the snapshot is damaged and stands for entries that the log has not, and the error is %v", err)
					return
				}
				require.Equal(t, file, damage.File)
			}
		})
	}
}

func TestDamageFoundWhenTheSnapshotIsRead(t *testing.T) {
	mem := NewMemFS()
	s := open(t, mem)
	grow(t, s, 1, 250)
	require.NoError(t, mem.FlipBit(filepath.Join(testDir, snapshotDir, snapshotID{200, 1}.name()), 8*50))
	_, err := s.Snapshot()
	require.ErrorIs(t, err, raft.ErrCorrupt)
}

// Every bit that rots is an error, or costs nothing: a node never starts with
// less than it promised.
func TestRottenBitsAreNeverSilent(t *testing.T) {
	mem := NewMemFS()
	want := grown(t, mem)
	refused, survived := 0, 0
	for line := range strings.Lines(mem.Dump()) {
		var name string
		var size int64
		if n, _ := fmt.Sscanf(line, "%s %d", &name, &size); n < 2 {
			continue
		}
		for at := int64(0); at < size; at += 1 + size/400 {
			rotten := mem.KillClone()
			require.NoError(t, rotten.FlipBit(name, at*8+at%8))
			got, err := openAndLoad(rotten)
			var newer *VersionError
			switch {
			case errors.Is(err, raft.ErrCorrupt), errors.As(err, &newer):
				refused++
			case err != nil:
				t.Errorf("untyped error with byte %d of %s changed: %v", at, name, err)
			default:
				survived++
				if !reaches(got, want) {
					broken(t, "D4", "byte %d of %s changed, and a node starts with %s instead of %s", at, name, brief(got), brief(want))
				}
			}
		}
	}
	require.Greater(t, refused, 500)
	require.Greater(t, survived, 100)
}

func openAndLoad(fs FS) (raft.State, error) {
	s, err := Open(testDir, options(fs))
	if err != nil {
		return raft.State{}, err
	}
	defer s.Close()
	return s.Load()
}

// reaches reports whether got stands for the same as want, perhaps from an older
// snapshot and more entries.
func reaches(got, want raft.State) bool {
	if got.HardState != want.HardState || got.Snapshot == nil && got.Entries[0].Index != 1 {
		return false
	}
	if got.Snapshot != nil && got.Snapshot.Index < want.Snapshot.Index && got.Entries[0].Index > got.Snapshot.Index+1 {
		return false
	}
	got.Snapshot = want.Snapshot
	return same(normal(got), want)
}
