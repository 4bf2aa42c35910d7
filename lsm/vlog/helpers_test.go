package vlog

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/stretchr/testify/require"
)

const testDir = "db/values"

func broken(t testing.TB, rule, format string, args ...any) {
	t.Helper()
	t.Errorf("RULE %s: %s", rule, fmt.Sprintf(format, args...))
}

// small options make a file full after some values.
func small(fs vfs.FS) *Options { return &Options{FS: fs, FileSize: 2000} }

func newDisk(t testing.TB) *vfs.Mem {
	mem := vfs.NewMem()
	require.NoError(t, mem.MkdirAll("db"))
	require.NoError(t, mem.SyncDir("."))
	return mem
}

func open(t testing.TB, opts *Options) *Log {
	t.Helper()
	l, err := Open(testDir, opts)
	require.NoError(t, err)
	return l
}

// stored is a value and where it is.
type stored struct {
	p Pointer
	v []byte
}

// model knows what a log must hold.
type model struct {
	kept   []stored // appended
	synced int      // of them promised to survive a power cut
}

func randomValues(rng *rand.Rand) [][]byte {
	values := make([][]byte, 1+rng.IntN(3))
	for i := range values {
		values[i] = make([]byte, []int{0, 1, 90, 127, 128, 300, 700}[rng.IntN(7)])
		for j := range values[i] {
			values[i][j] = byte(rng.Uint32())
		}
	}
	return values
}

// step appends, syncs, or seals.
func (m *model) step(l *Log, rng *rand.Rand) error {
	switch rng.IntN(8) {
	case 0, 1:
		if err := l.Sync(); err != nil {
			return err
		}
		m.synced = len(m.kept)
	case 2:
		if err := l.Seal(); err != nil {
			return err
		}
		m.synced = len(m.kept)
	default:
		values := randomValues(rng)
		pointers, err := l.Append(values, nil)
		if err != nil {
			return err
		}
		if len(pointers) != len(values) {
			return fmt.Errorf("%d pointers to %d values", len(pointers), len(values))
		}
		for i, p := range pointers {
			m.kept = append(m.kept, stored{p, values[i]})
		}
	}
	return nil
}

// check reads all values of a log: the promised ones are there, and the others
// right or an error.
func (m *model) check(t *testing.T, l *Log, rule string, promised int, when string) {
	t.Helper()
	buf := []byte("before")
	for i, s := range m.kept {
		got, err := l.Read(s.p, buf)
		switch {
		case err == nil && !bytes.Equal(got, slices.Concat(buf, s.v)):
			broken(t, "V1", "%s value %d at %+v reads as %d other bytes", when, i, s.p, len(got)-len(buf))
		case err != nil && i < promised:
			broken(t, rule, "%s value %d of %d promised at %+v is gone: %v", when, i, promised, s.p, err)
		case err != nil && !errors.Is(err, ErrCorrupt):
			t.Errorf("%s untyped error: %v", when, err)
		}
	}
}

// reopen opens a state that a crash has left and checks it.
func (m *model) reopen(t *testing.T, mem *vfs.Mem, rule string, promised int, when string) {
	t.Helper()
	l, err := Open(testDir, small(mem))
	if err != nil {
		broken(t, rule, "%s the log does not open: %v", when, err)
		return
	}
	m.check(t, l, rule, promised, when)
	require.NoError(t, l.Close())
}

func crashClone(mem *vfs.Mem, rng *rand.Rand, draw int) *vfs.Mem {
	switch draw {
	case 0:
		return mem.CrashClone(nil)
	case 1:
		return mem.CrashCloneKeepAll()
	}
	return mem.CrashClone(rng)
}
