package table

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/lsm/bloom"
	"github.com/flagship-go/flagship/lsm/key"
)

// broken fails the test for a rule (see doc.go).
func broken(t testing.TB, rule, format string, args ...any) {
	t.Helper()
	t.Fatalf("RULE %s: %s", rule, fmt.Sprintf(format, args...))
}

type pair struct{ ikey, value []byte }

// world is one way to write and read a table.
type world struct {
	name  string
	w     WriterOptions
	mmap  bool
	cache int64
}

// worlds are all combinations of options.
func worlds() []world {
	var out []world
	for _, order := range []key.Order{key.Plain, key.Timestamped} {
		for _, c := range []Compression{None, S2, Zstd} {
			for _, mmap := range []bool{false, true} {
				for _, cache := range []int64{0, 64 << 10} {
					for _, bits := range []int{-1, 10} {
						for _, shape := range [][2]int{{1, 1}, {100, 2}, {400, 16}, {4096, 7}, {1 << 20, 1}} {
							out = append(out, world{
								name: fmt.Sprintf("order=%d/%s/mmap=%v/cache=%d/bits=%d/block=%d", order, c, mmap, cache, bits, shape[0]),
								w:    WriterOptions{Order: order, Compression: c, BitsPerKey: bits, BlockSize: shape[0], RestartInterval: shape[1]},
								mmap: mmap, cache: cache,
							})
						}
					}
				}
			}
		}
	}
	return out
}

// randomUser returns a user key: short and of few bytes, or with a long prefix.
func randomUser(rng *rand.Rand, o key.Order) []byte {
	var k []byte
	if rng.IntN(3) == 0 {
		k = fmt.Appendf(nil, "a long common prefix %05d", rng.IntN(300))
	} else {
		k = make([]byte, rng.IntN(4))
		for i := range k {
			k[i] = []byte{0, 'a', 'b', 0xff}[rng.IntN(4)]
		}
	}
	if o == key.Timestamped {
		k = binary.BigEndian.AppendUint64(k, ^rng.Uint64N(3))
	}
	return k
}

func randomKey(rng *rand.Rand, o key.Order) []byte {
	return key.Append(nil, randomUser(rng, o), key.Trailer(rng.Uint64N(20), key.Kind(rng.IntN(3))))
}

// randomPairs returns up to n entries, sorted.
func randomPairs(rng *rand.Rand, o key.Order, n int) []pair {
	var out []pair
	for range n {
		v := make([]byte, rng.IntN(12))
		if rng.IntN(30) == 0 {
			v = make([]byte, rng.IntN(3000))
		}
		for i := range v {
			v[i] = byte(rng.Uint32() % 5)
		}
		out = append(out, pair{randomKey(rng, o), v})
	}
	slices.SortStableFunc(out, func(a, b pair) int { return o.Compare(a.ikey, b.ikey) })
	return slices.CompactFunc(out, func(a, b pair) bool { return o.Compare(a.ikey, b.ikey) == 0 })
}

func write(t testing.TB, fs vfs.FS, name string, o WriterOptions, pairs []pair, spans []key.Span) Properties {
	t.Helper()
	f, err := fs.Create(name)
	require.NoError(t, err)
	w := NewWriter(f, o)
	for _, p := range pairs {
		require.NoError(t, w.Add(p.ikey, p.value))
	}
	for _, s := range spans {
		require.NoError(t, w.AddRangeDelete(s))
	}
	props, err := w.Finish()
	require.NoError(t, err)
	size, err := f.Size()
	require.NoError(t, err)
	require.EqualValues(t, size, props.Size)
	require.NoError(t, f.Close())
	return props
}

