package table

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/lsm/bloom"
	"github.com/flagship-go/flagship/lsm/key"
)

// numbered returns n entries whose values begin with a tag.
func numbered(n int, tag string) []pair {
	var pairs []pair
	for i := range n {
		pairs = append(pairs, pair{key.Append(nil, fmt.Appendf(nil, "%06d", i), key.Trailer(1, key.Set)), fmt.Appendf(nil, "%s%06d", tag, i)})
	}
	return pairs
}

func get(t testing.TB, r *Reader, p pair, tr *Trace) []byte {
	t.Helper()
	_, v, ok, err := r.Get(p.ikey, bloom.Hash(r.order.Bare(key.UserKey(p.ikey))), tr)
	require.NoError(t, err)
	require.True(t, ok)
	return v
}

// Two tables of one name, one after the other and both at once, share a cache:
// each shows its own entries.
func TestTheCacheTellsTablesOfOneNameApart(t *testing.T) {
	cache := NewCache(1 << 20)
	var readers []*Reader
	for _, tag := range []string{"old", "new"} {
		disk := vfs.NewMem()
		pairs := numbered(500, tag)
		write(t, disk, "000007.sst", WriterOptions{}, pairs, nil)
		r := open(t, disk, "000007.sst", ReaderOptions{Cache: cache})
		readers = append(readers, r)
		for _, p := range pairs {
			if v := get(t, r, p, nil); !bytes.Equal(v, p.value) {
				broken(t, "T8", "%q is read, %q was written", v, p.value)
			}
		}
	}
	for _, p := range numbered(500, "old") {
		if v := get(t, readers[0], p, nil); !bytes.Equal(v, p.value) {
			broken(t, "T8", "%q is read, %q was written", v, p.value)
		}
	}
}

// A value that was read stays what it is while the table is open, though the
// cache drops its block, and buffers are used again.
func TestAValueStaysWhatItIs(t *testing.T) {
	pairs := numbered(2000, "v")
	for _, w := range []world{{cache: 20 << 10}, {}, {mmap: true}, {w: WriterOptions{Compression: S2}, cache: 20 << 10}} {
		r := w.make(t, pairs, nil)
		var values [][]byte
		for _, p := range pairs {
			_, v, ok, err := r.Get(p.ikey, bloom.Hash(key.UserKey(p.ikey)), nil)
			if !ok || err != nil {
				broken(t, "T9", "Get(%q) finds: %v (%v)", p.ikey, ok, err)
			}
			values = append(values, v)
		}
		c := r.NewCursor(nil)
		for k := c.First(); k != nil; k = c.Next() {
			values = append(values, c.Value())
		}
		require.NoError(t, c.Close())
		for i, v := range values {
			if !bytes.Equal(v, pairs[i%len(pairs)].value) {
				broken(t, "T9", "value %d became %q", i, v)
			}
		}
	}
}

func TestAWriterKeepsNothingOfItsCaller(t *testing.T) {
	disk := vfs.NewMem()
	f, err := disk.Create("t")
	require.NoError(t, err)
	w := NewWriter(f, WriterOptions{BlockSize: 100})
	pairs := numbered(100, "v")
	span := key.Span{Start: []byte("b"), End: []byte("c"), Seq: 1}
	start, end := bytes.Clone(span.Start), bytes.Clone(span.End)
	require.NoError(t, w.AddRangeDelete(key.Span{Start: start, End: end, Seq: 1}))
	start[0], end[0] = 'x', 'y'
	for _, p := range pairs {
		k, v := bytes.Clone(p.ikey), bytes.Clone(p.value)
		require.NoError(t, w.Add(k, v))
		clear(k)
		clear(v)
	}
	_, err = w.Finish()
	require.NoError(t, err)
	r := open(t, disk, "t", ReaderOptions{})
	if got := r.RangeDeletes(); len(got) != 1 || !bytes.Equal(got[0].Start, span.Start) || !bytes.Equal(got[0].End, span.End) {
		broken(t, "T9", "the range delete became %v", got)
	}
	require.NoError(t, r.Verify())
	checkScan(t, r.NewCursor(nil), pairs)
}

func TestAClosedTableIsReadNoMore(t *testing.T) {
	pairs := numbered(500, "v")
	for _, w := range []world{{mmap: true}, {cache: 1 << 20}} {
		r := w.make(t, pairs, nil)
		get(t, r, pairs[0], nil)
		require.NoError(t, r.Close())
		require.NoError(t, r.Close())
		_, _, ok, err := r.Get(pairs[0].ikey, bloom.Hash(key.UserKey(pairs[0].ikey)), nil)
		require.ErrorIs(t, err, fs.ErrClosed)
		require.False(t, ok)
		for _, c := range []*Cursor{r.NewCursor(nil), r.NewScan(nil)} {
			require.Nil(t, c.First())
			require.Nil(t, c.SeekGE(pairs[0].ikey))
			require.ErrorIs(t, c.Close(), fs.ErrClosed)
		}
		require.ErrorIs(t, r.Verify(), fs.ErrClosed)
		require.ErrorIs(t, r.Describe(io.Discard, true), fs.ErrClosed)
	}
}

