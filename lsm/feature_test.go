package lsm

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
)

func get(t testing.TB, r reader, k string) string {
	t.Helper()
	v, err := r.Get([]byte(k))
	if errors.Is(err, ErrNotFound) {
		return "-"
	}
	require.NoError(t, err)
	return string(v)
}

func put(t testing.TB, db *DB, pairs ...string) {
	t.Helper()
	for _, p := range pairs {
		k, v, _ := strings.Cut(p, "=")
		require.NoError(t, db.Put([]byte(k), []byte(v)))
	}
}

// clock is a time that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// TestExpiredValueHidesWhatIsOlder is rule L11 in every place that an entry may be.
func TestExpiredValueHidesWhatIsOlder(t *testing.T) {
	for _, threshold := range []int{0, 1} {
		c := &clock{now: time.Unix(1000, 0)}
		o := small(vfs.NewMem(), nil)
		o.Clock, o.ValueThreshold = c.read, threshold
		db := openTest(t, "db", o)
		put(t, db, "a=old")
		require.NoError(t, db.Compact(nil, nil))
		require.NoError(t, db.PutTTL([]byte("a"), []byte("new"), time.Minute))
		check := func(where, want string) {
			t.Helper()
			if got := get(t, db, "a"); got != want {
				t.Errorf("RULE L11: %s: a is %q, want %q", where, got, want)
			}
		}
		check("in the memtable", "new")
		require.NoError(t, db.Flush())
		check("in a table", "new")
		c.advance(time.Minute)
		check("expired", "-")
		require.NoError(t, db.Compact(nil, nil))
		check("compacted", "-")
		require.Zero(t, db.Metrics().Levels[6].Entries, "RULE L11: expired and hidden entries are gone after a compaction")
		require.NoError(t, db.Close())
	}
}

// The longest duration is how callers say "for ever".
func TestLongestTTLIsNotOver(t *testing.T) {
	db := openTest(t, "db", small(vfs.NewMem(), nil))
	require.NoError(t, db.PutTTL([]byte("k"), []byte("v"), math.MaxInt64))
	require.Equal(t, "v", get(t, db, "k"), "RULE L11: a TTL of 292 years is over at once")
	require.NoError(t, db.PutTTL([]byte("k"), []byte("v"), math.MinInt64))
	require.Equal(t, "-", get(t, db, "k"), "RULE L11")
	require.NoError(t, db.Close())
}

func TestReadAtTimestampZero(t *testing.T) {
	o := small(vfs.NewMem(), nil)
	o.Timestamps, o.MergeOperator = true, nil
	db := openTest(t, "db", o)
	b := db.NewBatch()
	b.PutAt([]byte("k"), 0, []byte("zero"))
	b.PutAt([]byte("k"), 1, []byte("one"))
	b.PutAt([]byte("l"), 1, []byte("one"))
	require.NoError(t, db.Apply(b))
	v, err := db.GetAt([]byte("k"), 0)
	require.NoError(t, err)
	require.Equal(t, "zero", string(v), "RULE timestamps: a version above the timestamp asked for")
	_, err = db.GetAt([]byte("l"), 0)
	require.ErrorIs(t, err, ErrNotFound, "RULE timestamps: a version above the timestamp asked for")
	require.NoError(t, db.Close())
}

func TestVersionsAreKeptAndShown(t *testing.T) {
	o := small(vfs.NewMem(), nil)
	o.NumVersionsToKeep = 3
	db := openTest(t, "db", o)
	defer db.Close()
	for i := range 6 {
		put(t, db, fmt.Sprintf("a=%d", i))
		require.NoError(t, db.Flush())
	}
	put(t, db, "b=x")
	require.NoError(t, db.Compact(nil, nil))
	it, err := db.NewIter(&IterOptions{AllVersions: true})
	require.NoError(t, err)
	var got []string
	for ok := it.First(); ok; ok = it.Next() {
		got = append(got, fmt.Sprintf("%s#%d=%s", it.Key(), it.Version(), it.Value()))
	}
	require.False(t, it.Prev())
	require.ErrorIs(t, it.Err(), errForwardOnly)
	require.NoError(t, it.Close())
	require.Equal(t, []string{"a#6=5", "a#5=4", "a#4=3", "b#7=x"}, got)
	require.Equal(t, "5", get(t, db, "a"))
}

