package manifest

import (
	"errors"
	"math/rand/v2"
	"path"
	"strings"
	"testing"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/stretchr/testify/require"
)

func TestEditComesBackAsItWas(t *testing.T) {
	m := &model{next: 3}
	for _, e := range []Edit{{}, m.edit(rand.New(rand.NewPCG(1, 10))), m.snapshot(), {
		NextFile: 1<<64 - 1, LastSeq: 1 << 56, WALFirst: 7, WALLast: 1 << 60, Timestamps: true,
		Added:   []Table{{Level: 63, Smallest: []byte{0}, Largest: []byte{}}, {Num: 9, Values: []ValueRef{{1, 2, 3}, {1 << 63, 5, 6}}}},
		Removed: []Removed{{0, 1}, {63, 1<<64 - 1}},
	}} {
		b := e.Encode([]byte("before"))
		require.Equal(t, "before", string(b[:6]))
		got, err := Decode(b[6:])
		require.NoError(t, err)
		require.Equal(t, e.Encode(nil), got.Encode(nil))
		require.Equal(t, state([]Edit{e}), state([]Edit{got}))
		for n := range b[6:] {
			_, err := Decode(b[6 : 6+n])
			require.ErrorIs(t, err, errEdit, "cut to %d bytes", n)
		}
		_, err = Decode(append(b[6:], 0))
		require.ErrorIs(t, err, errEdit)
	}
}

func TestEditThatIsTooLargeIsRefused(t *testing.T) {
	mem := newDisk(t)
	l, err := Create(mem, testDir, Edit{})
	require.NoError(t, err)
	l.end = maxFile - 30
	before := mem.Ops()
	require.ErrorIs(t, l.Append(&Edit{}), ErrTooLarge)
	require.Equal(t, before, mem.Ops())
	require.NoError(t, l.Close())
	require.ErrorIs(t, l.Append(&Edit{}), ErrClosed)
	require.ErrorIs(t, l.Rotate(Edit{}), ErrClosed)
}

// FuzzDecode: any bytes decode to an edit that says the same when it is encoded
// again, or to an error; never a panic, never more memory than the bytes justify.
func FuzzDecode(f *testing.F) {
	m := &model{next: 5}
	e := m.edit(rand.New(rand.NewPCG(2, 11)))
	f.Add(e.Encode(nil))
	f.Add((&Edit{}).Encode(nil))
	f.Add([]byte{editFormat, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := Decode(b)
		if err != nil {
			return
		}
		again, err := Decode(e.Encode(nil))
		require.NoError(t, err)
		require.Equal(t, e.Encode(nil), again.Encode(nil))
	})
}

// FuzzOpen opens a manifest of arbitrary bytes: it fails only with a typed error,
// and what it has shown once it shows again.
func FuzzOpen(f *testing.F) {
	s := newSample(f)
	b, err := readFile(s.mem, s.file)
	require.NoError(f, err)
	f.Add(b[fileHeader:], true)
	f.Add(b[fileHeader:s.offsets[2]+9], true)
	f.Add(append(b[fileHeader:s.offsets[1]:s.offsets[1]], make([]byte, 60)...), true)
	f.Add([]byte(fileMagic), false)
	f.Add([]byte(strings.Repeat("\xff", 90)), true)
	f.Fuzz(func(t *testing.T, data []byte, withHeader bool) {
		if withHeader {
			data = append(encodeHeader(1), data...)
		}
		mem := newDisk(t)
		for name, b := range map[string][]byte{fileName(1): data, currentName: []byte(encodeCurrent(1))} {
			file, err := mem.Create(path.Join(testDir, name))
			require.NoError(t, err)
			_, err = file.WriteAt(b, 0)
			require.NoError(t, err)
			require.NoError(t, file.Sync())
		}
		l, edits, _, err := Open(testDirFS(mem))
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.As(err, new(*VersionError)) {
				t.Fatalf("untyped error: %v", err)
			}
			return
		}
		require.NoError(t, l.Append(&Edit{NextFile: 77}))
		require.NoError(t, l.Close())
		again, r, err := Read(vfs.FS(mem.CrashClone(nil)), testDir)
		if err != nil || len(again) != len(edits)+1 || r.Dropped != 0 {
			broken(t, "M7", "%d edits were shown and one was appended; then there are %d, %+v: %v", len(edits), len(again), r, err)
		}
	})
}
