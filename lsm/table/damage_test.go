package table

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/lsm/bloom"
	"github.com/flagship-go/flagship/lsm/key"
)

// putChecksum makes the last four bytes of b those of what is before them.
func putChecksum(b []byte) {
	n := len(b) - 4
	binary.LittleEndian.PutUint32(b[n:], crc32.Checksum(b[:n], castagnoli))
}

func contents(t testing.TB, fs vfs.FS, name string) []byte {
	f, err := fs.Open(name, vfs.ReadOnly)
	require.NoError(t, err)
	size, err := f.Size()
	require.NoError(t, err)
	b := make([]byte, size)
	_, err = f.ReadAt(b, 0)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return b
}

func store(t testing.TB, fs vfs.FS, name string, data []byte) {
	f, err := fs.Create(name)
	require.NoError(t, err)
	_, err = f.Write(data)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// mustBeTyped fails if err is neither nil nor one that names file and place.
func mustBeTyped(t testing.TB, err error, what string) {
	t.Helper()
	var newer *VersionError
	var damage *CorruptError
	switch {
	case err == nil || errors.As(err, &newer):
	case !errors.As(err, &damage) || !errors.Is(err, ErrCorrupt):
		broken(t, "T5", "%s: untyped error %v", what, err)
	case damage.File == "" || damage.Reason == "" || damage.Offset < 0:
		broken(t, "T5", "%s: error does not say where: %v", what, err)
	}
}

// readEverything reads file t in all ways; what is wrong must be said in a typed
// error.
func readEverything(t testing.TB, fs vfs.FS, mmap bool, user []byte) {
	f, err := fs.Open("t", vfs.ReadOnly)
	require.NoError(t, err)
	r, err := Open(f, ReaderOptions{Mmap: mmap, Cache: NewCache(1 << 16)})
	mustBeTyped(t, err, "Open")
	if err != nil {
		return
	}
	defer r.Close()
	mustBeTyped(t, r.Verify(), "Verify")
	mustBeTyped(t, r.Describe(io.Discard, true), "Describe")
	seek := key.Append(nil, user, key.Trailer(5, key.MaxKind))
	_, _, _, err = r.Get(seek, bloom.Hash(user), nil)
	mustBeTyped(t, err, "Get")
	r.Middle(3)
	for _, newCursor := range []func(*Trace) *Cursor{r.NewCursor, r.NewScan} {
		most := int(r.size)
		for move, start := range map[string]func(c *Cursor) []byte{
			"Next": (*Cursor).First, "Prev": (*Cursor).Last,
			"Next after SeekGE": func(c *Cursor) []byte { return c.SeekGE(seek) },
			"Prev after SeekLT": func(c *Cursor) []byte { return c.SeekLT(seek) },
		} {
			c := newCursor(nil)
			n := 0
			for k := start(c); k != nil && n < most; n++ {
				c.Value()
				if move[0] == 'N' {
					k = c.Next()
				} else {
					k = c.Prev()
				}
			}
			mustBeTyped(t, c.Err(), move)
			c.Close()
		}
	}
}

// everyBit makes the damage test flip every bit of its tables, which takes a
// minute or two, and not some hundreds.
var everyBit = flag.Bool("every-bit", false, "flip every bit in TestNoFlippedBitIsEverReadAsAValue")

// A bit of a table is flipped: then every read says so, or finds what it found
// before.
func TestNoFlippedBitIsEverReadAsAValue(t *testing.T) {
	for _, c := range []Compression{None, S2, Zstd} {
		rng := rand.New(rand.NewPCG(uint64(c), 1))
		pairs := randomPairs(rng, key.Plain, 40)
		spans := []key.Span{{Start: []byte("a"), End: []byte("c"), Seq: 5}}
		fs := vfs.NewMem()
		write(t, fs, "good", WriterOptions{BlockSize: 250, Compression: c}, pairs, spans)
		good := contents(t, fs, "good")
		step := 1
		if !*everyBit {
			step = len(good) * 8 / 250
		}
		for bit := rng.IntN(step); bit < len(good)*8; bit += step {
			bad := bytes.Clone(good)
			bad[bit/8] ^= 1 << (bit % 8)
			store(t, fs, "t", bad)
			for _, mmap := range []bool{false, true} {
				what := fmt.Sprintf("%v, mmap %v, bit %d of byte %d of %d", c, mmap, bit%8, bit/8, len(good))
				readDamaged(t, fs, mmap, what, pairs, spans)
			}
		}
	}
}

// readDamaged reads a table that may be damaged, and compares what it says with
// what was written. Verify must find any damage.
func readDamaged(t *testing.T, fs vfs.FS, mmap bool, what string, pairs []pair, spans []key.Span) {
	f, err := fs.Open("t", vfs.ReadOnly)
	require.NoError(t, err)
	r, err := Open(f, ReaderOptions{Mmap: mmap})
	mustBeTyped(t, err, what)
	if err != nil {
		return
	}
	defer r.Close()
	if err := r.Verify(); err == nil {
		broken(t, "T5", "%s: Verify sees nothing", what)
	} else {
		mustBeTyped(t, err, what)
	}
	if got := r.RangeDeletes(); len(got) != len(spans) || !bytes.Equal(got[0].End, spans[0].End) {
		broken(t, "T5", "%s: range deletes %v", what, got)
	}
	for _, p := range pairs {
		trailer, value, ok, err := r.Get(p.ikey, bloom.Hash(key.UserKey(p.ikey)), nil)
		mustBeTyped(t, err, what)
		if err == nil && (!ok || trailer != key.TrailerOf(p.ikey) || !bytes.Equal(value, p.value)) {
			broken(t, "T5", "%s: Get(%q) = %x %q %v", what, p.ikey, trailer, value, ok)
		}
	}
	c := r.NewCursor(nil)
	defer c.Close()
	k := c.First()
	for i, p := range pairs {
		if i > 0 {
			k = c.Next()
		}
		if k == nil {
			mustBeTyped(t, c.Err(), what)
			if c.Err() == nil {
				broken(t, "T5", "%s: the scan ends before entry %d without an error", what, i)
			}
			return
		}
		if !bytes.Equal(k, p.ikey) || !bytes.Equal(c.Value(), p.value) {
			broken(t, "T5", "%s: entry %d is %q = %q", what, i, k, c.Value())
		}
	}
}

func TestACutTableIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	write(t, fs, "good", WriterOptions{BlockSize: 250}, randomPairs(rand.New(rand.NewPCG(1, 1)), key.Plain, 40), nil)
	good := contents(t, fs, "good")
	for n := 0; n < len(good); n += 1 + n/50 {
		store(t, fs, "t", good[:n])
		for _, mmap := range []bool{false, true} {
			f, err := fs.Open("t", vfs.ReadOnly)
			require.NoError(t, err)
			_, err = Open(f, ReaderOptions{Mmap: mmap})
			if err == nil {
				broken(t, "T5", "%d of %d bytes were opened", n, len(good))
			}
			mustBeTyped(t, err, "Open")
		}
	}
}

