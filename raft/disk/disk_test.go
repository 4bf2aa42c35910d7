package disk

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/raft"
	"github.com/stretchr/testify/require"
)

func open(t testing.TB, fs FS) *Storage {
	t.Helper()
	s, err := Open(testDir, options(fs))
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func load(t testing.TB, s raft.Storage) raft.State {
	t.Helper()
	st, err := s.Load()
	require.NoError(t, err)
	return st
}

// entries returns entries first to last of a term, each of 100 bytes.
func entries(first, last, term uint64) []raft.Entry {
	var es []raft.Entry
	for i := first; i <= last; i++ {
		es = append(es, raft.Entry{Index: i, Term: term, Data: fmt.Appendf(nil, "%-100d", i)})
	}
	return es
}

func snapshotAt(index, term uint64) raft.Snapshot {
	return raft.Snapshot{Index: index, Term: term, Membership: raft.Membership{Voters: []raft.NodeID{1, 2, 3}},
		Data: fmt.Appendf(nil, "state at %d", index)}
}

func TestNewStorageIsEmpty(t *testing.T) {
	mem := NewMemFS()
	for range 2 {
		s := open(t, mem)
		require.Equal(t, raft.State{}, load(t, s))
		snap, err := s.Snapshot()
		require.NoError(t, err)
		require.Nil(t, snap)
		require.NoError(t, s.Close())
		require.NoError(t, s.Close())
		require.ErrorIs(t, s.Save(raft.HardState{}, nil, true), ErrClosed)
		require.ErrorIs(t, s.SaveSnapshot(snapshotAt(1, 1)), ErrClosed)
		require.ErrorIs(t, s.Compact(0), ErrClosed)
	}
}

func TestStorageReturnsWhatWasSaved(t *testing.T) {
	mem := NewMemFS()
	s := open(t, mem)
	hs := raft.HardState{Term: 3, VotedFor: 2, Commit: 1}
	es := []raft.Entry{{Index: 1, Term: 1, Type: raft.EntryNoop}, {Index: 2, Term: 3, Data: []byte("x")}, {Index: 3, Term: 3, Data: []byte{0}}}
	require.NoError(t, s.Save(hs, es, true))
	require.Equal(t, raft.State{HardState: hs, Entries: es}, load(t, s))
	es[1].Data[0] = 'y' // nothing of the arguments is kept
	require.NoError(t, s.Save(hs, []raft.Entry{{Index: 3, Term: 4}}, false))
	want := raft.State{HardState: hs, Entries: []raft.Entry{es[0], {Index: 2, Term: 3, Data: []byte("x")}, {Index: 3, Term: 4}}}
	require.Equal(t, want, load(t, s))
	require.NoError(t, s.Close())
	s = open(t, mem)
	require.Equal(t, want, load(t, s))
	require.Equal(t, want, load(t, s), "a second time it is read again")
	require.Zero(t, s.Recovery().Log.Dropped)
}

func TestSaveRefusesWhatWouldNotLoad(t *testing.T) {
	mem := NewMemFS()
	s := open(t, mem)
	hs := raft.HardState{Term: 1}
	require.ErrorIs(t, s.Save(hs, entries(2, 3, 1), true), raft.ErrCorrupt)
	gap := append(entries(1, 2, 1), entries(4, 4, 1)...)
	require.ErrorIs(t, s.Save(hs, gap, true), raft.ErrInvalid)
	require.NoError(t, s.Save(hs, entries(1, 5, 1), true))
	require.ErrorIs(t, s.Save(hs, entries(7, 7, 1), true), raft.ErrCorrupt)
	require.NoError(t, s.SaveSnapshot(snapshotAt(20, 1)))
	require.ErrorIs(t, s.Save(hs, entries(20, 21, 1), true), raft.ErrCorrupt)
	require.ErrorIs(t, s.Save(hs, entries(22, 22, 1), true), raft.ErrCorrupt)
	require.NoError(t, s.Save(hs, entries(21, 22, 1), true))
	require.NoError(t, s.Close())
	require.Equal(t, entries(21, 22, 1), load(t, open(t, mem)).Entries)
}

func TestSnapshotKeepsTheLogThatHoldsIt(t *testing.T) {
	for _, c := range []struct {
		name        string
		index, term uint64
		want        []raft.Entry
	}{
		{"held", 6, 2, append(entries(1, 5, 1), entries(6, 8, 2)...)},
		{"of another term", 6, 3, nil},
		{"behind the log", 9, 2, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			mem := NewMemFS()
			s := open(t, mem)
			require.NoError(t, s.Save(raft.HardState{Term: 3}, append(entries(1, 5, 1), entries(6, 8, 2)...), true))
			snap := snapshotAt(c.index, c.term)
			require.NoError(t, s.SaveSnapshot(snap))
			for range 2 {
				st := load(t, s)
				require.Equal(t, &snap, st.Snapshot)
				require.Equal(t, c.want, st.Entries)
				got, err := s.Snapshot()
				require.NoError(t, err)
				require.Equal(t, &snap, got)
				require.NoError(t, s.Close())
				s = open(t, mem)
			}
			// What is saved behind it stays, although the index below it once
			// had another term.
			more := entries(c.index+1, c.index+3, 3)
			require.NoError(t, s.Save(raft.HardState{Term: 3}, more, true))
			require.NoError(t, s.Close())
			if got := load(t, open(t, mem)).Entries; len(got) < 3 || got[len(got)-3].Index != more[0].Index {
				broken(t, "D1", "entries %d to %d were saved behind a snapshot, and %d entries are found", c.index+1, c.index+3, len(got))
			}
		})
	}
}

