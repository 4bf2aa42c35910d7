package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"testing"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/stretchr/testify/require"
)

// workload writes a manifest, closing and reopening it now and then; observe is
// called after every operation on the disk.
func workload(t *testing.T, seed uint64, steps int, observe func(m *model, mem *vfs.Mem, op vfs.Op)) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	mem, m := newDisk(t), &model{}
	first := m.edit(rng)
	l, err := Create(mem, testDir, first)
	require.NoError(t, err)
	m.edits = []Edit{first}
	mem.Observe(func(op vfs.Op) { observe(m, mem, op) })
	for i := 0; i < steps && !t.Failed(); i++ {
		require.NoError(t, m.step(l, rng))
		if rng.IntN(10) == 0 {
			require.NoError(t, l.Close())
			var edits []Edit
			l, edits, _, err = Open(mem, testDir)
			require.NoError(t, err)
			require.Equal(t, state(m.edits), state(edits))
		}
	}
	mem.Observe(nil)
	require.NoError(t, l.Close())
	require.NoError(t, l.Close())
}

func TestPowerCutLeavesTheOldEditsOrTheNew(t *testing.T) {
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 2))
		workload(t, seed, 40, func(m *model, mem *vfs.Mem, op vfs.Op) {
			for draw := range 8 {
				m.check(t, crashClone(mem, rng, draw), fmt.Sprintf("after a power cut at op %v (seed %d, draw %d)", op, seed, draw))
			}
		})
	}
}

func TestKilledProcessLosesNothing(t *testing.T) {
	for seed := range uint64(3) {
		workload(t, seed, 40, func(m *model, mem *vfs.Mem, op vfs.Op) {
			when := fmt.Sprintf("after a kill at op %v", op)
			after := mem.KillClone()
			shown := m.check(t, after, when)
			again, _, err := Read(after.CrashClone(nil), testDir)
			if err != nil || state(again) != state(shown) {
				broken(t, "M7", "%s Open showed %s, and a power cut left %s: %v", when, state(shown), state(again), err)
			}
		})
	}
}

func TestPowerCutDuringOpenIsRecoveredFrom(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 3))
	workload(t, 9, 25, func(m *model, mem *vfs.Mem, op vfs.Op) {
		first := mem.CrashClone(rng)
		for n := int64(1); ; n++ {
			second := first.KillClone()
			second.CutPower(n)
			l, _, _, err := Open(second, testDir)
			if err == nil {
				l.Close()
				return
			}
			require.ErrorIs(t, err, vfs.ErrPowerCut)
			m.check(t, second.CrashClone(rng), fmt.Sprintf("after power cuts at op %v and at op %d of Open", op, n))
		}
	})
}

// Until Create returns there may be a manifest or none; a directory in between
// can be tried again, and is not taken for a damaged store.
func TestPowerCutDuringCreateLeavesAStoreOrNone(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 4))
	var seen [2]int
	mem := newDisk(t)
	m := &model{}
	first := m.edit(rng)
	mem.Observe(func(op vfs.Op) {
		for draw := range 60 {
			after := crashClone(mem, rng, draw)
			_, edits, _, err := Open(after, testDir)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				seen[0]++
				_, err := Create(after, testDir, first)
				require.NoError(t, err, "at op %v", op)
			case err != nil || state(edits) != state([]Edit{first}):
				broken(t, "M4", "after a power cut at op %v of Create there is %s: %v", op, state(edits), err)
			default:
				seen[1]++
			}
		}
	})
	_, err := Create(mem, testDir, first)
	require.NoError(t, err)
	require.Positive(t, seen[0])
	require.Positive(t, seen[1])
	mem.Observe(nil)
	_, err = Create(mem, testDir, first)
	require.ErrorIs(t, err, fs.ErrExist)
	_, edits, _, err := Open(mem.CrashClone(nil), testDir)
	if err != nil || state(edits) != state([]Edit{first}) {
		broken(t, "M4", "Create returned, and a power cut left %s: %v", state(edits), err)
	}
}

