package ordmap

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// pair is a key with its value; a model is pairs in order.
type pair struct{ key, value string }

type model []pair

func (m model) find(key string) (int, bool) {
	return slices.BinarySearchFunc(m, key, func(p pair, k string) int { return strings.Compare(p.key, k) })
}

func (m model) put(key, value string) model {
	i, found := m.find(key)
	if found {
		m[i].value = value
		return m
	}
	return slices.Insert(m, i, pair{key, value})
}

func (m model) delete(key string) model {
	if i, found := m.find(key); found {
		return slices.Delete(m, i, i+1)
	}
	return m
}

func (m model) deleteRange(lo, hi string) model {
	i, _ := m.find(lo)
	j, _ := m.find(hi)
	if j > i {
		return slices.Delete(m, i, j)
	}
	return m
}

// shapes of keys: how they begin alike is what searches depend on.
var shapes = []struct {
	name string
	key  func(n int) string
}{
	{"digits", func(n int) string { return fmt.Sprintf("account/%08d", n) }},
	{"binary", func(n int) string {
		x := uint32(n) * 2654435761
		return string([]byte{byte(x >> 24), byte(x >> 16), byte(x >> 8), byte(x)})
	}},
	{"versions", func(n int) string { return fmt.Sprintf("row-%05d-which-is-long%08x", n/50, ^uint32(n%50)) }},
	{"nested", func(n int) string {
		return strings.Repeat("a", n%40) + strings.Repeat("\x00", n/40%10) + fmt.Sprint(n/400)
	}},
	{"few letters", func(n int) string {
		var b []byte
		for ; n > 0; n /= 3 {
			b = append(b, "\x00a\xff"[n%3])
		}
		return string(b)
	}},
}

// history is a map, what it should be, and snapshots with what they should see.
type history struct {
	m     *Map
	now   []model
	snaps []*Snapshot
	seen  [][]model
	key   func(n int) string
	keys  int
	rng   *rand.Rand
}

func newHistory(spaces int, key func(int) string, keys int, seed uint64) *history {
	return &history{m: New(spaces), now: make([]model, spaces), key: key, keys: keys, rng: rand.New(rand.NewPCG(seed, 1))}
}

func (h *history) randomKey() string { return h.key(h.rng.IntN(h.keys)) }

// batch makes so many random changes.
func (h *history) batch(changes int) {
	h.m.Update(func(w *Writer) {
		for range changes {
			s, k := h.rng.IntN(len(h.now)), h.randomKey()
			switch h.rng.IntN(20) {
			case 0:
				hi := h.key(h.rng.IntN(h.keys))
				w.DeleteRange(s, []byte(k), []byte(hi))
				h.now[s] = h.now[s].deleteRange(k, hi)
			case 1, 2, 3, 4, 5, 6:
				w.Delete(s, []byte(k))
				h.now[s] = h.now[s].delete(k)
			default:
				v := fmt.Sprint(h.rng.Uint32())
				w.Put(s, []byte(k), []byte(v))
				h.now[s] = h.now[s].put(k, v)
			}
		}
	})
}

func (h *history) snapshot() {
	h.snaps = append(h.snaps, h.m.Snapshot())
	var seen []model
	for _, m := range h.now {
		seen = append(seen, slices.Clone(m))
	}
	h.seen = append(h.seen, seen)
}

// look checks one of the snapshots, and closes it.
func (h *history) look(t testing.TB, i int) {
	for space, want := range h.seen[i] {
		h.lookAt(t, h.snaps[i], space, want)
	}
	h.snaps[i].Close()
	h.snaps, h.seen = slices.Delete(h.snaps, i, i+1), slices.Delete(h.seen, i, i+1)
}