func TestOlderSnapshotIsIgnored(t *testing.T) {
	s := open(t, NewMemFS())
	require.NoError(t, s.SaveSnapshot(snapshotAt(10, 2)))
	require.NoError(t, s.SaveSnapshot(snapshotAt(9, 2)))
	got, err := s.Snapshot()
	require.NoError(t, err)
	require.Equal(t, uint64(10), got.Index)
	require.Equal(t, 1, s.Metrics().Snapshots)
}

// A leader's snapshot is stored before the term that came with it. The node must
// not come back in an older term than its log is of, nor with the vote of one.
func TestTermIsNotBehindTheSnapshot(t *testing.T) {
	mem := NewMemFS()
	s := open(t, mem)
	require.NoError(t, s.Save(raft.HardState{Term: 3, VotedFor: 2}, nil, true))
	require.NoError(t, s.SaveSnapshot(snapshotAt(10, 5)))
	if hs := load(t, open(t, mem.CrashClone(nil))).HardState; hs != (raft.HardState{Term: 5}) {
		broken(t, "D1", "a snapshot of term 5 was stored, and the node starts with %+v", hs)
	}
}

// The hard state is in the last save, whatever becomes of its entries.
func TestCompactionKeepsTheHardState(t *testing.T) {
	mem := NewMemFS()
	opts := options(mem)
	opts.KeepSnapshots = 1
	s, err := Open(testDir, opts)
	require.NoError(t, err)
	hs := raft.HardState{Term: 7, VotedFor: 3, Commit: 100}
	require.NoError(t, s.Save(hs, entries(1, 100, 7), true))
	require.NoError(t, s.SaveSnapshot(snapshotAt(100, 7)))
	require.NoError(t, s.Compact(100))
	require.NoError(t, s.Close())
	s, err = Open(testDir, opts)
	require.NoError(t, err)
	if got := load(t, s).HardState; got != hs {
		broken(t, "D1", "%+v was saved, and after a compaction there is %+v", hs, got)
	}
	require.NoError(t, s.Close())
}

// grow saves entries and snapshots as a node does, one snapshot in 100 entries.
func grow(t testing.TB, s *Storage, first, last uint64) {
	t.Helper()
	for i := first; i <= last; i++ {
		require.NoError(t, s.Save(raft.HardState{Term: 1, Commit: i - 1}, entries(i, i, 1), true))
		if i%100 == 0 {
			require.NoError(t, s.SaveSnapshot(snapshotAt(i, 1)))
			require.NoError(t, s.Compact(i-10))
		}
	}
}

func TestCompactionBoundsTheDisk(t *testing.T) {
	mem := NewMemFS()
	s := open(t, mem)
	grow(t, s, 1, 400)
	used := mem.Used()
	grow(t, s, 401, 4000)
	require.Less(t, mem.Used(), used*3/2)
	require.Equal(t, 2, s.Metrics().Snapshots)
	require.NoError(t, s.Close())
	s = open(t, mem)
	st := load(t, s)
	require.Equal(t, uint64(4000), st.Snapshot.Index)
	// The log goes back to the older snapshot, and not much further.
	require.LessOrEqual(t, st.Entries[0].Index, uint64(3901))
	require.Greater(t, st.Entries[0].Index, uint64(3800))
	grow(t, s, 4001, 4500)
	require.Less(t, mem.Used(), used*3/2)
	require.ErrorIs(t, s.Compact(4501), raft.ErrInvalid)
}