// A loop that is left in any way pins nothing any more.
func TestRangeThatIsLeftPinsNothing(t *testing.T) {
	db := openTest(t, "db", small(vfs.NewMem(), nil))
	put(t, db, "a=1", "b=2")
	for name, body := range map[string]func() bool{
		"at its end":   func() bool { return true },
		"by a break":   func() bool { return false },
		"with a panic": func() bool { panic(t) },
	} {
		func() {
			defer func() { recover() }()
			for _, err := range db.Range(nil, nil) {
				require.NoError(t, err)
				if !body() {
					break
				}
			}
		}()
		require.Equal(t, int64(1), db.state.Load().refs.Load(), "RULE L7: a loop that was left %s pins what it has read", name)
	}
	require.NoError(t, db.Close())
}

// A store that keeps one version drops deletes behind it, and then has what they hid.
func TestOneVersionIsShownWhereOneIsKept(t *testing.T) {
	o := small(vfs.NewMem(), nil)
	o.Schedule, o.L0Compaction, o.L0Stop = func([]string) int { return -1 }, 100, 200
	db := openTest(t, "db", o)
	put(t, db, "a=hidden")
	require.NoError(t, db.Compact(nil, nil))
	require.NoError(t, db.Delete([]byte("a")))
	put(t, db, "a=1")
	require.NoError(t, db.Flush())
	it, err := db.NewIter(&IterOptions{AllVersions: true})
	require.NoError(t, err)
	var got []string
	for ok := it.First(); ok; ok = it.Next() {
		got = append(got, string(it.Value()))
	}
	require.NoError(t, it.Close())
	require.Equal(t, []string{"1"}, got, "RULE L5: a deleted version is shown")
	require.NoError(t, db.Close())
}

// TestTimestamps reads every key at every timestamp, before and after compactions
// that may drop what is below SetDiscard.
func TestTimestamps(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 3))
		o := small(vfs.NewMem(), rng)
		o.Timestamps, o.MergeOperator = true, nil
		db := openTest(t, "db", o)
		type version struct {
			ts      uint64
			value   string
			deleted bool
		}
		all := map[string][]version{}
		for i := range 500 {
			k, ts := fmt.Sprintf("k%d", rng.IntN(12))[:1+rng.IntN(2)], uint64(1+rng.IntN(50))
			v := version{ts: ts, value: fmt.Sprintf("%d%s", i, strings.Repeat(".", rng.IntN(90)))}
			b := db.NewBatch()
			switch rng.IntN(12) {
			case 0:
				b.DeleteRange([]byte(k), []byte(k+"\x00"))
				all[k] = nil
				require.NoError(t, db.Apply(b))
				continue
			case 1, 2:
				v.deleted = true
				b.DeleteAt([]byte(k), ts)
			default:
				b.PutAt([]byte(k), ts, []byte(v.value))
			}
			require.NoError(t, db.Apply(b))
			all[k] = append(slices.DeleteFunc(all[k], func(o version) bool { return o.ts == ts }), v)
		}
		at := func(k string, ts uint64) string {
			best := version{deleted: true}
			for _, v := range all[k] {
				if v.ts <= ts && v.ts > best.ts {
					best = v
				}
			}
			if best.deleted {
				return "-"
			}
			return best.value
		}
		check := func(from uint64) {
			for ts := from; ts < 55; ts += 3 {
				want, got := map[string]string{}, map[string]string{}
				for _, k := range []string{"k", "k0", "k1", "k5"} {
					v, err := db.GetAt([]byte(k), ts)
					if errors.Is(err, ErrNotFound) {
						v, err = []byte("-"), nil
					}
					require.NoError(t, err)
					if string(v) != at(k, ts) {
						t.Fatalf("RULE L5: seed %d: %s at %d is %q, want %q", seed, k, ts, v, at(k, ts))
					}
				}
				for k := range all {
					if v := at(k, ts); v != "-" {
						want[k] = v
					}
				}
				it, err := db.NewIter(&IterOptions{At: ts})
				require.NoError(t, err)
				for ok := it.First(); ok; ok = it.Next() {
					got[string(it.Key())] = string(it.Value())
				}
				require.Equal(t, want, got, "RULE L5: seed %d at %d", seed, ts)
				clear(got)
				for ok := it.Last(); ok; ok = it.Prev() {
					got[string(it.Key())] = string(it.Value())
				}
				require.NoError(t, it.Close())
				require.Equal(t, want, got, "RULE L5: seed %d at %d, backwards", seed, ts)
			}
		}
		check(1)
		require.NoError(t, db.Compact(nil, nil))
		check(1)
		db.SetDiscard(25)
		require.NoError(t, db.Compact(nil, nil))
		check(25)
		require.NoError(t, db.Close())
	}
}

