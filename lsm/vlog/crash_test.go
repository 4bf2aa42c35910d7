package vlog

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/stretchr/testify/require"
)

// workload runs a log through random steps, closing and reopening it now and
// then; observe is called after every operation on the disk.
func workload(t *testing.T, seed uint64, steps int, observe func(m *model, l *Log, mem *vfs.Mem, op vfs.Op)) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	mem, m := newDisk(t), &model{}
	l := open(t, small(mem))
	require.NoError(t, mem.SyncDir("db"))
	mem.Observe(func(op vfs.Op) { observe(m, l, mem, op) })
	for i := 0; i < steps && !t.Failed(); i++ {
		require.NoError(t, m.step(l, rng))
		if rng.IntN(15) == 0 {
			require.NoError(t, l.Close())
			m.synced = len(m.kept)
			l = open(t, small(mem))
			m.check(t, l, "V2", len(m.kept), "after reopening")
		}
	}
	mem.Observe(nil)
	require.NoError(t, l.Close())
	require.NoError(t, l.Close())
}

func TestPowerCutLosesNoSyncedValue(t *testing.T) {
	for seed := range uint64(3) {
		rng := rand.New(rand.NewPCG(seed, 2))
		workload(t, seed, 80, func(m *model, _ *Log, mem *vfs.Mem, op vfs.Op) {
			for draw := range 5 {
				m.reopen(t, crashClone(mem, rng, draw), "V2", m.synced, fmt.Sprintf("after a power cut at op %v (seed %d, draw %d)", op, seed, draw))
			}
		})
	}
}

func TestKillLosesNoValueAndWhatIsShownIsDurable(t *testing.T) {
	for seed := range uint64(3) {
		workload(t, seed, 80, func(m *model, _ *Log, mem *vfs.Mem, op vfs.Op) {
			when := fmt.Sprintf("after a kill at op %v", op)
			after := mem.KillClone()
			m.reopen(t, after, "V2", len(m.kept), when)
			m.reopen(t, after.CrashClone(nil), "V7", len(m.kept), when+", reopening, and a power cut")
		})
	}
}

// Whoever holds pointers asks Durable what a power cut cannot take.
func TestDurableIsWhatAPowerCutLeaves(t *testing.T) {
	for seed := range uint64(3) {
		workload(t, seed, 60, func(m *model, l *Log, mem *vfs.Mem, op vfs.Op) {
			// An observer runs inside the log's calls: take what it may read.
			at := l.durable
			after := open(t, small(mem.CrashClone(nil)))
			defer after.Close()
			for _, s := range m.kept {
				if s.p.File < at.File || s.p.File == at.File && s.p.Offset+uint64(s.p.Length) <= at.Offset {
					if _, err := after.Read(s.p, nil); err != nil {
						broken(t, "V3", "at op %v all before %+v is durable, and a power cut takes %+v: %v", op, at, s.p, err)
						return
					}
				}
			}
		})
	}
}

func TestPowerCutDuringOpenIsRecoveredFrom(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 3))
	workload(t, 5, 60, func(m *model, _ *Log, mem *vfs.Mem, op vfs.Op) {
		if rng.IntN(4) > 0 {
			return
		}
		first := mem.CrashClone(rng)
		for n := int64(1); ; n++ {
			second := first.KillClone()
			second.CutPower(n)
			l, err := Open(testDir, small(second))
			if err == nil {
				l.Close()
				return
			}
			require.ErrorIs(t, err, vfs.ErrPowerCut)
			m.reopen(t, second.CrashClone(rng), "V2", m.synced, fmt.Sprintf("after power cuts at op %v and at op %d of Open", op, n))
		}
	})
}

