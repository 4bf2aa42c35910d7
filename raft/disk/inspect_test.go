package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/raft"
	"github.com/stretchr/testify/require"
)

// inspected returns the state that Inspect reports, and the damage.
func inspected(fs FS) (state Finding, damage []error) {
	for f := range Inspect(testDir, fs) {
		switch f.Kind {
		case FoundDamage:
			damage = append(damage, f.Err)
		case FoundState:
			state = f
		}
	}
	return state, damage
}

// agree holds what Inspect says against what Open does.
func agree(t *testing.T, mem *MemFS, when string) {
	t.Helper()
	ops, dump := mem.Ops(), mem.Dump()
	found, damage := inspected(mem)
	if mem.Ops() != ops || mem.Dump() != dump {
		broken(t, "D8", "Inspect changed the disk %s", when)
	}
	var st raft.State
	s, err := Open(testDir, &Options{FS: mem.KillClone()})
	if err == nil {
		st = load(t, s)
		require.NoError(t, s.Close())
	}
	switch {
	case errors.Is(found.Err, fs.ErrNotExist): // no directory, or an empty one
		require.Equal(t, raft.State{}, st)
	case (err == nil) != (found.Err == nil):
		broken(t, "D8", "Open says %v and Inspect says %v %s", err, found.Err, when)
	case err != nil && len(damage) == 0:
		broken(t, "D8", "Inspect shows no damage %s: %v", when, err)
	case err == nil:
		if st.Snapshot != nil {
			st.Snapshot.Data = nil
		}
		st.HardState.Commit = found.HardState.Commit // a snapshot raises it when a node starts
		got := raft.State{HardState: found.HardState, Snapshot: found.Snapshot, Entries: found.Entries}
		if !same(raft.State{HardState: st.HardState, Snapshot: st.Snapshot, Entries: withoutData(st.Entries)}, got) {
			broken(t, "D8", "Open finds %s and Inspect %s %s", brief(st), brief(got), when)
		}
	}
}

func TestInspectAgreesWithOpenAfterAnyPowerCut(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	workload(t, 5, 80, func(_ *model, mem *MemFS, op vfs.Op) {
		agree(t, mem.CrashClone(rng), fmt.Sprintf("after a power cut at op %v", op))
		agree(t, mem.CrashClone(nil), fmt.Sprintf("after the worst power cut at op %v", op))
	})
	mem, _ := survivor(t)
	mem.Observe(func(op vfs.Op) { agree(t, mem.CrashClone(rng), fmt.Sprintf("after a power cut at forcing op %v", op)) })
	_, err := force(mem, "forced")
	require.NoError(t, err)
}

func TestInspectAgreesWithOpenAboutRottenBits(t *testing.T) {
	mem := NewMemFS()
	grown(t, mem)
	for line := range strings.Lines(mem.Dump()) {
		var name string
		var size int64
		if n, _ := fmt.Sscanf(line, "%s %d", &name, &size); n < 2 {
			continue
		}
		for at := int64(0); at < size; at += 1 + size/150 {
			rotten := mem.KillClone()
			require.NoError(t, rotten.FlipBit(name, at*8+at%8))
			if t.Failed() {
				return
			}
			state, damage := inspected(rotten)
			s, err := Open(testDir, &Options{FS: rotten})
			if (err == nil) != (state.Err == nil) || err != nil && len(damage) == 0 {
				broken(t, "D8", "byte %d of %s changed: Open says %v, Inspect %v with damage %v", at, name, err, state.Err, damage)
			}
			if err == nil {
				if len(s.Recovery().Damaged) > len(damage) {
					broken(t, "D8", "byte %d of %s changed: Open put %v aside, Inspect saw %v", at, name, s.Recovery().Damaged, damage)
				}
				require.NoError(t, s.Close())
			}
		}
	}
}

func TestInspectSeesNoDamageBesideARunningNode(t *testing.T) {
	mem := NewMemFS()
	s := open(t, mem)
	done := make(chan error)
	go func() {
		defer close(done)
		m := newModel(77)
		for range 1000 {
			if err := m.step(s); err != nil {
				done <- err
				return
			}
		}
	}()
	for looks := 0; ; looks++ {
		select {
		case err := <-done:
			require.NoError(t, err)
			return
		default:
		}
		state, damage := inspected(mem)
		if len(damage) > 0 || state.Err != nil {
			broken(t, "D8", "look %d at a sound directory: %v, %v", looks, state.Err, damage)
			for range done {
			}
			return
		}
	}
}

// Between any two looks the node may go on, take snapshots and drop its log.
func TestInspectSeesNoDamageWhateverTheNodeDoesMeanwhile(t *testing.T) {
	for _, kind := range []vfs.Kind{vfs.OpList, vfs.OpOpen, vfs.OpRead} {
		for _, more := range []uint64{1, 110, 450} {
			for n := 0; ; n++ {
				mem := NewMemFS()
				s := open(t, mem)
				grow(t, s, 1, 250)
				went := false
				mem.Inject(vfs.Fault{Kind: kind, Skip: n, Block: func() {
					went = true
					grow(t, s, 251, 250+more)
				}})
				if state, damage := inspected(mem); len(damage) > 0 || state.Err != nil {
					broken(t, "D8", "%d entries more at %s %d: %v, %v", more, kind, n, state.Err, damage)
				}
				require.NoError(t, s.Close())
				if !went || t.Failed() {
					break
				}
			}
		}
	}
}

func TestInspectStopsWhenItsReaderDoes(t *testing.T) {
	mem, _ := survivor(t)
	var all []FindingKind
	for f := range Inspect(testDir, mem) {
		all = append(all, f.Kind)
	}
	for n := range all {
		var some []FindingKind
		for f := range Inspect(testDir, mem) {
			if some = append(some, f.Kind); len(some) > n {
				break
			}
		}
		require.Equal(t, all[:n+1], some)
	}
	for _, kind := range []FindingKind{FoundIdentity, FoundSegment, FoundSave, FoundNote, FoundEnd, FoundSnapshot, FoundState} {
		require.True(t, slices.Contains(all, kind), kind)
	}
}

func TestInspectOfLostFilesSaysWhatIsLost(t *testing.T) {
	for _, file := range []string{identityName, logDir + "/0000000000000001.wal"} {
		mem := NewMemFS()
		s := open(t, mem)
		require.NoError(t, s.Save(raft.HardState{Term: 1}, entries(1, 3, 1), true))
		require.NoError(t, s.Close())
		require.NoError(t, mem.Remove(testDir+"/"+file))
		state, damage := inspected(mem)
		if !errors.Is(state.Err, raft.ErrCorrupt) || len(damage) != 1 {
			broken(t, "D8", "%s is gone, and Inspect says %v, damage %v", file, state.Err, damage)
		}
	}
}