// Old snapshots are kept for the day on which the newest is damaged, but not
// at any price: over the bound they go, and the log in front of the next.
func TestOldSnapshotsAreGivenUpWhereTheLogIsTooLong(t *testing.T) {
	for _, bound := range []int{0, 1, 3, 9} {
		mem := NewMemFS()
		opts := options(mem)
		opts.KeepSnapshots, opts.MaxSegments = 5, bound
		s, err := Open(testDir, opts)
		require.NoError(t, err)
		most := uint64(0)
		for i := uint64(0); i < 40; i++ {
			grow(t, s, i*100+1, i*100+100)
			most = max(most, s.Metrics().Log.Segments)
		}
		// What the newest snapshot needs is there in any case.
		if bound > 0 && most > uint64(max(bound, 3)) {
			broken(t, "D9", "the log took %d files where %d were allowed", most, bound)
		}
		if bound == 0 && s.Metrics().Snapshots != 5 {
			broken(t, "D9", "%d snapshots of 5 are kept without a bound", s.Metrics().Snapshots)
		}
		require.NotZero(t, s.Metrics().Snapshots)
		require.NoError(t, s.Close())
		s, err = Open(testDir, opts)
		require.NoError(t, err)
		st := load(t, s)
		require.Equal(t, uint64(4000), st.Snapshot.Index)
		require.Equal(t, uint64(4000), st.Entries[len(st.Entries)-1].Index)
		require.NoError(t, s.Close())
	}
}

func TestDirectoryOfAnotherIsRefused(t *testing.T) {
	mem := NewMemFS()
	require.NoError(t, open(t, mem).Close())
	for _, o := range []Options{{Node: 2}, {Node: 2, Cluster: "test"}, {Cluster: "other"}, {Node: 1, Cluster: "other"}} {
		o.FS = mem
		_, err := Open(testDir, &o)
		if !errors.Is(err, ErrForeign) {
			broken(t, "D5", "a directory of node 1 in cluster test was opened as %d in %q: %v", o.Node, o.Cluster, err)
		}
	}
	for _, o := range []Options{{}, {Node: 1}, {Cluster: "test"}} {
		o.FS = mem
		s, err := Open(testDir, &o)
		require.NoError(t, err)
		require.NoError(t, s.Close())
	}
	s := open(t, mem)
	_, err := Open(testDir, options(mem))
	require.ErrorIs(t, err, ErrLocked)
	require.NoError(t, s.Close())
}

func TestLostFilesAreNotANewNode(t *testing.T) {
	lose := func(t *testing.T, match string) error {
		mem := NewMemFS()
		s := open(t, mem)
		grow(t, s, 1, 250)
		require.NoError(t, s.Close())
		lost := 0
		for _, dir := range []string{"", logDir, snapshotDir} {
			names, err := mem.List(filepath.Join(testDir, dir))
			require.NoError(t, err)
			for _, name := range names {
				if ok, _ := filepath.Match(match, name); ok {
					require.NoError(t, mem.Remove(filepath.Join(testDir, dir, name)))
					lost++
				}
			}
		}
		require.NotZero(t, lost)
		for range 2 { // the second time, too
			if _, err := Open(testDir, options(mem)); !errors.Is(err, raft.ErrCorrupt) {
				return err
			}
		}
		return raft.ErrCorrupt
	}
	for _, match := range []string{"*.wal", "*.snap", identityName} {
		if err := lose(t, match); !errors.Is(err, raft.ErrCorrupt) {
			broken(t, "D4", "%s are gone, and the error is %v", match, err)
		}
	}
}

// An error names the thing, the place and the remedy.
func TestErrorsSayWhatToDo(t *testing.T) {
	mem := NewMemFS()
	s := open(t, mem)
	grow(t, s, 1, 50)
	locked := mem
	require.NoError(t, s.Close())
	rotten, newer, full := mem.CrashClone(nil), mem.CrashClone(nil), mem.CrashClone(nil)
	s = open(t, locked)
	defer s.Close()
	require.NoError(t, rotten.FlipBit(filepath.Join(testDir, logDir, "0000000000000001.wal"), 8*600))
	require.NoError(t, newer.FlipBit(filepath.Join(testDir, identityName), 8*8+1))
	for _, c := range []struct {
		fs    *MemFS
		node  raft.NodeID
		parts []string
	}{
		{locked, 1, []string{"node1/log/LOCK", "locked", "stop whoever has the directory open"}},
		{rotten, 1, []string{"node1/log/0000000000000001.wal at byte 5", "bad payload checksum", "raft/cmd/dump shows what is there", "a new ID and an empty directory"}},
		{newer, 1, []string{"node1/NODE has format version 3", "up to 1", "start a build that reads it"}},
		{full, 2, []string{`node1 is of n1 in cluster "test", asked for n2`, "give the node its own directory"}},
	} {
		o := options(c.fs)
		o.Node = c.node
		_, err := Open(testDir, o)
		for _, part := range c.parts {
			require.ErrorContains(t, slashed(err), part)
		}
	}
	s, err := Open(testDir, options(full))
	require.NoError(t, err)
	defer s.Close()
	full.SetCapacity(full.Used())
	for i := uint64(51); err == nil; i++ {
		err = s.Save(raft.HardState{Term: 1, Commit: 50}, entries(i, i, 1), true)
	}
	for _, part := range []string{"raft/disk: appending to the log", "node1/log/", "no space left on device", "make room, and start again"} {
		require.ErrorContains(t, slashed(err), part)
	}
}