func (h *history) lookAt(t testing.TB, s *Snapshot, space int, want model) {
	it := s.Iter(space, nil, nil)
	ok := it.SeekGE(nil)
	for _, p := range want {
		is(t, ok, it, p)
		ok = it.Next()
	}
	require.False(t, ok, "RULE O6: it goes on behind the last key")
	ok = it.SeekLT(bytes.Repeat([]byte{0xff}, 99))
	for _, p := range slices.Backward(want) {
		is(t, ok, it, p)
		ok = it.Prev()
	}
	require.False(t, ok, "RULE O6: it goes on before the first key")
	for range 50 {
		k := h.randomKey()
		i, found := want.find(k)
		v, ok := s.Get(space, []byte(k))
		if found != ok {
			t.Fatalf("RULE O2: key %q: found is %v", k, ok)
		}
		if found && want[i].value != string(v) {
			t.Fatalf("RULE O2: key %q has value %q, not %q", k, v, want[i].value)
		}
	}
	for range 5 {
		h.walk(t, s, space, want)
	}
}

// is checks where an iterator stands.
func is(t testing.TB, ok bool, it *Iterator, p pair) {
	t.Helper()
	if !ok {
		t.Fatalf("RULE O6: key %q is missing", p.key)
	}
	if string(it.Key()) != p.key || string(it.Value()) != p.value {
		t.Fatalf("RULE O6: it stands on %q, %q and not on %q, %q", it.Key(), it.Value(), p.key, p.value)
	}
}

// take takes so many pairs, or what is left of those that it should come to, and returns
// how many.
func take(t testing.TB, it *Iterator, want model, most int) int {
	keys, values := make([][]byte, most), make([][]byte, most)
	n := it.Take(keys, values)
	require.Equal(t, min(most, len(want)), n, "RULE O6: what Take has taken")
	for i, p := range want[:n] {
		if string(keys[i]) != p.key || string(values[i]) != p.value {
			t.Fatalf("RULE O6: it takes %q, %q and not %q, %q", keys[i], values[i], p.key, p.value)
		}
	}
	return n
}

// walk moves an iterator at random, and an index beside it.
func (h *history) walk(t testing.TB, s *Snapshot, space int, want model) {
	var lo, hi []byte
	if h.rng.IntN(3) > 0 {
		lo = []byte(h.randomKey())
		from, _ := want.find(string(lo))
		want = want[from:]
	}
	if h.rng.IntN(3) > 0 {
		hi = []byte(h.randomKey())
		to, _ := want.find(string(hi))
		want = want[:to]
	}
	it := s.Iter(space, lo, hi)
	at, did := -1, ""
	for range 60 {
		var ok bool
		switch h.rng.IntN(9) {
		case 0, 1:
			k := h.randomKey()
			if at >= 0 && h.rng.IntN(2) == 0 { // near by
				k = want[min(len(want)-1, at+h.rng.IntN(40))].key
			}
			at, _ = want.find(k)
			ok, did = it.SeekGE([]byte(k)), fmt.Sprintf("SeekGE(%q)", k)
		case 2:
			k := h.randomKey()
			at, _ = want.find(k)
			at--
			ok, did = it.SeekLT([]byte(k)), fmt.Sprintf("SeekLT(%q)", k)
		case 3, 4, 5:
			if at >= 0 {
				at++
			}
			ok, did = it.Next(), "Next"
		case 6:
			if at >= 0 {
				at += take(t, it, want[at:], h.rng.IntN(80))
			}
			ok, did = it.at != nil, "Take"
		default:
			if at >= 0 {
				at--
			}
			ok, did = it.Prev(), "Prev"
		}
		if there := at >= 0 && at < len(want); ok != there {
			t.Fatalf("RULE O6: bounds %q %q, %s: moved is %v", lo, hi, did, ok)
		}
		if !ok {
			at = -1
			continue
		}
		is(t, true, it, want[at])
	}
	require.NoError(t, it.Err())
	require.NoError(t, it.Close())
}