func open(t testing.TB, fs vfs.FS, name string, o ReaderOptions) *Reader {
	t.Helper()
	f, err := fs.Open(name, vfs.ReadOnly)
	require.NoError(t, err)
	r, err := Open(f, o)
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

// make writes pairs and opens the table.
func (w world) make(t testing.TB, pairs []pair, spans []key.Span) *Reader {
	fs := vfs.NewMem()
	write(t, fs, "t.sst", w.w, pairs, spans)
	return open(t, fs, "t.sst", ReaderOptions{Order: w.w.Order, Mmap: w.mmap, Cache: NewCache(w.cache)})
}

func TestATableHoldsWhatWasAdded(t *testing.T) {
	for i, w := range worlds() {
		t.Run(w.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(i), 1))
			for _, n := range []int{0, 1, 20, 400} {
				pairs := randomPairs(rng, w.w.Order, n)
				r := w.make(t, pairs, nil)
				for _, c := range []*Cursor{r.NewCursor(nil), r.NewScan(nil)} {
					checkScan(t, c, pairs)
				}
				require.NoError(t, r.Verify())
				checkProperties(t, r.Properties(), w.w.Order, pairs)
			}
		})
	}
}

func checkScan(t testing.TB, c *Cursor, pairs []pair) {
	t.Helper()
	k := c.First()
	for i, p := range pairs {
		if !bytes.Equal(k, p.ikey) || !bytes.Equal(c.Value(), p.value) {
			broken(t, "T1", "entry %d is %q, want %q (%v)", i, k, p.ikey, c.Err())
		}
		k = c.Next()
	}
	if k != nil {
		broken(t, "T1", "%q after the last entry", k)
	}
	k = c.Last()
	for i := len(pairs) - 1; i >= 0; i-- {
		if !bytes.Equal(k, pairs[i].ikey) || !bytes.Equal(c.Value(), pairs[i].value) {
			broken(t, "T1", "backwards, entry %d is %q, want %q (%v)", i, k, pairs[i].ikey, c.Err())
		}
		k = c.Prev()
	}
	if k != nil {
		broken(t, "T1", "%q before the first entry", k)
	}
	require.NoError(t, c.Close())
}

func checkProperties(t testing.TB, p Properties, o key.Order, pairs []pair) {
	t.Helper()
	var want Properties
	for i, e := range pairs {
		seq := key.SeqOf(key.TrailerOf(e.ikey))
		if i == 0 {
			want.MinSeq = seq
		}
		want.Entries++
		if key.KindOf(key.TrailerOf(e.ikey)) == key.Delete {
			want.Deletes++
		}
		want.RawKey += uint64(len(e.ikey))
		want.RawValue += uint64(len(e.value))
		want.MinSeq, want.MaxSeq = min(want.MinSeq, seq), max(want.MaxSeq, seq)
		want.Largest = e.ikey
		if i == 0 {
			want.Smallest = e.ikey
		}
	}
	want.Size, want.Blocks = p.Size, p.Blocks
	require.Equal(t, want, p)
}

func TestGetFindsTheNewestEntryThatTheReaderSees(t *testing.T) {
	for i, w := range worlds() {
		rng := rand.New(rand.NewPCG(uint64(i), 2))
		pairs := randomPairs(rng, w.w.Order, 400)
		r := w.make(t, pairs, nil)
		for range 300 {
			user := randomUser(rng, w.w.Order)
			seek := key.Append(nil, user, key.Trailer(rng.Uint64N(22), key.MaxKind))
			if rng.IntN(10) == 0 {
				seek = key.Append(nil, user, key.First)
			}
			at, _ := find(pairs, w.w.Order, seek)
			var want pair
			if at < len(pairs) && bytes.Equal(key.UserKey(pairs[at].ikey), user) {
				want = pairs[at]
			}
			trailer, value, ok, err := r.Get(seek, bloom.Hash(w.w.Order.Bare(user)), nil)
			switch {
			case err != nil:
				broken(t, "T2", "%s: Get(%q): %v", w.name, seek, err)
			case ok != (want.ikey != nil):
				broken(t, "T2", "%s: Get(%q) finds: %v, want %q", w.name, seek, ok, want.ikey)
			case ok && (trailer != key.TrailerOf(want.ikey) || !bytes.Equal(value, want.value)):
				broken(t, "T2", "%s: Get(%q) = %x %q, want %q %q", w.name, seek, trailer, value, want.ikey, want.value)
			}
		}
	}
}

