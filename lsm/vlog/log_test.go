package vlog

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/stretchr/testify/require"
)

func TestPointerComesBackAsItWas(t *testing.T) {
	for _, p := range []Pointer{{}, {1, 20, 5}, {1<<64 - 1, 1<<64 - 1, MaxValue}} {
		b := p.Append([]byte("x"))
		got, err := ParsePointer(b[1:])
		require.NoError(t, err)
		require.Equal(t, p, got)
		for n := range b[1:] {
			_, err := ParsePointer(b[1 : 1+n])
			require.Error(t, err)
		}
		_, err = ParsePointer(append(b[1:], 0))
		require.Error(t, err)
	}
	_, err := ParsePointer(Pointer{1, 2, MaxValue + 1}.Append(nil))
	require.Error(t, err)
}

func TestNumberIsNeverUsedTwice(t *testing.T) {
	mem := newDisk(t)
	l := open(t, small(mem))
	seen := map[uint64]bool{}
	fresh := func() {
		p, err := l.Append([][]byte{{1}}, nil)
		require.NoError(t, err)
		if seen[p[0].File] {
			broken(t, "V6", "file %d is made again", p[0].File)
		}
		seen[p[0].File] = true
		require.Equal(t, l.Head(), p[0].File)
		require.NoError(t, l.Seal())
		if head := l.Head(); head <= p[0].File {
			broken(t, "V6", "file %d is sealed, and the next append may go to file %d", p[0].File, head)
		}
		require.NoError(t, l.Remove(p[0].File))
		require.NoError(t, l.Remove(p[0].File), "a second time")
	}
	fresh()
	fresh()
	mem.Inject(vfs.Fault{Kind: vfs.OpWrite, Err: vfs.ErrNoSpace, Short: 30})
	_, err := l.Append([][]byte{{1}}, nil)
	require.ErrorIs(t, err, vfs.ErrNoSpace)
	fresh()
	require.Empty(t, l.Files())
	require.NoError(t, l.Close())
	l = open(t, small(mem))
	l.Reserve(1000)
	l.Reserve(5)
	p, err := l.Append([][]byte{{1}}, nil)
	require.NoError(t, err)
	require.EqualValues(t, 1000, p[0].File)
	require.Error(t, l.Remove(1000), "it is the head")
}

// Who asks for the head keeps all files from there on: a value must not go before it.
func TestHeadIsNotAboveTheFileBeingMade(t *testing.T) {
	mem := newDisk(t)
	l := open(t, small(mem))
	for _, err := range []error{nil, vfs.ErrNoSpace} {
		for _, kind := range []vfs.Kind{vfs.OpCreate, vfs.OpWrite} {
			require.NoError(t, l.Seal())
			var head uint64
			mem.Inject(vfs.Fault{Kind: kind, Block: func() { head = l.Head() }, Err: err})
			before := l.Head()
			p, got := l.Append([][]byte{{1}}, nil)
			require.ErrorIs(t, got, err)
			if head != before || err == nil && p[0].File < head {
				broken(t, "V6", "the head was %d while a value went to %+v", head, p)
			}
			if err != nil && l.Head() <= before {
				broken(t, "V6", "file %d could not be made, and the head is still %d", before, l.Head())
			}
		}
	}
}

func TestFullFileIsSealed(t *testing.T) {
	l := open(t, &Options{FS: newDisk(t), FileSize: 100})
	v := make([]byte, 60)
	for i := range 7 {
		_, err := l.Append([][]byte{v}, nil)
		require.NoError(t, err)
		files := l.Files()
		require.Len(t, files, i/2+1)
		for j, f := range files {
			require.Equal(t, j < i/2, f.Sealed)
			size, ok := l.Size(f.Num)
			require.True(t, ok)
			require.Equal(t, f.Size, size)
		}
	}
	_, ok := l.Size(99)
	require.False(t, ok)
	_, err := l.Append([][]byte{make([]byte, MaxValue+1)}, nil)
	require.ErrorIs(t, err, ErrTooLarge)
	require.NoError(t, l.Close())
	_, err = l.Read(Pointer{1, 21, 60}, nil)
	require.ErrorIs(t, err, ErrClosed)
	_, err = l.Append([][]byte{v}, nil)
	require.ErrorIs(t, err, ErrClosed)
}

