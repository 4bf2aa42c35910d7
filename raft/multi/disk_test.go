package multi

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/raft"
	"github.com/stretchr/testify/require"
)

func diskOptions(fs vfs.FS) DiskOptions {
	return DiskOptions{Node: 1, FS: fs, SegmentSize: 4 << 10, MaxSegments: 2}
}

// scribe writes what hosts might, to a disk and to a ledger of each step.
type scribe struct {
	rng   *rand.Rand
	disk  *Disk
	model *ledger
	after []Stored // what is stored after each Save
	safe  int      // Saves that a power cut must not take
	index map[GroupID]uint64
}

func newScribe(seed uint64, d *Disk) *scribe {
	return &scribe{rng: rand.New(rand.NewPCG(seed, 2)), disk: d, model: newLedger(), index: map[GroupID]uint64{}, after: []Stored{{}}}
}

// write makes a record that the protocol allows.
func (s *scribe) write() Write {
	g := GroupID(1 + s.rng.IntN(6))
	st := s.model.groups[g]
	if _, gone := s.model.gone[g]; gone {
		return s.write()
	}
	data := make([]byte, s.rng.IntN(200))
	switch what := s.rng.IntN(20); {
	case st == nil:
		return Write{Group: g, HardState: raft.HardState{Commit: 1}, Snapshot: &raft.Snapshot{Index: 1, Data: data, Membership: raft.Membership{Voters: []raft.NodeID{1, 2, 3}}}}
	case what == 0 && len(s.model.gone) < 3:
		return Write{Group: g, Remove: true}
	case what < 4:
		return s.replace(g)
	default:
		next := s.first(st) + uint64(len(st.Entries))
		if len(st.Entries) > 0 && s.rng.IntN(5) == 0 {
			next -= 1 + s.rng.Uint64N(uint64(len(st.Entries))) // a conflict
		}
		w := Write{Group: g, HardState: raft.HardState{Term: st.HardState.Term + s.rng.Uint64N(2), VotedFor: 2, Commit: st.HardState.Commit}}
		for range s.rng.IntN(4) {
			w.Entries = append(w.Entries, raft.Entry{Index: next, Term: w.HardState.Term, Data: data})
			next++
		}
		return w
	}
}

func (s *scribe) first(st *raft.State) uint64 {
	if st.Snapshot == nil {
		return 1
	}
	return st.Snapshot.Index + 1
}

// replace is a group's state as a snapshot of its own.
func (s *scribe) replace(g GroupID) Write {
	st := s.model.groups[g]
	cut := uint64(0)
	if n := len(st.Entries); n > 0 {
		cut = s.rng.Uint64N(uint64(n) + 1)
	}
	snap := *st.Snapshot
	snap.Index += cut
	snap.Data = fmt.Appendf(nil, "state of %s at %d", g, snap.Index)
	return Write{Group: g, HardState: st.HardState, Snapshot: &snap, Entries: st.Entries[cut:]}
}

func (s *scribe) save() error {
	var writes []Write
	for range 1 + s.rng.IntN(4) {
		w := s.write()
		writes = append(writes, w)
		if err := s.model.add(&w); err != nil {
			panic(err)
		}
	}
	return s.store(writes)
}

func (s *scribe) store(writes []Write) error {
	s.after = append(s.after, s.model.stored())
	sync := s.rng.IntN(3) > 0
	if err := s.disk.Save(writes, sync); err != nil {
		return err
	}
	if sync {
		s.safe = len(s.after) - 1
	}
	var again []Write
	for _, g := range s.disk.Pinned(3) {
		if s.model.groups[g] != nil {
			again = append(again, s.replace(g))
			s.model.add(&again[len(again)-1])
		}
	}
	if len(again) > 0 {
		return s.store(again)
	}
	return nil
}