func find(pairs []pair, o key.Order, ikey []byte) (int, bool) {
	return slices.BinarySearchFunc(pairs, ikey, func(p pair, k []byte) int { return o.Compare(p.ikey, k) })
}

func TestACursorMovesAsOverASortedSlice(t *testing.T) {
	for i, w := range worlds() {
		rng := rand.New(rand.NewPCG(uint64(i), 3))
		pairs := randomPairs(rng, w.w.Order, rng.IntN(150))
		r := w.make(t, pairs, nil)
		c := r.NewCursor(nil)
		if i%2 == 0 {
			c = r.NewScan(nil)
		}
		at := -1
		for step := range 800 {
			seek := randomKey(rng, w.w.Order)
			if len(pairs) > 0 && rng.IntN(3) == 0 {
				seek = pairs[rng.IntN(len(pairs))].ikey
			}
			var got []byte
			moves := []string{"First", "Last", "SeekGE", "SeekLT", "Next", "Next", "Prev", "Prev"}
			if at < 0 || at >= len(pairs) {
				moves = moves[:4] // only a cursor at an entry may step
			}
			op := moves[rng.IntN(len(moves))]
			switch op {
			case "First":
				got, at = c.First(), 0
			case "Last":
				got, at = c.Last(), len(pairs)-1
			case "SeekGE":
				got = c.SeekGE(seek)
				at, _ = find(pairs, w.w.Order, seek)
			case "SeekLT":
				got = c.SeekLT(seek)
				at, _ = find(pairs, w.w.Order, seek)
				at--
			case "Next":
				got, at = c.Next(), at+1
			case "Prev":
				got, at = c.Prev(), at-1
			}
			var want pair
			if at >= 0 && at < len(pairs) {
				want = pairs[at]
			}
			if !bytes.Equal(got, want.ikey) || (got == nil) != (want.ikey == nil) || c.Err() != nil {
				broken(t, "T3", "%s, step %d: %s (%q) gives %q, want %q (%v)", w.name, step, op, seek, got, want.ikey, c.Err())
			}
			if got != nil && !bytes.Equal(c.Value(), want.value) {
				broken(t, "T3", "%s, step %d: %s gives value %q, want %q", w.name, step, op, c.Value(), want.value)
			}
		}
		require.NoError(t, c.Close())
	}
}

func TestRangeDeletesAreInTheBounds(t *testing.T) {
	for i, w := range worlds() {
		rng := rand.New(rand.NewPCG(uint64(i), 4))
		o := w.w.Order
		pairs := randomPairs(rng, o, rng.IntN(20))
		var spans []key.Span
		for range rng.IntN(5) {
			s := key.Span{Start: randomUser(rng, o), End: randomUser(rng, o), Seq: rng.Uint64N(20)}
			if o.CompareUser(s.Start, s.End) < 0 {
				spans = append(spans, s)
			}
		}
		r := w.make(t, pairs, spans)
		require.NoError(t, r.Verify())
		require.ElementsMatch(t, spans, r.RangeDeletes())
		p := r.Properties()
		require.EqualValues(t, len(spans), p.RangeDeletes)
		inside := func(ikey []byte) bool {
			return o.Compare(p.Smallest, ikey) <= 0 && o.Compare(ikey, p.Largest) <= 0
		}
		for _, e := range pairs {
			require.True(t, inside(e.ikey))
		}
		for _, s := range spans {
			start := key.Append(nil, s.Start, key.Trailer(s.Seq, key.RangeDelete))
			end := key.Append(nil, s.End, key.Trailer(key.MaxSeq, key.RangeDelete))
			if !inside(start) || !inside(end) {
				broken(t, "T4", "%s: [%q,%q) at %d is not within %q to %q", w.name, s.Start, s.End, s.Seq, p.Smallest, p.Largest)
			}
			if p.MinSeq > s.Seq || p.MaxSeq < s.Seq {
				broken(t, "T4", "%s: sequence number %d is not within %d to %d", w.name, s.Seq, p.MinSeq, p.MaxSeq)
			}
		}
	}
}