func TestSnapshotsSeeWhatTheyShould(t *testing.T) {
	for _, shape := range shapes {
		for _, keys := range []int{3, 100, 3000} {
			t.Run(fmt.Sprintf("keys=%s/n=%d", shape.name, keys), func(t *testing.T) {
				h := newHistory(2, shape.key, keys, uint64(keys))
				for i := range 100 + 600/keys {
					h.batch(1 + h.rng.IntN(keys/4+8))
					h.snapshot()
					for len(h.snaps) > 1+i%20 {
						h.look(t, h.rng.IntN(len(h.snaps)))
					}
					if i%20 == 0 {
						h.m.check(t)
					}
				}
				for len(h.snaps) > 0 {
					h.look(t, h.rng.IntN(len(h.snaps)))
				}
				h.m.sweepAll()
				c := h.m.check(t)
				require.Equal(t, len(h.now[0])+len(h.now[1]), c.slots, "RULE O5: nobody sees old versions, so there are none")
				require.Zero(t, c.stale)
				h.snapshot() // whose iterators see all slots
				h.look(t, 0)
			})
		}
	}
}

func TestABatchIsSeenAtOnceInAllSpaces(t *testing.T) {
	m := New(3)
	count := func(s *Snapshot) (n int) {
		for space := range 3 {
			it := s.Iter(space, nil, nil)
			for ok := it.SeekGE(nil); ok; ok = it.Next() {
				n++
			}
		}
		return n
	}
	m.Update(func(w *Writer) {
		for i := range 3000 {
			w.Put(i%3, fmt.Appendf(nil, "%04d", i), nil)
			if i%500 == 499 {
				s := m.Snapshot()
				require.Zero(t, count(s), "RULE O3: what a batch has written is seen before it is whole")
				s.Close()
			}
		}
	})
	s := m.Snapshot()
	require.Equal(t, 3000, count(s), "RULE O3: it is not what was written")
	s.Close()
	m.Update(func(w *Writer) {
		w.DeleteRange(1, nil, nil)
		for i := range 3000 {
			w.Delete(2, fmt.Appendf(nil, "%04d", i))
		}
		before := m.Snapshot()
		require.Equal(t, 3000, count(before), "RULE O5: what whoever comes during a batch sees was dropped")
		before.Close()
	})
	after := m.Snapshot()
	require.Equal(t, 1000, count(after))
	after.Close()
	m.check(t)
}

// TestVersionsThatNobodySeesAreDropped: a long scan does not keep what was written
// and overwritten since.
func TestVersionsThatNobodySeesAreDropped(t *testing.T) {
	m := New(1)
	write := func(v int) {
		m.Update(func(w *Writer) { w.Put(0, []byte("hot"), fmt.Append(nil, v)) })
	}
	write(0)
	first := m.Snapshot()
	for i := range 1000 {
		write(i + 1)
	}
	require.LessOrEqual(t, m.check(t).slots, 4, "RULE O5: two versions are seen, not a thousand")
	second := m.Snapshot()
	for i := range 1000 {
		write(i + 2001)
	}
	for _, s := range []struct {
		*Snapshot
		want string
	}{{first, "0"}, {second, "1000"}} {
		v, ok := s.Get(0, []byte("hot"))
		require.True(t, ok)
		require.Equal(t, s.want, string(v), "RULE O5: it is not what was written")
		it := s.Iter(0, nil, nil)
		require.True(t, it.SeekGE(nil))
		require.Equal(t, s.want, string(it.Value()), "RULE O5: it is not what was written")
		require.False(t, it.Next())
		s.Close()
		s.Close() // does nothing
	}
	m.sweepAll()
	require.Equal(t, 1, m.check(t).slots, "RULE O5: one version is seen")
}

// TestASnapshotIsClosedOnce: two are at one number, and one of them is closed twice.
func TestASnapshotIsClosedOnce(t *testing.T) {
	m := New(1)
	put := func(v string) { m.Update(func(w *Writer) { w.Put(0, []byte("k"), []byte(v)) }) }
	put("first")
	a, b := m.Snapshot(), m.Snapshot()
	a.Close()
	a.Close()
	put("second")
	put("third")
	m.sweepAll()
	v, ok := b.Get(0, []byte("k"))
	require.True(t, ok, "RULE O5: what an open snapshot sees was dropped")
	require.Equal(t, "first", string(v), "RULE O5: what an open snapshot sees was dropped")
	b.Close()
}