// check opens what is left and compares it with what was saved.
func (s *scribe) check(t *testing.T, fs vfs.FS, least int, rule, when string) {
	t.Helper()
	d, err := OpenDisk("d", diskOptions(fs))
	if err != nil {
		broken(t, rule, "the log does not open %s: %v", when, err)
		return
	}
	defer d.Close()
	got, err := d.Load()
	require.NoError(t, err)
	for _, want := range s.after[least:] {
		if sameStored(got, want) {
			return
		}
	}
	broken(t, rule, "it found %v %s, at least save %d of %d was promised: %v", brief(got), when, least, len(s.after)-1, brief(s.after[least]))
}

func brief(s Stored) string {
	out := fmt.Sprintf("gone %v", s.Removed)
	for _, g := range s.Groups {
		out += fmt.Sprintf(" %s:%+v+%d", g.ID, g.State.HardState, len(g.State.Entries))
		if g.State.Snapshot != nil {
			out += fmt.Sprintf("@%d", g.State.Snapshot.Index)
		}
	}
	return out
}

func sameStored(a, b Stored) bool {
	return slices.Equal(a.Removed, b.Removed) && slices.EqualFunc(a.Groups, b.Groups, func(x, y StoredGroup) bool {
		return x.ID == y.ID && x.State.HardState == y.State.HardState && reflect.DeepEqual(x.State.Snapshot, y.State.Snapshot) &&
			slices.EqualFunc(x.State.Entries, y.State.Entries, func(e, f raft.Entry) bool {
				return e.Index == f.Index && e.Term == f.Term && e.Type == f.Type && string(e.Data) == string(f.Data)
			})
	})
}

// Power is cut at a random operation of a random story, many times.
func TestWhatAllGroupsSavedSurvivesPowerCuts(t *testing.T) {
	dropped := uint64(0)
	for seed := uint64(1); seed <= 300 && !t.Failed(); seed++ {
		fs := vfs.NewMem()
		d, err := OpenDisk("d", diskOptions(fs))
		require.NoError(t, err)
		_, err = d.Load()
		require.NoError(t, err)
		s := newScribe(seed, d)
		fs.CutPowerDuring(fs.Ops() + 1 + int64(s.rng.IntN(400)))
		for err == nil {
			err = s.save()
		}
		require.ErrorIs(t, err, vfs.ErrPowerCut)
		dropped += d.log.FirstSeq() - 1
		require.Error(t, d.Save([]Write{{Group: 9}}, true), "a storage that failed goes on")
		s.check(t, fs.CrashClone(s.rng), s.safe, "M2", fmt.Sprintf("after a power cut (seed %d)", seed))
		s.check(t, fs.KillClone(), len(s.after)-2, "M2", fmt.Sprintf("after a kill (seed %d)", seed))
	}
	require.Positive(t, dropped, "the log was never cut")
}

func TestTheLogIsCutWhereNoGroupNeedsIt(t *testing.T) {
	fs := vfs.NewMem()
	d, err := OpenDisk("d", diskOptions(fs))
	require.NoError(t, err)
	s := newScribe(1, d)
	_, err = d.Load()
	require.NoError(t, err)
	most := uint64(0)
	for range 5000 {
		require.NoError(t, s.save())
		most = max(most, d.Metrics().Segments)
	}
	if most > 40 {
		broken(t, "M14", "the log of six groups grew to %d files", most)
	}
	require.NoError(t, d.Close())
	s.check(t, fs, len(s.after)-1, "M14", "after a clean end")
}