// slashed is an error with paths as they are written here.
func slashed(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(filepath.ToSlash(err.Error()))
}

func TestNewerFormatsAreRefusedByName(t *testing.T) {
	for _, file := range []string{identityName, snapshotDir + "/" + snapshotID{200, 1}.name()} {
		mem := NewMemFS()
		s := open(t, mem)
		grow(t, s, 1, 250)
		require.NoError(t, s.Close())
		require.NoError(t, mem.FlipBit(filepath.Join(testDir, file), 8*8+1)) // version 1 becomes 3
		_, err := Open(testDir, options(mem))
		var newer *VersionError
		require.ErrorAs(t, err, &newer)
		require.Equal(t, VersionError{File: filepath.Join(testDir, file), Version: 3, Supported: 1}, *newer)
	}
}

func TestRecordsDecodeOrAreRefused(t *testing.T) {
	b, err := appendSave(nil, raft.HardState{Term: 1 << 40, VotedFor: 2, Commit: 3}, entries(1<<50, 1<<50+2, 1<<40))
	require.NoError(t, err)
	r, _, err := decodeRecord(b)
	require.NoError(t, err)
	require.Equal(t, entries(1<<50, 1<<50+2, 1<<40), r.entries)
	for n := range b {
		_, _, err := decodeRecord(b[:n])
		require.ErrorIs(t, err, errRecord, "cut at %d", n)
	}
	_, _, err = decodeRecord(append(b, 0))
	require.ErrorIs(t, err, errRecord)
	_, version, err := decodeRecord(append([]byte{9}, b[1:]...))
	require.ErrorIs(t, err, errRecord)
	require.Equal(t, byte(9), version)
	_, _, err = decodeRecord([]byte{recordVersion, kindSave, 1, 1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1})
	require.ErrorIs(t, err, errRecord, "an absurd count")
}

func FuzzDecodeRecord(f *testing.F) {
	b, _ := appendSave(nil, raft.HardState{Term: 1, VotedFor: 2, Commit: 3}, entries(1, 3, 1))
	f.Add(b)
	f.Add(appendSnapshotNote(nil, 5, 6))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, _, err := decodeRecord(b)
		if err != nil || r.kind != kindSave {
			return
		}
		again, err := appendSave(nil, r.hard, r.entries)
		if err != nil {
			t.Fatal(err)
		}
		if second, _, err := decodeRecord(again); err != nil || !same(raft.State{HardState: r.hard, Entries: r.entries},
			raft.State{HardState: second.hard, Entries: second.entries}) {
			t.Fatalf("%+v became %+v: %v", r, second, err)
		}
	})
}

func TestSaveDoesNotAllocate(t *testing.T) {
	s, err := Open(t.TempDir(), nil)
	if errors.Is(err, vfs.ErrNotSupported) {
		t.Skip("no file lock here")
	}
	require.NoError(t, err)
	defer s.Close()
	es := entries(1, 3, 1)
	allocs := testing.AllocsPerRun(200, func() {
		if err := s.Save(raft.HardState{Term: 1}, es, false); err != nil {
			t.Error(err)
		}
		for i := range es {
			es[i].Index += 3
		}
	})
	require.Zero(t, allocs)
}

// The log's records have a bound; what a leader takes while its disk is slow may
// be more. Wherever the process dies in between, what is left is a log.
func TestEntriesThatAreTooManyForOneRecordAreSavedInSeveral(t *testing.T) {
	for n := int64(0); ; n++ {
		mem := NewMemFS()
		s := open(t, mem)
		s.most = 350
		before := s.Metrics().Log
		mem.CutPower(mem.Ops() + n)
		failed := s.Save(raft.HardState{Term: 1, Commit: 8}, entries(1, 10, 1), true)
		if after := s.Metrics().Log; failed == nil {
			if bytes := after.Payload - before.Payload; bytes/(after.Records-before.Records) > 400 {
				broken(t, "D1", "%d bytes were saved as %d records, where one may have 350", bytes, after.Records-before.Records)
			}
		}
		st := load(t, open(t, mem.KillClone()))
		if _, err := raft.NewCore(raft.Config{ID: 1, Voters: []raft.NodeID{1}}, st); err != nil {
			broken(t, "D1", "the process was killed after operation %d of a Save, and no node starts: %v", n, err)
		}
		if failed == nil {
			require.Equal(t, entries(1, 10, 1), st.Entries)
			require.Equal(t, uint64(8), st.HardState.Commit)
			return
		}
	}
}