// TestAKeyIsNotCutFromItsVersions: a key that many snapshots see in different versions
// may take more than a leaf.
func TestAKeyIsNotCutFromItsVersions(t *testing.T) {
	m := New(1)
	var snaps []*Snapshot
	for i := range 200 {
		m.Update(func(w *Writer) {
			w.Put(0, []byte("m"), fmt.Append(nil, i))
			w.Put(0, fmt.Append(nil, "a", i), nil)
			w.Put(0, fmt.Append(nil, "z", i), nil)
		})
		snaps = append(snaps, m.Snapshot())
		m.check(t)
	}
	for i, s := range snaps {
		v, ok := s.Get(0, []byte("m"))
		require.True(t, ok, "RULE O1: it is not what was written")
		require.Equal(t, fmt.Sprint(i), string(v), "RULE O1: version %d", i)
		it := s.Iter(0, []byte("b"), []byte("y"))
		require.True(t, it.SeekLT([]byte("y")) && string(it.Value()) == fmt.Sprint(i) && !it.Prev(), "RULE O1: version %d, backwards", i)
		require.True(t, it.SeekGE([]byte("b")) && string(it.Value()) == fmt.Sprint(i) && !it.Next(), "RULE O1: version %d", i)
	}
	for _, s := range snaps {
		s.Close()
	}
	m.sweepAll()
	require.Equal(t, 401, m.check(t).slots)
}

// TestMemoryDoesNotGrow is what the locks of transactions do: the same few keys come
// and go, and new ones that do not come again, with snapshots open all the time.
func TestMemoryDoesNotGrow(t *testing.T) {
	m := New(1)
	rng := rand.New(rand.NewPCG(1, 1))
	var open []*Snapshot
	most := 0
	for i := range 50_000 {
		keys := [][]byte{fmt.Appendf(nil, "account%05d", rng.IntN(10_000)), fmt.Appendf(nil, "order%08d", i)}
		m.Update(func(w *Writer) {
			for _, k := range keys {
				w.Put(0, k, []byte("lock"))
			}
		})
		open = append(open, m.Snapshot())
		m.Update(func(w *Writer) {
			for _, k := range keys {
				w.Delete(0, k)
			}
		})
		if len(open) > 8 {
			at := rng.IntN(len(open))
			open[at].Close()
			open = slices.Delete(open, at, at+1)
		}
		if i%1000 == 999 {
			most = max(most, m.check(t).slots)
		}
	}
	require.Less(t, most, 1000, "RULE O5: of 100,000 keys that have gone")
	require.Less(t, len(m.writer.stale.leaves), 1000)
	for _, s := range open {
		s.Close()
	}
	m.sweepAll()
	require.Zero(t, m.check(t).slots, "RULE O5: of keys that have gone")
}

func TestLeavesOfKeysThatHaveGoneAreJoined(t *testing.T) {
	m := New(1)
	m.Update(func(w *Writer) {
		for i := range 10_000 {
			w.Put(0, fmt.Appendf(nil, "%05d", i), nil)
		}
	})
	require.Greater(t, m.check(t).leaves, 200)
	for i := range 10_000 {
		m.Update(func(w *Writer) { w.Delete(0, fmt.Appendf(nil, "%05d", i*7%10_000)) })
	}
	m.sweepAll()
	require.LessOrEqual(t, m.check(t).leaves, 2, "RULE O5: leaves without keys are left")
	require.LessOrEqual(t, m.check(t).depth, 2, "RULE O5: levels without leaves are left")
}

// TestSnapshotsThatCloseSweep: nobody writes after a long scan, and what it held goes.
func TestSnapshotsThatCloseSweep(t *testing.T) {
	m := New(1)
	for i := range 100 {
		m.Update(func(w *Writer) {
			for j := range 100 {
				w.Put(0, fmt.Append(nil, i*100+j), nil)
			}
		})
	}
	scan := m.Snapshot()
	for i := range 100 {
		m.Update(func(w *Writer) {
			for j := range 100 {
				w.Delete(0, fmt.Append(nil, i*100+j))
			}
		})
	}
	require.GreaterOrEqual(t, m.check(t).slots, 10_000)
	scan.Close()
	for range 1000 {
		m.Snapshot().Close()
	}
	require.Zero(t, m.check(t).slots, "RULE O5: nobody sees them")
}