// One group has nothing to say for ever, another talks on.
func TestAnIdleGroupDoesNotHoldTheLog(t *testing.T) {
	fs := vfs.NewMem()
	d, err := OpenDisk("d", diskOptions(fs))
	require.NoError(t, err)
	_, err = d.Load()
	require.NoError(t, err)
	snapshot := func(g GroupID, index uint64) Write {
		return Write{Group: g, HardState: raft.HardState{Commit: index}, Snapshot: &raft.Snapshot{Index: index, Data: []byte(g.String())}}
	}
	require.NoError(t, d.Save([]Write{snapshot(1, 1), snapshot(2, 1)}, true))
	asked := 0
	for i := uint64(2); i < 3000; i++ {
		w := Write{Group: 2, HardState: raft.HardState{Commit: i}, Entries: []raft.Entry{{Index: i, Data: make([]byte, 100)}}}
		require.NoError(t, d.Save([]Write{w}, true))
		for _, g := range d.Pinned(10) {
			asked++
			require.NoError(t, d.Save([]Write{snapshot(g, map[GroupID]uint64{1: 1, 2: i}[g])}, true))
		}
	}
	if m := d.Metrics(); m.Segments > 8 {
		broken(t, "M14", "two groups, one of them idle, hold %d files; asked to make room %d times", m.Segments, asked)
	}
	require.Positive(t, d.log.FirstSeq()-1)
	require.NoError(t, d.Close())
}

// A file is given up for records that no sync was asked for, and power fails.
func TestAFileGoesOnlyWhenWhatReplacesItIsDurable(t *testing.T) {
	for seed := range uint64(30) {
		fs := vfs.NewMem()
		d, err := OpenDisk("d", diskOptions(fs))
		require.NoError(t, err)
		_, err = d.Load()
		require.NoError(t, err)
		begin := func(g GroupID) Write {
			return Write{Group: g, HardState: raft.HardState{Commit: 1}, Snapshot: &raft.Snapshot{Index: 1, Data: []byte(g.String())}}
		}
		require.NoError(t, d.Save([]Write{begin(2)}, true))
		for i := uint64(2); d.Metrics().Segments < 3; i++ {
			require.NoError(t, d.Save([]Write{{Group: 2, HardState: raft.HardState{Commit: 1}, Entries: []raft.Entry{{Index: i, Data: make([]byte, 100)}}}}, true))
		}
		require.NoError(t, d.Save([]Write{begin(1)}, true))
		require.NoError(t, d.sayHost())
		require.NoError(t, d.Save([]Write{begin(2)}, false))
		d.begun = 0 // look now
		d.Pinned(1)
		require.Greater(t, d.log.FirstSeq(), uint64(1), "nothing was dropped")
		after, err := OpenDisk("d", diskOptions(fs.CrashClone(rand.New(rand.NewPCG(seed, 1)))))
		if err != nil {
			broken(t, "M14", "the log does not open: %v", err)
			return
		}
		got, err := after.Load()
		require.NoError(t, err)
		if len(got.Groups) != 2 {
			broken(t, "M14", "%d groups of 2 are left after a power cut", len(got.Groups))
		}
		require.NoError(t, after.Close())
	}
}

func TestADirectoryBelongsToOneHost(t *testing.T) {
	fs := vfs.NewMem()
	d, err := OpenDisk("d", diskOptions(fs))
	require.NoError(t, err)
	_, err = OpenDisk("d", diskOptions(fs))
	require.ErrorIs(t, err, vfs.ErrLocked)
	first, err := d.Load()
	require.NoError(t, err)
	require.NoError(t, d.Save([]Write{{Group: 1, Snapshot: &raft.Snapshot{Index: 1, Data: []byte{}}}}, true))
	again, err := d.Load()
	require.NoError(t, err)
	require.Greater(t, again.Life, first.Life)
	require.Len(t, again.Groups, 1)
	require.NotNil(t, again.Groups[0].State.Snapshot.Data, "empty is not none")
	require.NoError(t, d.Close())
	require.NoError(t, d.Close())
	require.ErrorIs(t, d.Save(nil, true), raft.ErrStorage)
	o := diskOptions(fs)
	o.Node = 2
	_, err = OpenDisk("d", o)
	require.ErrorIs(t, err, ErrForeign)
	require.ErrorContains(t, err, "asked for n2")
	_, err = OpenDisk("d", DiskOptions{FS: fs})
	require.ErrorIs(t, err, raft.ErrInvalid)
}

