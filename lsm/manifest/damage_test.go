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

// sample is a closed manifest and where its records are.
type sample struct {
	mem     *vfs.Mem
	file    string
	offsets []int64 // of the edits, and the end
	edits   []Edit
}

func newSample(t testing.TB) *sample {
	mem, m := newDisk(t), &model{}
	rng := rand.New(rand.NewPCG(3, 9))
	l, err := Create(mem, testDir, m.edit(rng))
	require.NoError(t, err)
	for range 5 {
		e := m.edit(rng)
		require.NoError(t, l.Append(&e))
	}
	require.NoError(t, l.Close())
	edits, r, err := Read(mem, testDir)
	require.NoError(t, err)
	require.Equal(t, Recovery{File: l.Name()}, r)
	s := &sample{mem: mem, file: l.Name(), edits: edits}
	for _, e := range edits {
		s.offsets = append(s.offsets, e.Offset)
	}
	require.Len(t, s.edits, 6)
	s.offsets = append(s.offsets, l.Size())
	return s
}

// alter changes a file of a copy.
func (s *sample) alter(t testing.TB, name string, change func(b []byte) []byte) *vfs.Mem {
	mem := s.mem.KillClone()
	b, err := readFile(mem, name)
	require.NoError(t, err)
	file, err := mem.Create(name)
	require.NoError(t, err)
	_, err = file.WriteAt(change(b), 0)
	require.NoError(t, err)
	return mem
}

// typed checks that an error names the file, and a place before which all is well.
func typed(t *testing.T, err error, file string, offset int64, where string) {
	var damage *CorruptError
	var newer *VersionError
	switch {
	case errors.As(err, &newer) && newer.File == file:
	case !errors.As(err, &damage) || damage.File != file || damage.Offset > offset || !errors.Is(err, ErrCorrupt):
		broken(t, "M3", "%s the error is %v", where, err)
	}
}

func TestEveryFlippedByteIsAnErrorOrAReportedCut(t *testing.T) {
	s := newSample(t)
	size := s.offsets[6] + recordHeader
	for offset := range size {
		for _, mask := range []byte{1 << (offset % 8), 0xff} {
			where := fmt.Sprintf("with byte %d changed by %#x", offset, mask)
			mem := s.alter(t, s.file, func(b []byte) []byte { b[offset] ^= mask; return b })
			l, edits, r, err := Open(mem, testDir)
			switch {
			case offset < s.offsets[6]:
				typed(t, err, s.file, offset, where)
			case err != nil || r.Dropped != recordHeader || state(edits) != state(s.edits):
				broken(t, "M3", "%s, in the mark, there is %s, %+v: %v", where, state(edits), r, err)
			default:
				require.NoError(t, l.Close())
			}
		}
	}
}

func TestManifestCutAnywhereHoldsTheWholeEditsBefore(t *testing.T) {
	s := newSample(t)
	for size := range s.offsets[6] + recordHeader {
		where := fmt.Sprintf("cut to %d bytes", size)
		mem := s.alter(t, s.file, func(b []byte) []byte { return b[:size] })
		edits, r, err := Read(mem, testDir)
		if size < s.offsets[1] {
			typed(t, err, s.file, size, where)
			continue
		}
		whole := 0
		for whole < 6 && s.offsets[whole+1] <= size {
			whole++
		}
		if err != nil || state(edits) != state(s.edits[:whole]) || r.Dropped != size-s.offsets[whole] {
			broken(t, "M3", "%s it tells %s, %+v: %v", where, state(edits), r, err)
		}
	}
}

func TestZeroedEditsAreDamage(t *testing.T) {
	s := newSample(t)
	for i := range s.edits {
		mem := s.alter(t, s.file, func(b []byte) []byte { clear(b[s.offsets[i]:s.offsets[i+1]]); return b })
		_, _, err := Read(mem, testDir)
		typed(t, err, s.file, s.offsets[i], fmt.Sprintf("with edit %d zeroed", i))
	}
}