// No key ends the range of a prefix of 0xff: what is there has to be looked at.
func TestDropPrefixWithoutAnEnd(t *testing.T) {
	o := small(vfs.NewMem(), nil)
	o.Timestamps, o.MergeOperator = true, nil
	db := openTest(t, "db", o)
	b := db.NewBatch()
	b.PutAt([]byte("\xff"), 5, []byte("a"))
	b.PutAt([]byte("\xff\xff"), 5, []byte("b"))
	b.DeleteAt([]byte("\xff\xff"), 10)
	require.NoError(t, db.Apply(b))
	require.NoError(t, db.DropPrefix([]byte("\xff")))
	_, err := db.GetAt([]byte("\xff\xff"), 7)
	require.ErrorIs(t, err, ErrNotFound, "RULE drop-prefix: an older version of a deleted key stays")
	require.NoError(t, db.Close())

	db = openTest(t, "db", small(vfs.NewMem(), nil))
	longest := strings.Repeat("\xff", MaxKeyLen)
	put(t, db, longest+"=1")
	require.NoError(t, db.DropPrefix([]byte("\xff")), "RULE drop-prefix: of the longest key")
	require.Equal(t, "-", get(t, db, longest), "RULE drop-prefix")
	require.ErrorIs(t, db.DeleteRange([]byte(strings.Repeat("a", MaxKeyLen+2)), []byte("b")), ErrTooLarge)
	require.NoError(t, db.Close())
}

func TestDropPrefixAndDropAll(t *testing.T) {
	o := small(vfs.NewMem(), nil)
	db := openTest(t, "db", o)
	put(t, db, "a=1", "b1=2", "b2=3", "c=4", "\xff\xff=5")
	s := db.Snapshot()
	require.NoError(t, db.DropPrefix([]byte("b")))
	require.Equal(t, "- 4", get(t, db, "b1")+" "+get(t, db, "c"))
	require.Equal(t, "2", get(t, s, "b1"), "RULE L5: a snapshot keeps what it sees")
	require.ErrorIs(t, db.DropAll(), ErrSnapshots)
	require.NoError(t, s.Close())
	require.NoError(t, db.DropPrefix([]byte("\xff")))
	require.Equal(t, "-", get(t, db, "\xff\xff"))
	it, err := db.NewIter(nil)
	require.NoError(t, err)
	require.NoError(t, db.DropAll())
	require.True(t, it.First(), "RULE L7: an iterator keeps what it sees")
	require.NoError(t, it.Close())
	put(t, db, "z=1")
	model{"z": "1"}.check(t, "L5", db)
	require.NoError(t, db.Close())
	db = openTest(t, "db", o)
	model{"z": "1"}.check(t, "L4", db)
	require.NoError(t, db.DropAll())
	require.NoError(t, db.Close())
	db = openTest(t, "db", o)
	model{}.check(t, "L4", db)
	require.NoError(t, db.Close())
}

func TestCheckpointIsAStoreOfItsOwn(t *testing.T) {
	mem := vfs.NewMem()
	o := small(mem, nil)
	o.ValueThreshold = 40
	db := openTest(t, "db", o)
	rng := rand.New(rand.NewPCG(1, 1))
	m := model{}
	for range 400 {
		writeRandom(t, rng, db, m)
	}
	require.NoError(t, db.Checkpoint("copy"))
	require.ErrorIs(t, db.Checkpoint("copy"), fs.ErrExist)
	was := m.clone()
	for range 200 {
		writeRandom(t, rng, db, m)
	}
	// The copy is durable when Checkpoint returns.
	o.FS = mem.CrashClone(rng)
	twin := openTest(t, "copy", o)
	was.check(t, "L4", twin)
	require.NoError(t, twin.Verify())
	put(t, twin, "k00=x")
	require.NoError(t, twin.Close())
	m.check(t, "L4", db)
	require.NoError(t, db.Close())
}

