package disk

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/raft"
	"github.com/stretchr/testify/require"
)

// workload runs a storage through random steps of a node, reopening it now and
// then; observe is called after every operation on the disk.
func workload(t *testing.T, seed uint64, steps int, observe func(m *model, mem *MemFS, op vfs.Op)) {
	t.Helper()
	mem, m := NewMemFS(), newModel(seed)
	mem.Observe(func(op vfs.Op) { observe(m, mem, op) })
	s, err := Open(testDir, options(mem))
	require.NoError(t, err)
	for i := 0; i < steps && !t.Failed(); i++ {
		require.NoError(t, m.step(s))
		if m.rng.IntN(20) == 0 {
			require.NoError(t, s.Close())
			m.safe = len(m.calls)
			s, err = Open(testDir, options(mem))
			require.NoError(t, err)
			st, err := s.Load()
			require.NoError(t, err)
			m.compare(t, st, "D1", len(m.calls), "after reopening")
		}
	}
	mem.Observe(nil)
	require.NoError(t, s.Close())
}

func TestPowerCutTakesNoPromise(t *testing.T) {
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 2))
		workload(t, seed, 120, func(m *model, mem *MemFS, op vfs.Op) {
			for draw := range 4 {
				after := mem.CrashCloneKeepAll()
				switch draw {
				case 0:
				case 1:
					after = mem.CrashClone(nil)
				default:
					after = mem.CrashClone(rng)
				}
				m.check(t, after, "D1", m.safe, fmt.Sprintf("after a power cut at op %v (seed %d, draw %d)", op, seed, draw))
			}
		})
	}
}

func TestKillTakesNothing(t *testing.T) {
	for seed := range uint64(6) {
		workload(t, seed, 120, func(m *model, mem *MemFS, op vfs.Op) {
			when := fmt.Sprintf("after a kill at op %v (seed %d)", op, seed)
			after := mem.KillClone()
			m.check(t, after, "D2", m.done, when)
			m.check(t, after.CrashClone(nil), "D1", m.done, when+", reopening, and a power cut")
		})
	}
}

// Saves after a recovery must mean the same as before it, whatever the crash
// left: here a node goes on, and crashes again.
func TestNodeGoesOnAfterAPowerCut(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	workload(t, 11, 150, func(m *model, mem *MemFS, op vfs.Op) {
		if rng.IntN(4) > 0 {
			return
		}
		after := mem.CrashClone(rng)
		s, err := Open(testDir, options(after))
		require.NoError(t, err)
		st, err := s.Load()
		require.NoError(t, err)
		next, _ := continueFrom(st, rng.Uint64())
		for range 6 {
			require.NoError(t, next.step(s))
			next.check(t, after.CrashClone(rng), "D1", next.safe, fmt.Sprintf("after a power cut at op %v, a life, and another", op))
		}
		require.NoError(t, s.Close())
		next.check(t, after, "D1", len(next.calls), "after a second life")
	})
}

// continueFrom makes a model whose past is a stored state.
func continueFrom(st raft.State, seed uint64) (*model, raft.State) {
	m := newModel(seed)
	m.serial = 1 << 20
	st = normal(st)
	if st.Snapshot != nil {
		m.snapshot = *st.Snapshot
		m.calls = append(m.calls, call{snapshot: st.Snapshot})
		for m.last() < st.Snapshot.Index {
			m.entries = append(m.entries, raft.Entry{Index: m.last() + 1, Term: st.Snapshot.Term})
		}
	}
	m.calls = append(m.calls, call{hard: st.HardState, entries: st.Entries})
	m.entries = append(m.entries, st.Entries...)
	m.hard = st.HardState
	m.hard.Commit = max(m.hard.Commit, m.snapshot.Index)
	m.done, m.safe = len(m.calls), len(m.calls)
	return m, st
}

func TestFaultAtAnyOperationTakesNoPromise(t *testing.T) {
	for _, fault := range []error{vfs.ErrIO, vfs.ErrNoSpace} {
		for at := int64(1); ; at++ {
			mem, m := NewMemFS(), newModel(uint64(at))
			mem.Inject(vfs.Fault{At: at, Err: fault, Short: m.rng.IntN(300)})
			when := fmt.Sprintf("with %v at op %d", fault, at)
			s, err := Open(testDir, options(mem))
			for i := 0; i < 40 && err == nil; i++ {
				err = m.step(s)
			}
			if failed := m.done < len(m.calls); failed && m.calls[m.done].snapshot == nil {
				if again := s.Save(m.hard, nil, true); again == nil {
					broken(t, "D3", "a save failed, and the next one succeeded %s", when)
				}
			}
			if s != nil {
				s.Close()
			}
			m.check(t, mem.CrashClone(nil), "D1", m.safe, when+" and a power cut")
			if mem.Strikes() == 0 || t.Failed() {
				break
			}
		}
	}
}