func TestDamageToTheLogIsNamed(t *testing.T) {
	fs := vfs.NewMem()
	d, err := OpenDisk("d", diskOptions(fs))
	require.NoError(t, err)
	_, err = d.Load()
	require.NoError(t, err)
	s := newScribe(3, d)
	for range 20 {
		require.NoError(t, s.save())
	}
	require.NoError(t, d.Close())
	names, err := fs.List("d")
	require.NoError(t, err)
	i := slices.IndexFunc(names, func(n string) bool { return len(n) > 4 && n[len(n)-4:] == ".wal" })
	require.NoError(t, fs.FlipBit("d/"+names[i], 8*600))
	_, err = OpenDisk("d", diskOptions(fs))
	require.ErrorIs(t, err, raft.ErrCorrupt)
	require.ErrorContains(t, err, names[i])
}

func TestRecordsComeBack(t *testing.T) {
	for _, w := range []Write{
		{Group: 1, Remove: true},
		{Group: 1 << 60, HardState: raft.HardState{Term: 1, VotedFor: 2, Commit: 3}},
		{Group: 3, Snapshot: &raft.Snapshot{Index: 7, Term: 2, Membership: raft.Membership{Voters: []raft.NodeID{1, 2}}}},
		{Group: 3, Snapshot: &raft.Snapshot{Index: 7, Term: 2, Data: []byte("x")}, Entries: []raft.Entry{{Index: 8, Term: 2, Data: []byte("e")}}},
	} {
		b := appendWrite(nil, &w)
		got, err := decodeRecord(b)
		require.NoError(t, err)
		require.Equal(t, w, got.write)
		for n := range b {
			_, err := decodeRecord(b[:n])
			require.Error(t, err, "%d bytes of %d", n, len(b))
		}
		b[0] = 9
		_, err = decodeRecord(b)
		require.ErrorIs(t, err, raft.ErrVersion)
	}
	_, err := decodeRecord([]byte{1, 77, 0})
	require.True(t, errors.Is(err, raft.ErrCorrupt))
}

// What gathers while the disk is slow, or the states of many groups that are
// written again at once, may be more than the log takes as one batch.
func TestASaveThatIsTooLongForOneBatchIsStoredInSeveral(t *testing.T) {
	mem := vfs.NewMem()
	d, err := OpenDisk("d", diskOptions(mem))
	require.NoError(t, err)
	defer d.Close()
	_, err = d.Load()
	require.NoError(t, err)
	d.most = 1000
	before := d.Metrics()
	model := newLedger()
	var writes []Write
	for g := range GroupID(20) {
		data := make([]byte, 100*g) // the last are too long by themselves
		w := Write{Group: g + 1, HardState: raft.HardState{Commit: 1}, Snapshot: &raft.Snapshot{Index: 1, Data: data, Membership: raft.Membership{Voters: []raft.NodeID{1}}}}
		require.NoError(t, model.add(&w))
		writes = append(writes, w)
	}
	require.NoError(t, d.Save(writes, true))
	after := d.Metrics()
	require.Equal(t, uint64(1), after.Syncs-before.Syncs-(after.Rotations-before.Rotations), "one for all, beside those of the files")
	batches, bytes := after.Batches-before.Batches, after.Payload-before.Payload
	if bytes/batches > 1500 {
		broken(t, "M2", "%d bytes were stored as %d batches, where one may have 1000", bytes, batches)
	}
	again, err := OpenDisk("d", diskOptions(mem.CrashClone(nil)))
	require.NoError(t, err)
	defer again.Close()
	got, err := again.Load()
	require.NoError(t, err)
	if !sameStored(got, model.stored()) {
		broken(t, "M2", "not all is stored: %d groups of %d", len(got.Groups), len(writes))
	}
}