func TestReadOnlyAndInMemory(t *testing.T) {
	o := small(vfs.NewMem(), nil)
	o.ReadOnly = true
	_, err := Open("db", o)
	require.ErrorIs(t, err, fs.ErrNotExist)
	o.ReadOnly = false
	db := openTest(t, "db", o)
	put(t, db, "a=1")
	_, err = Open("db", o)
	require.ErrorIs(t, err, vfs.ErrLocked)
	require.NoError(t, db.Close())
	require.NoError(t, db.Close())
	require.ErrorIs(t, db.Put([]byte("a"), nil), ErrClosed)
	_, err = db.Get([]byte("a"))
	require.ErrorIs(t, err, ErrClosed)
	o.ReadOnly = true
	db = openTest(t, "db", o)
	require.Equal(t, "1", get(t, db, "a"))
	require.ErrorIs(t, db.Put([]byte("a"), nil), ErrReadOnly)
	require.ErrorIs(t, db.Flush(), ErrReadOnly)
	require.NoError(t, db.Close())

	db = openTest(t, "nowhere", &Options{InMemory: true, MemTableSize: 64 << 10})
	m := model{}
	for i := range 3000 {
		k, v := fmt.Sprintf("k%02d", i%50), fmt.Sprint(i, strings.Repeat(".", 60))
		put(t, db, k+"="+v)
		m[k] = v
	}
	m.check(t, "L3", db)
	require.NoError(t, db.Close())
}

func TestIteratorBoundsAndPrefix(t *testing.T) {
	db := openTest(t, "db", small(vfs.NewMem(), nil))
	defer db.Close()
	put(t, db, "=empty", "a=1", "ab=2")
	require.NoError(t, db.Flush())
	put(t, db, "b=3", "ba=4", "c=5")
	show := func(o *IterOptions) string {
		it, err := db.NewIter(o)
		require.NoError(t, err)
		var there, back []string
		for ok := it.First(); ok; ok = it.Next() {
			there = append(there, string(it.Key()))
		}
		for ok := it.Prev(); ok; ok = it.Prev() { // past the end, then back
			back = append(back, string(it.Key()))
		}
		require.True(t, len(there) == 0 || it.Next(), "RULE L3: Next before the first key is the first key")
		require.NoError(t, it.Close())
		slices.Reverse(back)
		require.Equal(t, there, back, "RULE L3: the way back")
		return strings.Join(there, " ")
	}
	require.Equal(t, " a ab b ba c", show(nil))
	require.Equal(t, "ab b", show(&IterOptions{Lower: []byte("ab"), Upper: []byte("ba")}))
	require.Equal(t, "b ba", show(&IterOptions{Prefix: []byte("b")}))
	require.Equal(t, "", show(&IterOptions{Prefix: []byte("d")}))
	require.Equal(t, "", show(&IterOptions{Upper: []byte{}}))
	require.Equal(t, " a ab b ba c", show(&IterOptions{Prefix: []byte{}}))
	it, err := db.NewIter(nil)
	require.NoError(t, err)
	defer it.Close()
	require.False(t, it.SeekLT([]byte("")))
	require.True(t, it.Next())
	require.Equal(t, "", string(it.Key()))
	require.False(t, it.SeekGE([]byte("d")))
	require.True(t, it.Prev())
	require.Equal(t, "c", string(it.Key()))
	require.True(t, it.SeekGE([]byte("b")))
	require.True(t, it.Prev())
	require.Equal(t, "ab", string(it.Key()))
	require.True(t, it.Next())
	require.Equal(t, "b", string(it.Key()))
}