func TestANewerFormatIsRefusedByName(t *testing.T) {
	fs := vfs.NewMem()
	write(t, fs, "good", WriterOptions{}, nil, nil)
	b := contents(t, fs, "good")
	tail := b[len(b)-footerSize:]
	binary.LittleEndian.PutUint32(tail[48:], formatVersion+1)
	putChecksum(tail[:56])
	store(t, fs, "newer", b)
	f, err := fs.Open("newer", vfs.ReadOnly)
	require.NoError(t, err)
	_, err = Open(f, ReaderOptions{})
	var newer *VersionError
	require.ErrorAs(t, err, &newer)
	require.EqualError(t, err, "newer has format version 2; this build reads versions up to 1")
}

func TestATableOfAnotherOrderIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	write(t, fs, "t", WriterOptions{Order: key.Timestamped}, nil, nil)
	f, err := fs.Open("t", vfs.ReadOnly)
	require.NoError(t, err)
	_, err = Open(f, ReaderOptions{Order: key.Plain})
	require.ErrorIs(t, err, ErrCorrupt)
}

// A file that is cut while it is mapped: reading what is gone is a fault, which
// becomes an error.
func TestAFaultInMappedMemoryIsAnError(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a mapped file cannot be cut there")
	}
	name := filepath.Join(t.TempDir(), "t.sst")
	var pairs []pair
	for i := range 5000 {
		pairs = append(pairs, pair{key.Append(nil, fmt.Appendf(nil, "%06d", i), 300), make([]byte, 50)})
	}
	write(t, vfs.OS(), name, WriterOptions{}, pairs, nil)
	r := open(t, vfs.OS(), name, ReaderOptions{Mmap: true})
	require.NoError(t, os.Truncate(name, 0))
	read := func() (err error) {
		defer Guard(debug.SetPanicOnFault(true), &err)
		c := r.NewCursor(nil)
		for k := c.First(); k != nil; k = c.Next() {
		}
		return c.Err()
	}
	var fault *FaultError
	if err := read(); !errors.As(err, &fault) {
		broken(t, "T7", "reading a mapped file that was cut: %v", err)
	}
}

func TestGuardLetsOtherPanicsThrough(t *testing.T) {
	require.PanicsWithValue(t, "mine", func() {
		var err error
		defer Guard(debug.SetPanicOnFault(true), &err)
		panic("mine")
	})
	var none []int
	require.Panics(t, func() {
		var err error
		defer Guard(debug.SetPanicOnFault(true), &err)
		_ = none[len(none)]
	})
	require.False(t, debug.SetPanicOnFault(false))
}

func TestAFullDiskIsAnError(t *testing.T) {
	fs := vfs.NewMem()
	fs.SetCapacity(1 << 20)
	f, err := fs.Create("t")
	require.NoError(t, err)
	w := NewWriter(f, WriterOptions{})
	for i := 0; ; i++ {
		if err = w.Add(key.Append(nil, fmt.Appendf(nil, "%09d", i), 300), make([]byte, 500)); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, vfs.ErrNoSpace)
	_, err = w.Finish()
	require.ErrorIs(t, err, vfs.ErrNoSpace)
}

// Bytes are changed, and all checksums made right again: nobody but a broken
// writer or somebody malicious does that. Nothing may panic, loop, or allocate
// beyond reason, and what is found to be wrong is said as ever.
func TestWhatASoundChecksumHidesIsFoundToo(t *testing.T) {
	const tables = 40
	for seed := range uint64(tables) {
		rng := rand.New(rand.NewPCG(seed, 3))
		fs := vfs.NewMem()
		o := WriterOptions{BlockSize: 1 + rng.IntN(300), RestartInterval: 1 + rng.IntN(4), Compression: Compression(rng.IntN(3))}
		write(t, fs, "good", o, randomPairs(rng, key.Plain, 40), []key.Span{{Start: []byte("a"), End: []byte("c"), Seq: 5}})
		good := contents(t, fs, "good")
		for range 60 {
			bad := bytes.Clone(good)
			for range 1 + rng.IntN(3) {
				bad[rng.IntN(len(bad))] = []byte{0, 1, 0x7f, 0x80, 0xff, byte(rng.Uint32())}[rng.IntN(6)]
			}
			repair(bad)
			store(t, fs, "t", bad)
			readEverything(t, fs, rng.IntN(2) == 0, randomUser(rng, key.Plain))
		}
	}
}