func TestFullDiskChangesNothingAndIsLeftBehind(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 5))
	refused := 0
	for room := int64(0); room < 3000; room += 37 {
		mem, m := newDisk(t), &model{}
		first := m.edit(rng)
		l, err := Create(mem, testDir, first)
		require.NoError(t, err)
		m.edits = []Edit{first}
		require.NoError(t, m.step(l, rng))
		mem.SetCapacity(mem.Used() + room)
		for range 30 {
			if err = m.step(l, rng); err != nil {
				break
			}
		}
		require.ErrorIs(t, err, vfs.ErrNoSpace)
		refused++
		m.doing = nil // rule M5: not now, not later
		for draw := range 6 {
			edits, _, err := Read(crashClone(mem, rng, draw), testDir)
			if err != nil || state(edits) != state(m.edits) {
				broken(t, "M5", "an edit was refused, and a power cut leaves %s instead of %s: %v", state(edits), state(m.edits), err)
			}
		}
		mem.SetCapacity(0)
		for range 5 {
			if err := m.step(l, rng); err != nil {
				broken(t, "M5", "there is room again, and an edit is refused: %v", err)
			}
			m.check(t, mem.CrashClone(rng), "after a full disk and a power cut")
		}
	}
	require.Positive(t, refused)
}

// A longer edit that failed must not show through behind a shorter one.
func TestNothingIsWrittenOverTheRestOfAFailedWrite(t *testing.T) {
	mem, m := newDisk(t), &model{}
	rng := rand.New(rand.NewPCG(8, 6))
	first := m.edit(rng)
	l, err := Create(mem, testDir, first)
	require.NoError(t, err)
	long := Edit{Added: []Table{{Smallest: make([]byte, 900), Largest: make([]byte, 900)}}}
	// The disk takes a part, and refuses to give it back.
	mem.Inject(vfs.Fault{Kind: vfs.OpWrite, Err: vfs.ErrNoSpace, Short: 1500})
	mem.Inject(vfs.Fault{Kind: vfs.OpTruncate, Err: vfs.ErrIO})
	require.ErrorIs(t, l.Append(&long), vfs.ErrNoSpace)
	require.NoError(t, l.Append(&Edit{NextFile: 4}))
	_, r, err := Read(mem, testDir)
	require.NoError(t, err)
	if r.Dropped != 0 {
		broken(t, "M5", "an edit stands before the rest of a failed one: %+v", r)
	}
	require.EqualValues(t, 2, mem.Strikes())
}

func TestFailedSyncEndsTheLogUntilItIsOpened(t *testing.T) {
	struck := 0
	for _, kind := range []vfs.Kind{vfs.OpSync, vfs.OpSyncDir, vfs.OpRename} {
		for skip := range 25 {
			rng := rand.New(rand.NewPCG(uint64(skip), 7))
			mem, m := newDisk(t), &model{}
			first := m.edit(rng)
			l, err := Create(mem, testDir, first)
			require.NoError(t, err)
			m.edits = []Edit{first}
			mem.Inject(vfs.Fault{Kind: kind, Skip: skip, Err: vfs.ErrIO})
			for range 40 {
				if err = m.step(l, rng); err != nil {
					break
				}
			}
			if mem.Strikes() == 0 {
				continue
			}
			struck++
			if !errors.Is(err, ErrFailed) || !errors.Is(err, vfs.ErrIO) {
				broken(t, "M6", "a %s failed, and the error is %v", kind, err)
			}
			if again := l.Append(&Edit{}); !errors.Is(again, ErrFailed) {
				broken(t, "M6", "after a failed %s an edit ends with %v", kind, again)
			}
			require.ErrorIs(t, l.Rotate(Edit{}), ErrFailed)
			require.ErrorIs(t, l.Close(), ErrFailed)
			m.check(t, mem.CrashClone(rng), "after a failed sync and a power cut")
			shown := m.check(t, mem, "after a failed sync")
			edits, _, err := Read(mem.CrashClone(nil), testDir)
			if err != nil || state(edits) != state(shown) {
				broken(t, "M7", "Open showed %s, and a power cut left %s: %v", state(shown), state(edits), err)
			}
		}
	}
	require.Greater(t, struck, 20)
}

func TestFilesOfACrashAreRemoved(t *testing.T) {
	mem, m := newDisk(t), &model{}
	first := m.edit(rand.New(rand.NewPCG(1, 8)))
	l, err := Create(mem, testDir, first)
	require.NoError(t, err)
	require.NoError(t, l.Close())
	for _, name := range []string{"MANIFEST-000002", "CURRENT.tmp", "000007.sst", "MANIFEST-2"} {
		_, err := mem.Create(path.Join(testDir, name))
		require.NoError(t, err)
	}
	m.edits = []Edit{first}
	m.check(t, mem, "with litter")
	names, err := mem.List(testDir)
	require.NoError(t, err)
	require.Equal(t, []string{"000007.sst", "CURRENT", "MANIFEST-000001", "MANIFEST-2"}, names)
}
