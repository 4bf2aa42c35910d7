package wal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/stretchr/testify/require"
)

// sample is a small log whose layout the test knows.
type sample struct {
	*model
	mem    *vfs.Mem
	frames map[uint64][]placed // by segment id
}

// placed is a frame where it lies.
type placed struct {
	frame
	from, to int64
	seq      uint64 // of the last record up to and including it
}

// newSample makes a log of two sealed segments and a tail, of batches synced
// one behind: the last is appended and not synced.
func newSample(t *testing.T, closed bool) *sample {
	rng := rand.New(rand.NewPCG(7, 7))
	s := &sample{model: newModel(), mem: vfs.NewMem(), frames: map[uint64][]placed{}}
	l, _, err := Open(testDir, small(s.mem))
	require.NoError(t, err)
	for i := range 23 {
		sizes := [][]int{{300}, {0, 24, 9}, {700, 31}}[i%3]
		if i > 0 {
			require.NoError(t, l.Sync(s.kept))
			s.durable = s.kept
		}
		_, err := l.Append(s.batch(rng, sizes...)...)
		require.NoError(t, err)
		s.appended()
	}
	require.Len(t, l.segments, 3)
	if closed {
		require.NoError(t, l.Close())
		s.durable = s.kept
	} else {
		s.mem = s.mem.KillClone()
	}
	for _, seg := range l.segments {
		s.frames[seg.id] = layout(t, s.mem, seg.id, seg.first)
	}
	return s
}

func layout(t *testing.T, fs vfs.FS, id, first uint64) (frames []placed) {
	file, err := fs.Open(segmentPath(id), vfs.ReadOnly)
	require.NoError(t, err)
	defer file.Close()
	sc, err := newScanner(file, id)
	require.NoError(t, err)
	for seq := first - 1; ; {
		from := sc.offset
		f, _, why, err := sc.next()
		require.NoError(t, err)
		if why != "" {
			return frames
		}
		if f.kind == kindRecord {
			seq++
		}
		frames = append(frames, placed{f, from, sc.offset, seq})
	}
}

func segmentPath(id uint64) string { return filepath.Join(testDir, segmentName(id, segmentSuffix)) }

// change xors a byte of a file.
func change(t testing.TB, fs vfs.FS, name string, offset int64, mask byte) {
	file, err := fs.Open(name, vfs.ReadWrite)
	require.NoError(t, err)
	defer file.Close()
	var b [1]byte
	_, err = file.ReadAt(b[:], offset)
	require.NoError(t, err)
	b[0] ^= mask
	_, err = file.WriteAt(b[:], offset)
	require.NoError(t, err)
}

// vouched reports whether a later frame, or a later segment, shows that the
// byte at offset had been durable.
func (s *sample) vouched(id uint64, offset int64) bool {
	frames := s.frames[id]
	end := frames[len(frames)-1].to
	if offset < segmentHeader || id < 3 {
		return offset < end
	}
	for _, f := range frames {
		if f.from > offset && offset < f.durable {
			return true
		}
	}
	return false
}

// readAll opens the log and reads it.
func readAll(fs vfs.FS) (records []Record, r *Recovery, err error) {
	l, r, err := Open(testDir, small(fs))
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	records, err = contents(l)
	return records, r, err
}

func TestEveryFlippedByteIsAnErrorOrAReportedCut(t *testing.T) {
	for _, closed := range []bool{false, true} {
		t.Run(fmt.Sprintf("closed=%v", closed), func(t *testing.T) {
			s := newSample(t, closed)
			for id := uint64(1); id <= 3; id++ {
				end := s.frames[id][len(s.frames[id])-1].to
				for offset := range min(end+3*frameHeader, minSegmentSize) {
					for _, mask := range []byte{1 << (offset % 8), 0xff} {
						s.flipped(t, id, offset, mask)
					}
				}
			}
		})
	}
}