// TestIteratorSkipsManyVersions: the next key after one written many times is
// the next key, however close.
func TestIteratorSkipsManyVersions(t *testing.T) {
	for _, stamps := range []bool{false, true} {
		db := openTest(t, "db", &Options{InMemory: true, Timestamps: stamps})
		for i := range 3 * skipSteps {
			b := db.NewBatch()
			for _, k := range []string{"a", "a\x00", "a\xff\xff\xff\xff\xff\xff\xff\xff", "b"} {
				switch {
				case stamps:
					b.PutAt([]byte(k), uint64(i+1), fmt.Append(nil, i))
				case k == "b" && i%2 == 1:
					b.Delete([]byte(k))
				default:
					b.Put([]byte(k), fmt.Append(nil, i))
				}
			}
			require.NoError(t, db.Apply(b))
		}
		var got []string
		for kv, err := range db.Range(nil, nil) {
			require.NoError(t, err)
			got = append(got, fmt.Sprintf("%q=%s", kv.Key, kv.Value))
		}
		last := fmt.Sprint(3*skipSteps - 1)
		want := []string{`"a"=` + last, `"a\x00"=` + last, `"a\xff\xff\xff\xff\xff\xff\xff\xff"=` + last}
		if stamps {
			want = append(want, `"b"=`+last)
		}
		require.Equal(t, want, got, "RULE L3: keys behind many versions, timestamps %v", stamps)
		require.NoError(t, db.Close())
	}
}

func TestBatchErrors(t *testing.T) {
	db := openTest(t, "db", small(vfs.NewMem(), nil))
	defer db.Close()
	b := db.NewBatch()
	b.Put(make([]byte, MaxKeyLen+1), nil)
	require.ErrorIs(t, db.Apply(b), ErrTooLarge)
	b.Reset()
	b.PutAt([]byte("a"), 1, nil)
	require.ErrorContains(t, db.Apply(b), "Timestamps")
	b.Reset()
	b.Put([]byte("a"), []byte("1"))
	require.NoError(t, db.Apply(b))
	require.ErrorIs(t, db.Apply(b), ErrBatchUsed)
	none := openTest(t, "other", &Options{FS: vfs.NewMem()})
	defer none.Close()
	require.ErrorIs(t, none.Merge([]byte("a"), nil), ErrNoMergeOperator)
	b.Reset()
	require.ErrorContains(t, none.Apply(func() *Batch { b.Put(nil, nil); return b }()), "another store")
	_, err := Open("db", &Options{MemTableSize: 5})
	require.ErrorContains(t, err, "MemTableSize")
}

// TestConcurrentWritersReadersAndCompactions: every reader sees whole batches,
// in order, and what it has seen it sees again.
func TestConcurrentWritersReadersAndCompactions(t *testing.T) {
	o := small(vfs.NewMem(), nil)
	o.ValueThreshold, o.MaxValueAmplification = 100, 1.1
	db := openTest(t, "db", o)
	const writers, rounds = 4, 400
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range rounds {
				b := db.NewBatch()
				for j := range 3 {
					b.Put(fmt.Appendf(nil, "%d-%d-%d", w, i%17, j), fmt.Appendf(nil, "%06d%s", i, strings.Repeat("x", i%200)))
				}
				if i%50 == 0 {
					b.DeleteRange([]byte("x"), []byte("y"))
				}
				if err := db.Apply(b); err != nil {
					t.Error(err)
				}
			}
		})
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			seen := map[string]string{}
			for {
				select {
				case <-stop:
					return
				default:
				}
				it, err := db.NewIter(nil)
				if err != nil {
					t.Error(err)
					return
				}
				batch := map[string]string{}
				for ok := it.First(); ok; ok = it.Next() {
					k, v := string(it.Key()), string(it.Value()[:6])
					if v < seen[k] {
						t.Errorf("RULE L2: key %s went back from %s to %s", k, seen[k], v)
					}
					seen[k] = v
					if name := k[:len(k)-2]; batch[name] == "" {
						batch[name] = v
					} else if batch[name] != v {
						t.Errorf("RULE L1: of batch %s, %s and %s are seen", name, batch[name], v)
					}
				}
				if err := it.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, db.Compact(nil, nil))
	close(stop)
	readers.Wait()
	for w := range writers {
		for i := rounds - 17; i < rounds; i++ {
			require.Equal(t, fmt.Sprintf("%06d", i), get(t, db, fmt.Sprintf("%d-%d-0", w, i%17))[:6], "RULE L1")
		}
	}
	require.NoError(t, db.Verify())
	require.NoError(t, db.Close())
}