// The end of a file that was not closed well: the last edit was promised, or not.
func TestLastEditWithoutAMarkIsCut(t *testing.T) {
	s := newSample(t)
	mem := s.alter(t, s.file, func(b []byte) []byte { b[s.offsets[6]-1] ^= 1; return b[:s.offsets[6]] })
	edits, r, err := Read(mem, testDir)
	require.NoError(t, err)
	require.Equal(t, Recovery{s.file, s.offsets[5], s.offsets[6] - s.offsets[5], "payload checksum"}, r)
	require.Equal(t, state(s.edits[:5]), state(edits))
}

func TestRecordElsewhereIsNoRecord(t *testing.T) {
	s := newSample(t)
	copied := s.alter(t, s.file, func(b []byte) []byte {
		return append(b[:s.offsets[2]:s.offsets[2]], b[s.offsets[1]:s.offsets[2]]...)
	})
	edits, r, err := Read(copied, testDir)
	if err != nil || len(edits) != 2 || r.Dropped == 0 {
		broken(t, "M1", "a record that was copied behind itself makes %d edits of 2: %v", len(edits), err)
	}
	other := s.alter(t, s.file, func(b []byte) []byte { return append(encodeHeader(2), b[fileHeader:]...) })
	require.NoError(t, other.Rename(s.file, path.Join(testDir, fileName(2))))
	current, err := other.Create(path.Join(testDir, currentName))
	require.NoError(t, err)
	_, err = current.Write([]byte(encodeCurrent(2)))
	require.NoError(t, err)
	if edits, _, err := Read(other, testDir); err == nil {
		broken(t, "M1", "records of file 1 are %d edits in file 2", len(edits))
	}
	renamed := s.mem.KillClone()
	require.NoError(t, renamed.Rename(s.file, path.Join(testDir, fileName(2))))
	_, _, err = Read(renamed, testDir)
	typed(t, err, s.file, 0, "with the manifest under another name")
}

func TestDamagedCurrentIsAnError(t *testing.T) {
	s := newSample(t)
	current := path.Join(testDir, currentName)
	for at := range len(encodeCurrent(1)) {
		for bit := range 8 {
			mem := s.alter(t, current, func(b []byte) []byte { b[at] ^= 1 << bit; return b })
			_, _, err := Read(mem, testDir)
			typed(t, err, current, 0, fmt.Sprintf("with bit %d of byte %d of CURRENT flipped", bit, at))
		}
		mem := s.alter(t, current, func(b []byte) []byte { return b[:at] })
		_, _, err := Read(mem, testDir)
		typed(t, err, current, 0, fmt.Sprintf("with CURRENT cut to %d bytes", at))
	}
}

func TestWithoutCurrentThereIsNoStore(t *testing.T) {
	_, _, _, err := Open(newDisk(t), testDir)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestNewerFormatIsRefusedByName(t *testing.T) {
	s := newSample(t)
	mem := s.alter(t, s.file, func(b []byte) []byte { b[8] = 9; return b })
	_, _, _, err := Open(mem, testDir)
	var newer *VersionError
	require.ErrorAs(t, err, &newer)
	require.Equal(t, VersionError{File: s.file, Version: 9, Supported: formatVersion}, *newer)
}

// Damage is left as it is, for whoever can make more of it.
func TestDamageChangesNothing(t *testing.T) {
	s := newSample(t)
	mem := s.alter(t, s.file, func(b []byte) []byte { b[s.offsets[3]+20] ^= 4; return b })
	before := mem.Ops()
	_, _, _, err := Open(mem, testDir)
	typed(t, err, s.file, s.offsets[3], "with a flipped bit")
	require.Equal(t, before, mem.Ops())
	edits, _, err := Read(mem, testDir)
	require.Error(t, err)
	require.Len(t, edits, 3)
}