func (s *sample) flipped(t *testing.T, id uint64, offset int64, mask byte) {
	where := fmt.Sprintf("with byte %d of segment %d changed by %#x", offset, id, mask)
	mem := s.mem.KillClone()
	change(t, mem, segmentPath(id), offset, mask)
	got, r, err := readAll(mem)
	var newer *VersionError
	switch {
	case errors.Is(err, ErrCorrupt) || errors.As(err, &newer):
		if !s.vouched(id, offset) {
			broken(t, "W3", "an end that nobody was promised is an error %s: %v", where, err)
		}
		return
	case err != nil:
		t.Errorf("untyped error %s: %v", where, err)
		return
	case s.vouched(id, offset):
		broken(t, "W3", "a durable record changed and nobody noticed %s", where)
		return
	}
	frames := s.frames[id]
	want := s.kept
	for _, f := range frames {
		if offset < f.to {
			if want = lastWholeBefore(frames, f.from, s.firstOf(id)); r.Dropped == 0 {
				broken(t, "W3", "a cut was not reported %s", where)
			}
			break
		}
	}
	if uint64(len(got)) != want {
		broken(t, "W3", "%d records are left instead of %d %s (%+v)", len(got), want, where, r)
	}
	for i, r := range got {
		if string(r.Data) != string(s.records[uint64(i)+1]) {
			broken(t, "W1", "record %d is not what was appended %s", i+1, where)
		}
	}
}

func (s *sample) firstOf(id uint64) uint64 {
	if id == 1 {
		return 1
	}
	earlier := s.frames[id-1]
	return earlier[len(earlier)-1].seq + 1
}

// lastWholeBefore returns the last record of the last batch that ends at or
// before an offset.
func lastWholeBefore(frames []placed, offset int64, first uint64) uint64 {
	last := first - 1
	for _, f := range frames {
		if f.to <= offset && !f.more {
			last = f.seq
		}
	}
	return last
}

func TestLogCutAtAnyLengthHoldsTheWholeBatchesBefore(t *testing.T) {
	s := newSample(t, true)
	for size := range int64(minSegmentSize) {
		mem := s.mem.KillClone()
		file, err := mem.Open(segmentPath(3), vfs.ReadWrite)
		require.NoError(t, err)
		require.NoError(t, file.Truncate(size))
		got, _, err := readAll(mem)
		if size < segmentHeader {
			require.ErrorIs(t, err, ErrCorrupt, "cut at %d", size)
			continue
		}
		if err != nil {
			broken(t, "W5", "the tail cut at %d, where any power cut may leave it, does not open: %v", size, err)
			continue
		}
		want := lastWholeBefore(s.frames[3], size, s.firstOf(3))
		if uint64(len(got)) != want {
			broken(t, "W5", "cut at %d leaves %d records instead of %d", size, len(got), want)
		}
	}
}

func TestSealedSegmentCutShortIsDamage(t *testing.T) {
	s := newSample(t, true)
	frames := s.frames[1]
	mem := s.mem.KillClone()
	file, err := mem.Open(segmentPath(1), vfs.ReadWrite)
	require.NoError(t, err)
	require.NoError(t, file.Truncate(frames[len(frames)-1].from))
	_, _, err = readAll(mem)
	var damage *CorruptError
	if !errors.As(err, &damage) {
		broken(t, "W4", "records of a sealed segment are gone, and the error is %v", err)
		return
	}
	require.Equal(t, segmentPath(1), damage.File)
	require.Equal(t, frames[len(frames)-1].from, damage.Offset)
}

func TestDamageIsReportedAndLeftAlone(t *testing.T) {
	s := newSample(t, true)
	second := s.frames[3][1]
	change(t, s.mem, segmentPath(3), second.from+frameHeader, 1)
	before := s.mem.Ops()
	_, _, err := Open(testDir, small(s.mem))
	var damage *CorruptError
	require.ErrorAs(t, err, &damage)
	require.Equal(t, segmentPath(3), damage.File)
	require.Equal(t, second.from, damage.Offset)
	require.Contains(t, damage.Reason, "payload checksum")
	require.Contains(t, err.Error(), "states that")
	// It locked the directory and synced it, and wrote nothing.
	require.LessOrEqual(t, s.mem.Ops()-before, int64(2))
	_, _, err = Open(testDir, small(s.mem))
	require.ErrorIs(t, err, ErrCorrupt, "the lock is released and the damage is still there")
}