func TestMiddleCutsTheTableInPartsOfAboutTheSameSize(t *testing.T) {
	for _, o := range []key.Order{key.Plain, key.Timestamped} {
		var pairs []pair
		for i := range 4000 {
			k := fmt.Appendf(nil, "key%05d", i)
			k = append(k, make([]byte, o)...)
			pairs = append(pairs, pair{key.Append(nil, k, key.Trailer(1, key.Set)), make([]byte, 20)})
		}
		r := world{w: WriterOptions{Order: o, BlockSize: 500}}.make(t, pairs, nil)
		require.Empty(t, r.Middle(0))
		for _, n := range []int{1, 3, 7} {
			cuts := r.Middle(n)
			require.Len(t, cuts, n)
			last := 0
			for i, cut := range append(cuts, []byte("z\x00\x00\x00\x00\x00\x00\x00\x00")) {
				at, _ := find(pairs, o, key.Append(nil, cut, key.First))
				require.InDelta(t, 4000/(n+1), at-last, 60, "part %d of %d", i, n+1)
				last = at
			}
		}
	}
	require.Empty(t, world{}.make(t, nil, nil).Middle(3))
}

func TestAWriterRefusesWhatWouldBeNoTable(t *testing.T) {
	f, err := vfs.NewMem().Create("t")
	require.NoError(t, err)
	w := NewWriter(f, WriterOptions{})
	k := func(s string, seq uint64) []byte { return key.Append(nil, []byte(s), key.Trailer(seq, key.Set)) }
	require.NoError(t, w.Add(k("b", 3), nil))
	require.ErrorIs(t, w.Add(k("a", 3), nil), ErrOrder)
	require.ErrorIs(t, w.Add(k("b", 3), nil), ErrOrder)
	require.ErrorIs(t, w.Add(k("b", 4), nil), ErrOrder)
	require.ErrorContains(t, w.Add([]byte("short"), nil), "no internal key")
	require.NoError(t, w.Add(k("b", 2), nil))
	_, err = w.Finish()
	require.NoError(t, err)
	require.ErrorIs(t, w.Add(k("c", 1), nil), ErrFinished)
	require.ErrorIs(t, w.AddRangeDelete(key.Span{}), ErrFinished)
	_, err = w.Finish()
	require.ErrorIs(t, err, ErrFinished)
}

func TestSizeIsAboutThatOfTheFile(t *testing.T) {
	f, err := vfs.NewMem().Create("t")
	require.NoError(t, err)
	w := NewWriter(f, WriterOptions{})
	for i := range 20000 {
		require.NoError(t, w.Add(key.Append(nil, fmt.Appendf(nil, "%08d", i), 300), make([]byte, 50)))
	}
	before := w.Size()
	p, err := w.Finish()
	require.NoError(t, err)
	require.InEpsilon(t, p.Size, before, 0.02)
}

func TestGetAllocatesNothingOnceTheBlocksAreThere(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	pairs := randomPairs(rng, key.Plain, 500)
	for _, w := range []world{{mmap: true}, {cache: 1 << 20}} {
		r := w.make(t, pairs, nil)
		p := pairs[len(pairs)/2]
		h := bloom.Hash(key.UserKey(p.ikey))
		require.Zero(t, testing.AllocsPerRun(100, func() {
			if _, _, ok, err := r.Get(p.ikey, h, nil); !ok || err != nil {
				t.Fatal(ok, err)
			}
		}))
	}
}

func TestTheOperatingSystemsFilesDoAsWell(t *testing.T) {
	name := filepath.Join(t.TempDir(), "t.sst")
	rng := rand.New(rand.NewPCG(1, 1))
	pairs := randomPairs(rng, key.Plain, 500)
	write(t, vfs.OS(), name, WriterOptions{}, pairs, nil)
	for _, mmap := range []bool{false, true} {
		r := open(t, vfs.OS(), name, ReaderOptions{Mmap: mmap})
		require.NoError(t, r.Verify())
		checkScan(t, r.NewCursor(nil), pairs)
		require.NoError(t, r.Close())
		require.NoError(t, r.Close())
	}
}
