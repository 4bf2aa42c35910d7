package wal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/stretchr/testify/require"
)

// workload runs a log through random steps, closing and reopening it now and
// then; observe is called after every operation on the disk.
func workload(t *testing.T, seed uint64, steps int, mmap bool, observe func(m *model, mem *vfs.Mem, op vfs.Op)) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	mem, m := vfs.NewMem(), newModel()
	mem.Observe(func(op vfs.Op) { observe(m, mem, op) })
	opts := small(mem)
	opts.Mmap = mmap
	l, _, err := Open(testDir, opts)
	require.NoError(t, err)
	for i := 0; i < steps && !t.Failed(); i++ {
		require.NoError(t, m.step(l, rng))
		if rng.IntN(25) == 0 {
			require.NoError(t, l.Close())
			m.durable = m.kept
			l, _, err = Open(testDir, opts)
			require.NoError(t, err)
			m.compare(t, l, "W2", m.kept, "after reopening")
		}
	}
	mem.Observe(nil)
	require.NoError(t, l.Close())
}

func eachMode(t *testing.T, test func(t *testing.T, mmap bool)) {
	t.Run("pwrite", func(t *testing.T) { test(t, false) })
	t.Run("mmap", func(t *testing.T) { test(t, true) })
}

func TestPowerCutLosesNothingSyncedAndInventsNothing(t *testing.T) {
	eachMode(t, func(t *testing.T, mmap bool) {
		for seed := range uint64(3) {
			rng := rand.New(rand.NewPCG(seed, 2))
			workload(t, seed, 150, mmap, func(m *model, mem *vfs.Mem, op vfs.Op) {
				for draw := range 5 {
					after := crashClone(mem, rng, draw)
					m.check(t, after, "W2", m.durable, fmt.Sprintf("after a power cut at op %v (seed %d, draw %d)", op, seed, draw))
				}
			})
		}
	})
}

// crashClone draws a crash state: the two extremes first.
func crashClone(mem *vfs.Mem, rng *rand.Rand, draw int) *vfs.Mem {
	switch draw {
	case 0:
		return mem.CrashClone(nil)
	case 1:
		return mem.CrashCloneKeepAll()
	}
	return mem.CrashClone(rng)
}

func TestKillLosesNothingAppended(t *testing.T) {
	eachMode(t, func(t *testing.T, mmap bool) {
		for seed := range uint64(3) {
			workload(t, seed, 150, mmap, func(m *model, mem *vfs.Mem, op vfs.Op) {
				when := fmt.Sprintf("after a kill at op %v (seed %d)", op, seed)
				after := mem.KillClone()
				m.check(t, after, "W1", m.kept, when)
				// What Open has shown, it has made durable.
				m.check(t, after.CrashClone(nil), "W11", m.kept, when+", reopening, and a power cut")
			})
		}
	})
}

func TestPowerCutDuringRecoveryIsRecoveredFrom(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 3))
	workload(t, 5, 120, false, func(m *model, mem *vfs.Mem, op vfs.Op) {
		if rng.IntN(6) > 0 {
			return
		}
		first := mem.CrashClone(rng)
		for n := int64(1); ; n++ {
			second := first.KillClone()
			second.CutPower(n)
			l, _, err := Open(testDir, small(second))
			if err == nil {
				// It may still be appended to and cut again: what is left of
				// the first life must not come to stand behind new records.
				m.appendAfterRecovery(t, l, second, rng, op)
				return
			}
			require.ErrorIs(t, err, vfs.ErrPowerCut)
			m.check(t, second.CrashClone(rng), "W2", m.durable,
				fmt.Sprintf("after power cuts at op %v and at op %d of the recovery", op, n))
		}
	})
}