// Zeros are what a lost block reads as. They end the log only where no later
// frame says otherwise.
func TestZeroedRecordsAreDamageOrAReportedCut(t *testing.T) {
	for _, closed := range []bool{false, true} {
		s := newSample(t, closed)
		for i, f := range s.frames[3] {
			mem := s.mem.KillClone()
			file, err := mem.Open(segmentPath(3), vfs.ReadWrite)
			require.NoError(t, err)
			_, err = file.WriteAt(make([]byte, f.to-f.from), f.from)
			require.NoError(t, err)
			_, r, err := readAll(mem)
			switch last := i == len(s.frames[3])-1; {
			case s.vouched(3, f.from) && !errors.Is(err, ErrCorrupt):
				broken(t, "W3", "a durable record was zeroed at byte %d, and the error is %v", f.from, err)
			case !s.vouched(3, f.from) && !last && (err != nil || r.Dropped == 0):
				broken(t, "W3", "a record was zeroed at byte %d, and not reported: %v", f.from, err)
			}
		}
	}
}

func TestMissingSegmentIsDamage(t *testing.T) {
	s := newSample(t, true)
	require.NoError(t, s.mem.Remove(segmentPath(2)))
	_, _, err := readAll(s.mem)
	var damage *CorruptError
	if !errors.As(err, &damage) {
		broken(t, "W8", "segment 2 of 3 is gone, and the error is %v", err)
		return
	}
	require.Equal(t, segmentPath(2), damage.File)
}

func TestSegmentUnderAnotherNameIsDamage(t *testing.T) {
	s := newSample(t, true)
	require.NoError(t, s.mem.Rename(segmentPath(3), segmentPath(2)))
	_, _, err := readAll(s.mem)
	require.ErrorIs(t, err, ErrCorrupt)
}

func TestNewerFormatIsRefusedByName(t *testing.T) {
	s := newSample(t, true)
	change(t, s.mem, segmentPath(2), 8, formatVersion^9)
	_, _, err := Open(testDir, small(s.mem))
	var newer *VersionError
	require.ErrorAs(t, err, &newer)
	require.Equal(t, VersionError{File: segmentPath(2), Version: 9, Supported: formatVersion}, *newer)
	require.Contains(t, err.Error(), "version 9")
}

// A frame is good at one place of one segment only. Were it good elsewhere, the
// old bytes of a recycled file, or a payload that holds a copy of a log, would
// read as records.
func TestFrameElsewhereIsNoFrame(t *testing.T) {
	s := newSample(t, true)
	read := func(f placed) []byte {
		file, err := s.mem.Open(segmentPath(1), vfs.ReadOnly)
		require.NoError(t, err)
		defer file.Close()
		b := make([]byte, f.to-f.from)
		_, err = file.ReadAt(b, f.from)
		require.NoError(t, err)
		return b
	}
	frame := read(s.frames[1][0])
	for _, c := range []struct {
		name  string
		id    uint64
		bytes []byte
		want  int
	}{
		{"where it was written", 1, frame, 1},
		{"after itself", 1, slices.Concat(frame, frame), 1},
		{"in another segment", 2, frame, 0},
	} {
		mem := vfs.NewMem()
		require.NoError(t, mem.MkdirAll(testDir))
		file, err := mem.Create(segmentPath(c.id))
		require.NoError(t, err)
		_, err = file.WriteAt(slices.Concat(encodeSegmentHeader(c.id, 1), c.bytes), 0)
		require.NoError(t, err)
		require.NoError(t, file.Truncate(minSegmentSize))
		got, _, err := readAll(mem)
		require.NoError(t, err)
		if len(got) != c.want {
			broken(t, "W1", "a frame %s makes %d records", c.name, len(got))
		}
	}
}