// What is known durable is not written again, nor is a file that was closed well.
func TestOpenWritesOnlyWhatMayNotBeDurable(t *testing.T) {
	mem := newDisk(t)
	l := open(t, small(mem))
	p, err := l.Append([][]byte{make([]byte, 500), make([]byte, 300)}, nil)
	require.NoError(t, err)
	written := func(mem *vfs.Mem, durable uint64) (n int64) {
		mem.Observe(func(op vfs.Op) {
			if op.Kind == vfs.OpWrite {
				n += op.Length
			}
		})
		l := open(t, &Options{FS: mem, Durable: func(uint64) uint64 { return durable }})
		require.NoError(t, l.Close())
		return n
	}
	size, _ := l.Size(1)
	require.EqualValues(t, size+markLen, written(mem.KillClone(), 0))
	require.EqualValues(t, size+markLen-int64(p[0].Offset)-500, written(mem.KillClone(), p[0].Offset+500))
	require.NoError(t, l.Close())
	require.Zero(t, written(mem.KillClone(), 0))
}

func TestOperatingSystemFiles(t *testing.T) {
	m, dir := &model{}, t.TempDir()
	rng := rand.New(rand.NewPCG(8, 8))
	o := &Options{FileSize: 4000}
	l, err := Open(dir, o)
	require.NoError(t, err)
	for range 100 {
		require.NoError(t, m.step(l, rng))
	}
	m.check(t, l, "V1", len(m.kept), "on disk")
	require.NoError(t, l.Close())
	l, err = Open(dir, o)
	require.NoError(t, err)
	m.check(t, l, "V1", len(m.kept), "reopened")
	first := l.Files()[0].Num
	require.NoError(t, l.Remove(first))
	_, err = l.Read(m.kept[0].p, nil)
	require.ErrorIs(t, err, ErrCorrupt)
	require.NoError(t, l.Close())
}

func TestReadersAppendersAndSyncersAtOnce(t *testing.T) {
	l, err := Open(t.TempDir(), &Options{FileSize: 20_000})
	require.NoError(t, err)
	defer l.Close()
	var mu sync.Mutex
	var all []stored
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 9))
			for range 200 {
				values := randomValues(rng)
				pointers, err := l.Append(values, nil)
				if err == nil && rng.IntN(8) == 0 {
					err = l.Sync()
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for i, p := range pointers {
					all = append(all, stored{p, values[i]})
				}
				s := all[rng.IntN(len(all))]
				mu.Unlock()
				if got, err := l.Read(s.p, nil); err != nil || !bytes.Equal(got, s.v) {
					broken(t, "V1", "%+v reads as %d bytes: %v", s.p, len(got), err)
				}
				l.Files()
				l.Durable()
			}
		})
	}
	// Files go away under readers, who then get an error.
	wg.Go(func() {
		for range 50 {
			for _, f := range l.Files() {
				if f.Sealed && f.Num%2 == 0 {
					if _, err := l.Read(Pointer{f.Num, 21, 5}, nil); !errors.Is(err, ErrCorrupt) && err != nil {
						t.Error(err)
					}
				}
			}
		}
	})
	wg.Wait()
}

func TestPickTakesTheMostGarbageAndNoMoreThanNeeded(t *testing.T) {
	for _, c := range []struct {
		name  string
		files []Usage
		bound float64
		want  []uint64
	}{
		{"nothing", nil, 1.5, nil},
		{"within the bound", []Usage{{1, 150, 100}}, 1.5, nil},
		{"beyond it", []Usage{{1, 151, 100}}, 1.5, []uint64{1}},
		{"the drawn one", []Usage{{1, 100, 90}, {2, 100, 60}, {3, 100, 20}}, 1.5, []uint64{3}},
		{"two are needed", []Usage{{1, 100, 90}, {2, 100, 30}, {3, 100, 20}}, 1.3, []uint64{3, 2}},
		{"part, not bytes", []Usage{{1, 1000, 600}, {2, 100, 20}, {3, 100, 90}}, 1.65, []uint64{2}},
		{"of one part by number", []Usage{{2, 100, 50}, {1, 100, 50}}, 1.1, []uint64{1, 2}},
		{"dead files do not count", []Usage{{1, 1000, 0}, {2, 140, 100}}, 1.5, nil},
		{"no garbage to be had", []Usage{{1, 100, 100}}, 0.5, nil},
	} {
		require.Equal(t, c.want, Pick(c.files, c.bound), c.name)
	}
}