// A scan's buffer is of one file: the next scan, perhaps with the same cursor,
// does not find another file's blocks in it.
func TestAScanSeesItsOwnTable(t *testing.T) {
	for _, tag := range []string{"old", "new", "last"} {
		pairs := numbered(300, tag)
		checkScan(t, world{}.make(t, pairs, nil).NewScan(nil), pairs)
	}
}

func TestTheCacheKeepsToItsSize(t *testing.T) {
	c := NewCache(64 << 10)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 5000 {
		c.put(cacheKey{1, uint64(i)}, make([]byte, rng.IntN(2000)))
		if m := c.Metrics(); m.Bytes > 64<<10 {
			broken(t, "T8", "%d bytes are kept of 65536", m.Bytes)
		}
	}
	require.Greater(t, c.Metrics().Bytes, int64(32<<10))
	c.put(cacheKey{2, 0}, make([]byte, 64<<10)) // larger than a shard
	_, ok := c.get(cacheKey{2, 0})
	require.False(t, ok)
	require.Nil(t, NewCache(0))
}

func TestTheCacheDropsWhatWasNotUsedLongest(t *testing.T) {
	var s []cacheKey // of one shard
	c := NewCache(cacheShards * 5 * (100 + cacheOverhead))
	for i := uint64(0); len(s) < 20; i++ {
		if k := (cacheKey{1, i}); c.shard(k) == &c.shards[0] {
			s = append(s, k)
		}
	}
	for _, k := range s {
		c.put(k, make([]byte, 100))
		c.get(s[0])
	}
	for i, k := range s {
		_, ok := c.get(k)
		require.Equal(t, i == 0 || i >= 16, ok, "block %d", i)
	}
}

func TestATraceSaysWhatWasTouched(t *testing.T) {
	pairs := numbered(500, "v")
	r := world{cache: 1 << 20}.make(t, pairs, nil)
	var first, second, missing Trace
	get(t, r, pairs[7], &first)
	get(t, r, pairs[7], &second)
	require.Positive(t, first.Bytes)
	require.Equal(t, Trace{Filters: 1, Blocks: 2, Bytes: first.Bytes}, first, "a part of the index, and a data block")
	require.Equal(t, Trace{Filters: 1, Blocks: 2, CacheHits: 2}, second)
	for i := 0; missing.FilterSaved == 0; i++ {
		missing = Trace{}
		k := key.Append(nil, fmt.Appendf(nil, "none%d", i), 1)
		_, _, ok, err := r.Get(k, bloom.Hash(key.UserKey(k)), &missing)
		require.NoError(t, err)
		require.False(t, ok)
	}
	require.Equal(t, Trace{Filters: 1, FilterSaved: 1}, missing)
	require.EqualValues(t, 2, r.cache.Metrics().Hits)
}

// A scan for a compaction leaves the cache as it is.
func TestAScanLeavesTheCacheToOthers(t *testing.T) {
	pairs := numbered(5000, "v")
	for _, c := range []Compression{None, S2} {
		r := world{w: WriterOptions{Compression: c}, cache: 1 << 20}.make(t, pairs, nil)
		get(t, r, pairs[0], nil)
		before := r.cache.Metrics().Bytes
		checkScan(t, r.NewScan(nil), pairs)
		// The parts of the index are few, and are kept.
		require.Less(t, r.cache.Metrics().Bytes, before+30<<10)
	}
}

func TestManyGoroutinesReadOneTable(t *testing.T) {
	pairs := numbered(3000, "v")
	for _, w := range []world{{cache: 30 << 10}, {mmap: true}, {w: WriterOptions{Compression: Zstd}, mmap: true, cache: 30 << 10}} {
		r := w.make(t, pairs, nil)
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(g), 1))
				c := r.NewCursor(nil)
				defer c.Close()
				for range 500 {
					i := rng.IntN(len(pairs))
					p := pairs[i]
					_, v, ok, err := r.Get(p.ikey, bloom.Hash(key.UserKey(p.ikey)), nil)
					if !ok || err != nil || !bytes.Equal(v, p.value) {
						t.Errorf("RULE T2: Get(%q) = %q %v %v", p.ikey, v, ok, err)
					}
					if k := c.SeekGE(p.ikey); !bytes.Equal(k, p.ikey) {
						t.Errorf("RULE T3: SeekGE(%q) = %q %v", p.ikey, k, c.Err())
					}
					if k := c.Prev(); i > 0 && !bytes.Equal(k, pairs[i-1].ikey) {
						t.Errorf("RULE T3: before %q is %q %v", p.ikey, k, c.Err())
					}
				}
			})
		}
		wg.Wait()
	}
}
