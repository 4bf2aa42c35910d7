package manifest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/stretchr/testify/require"
)

const testDir = "db"

func broken(t testing.TB, rule, format string, args ...any) {
	t.Helper()
	t.Errorf("RULE %s: %s", rule, fmt.Sprintf(format, args...))
}

func newDisk(t testing.TB) *vfs.Mem {
	mem := vfs.NewMem()
	require.NoError(t, mem.MkdirAll(testDir))
	require.NoError(t, mem.SyncDir("."))
	return mem
}

// state is what a list of edits comes to, in words that compare.
func state(edits []Edit) string {
	var tables []string
	next := uint64(0)
	for _, e := range edits {
		for _, r := range e.Removed {
			tables = slices.DeleteFunc(tables, func(s string) bool { return strings.HasPrefix(s, fmt.Sprintf("%d/%d ", r.Level, r.Num)) })
		}
		for _, a := range e.Added {
			tables = append(tables, fmt.Sprintf("%d/%d %q..%d %v", a.Level, a.Num, a.Smallest, len(a.Largest), a.Values))
		}
		next = e.NextFile
	}
	return fmt.Sprint(next, tables)
}

// model writes a manifest and knows what it must hold.
type model struct {
	edits []Edit // what was promised
	doing *Edit  // what may be there too
	next  uint64
}

func (m *model) edit(rng *rand.Rand) Edit {
	m.next++
	e := Edit{NextFile: m.next + 1, LastSeq: m.next * 10, WALFirst: m.next, Timestamps: true}
	e.Added = []Table{{
		Num: m.next, Level: int(m.next % 7), Size: 1 << 20, Entries: 77, Deletes: 3, RangeDeletes: 1, MinSeq: 5, MaxSeq: 9,
		Smallest: []byte(fmt.Sprintf("a%d", m.next)), Largest: []byte(strings.Repeat("z", 1+rng.IntN(700))),
		Values: []ValueRef{{File: 3, Bytes: 100, End: m.next}}, Created: -4, Expires: 1 << 40,
	}}
	if n := m.next; n > 3 && rng.IntN(2) == 0 {
		e.Removed = []Removed{{Level: int((n - 2) % 7), Num: n - 2}}
	}
	return e
}

// snapshot is one edit that tells all.
func (m *model) snapshot() Edit {
	var e Edit
	for _, old := range m.edits {
		e.NextFile, e.LastSeq, e.WALFirst, e.Timestamps = old.NextFile, old.LastSeq, old.WALFirst, old.Timestamps
		for _, r := range old.Removed {
			e.Added = slices.DeleteFunc(e.Added, func(t Table) bool { return t.Num == r.Num && t.Level == r.Level })
		}
		e.Added = append(e.Added, old.Added...)
	}
	return e
}

// step appends an edit, or rotates now and then.
func (m *model) step(l *Log, rng *rand.Rand) error {
	if rng.IntN(6) == 0 {
		if err := l.Rotate(m.snapshot()); err != nil {
			return err
		}
		m.edits = []Edit{m.snapshot()}
		return nil
	}
	e := m.edit(rng)
	m.doing = &e
	if err := l.Append(&e); err != nil {
		return err
	}
	m.edits, m.doing = append(m.edits, e), nil
	return nil
}

// check opens what a crash has left, and returns it.
func (m *model) check(t *testing.T, mem *vfs.Mem, when string) []Edit {
	t.Helper()
	l, edits, _, err := Open(testDirFS(mem))
	if err != nil {
		broken(t, "M2", "%s the manifest does not open: %v", when, err)
		return nil
	}
	require.NoError(t, l.Close())
	got := state(edits)
	if got == state(m.edits) || m.doing != nil && got == state(append(slices.Clip(m.edits), *m.doing)) {
		return edits
	}
	broken(t, "M2", "%s it tells %s, promised was %s", when, got, state(m.edits))
	return edits
}

func testDirFS(mem *vfs.Mem) (vfs.FS, string) { return mem, testDir }

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