// Whatever the files, rewriting what Pick says keeps the bound.
func TestPickKeepsTheBound(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 10))
	for range 2000 {
		var files []Usage
		for i := range 1 + rng.IntN(12) {
			size := 1 + rng.Int64N(1000)
			files = append(files, Usage{uint64(i), size, rng.Int64N(size + 1)})
		}
		bound := 1 + rng.Float64()
		picked := Pick(files, bound)
		after := func(picked []uint64) (ratio float64) {
			var size, live int64
			for _, f := range files {
				switch live += f.Live; {
				case f.Live == 0:
				case slices.Contains(picked, f.File):
					size += f.Live
				default:
					size += f.Size
				}
			}
			return float64(size) / float64(max(live, 1))
		}
		if ratio := after(picked); ratio > bound {
			broken(t, "pick-bound", "%v of %v leaves %v, bound %v", picked, files, ratio, bound)
		}
		if n := len(picked); n > 0 && after(picked[:n-1]) <= bound {
			broken(t, "pick-bound", "%v of %v is more than needed for %v", picked, files, bound)
		}
	}
}

// FuzzOpen opens a file of arbitrary bytes and reads all of it: never a panic,
// never a value that is not in the file, never an untyped error.
func FuzzOpen(f *testing.F) {
	b, p := appendRecord(nil, 1, fileHeader, []byte("first"))
	b, _ = appendRecord(b, 1, fileHeader+int64(len(b)), make([]byte, 200))
	f.Add(b, uint64(p.Offset), uint32(5), true)
	f.Add(appendMark(b, 1, fileHeader+int64(len(b))), uint64(p.Offset), uint32(6), true)
	f.Add([]byte{0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x7f}, uint64(1<<63), uint32(1<<31), true)
	f.Add([]byte("FVLG"), uint64(3), uint32(0), false)
	f.Fuzz(func(t *testing.T, data []byte, offset uint64, length uint32, withHeader bool) {
		if withHeader {
			data = append(appendHeader(nil, 1), data...)
		}
		mem := newDisk(t)
		require.NoError(t, mem.MkdirAll(testDir))
		file, err := mem.Create(testDir + "/" + FileName(1))
		require.NoError(t, err)
		_, err = file.WriteAt(data, 0)
		require.NoError(t, err)
		l, err := Open(testDir, &Options{FS: mem})
		if err != nil {
			require.ErrorAs(t, err, new(*VersionError))
			return
		}
		v, err := l.Read(Pointer{1, offset, length}, nil)
		if err == nil && !bytes.Contains(data, v) {
			broken(t, "V1", "a value is not in the file")
		}
		if err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("untyped error: %v", err)
		}
		require.NoError(t, l.Close())
	})
}

// FuzzParsePointer: any bytes are a pointer that encodes to the same meaning, or
// none.
func FuzzParsePointer(f *testing.F) {
	f.Add(Pointer{1, 2, 3}.Append(nil))
	f.Add([]byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePointer(b)
		if err != nil {
			return
		}
		again, err := ParsePointer(p.Append(nil))
		require.NoError(t, err)
		require.Equal(t, p, again)
	})
}

func BenchmarkAppend(b *testing.B) {
	l, err := Open(b.TempDir(), nil)
	require.NoError(b, err)
	defer l.Close()
	values, dst := [][]byte{make([]byte, 1024)}, make([]Pointer, 0, 1)
	b.SetBytes(1024)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Append(values, dst[:0]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	l, err := Open(b.TempDir(), nil)
	require.NoError(b, err)
	defer l.Close()
	var all []Pointer
	for range 10_000 {
		all, err = l.Append([][]byte{make([]byte, 1024)}, all)
		require.NoError(b, err)
	}
	require.NoError(b, l.Seal())
	b.SetBytes(1024)
	b.ReportAllocs()
	var buf []byte
	i := 0
	for b.Loop() {
		if buf, err = l.Read(all[i*7919%len(all)], buf[:0]); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