// appendAfterRecovery goes on with a recovered log, with a copy of the model.
func (m *model) appendAfterRecovery(t *testing.T, l *Log, mem *vfs.Mem, rng *rand.Rand, op vfs.Op) {
	mem.CutPower(1 << 40)
	defer l.Close()
	life := newModel()
	life.serial = 1 << 20
	life.front = m.front
	for seq, r := range m.records {
		if seq <= l.LastSeq() {
			life.records[seq] = r
		}
	}
	life.truncated(l.LastSeq())
	for range 3 {
		_, err := l.Append(life.batch(rng, sizesOf(rng)...)...)
		require.NoError(t, err)
		life.appended()
		for draw := range 5 {
			life.check(t, crashClone(mem, rng, draw), "W2", life.durable,
				fmt.Sprintf("after a power cut at op %v, recovery, appends, and another cut", op))
		}
	}
}

func TestSegmentIsDurableUnderItsNameBeforeItIsUsed(t *testing.T) {
	mem := vfs.NewMem()
	l := openSmall(t, mem)
	for l.Metrics().Segments < 4 {
		fill(t, l, 1)
		_, r, err := readAll(mem.CrashClone(nil))
		if err != nil || uint64(r.Segments) != l.Metrics().Segments {
			broken(t, "W8", "%d segments were in use, and a power cut left %+v: %v", l.Metrics().Segments, r, err)
			return
		}
	}
}

// Truncation takes several operations on the directory, which reach the disk in
// any order: in every state between, the log must have no hole.
func TestTruncationLeavesAWholeLogAtEveryMoment(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	mem := vfs.NewMem()
	l := openSmall(t, mem)
	fill(t, l, 330)
	require.NoError(t, l.Sync(330))
	require.Greater(t, l.Metrics().Segments, uint64(9))
	mem.Observe(func(op vfs.Op) {
		for draw := range 8 {
			got, _, err := readAll(crashClone(mem, rng, draw))
			if err != nil {
				broken(t, "W10", "a power cut at op %v left a hole: %v", op, err)
				return
			}
			if first, last := got[0].Seq, got[len(got)-1].Seq; first > 150 || last < 200 {
				broken(t, "W10", "records 150 to 200 were not truncated, and a power cut at op %v left %d to %d", op, first, last)
			}
		}
	})
	require.NoError(t, l.TruncateFront(150))
	require.NoError(t, l.TruncateBack(200))
	mem.Observe(nil)
	requireNumbered(t, l, l.FirstSeq(), 200)
}

func TestFaultAtAnyOperationLosesNothingSynced(t *testing.T) {
	for _, fault := range []struct {
		name string
		err  error
	}{{"EIO", vfs.ErrIO}, {"ENOSPC", vfs.ErrNoSpace}} {
		eachMode(t, func(t *testing.T, mmap bool) {
			for at := int64(1); ; at++ {
				rng := rand.New(rand.NewPCG(uint64(at), 4))
				mem, m := vfs.NewMem(), newModel()
				mem.Inject(vfs.Fault{At: at, Err: fault.err, Short: rng.IntN(900)})
				opts := small(mem)
				opts.Mmap = mmap
				surviveFaults(t, mem, m, opts, rng, fmt.Sprintf("with %s at op %d", fault.name, at))
				if mem.Strikes() == 0 || t.Failed() {
					break
				}
			}
		})
	}
}

// surviveFaults runs a workload that goes on after errors, as far as the log
// says that it may.
func surviveFaults(t *testing.T, mem *vfs.Mem, m *model, opts *Options, rng *rand.Rand, when string) {
	var l *Log
	for i := 0; i < 60 && !t.Failed(); i++ {
		if l == nil {
			var err error
			if l, _, err = Open(testDir, opts); err != nil {
				require.NotErrorIs(t, err, ErrCorrupt, when)
				continue
			}
			m.compare(t, l, "W7", m.durable, when)
			m.truncated(l.LastSeq())
		}
		if err := m.step(l, rng); errors.Is(err, ErrFailed) {
			if _, again := l.Append(nil, nil); !errors.Is(again, ErrFailed) {
				broken(t, "W6", "the log failed and then an append gave %v %s", again, when)
			}
			l.Close()
			l = nil
		} else if err == nil {
			m.compare(t, l, "W7", m.kept, when)
		}
	}
	if l != nil {
		if l.Close() == nil {
			m.durable = m.kept
		}
	}
	m.check(t, mem.CrashClone(nil), "W7", m.durable, when+" and a power cut")
}
