package vlog

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/stretchr/testify/require"
)

// sample is a closed log of some files.
type sample struct {
	model
	mem *vfs.Mem
}

func newSample(t testing.TB) *sample {
	s := &sample{mem: newDisk(t)}
	rng := rand.New(rand.NewPCG(3, 7))
	l := open(t, small(s.mem))
	for len(l.Files()) < 3 || len(s.kept) < 14 {
		require.NoError(t, s.step(l, rng))
	}
	require.NoError(t, l.Close())
	return s
}

func (s *sample) alter(t testing.TB, path string, change func(b []byte) []byte) *vfs.Mem {
	mem := s.mem.KillClone()
	f, err := mem.Open(path, vfs.ReadOnly)
	require.NoError(t, err)
	size, err := f.Size()
	require.NoError(t, err)
	b := make([]byte, size)
	_, err = f.ReadAt(b, 0)
	require.NoError(t, err)
	f, err = mem.Create(path)
	require.NoError(t, err)
	_, err = f.WriteAt(change(b), 0)
	require.NoError(t, err)
	return mem
}

// intact reads all values; those that hold the byte at an offset of a file are
// errors that say so, all others are right.
func (s *sample) intact(t *testing.T, mem *vfs.Mem, file uint64, from, to int64, where string) {
	t.Helper()
	o := small(mem)
	o.ReadOnly = true
	l, err := Open(testDir, o)
	var newer *VersionError
	if errors.As(err, &newer) && from < fileHeader {
		return
	}
	require.NoError(t, err, where)
	for _, k := range s.kept {
		start := int64(k.p.Offset - headLen(k.p.Length))
		hit := k.p.File == file && (start < to && from < int64(k.p.Offset)+int64(k.p.Length) || from < fileHeader)
		got, err := l.Read(k.p, nil)
		var damage *CorruptError
		switch {
		case err == nil && !bytes.Equal(got, k.v):
			broken(t, "V1", "%s the value at %+v is another", where, k.p)
		case err == nil && hit:
			broken(t, "V8", "%s the value at %+v reads well", where, k.p)
		case err != nil && !hit:
			broken(t, "V8", "%s the value at %+v is an error: %v", where, k.p, err)
		case err != nil && (!errors.As(err, &damage) || damage.File != l.Path(file) || damage.Offset != start && from >= fileHeader):
			broken(t, "V8", "%s the value at %+v is the error %v", where, k.p, err)
		}
	}
	require.NoError(t, l.Close())
}

func TestEveryFlippedByteIsAnError(t *testing.T) {
	s := newSample(t)
	l := open(t, small(s.mem))
	for _, f := range l.Files() {
		for at := range f.Size {
			for _, mask := range []byte{1 << (at % 8), 0xff} {
				mem := s.alter(t, l.Path(f.Num), func(b []byte) []byte { b[at] ^= mask; return b })
				s.intact(t, mem, f.Num, at, at+1, fmt.Sprintf("with byte %d of file %d changed by %#x", at, f.Num, mask))
			}
		}
	}
}

func TestFileCutAnywhereKeepsTheValuesBefore(t *testing.T) {
	s := newSample(t)
	l := open(t, small(s.mem))
	f := l.Files()[1]
	for size := range f.Size {
		mem := s.alter(t, l.Path(f.Num), func(b []byte) []byte { return b[:size] })
		s.intact(t, mem, f.Num, size, 1<<40, fmt.Sprintf("with file %d cut to %d bytes", f.Num, size))
	}
	require.NoError(t, s.mem.Remove(l.Path(f.Num)))
	s.intact(t, s.mem, f.Num, 0, 1<<40, "without the file")
}

// A pointer to another place, and a file under another name, must not read well.
func TestValueElsewhereIsNoValue(t *testing.T) {
	mem := newDisk(t)
	l := open(t, small(mem))
	same := bytes.Repeat([]byte{7}, 100)
	p, err := l.Append([][]byte{same, same}, nil)
	require.NoError(t, err)
	require.NoError(t, l.Seal())
	_, err = l.Append([][]byte{same, same}, nil)
	require.NoError(t, err)
	require.NoError(t, l.Close())
	s := &sample{mem: mem}
	record := func(b []byte, p Pointer) []byte {
		return b[p.Offset-headLen(p.Length) : p.Offset+uint64(p.Length)]
	}
	moved := s.alter(t, l.Path(1), func(b []byte) []byte { copy(record(b, p[1]), record(b, p[0])); return b })
	if _, err := open(t, small(moved)).Read(p[1], nil); !errors.Is(err, ErrCorrupt) {
		broken(t, "V1", "a record over another one reads as that: %v", err)
	}
	var second []byte
	s.alter(t, l.Path(2), func(b []byte) []byte { second = b; return b })
	moved = s.alter(t, l.Path(1), func(b []byte) []byte { copy(record(b, p[0]), record(second, p[0])); return b })
	if _, err := open(t, small(moved)).Read(p[0], nil); !errors.Is(err, ErrCorrupt) {
		broken(t, "V1", "a record of another file reads as that of this one: %v", err)
	}
	for _, wrong := range []Pointer{{}, {1, 0, 0}, {1, 3, 100}, {1, p[0].Offset, 99}, {1, p[0].Offset, 101}, {1, p[0].Offset + 1, 100},
		{1, 1 << 63, 100}, {1, 1<<64 - 1, 1<<30 - 1}, {1, p[1].Offset, 1 << 20}, {9, p[0].Offset, 100}} {
		if _, err := open(t, small(mem)).Read(wrong, nil); !errors.Is(err, ErrCorrupt) {
			broken(t, "V1", "the pointer %+v reads well: %v", wrong, err)
		}
	}
}

func TestNewerFormatIsRefusedByName(t *testing.T) {
	s := newSample(t)
	l := open(t, small(s.mem))
	mem := s.alter(t, l.Path(1), func(b []byte) []byte { b[4] = 9; return b })
	_, err := Open(testDir, small(mem))
	var newer *VersionError
	require.ErrorAs(t, err, &newer)
	require.Equal(t, VersionError{File: l.Path(1), Version: 9, Supported: formatVersion}, *newer)
}