func TestFullDiskRefusesAndThenGoesOn(t *testing.T) {
	refused := 0
	for room := int64(1); room < 5000; room += 61 {
		rng := rand.New(rand.NewPCG(uint64(room), 4))
		mem, m := newDisk(t), &model{}
		l := open(t, small(mem))
		mem.SetCapacity(mem.Used() + room)
		var err error
		for range 300 {
			if err = m.step(l, rng); err != nil {
				break
			}
		}
		require.ErrorIs(t, err, vfs.ErrNoSpace)
		refused++
		m.check(t, l, "V4", len(m.kept), "on a full disk")
		m.reopen(t, mem.CrashClone(rng), "V4", m.synced, "after a full disk and a power cut")
		mem.SetCapacity(0)
		for range 10 {
			if err := m.step(l, rng); err != nil {
				broken(t, "V4", "there is room again, and the error is %v", err)
			}
		}
		m.check(t, l, "V4", len(m.kept), "after a full disk")
		require.NoError(t, l.Close())
		m.reopen(t, mem.CrashClone(nil), "V4", len(m.kept), "after a full disk and Close")
	}
	require.Positive(t, refused)
}

// The rest of a failed write is not a value, and not in the way of the next.
func TestFailedAppendIsWrittenOver(t *testing.T) {
	mem, m := newDisk(t), &model{}
	rng := rand.New(rand.NewPCG(6, 5))
	l := open(t, small(mem))
	for len(m.kept) < 5 {
		require.NoError(t, m.step(l, rng))
	}
	for _, short := range []int{0, 3, 5, 60, 400} {
		mem.Inject(vfs.Fault{Kind: vfs.OpWrite, Err: vfs.ErrNoSpace, Short: short, Match: func(op vfs.Op) bool { return op.Length > markLen }})
		sizes := func() (all []int64) {
			for _, f := range l.Files() {
				all = append(all, f.Size)
			}
			return all
		}
		before := sizes()
		got, err := l.Append([][]byte{make([]byte, 500)}, make([]Pointer, 0, 4))
		require.ErrorIs(t, err, vfs.ErrNoSpace)
		if len(got) > 0 {
			broken(t, "V4", "an append failed and returned %+v", got)
		}
		if after := sizes(); !slices.Equal(after, before) {
			broken(t, "V4", "an append failed, and the files have %v bytes instead of %v", after, before)
		}
		require.NoError(t, m.step(l, rng))
		m.check(t, l, "V4", len(m.kept), "after a failed append")
	}
}

func TestFailedSyncEndsAppendingAndNotReading(t *testing.T) {
	struck := 0
	for _, kind := range []vfs.Kind{vfs.OpSync, vfs.OpSyncDir} {
		for skip := range 12 {
			rng := rand.New(rand.NewPCG(uint64(skip), 6))
			mem, m := newDisk(t), &model{}
			l := open(t, small(mem))
			require.NoError(t, mem.SyncDir("db"))
			mem.Inject(vfs.Fault{Kind: kind, Skip: skip, Err: vfs.ErrIO})
			var err error
			for range 120 {
				if err = m.step(l, rng); err != nil {
					break
				}
			}
			if mem.Strikes() == 0 {
				continue
			}
			struck++
			if !errors.Is(err, ErrFailed) || !errors.Is(err, vfs.ErrIO) {
				broken(t, "V5", "a %s failed, and the error is %v", kind, err)
			}
			_, again := l.Append([][]byte{{1}}, nil)
			if !errors.Is(again, ErrFailed) || !errors.Is(l.Sync(), ErrFailed) || !errors.Is(l.Seal(), ErrFailed) {
				broken(t, "V5", "after a failed %s an append ends with %v", kind, again)
			}
			m.check(t, l, "V5", len(m.kept), "after a failed sync")
			require.ErrorIs(t, l.Close(), ErrFailed)
			m.reopen(t, mem, "V5", len(m.kept), "reopened after a failed sync")
			m.reopen(t, mem.CrashClone(nil), "V7", len(m.kept), "reopened after a failed sync, and a power cut")
		}
	}
	require.Greater(t, struck, 12)
}

func TestNothingToSyncIsFree(t *testing.T) {
	mem := newDisk(t)
	l := open(t, small(mem))
	before := mem.Ops()
	require.NoError(t, l.Sync())
	require.Equal(t, before, mem.Ops())
	_, err := l.Append([][]byte{{1}}, nil)
	require.NoError(t, err)
	require.NoError(t, l.Sync())
	before = mem.Ops()
	require.NoError(t, l.Sync())
	require.Equal(t, before, mem.Ops())
}