// TestHeapIsGivenBack: the values of what was deleted are free.
func TestHeapIsGivenBack(t *testing.T) {
	m := New(1)
	value := make([]byte, 1000)
	heap := func() uint64 {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	before := heap()
	for i := range 20_000 {
		m.Update(func(w *Writer) { w.Put(0, fmt.Append(nil, i), value) })
	}
	require.Greater(t, heap(), before+20_000*1000)
	for i := range 20_000 {
		m.Update(func(w *Writer) { w.Delete(0, fmt.Append(nil, i)) })
	}
	require.Less(t, heap(), before+1<<20, "RULE O5: it is not what was written")
	runtime.KeepAlive(m)
}

// TestAReaderOnItsWayFindsAllThatItSees: nodes are split and joined while a reader
// stands still. It goes on by what it has of the tree, which is the old one.
func TestAReaderOnItsWayFindsAllThatItSees(t *testing.T) {
	m := New(1)
	var want model
	for i := range 3000 {
		k := fmt.Sprintf("%05d", i*10)
		m.Update(func(w *Writer) { w.Put(0, []byte(k), nil) })
		want = want.put(k, "")
	}
	s := m.Snapshot()
	defer s.Close()
	it := s.Iter(0, nil, nil)
	rng := rand.New(rand.NewPCG(1, 1))
	ok := it.SeekGE(nil)
	for i, p := range want {
		require.True(t, ok, "RULE O4: %q is missing", p.key)
		require.Equal(t, p.key, string(it.Key()), "RULE O4: it is not what was written")
		if i%5 == 0 {
			m.Update(func(w *Writer) {
				for range 100 { // new leaves somewhere, and fewer elsewhere
					n := rng.IntN(30_000)
					if n/1000%2 == 0 {
						w.Put(0, fmt.Appendf(nil, "%05d", n), nil)
					} else {
						w.DeleteRange(0, fmt.Appendf(nil, "%05d", n), fmt.Appendf(nil, "%05d", n+100))
					}
				}
			})
		}
		if i%100 == 0 {
			back := s.Iter(0, nil, nil)
			require.True(t, back.SeekLT([]byte("x")) && string(back.Key()) == want[len(want)-1].key, "RULE O4: it is not what was written")
		}
		ok = it.Next()
	}
	require.False(t, ok, "RULE O4: it is not what was written")
	m.check(t)
}

// TestReadersBesideAWriter: the values of a snapshot add up, whoever writes meanwhile.
func TestReadersBesideAWriter(t *testing.T) {
	const accounts, each, transfers = 300, 100, 4000
	m := New(2)
	key := func(i int) []byte { return fmt.Appendf(nil, "account%04d", i) }
	m.Update(func(w *Writer) {
		for i := range accounts {
			w.Put(i%2, key(i), fmt.Append(nil, each))
		}
	})
	var done atomic.Bool
	var readers, writers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for forward := true; !done.Load() && !t.Failed(); forward = !forward {
				s := m.Snapshot()
				total := 0
				for space := range 2 {
					it := s.Iter(space, nil, nil)
					move, ok := it.Next, it.SeekGE(nil)
					if !forward {
						move, ok = it.Prev, it.SeekLT([]byte("z"))
					}
					for ; ok; ok = move() {
						n := 0
						fmt.Sscan(string(it.Value()), &n)
						total += n
					}
				}
				if total != accounts*each {
					t.Errorf("RULE O3: accounts add up to %d, not %d", total, accounts*each)
				}
				s.Close()
			}
		})
	}
	for seed := range uint64(2) {
		writers.Go(func() {
			rng := rand.New(rand.NewPCG(seed, 2))
			for range transfers / 2 {
				from, to := rng.IntN(accounts), rng.IntN(accounts)
				if from == to {
					continue
				}
				m.Update(func(w *Writer) { transfer(m, w, from, to, key, rng.IntN(10)) })
			}
		})
	}
	writers.Wait()
	done.Store(true)
	readers.Wait()
	m.check(t)
}

// transfer moves an amount, and from time to time an account goes altogether.
func transfer(m *Map, w *Writer, from, to int, key func(int) []byte, amount int) {
	s := m.Snapshot() // nobody else writes
	defer s.Close()
	balance := func(i int) (n int) {
		if v, ok := s.Get(i%2, key(i)); ok {
			fmt.Sscan(string(v), &n)
		}
		return n
	}
	a, b := balance(from), balance(to)
	if amount == 0 {
		w.Delete(from%2, key(from))
		w.Put(to%2, key(to), fmt.Append(nil, a+b))
		return
	}
	w.Put(from%2, key(from), fmt.Append(nil, a-amount))
	w.Put(to%2, key(to), fmt.Append(nil, b+amount))
}

func TestEmptyAndLongKeys(t *testing.T) {
	m := New(1)
	long := bytes.Repeat([]byte("x"), 100_000)
	m.Update(func(w *Writer) {
		w.Put(0, nil, []byte("empty"))
		w.Put(0, long, long)
		w.Put(0, []byte{0}, nil)
	})
	s := m.Snapshot()
	defer s.Close()
	it := s.Iter(0, nil, nil)
	require.True(t, it.SeekGE(nil))
	require.Empty(t, it.Key())
	require.Equal(t, "empty", string(it.Value()))
	require.True(t, it.Next())
	require.Equal(t, []byte{0}, it.Key())
	require.NotNil(t, it.Value())
	require.Empty(t, it.Value())
	require.True(t, it.Next())
	require.Equal(t, long, it.Key())
	require.False(t, it.Next())
	require.False(t, it.SeekLT(nil), "nothing is before the empty key")
}

// TestOrderOfWritingIsNoMatter: keys that come ascending, descending and at random make
// trees that are alike, and those that ascend fill their leaves.
func TestOrderOfWritingIsNoMatter(t *testing.T) {
	const n = 20_000
	for _, order := range []string{"ascending", "descending", "random"} {
		m := New(1)
		rng := rand.New(rand.NewPCG(1, 1))
		for i, r := range rng.Perm(n) {
			switch order {
			case "ascending":
				r = i
			case "descending":
				r = n - 1 - i
			}
			m.Update(func(w *Writer) { w.Put(0, fmt.Appendf(nil, "%08d", r), nil) })
		}
		c := m.check(t)
		require.Equal(t, n, c.slots)
		require.LessOrEqual(t, c.leaves, n*2/fan+1, order)
		if order == "ascending" {
			require.LessOrEqual(t, c.leaves, n/fan+1, "leaves are full")
		}
	}
}

func FuzzMap(f *testing.F) {
	f.Add([]byte("\x00abc\x01\x02\x03\x04"))
	f.Add(bytes.Repeat([]byte{3, 200, 9, 1, 77, 0, 0}, 100))
	f.Fuzz(func(t *testing.T, script []byte) {
		h := newHistory(1, func(n int) string { return shapes[n%len(shapes)].key(n) }, 256, 1)
		for len(script) >= 2 {
			op, arg := script[0], int(script[1])
			script = script[2:]
			switch op % 8 {
			case 0:
				h.snapshot()
			case 1:
				if len(h.snaps) > 0 {
					h.look(t, arg%len(h.snaps))
				}
			case 2:
				k := h.key(arg)
				h.m.Update(func(w *Writer) { w.Delete(0, []byte(k)) })
				h.now[0] = h.now[0].delete(k)
			case 3:
				lo, hi := h.key(arg), h.key(int(op))
				h.m.Update(func(w *Writer) { w.DeleteRange(0, []byte(lo), []byte(hi)) })
				h.now[0] = h.now[0].deleteRange(lo, hi)
			default:
				h.m.Update(func(w *Writer) {
					for i := range arg%40 + 1 {
						k := h.key((int(op)*7 + i*arg) % 256)
						w.Put(0, []byte(k), fmt.Append(nil, op, i))
						h.now[0] = h.now[0].put(k, fmt.Sprint(op, i))
					}
				})
			}
		}
		h.m.check(t)
		for len(h.snaps) > 0 {
			h.look(t, 0)
		}
	})
}
