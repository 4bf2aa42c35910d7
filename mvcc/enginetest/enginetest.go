// Package enginetest is what every [region.Engine] has to pass: the default in memory,
// and adapters to other stores. Rules:
//
//	E1  A batch is seen whole or not at all, in all families.
//	E2  What is in a batch is done in order: the last change of a key counts.
//	E3  A write that has returned is in every later snapshot, and a snapshot does not
//	    change, whatever is written.
//	E4  An iterator moves as over a sorted slice of the keys within its bounds, in
//	    both directions.
//	E5  Families are key spaces of their own; keys are any bytes, values may be empty.
//	E6  The engine keeps neither batch nor slices; slices that a snapshot returns are
//	    valid until it is closed, those of an iterator until it moves.
//	E7  Any number of goroutines write, take snapshots and read at once.
//
// A failure begins with the rule: "RULE E3: ...".
package enginetest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/flagship-go/flagship/mvcc/region"
)

// Run tests engines that open makes: each is used by one test, is empty, and is
// closed by open's own t.Cleanup.
func Run(t *testing.T, open func(t testing.TB) region.Engine) {
	for _, c := range []struct {
		name string
		test func(*testing.T, region.Engine)
	}{
		{"E1/BatchIsSeenWhole", batchIsSeenWhole},
		{"E2/BatchIsDoneInOrder", batchIsDoneInOrder},
		{"E2/RangeIsDeletedFromLoToHi", rangeIsDeleted},
		{"E3/SnapshotDoesNotChange", snapshotDoesNotChange},
		{"E4/IteratorMovesAsOverASortedSlice", iteratorMoves},
		{"E4/IteratorFromNowhere", iteratorFromNowhere},
		{"E5/FamiliesAreApart", familiesAreApart},
		{"E5/AnyBytesAreAKey", anyBytesAreAKey},
		{"E6/SlicesAreNotKept", slicesAreNotKept},
		{"E6/SlicesAreValidUntilClose", slicesAreValid},
		{"E7/ManyWriteAndReadAtOnce", manyAtOnce},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

var families = []region.CF{region.Default, region.LockCF, region.WriteCF}

// must ends the test with the rule that is broken.
func must(t testing.TB, ok bool, rule, format string, args ...any) {
	t.Helper()
	if !ok {
		t.Fatalf("RULE %s: %s", rule, fmt.Sprintf(format, args...))
	}
}

func noError(t testing.TB, rule string, err error) {
	t.Helper()
	must(t, err == nil, rule, "%v", err)
}

func write(t testing.TB, e region.Engine, rule string, b *region.Batch) {
	t.Helper()
	noError(t, rule, e.Write(context.Background(), b))
}

func snapshot(t testing.TB, e region.Engine, rule string) region.Snapshot {
	t.Helper()
	s, err := e.Snapshot(context.Background())
	noError(t, rule, err)
	return s
}

func closeSnapshot(t testing.TB, s region.Snapshot, rule string) {
	t.Helper()
	noError(t, rule, s.Close())
}

// state is what an engine should have.
type state [3]map[string]string

func newState() state { return state{{}, {}, {}} }

func (s state) apply(b *region.Batch) {
	for _, op := range b.Ops {
		switch op.Kind {
		case region.OpPut:
			s[op.CF][string(op.Key)] = string(op.Value)
		case region.OpDelete:
			delete(s[op.CF], string(op.Key))
		case region.OpDeleteRange:
			for k := range s[op.CF] {
				if within([]byte(k), op.Key, op.Value) {
					delete(s[op.CF], k)
				}
			}
		}
	}
}

func within(k, lo, hi []byte) bool {
	return bytes.Compare(lo, k) <= 0 && (hi == nil || bytes.Compare(k, hi) < 0)
}

func (s state) copy() state {
	c := newState()
	for cf := range s {
		for k, v := range s[cf] {
			c[cf][k] = v
		}
	}
	return c
}

// sorted returns the keys of a family within bounds.
func (s state) sorted(cf region.CF, lo, hi []byte) [][]byte {
	var keys [][]byte
	for k := range s[cf] {
		if within([]byte(k), lo, hi) {
			keys = append(keys, []byte(k))
		}
	}
	slices.SortFunc(keys, bytes.Compare)
	return keys
}

// check compares a snapshot with what it should have, key by key and both ways.
func (s state) check(t testing.TB, snap region.Snapshot, rule string) {
	t.Helper()
	for _, cf := range families {
		keys := s.sorted(cf, nil, nil)
		it := snap.Iter(cf, nil, nil)
		ok := it.SeekGE(nil)
		for _, k := range keys {
			must(t, ok && bytes.Equal(it.Key(), k), rule, "family %v: the key at hand is not %q", cf, k)
			must(t, string(it.Value()) == s[cf][string(k)], rule, "family %v, key %q: value %q", cf, k, it.Value())
			v, found, err := snap.Get(cf, k)
			must(t, err == nil && found && string(v) == s[cf][string(k)], rule, "family %v: Get(%q) = %q, %v, %v", cf, k, v, found, err)
			ok = it.Next()
		}
		must(t, !ok, rule, "family %v has more than the %d keys that were written", cf, len(keys))
		ok = it.SeekLT(bytes.Repeat([]byte{0xff}, 64))
		for _, k := range slices.Backward(keys) {
			must(t, ok && bytes.Equal(it.Key(), k), rule, "family %v, backwards: the key at hand is not %q", cf, k)
			ok = it.Prev()
		}
		must(t, !ok, rule, "family %v has more than the %d keys that were written, backwards", cf, len(keys))
		noError(t, rule, it.Err())
		noError(t, rule, it.Close())
	}
}

// randomBatch has keys that are few enough to be met again.
func randomBatch(rng *rand.Rand, keys int) *region.Batch {
	b := new(region.Batch)
	for range 1 + rng.IntN(8) {
		cf := families[rng.IntN(3)]
		switch k := randomKey(rng, keys); rng.IntN(10) {
		case 0:
			b.DeleteRange(cf, k, randomKey(rng, keys))
		case 1, 2, 3:
			b.Delete(cf, k)
		default:
			b.Put(cf, k, fmt.Appendf(nil, "%d", rng.Uint32()))
		}
	}
	return b
}

func randomKey(rng *rand.Rand, keys int) []byte {
	k := fmt.Appendf(nil, "key%04d", rng.IntN(keys))
	return k[:len(k)-rng.IntN(3)] // some are the beginning of others
}

func snapshotDoesNotChange(t *testing.T, e region.Engine) {
	rng := rand.New(rand.NewPCG(3, 3))
	type opened struct {
		snap region.Snapshot
		want state
	}
	var open []opened
	now := newState()
	for i := range 1000 {
		b := randomBatch(rng, 200)
		write(t, e, "E3", b)
		now.apply(b)
		if i%10 == 0 {
			open = append(open, opened{snapshot(t, e, "E3"), now.copy()})
		}
		if i%100 == 99 {
			for len(open) > 3 { // in any order
				at := rng.IntN(len(open))
				open[at].want.check(t, open[at].snap, "E3")
				closeSnapshot(t, open[at].snap, "E3")
				open = slices.Delete(open, at, at+1)
			}
		}
	}
	for _, o := range open {
		o.want.check(t, o.snap, "E3")
		closeSnapshot(t, o.snap, "E3")
	}
	last := snapshot(t, e, "E3")
	now.check(t, last, "E3")
	closeSnapshot(t, last, "E3")
}

func batchIsDoneInOrder(t *testing.T, e region.Engine) {
	b := new(region.Batch)
	b.Put(region.Default, []byte("a"), []byte("1"))
	b.Put(region.Default, []byte("a"), []byte("2"))
	b.Put(region.Default, []byte("b"), []byte("1"))
	b.Delete(region.Default, []byte("b"))
	b.Delete(region.Default, []byte("c"))
	b.Put(region.Default, []byte("c"), []byte("1"))
	b.Put(region.Default, []byte("d"), []byte("1"))
	b.DeleteRange(region.Default, []byte("d"), []byte("f"))
	b.Put(region.Default, []byte("e"), []byte("1"))
	b.Delete(region.Default, []byte("no such key"))
	for range 2 { // onto nothing, and onto itself
		write(t, e, "E2", b)
		want := newState()
		want.apply(b)
		s := snapshot(t, e, "E2")
		want.check(t, s, "E2")
		closeSnapshot(t, s, "E2")
	}
}

func rangeIsDeleted(t *testing.T, e region.Engine) {
	fill := new(region.Batch)
	for i := range 500 {
		for _, cf := range families {
			fill.Put(cf, fmt.Appendf(nil, "%03d", i), []byte("v"))
		}
	}
	for _, r := range [][2]string{{"100", "200"}, {"0995", "1995"}, {"", "01"}, {"300", "300"}, {"400", "350"}, {"499", "5"}, {"", "x"}} {
		write(t, e, "E2", fill)
		want := newState()
		want.apply(fill)
		b := new(region.Batch)
		b.DeleteRange(region.LockCF, []byte(r[0]), []byte(r[1]))
		write(t, e, "E2", b)
		want.apply(b)
		s := snapshot(t, e, "E2")
		want.check(t, s, "E2")
		closeSnapshot(t, s, "E2")
	}
	write(t, e, "E2", fill)
	all := new(region.Batch)
	all.DeleteRange(region.Default, nil, nil) // no bounds
	write(t, e, "E2", all)
	want := newState()
	want.apply(fill)
	want.apply(all)
	s := snapshot(t, e, "E2")
	want.check(t, s, "E2")
	closeSnapshot(t, s, "E2")
}

func iteratorMoves(t *testing.T, e region.Engine) {
	rng := rand.New(rand.NewPCG(4, 4))
	now := newState()
	for range 500 {
		b := randomBatch(rng, 300)
		write(t, e, "E4", b)
		now.apply(b)
	}
	s := snapshot(t, e, "E4")
	defer s.Close()
	for range 20 {
		write(t, e, "E4", randomBatch(rng, 300)) // which it must not see
	}
	for range 200 {
		cf := families[rng.IntN(3)]
		var lo, hi []byte
		if rng.IntN(3) > 0 {
			lo = randomKey(rng, 300)
		}
		if rng.IntN(3) > 0 {
			hi = randomKey(rng, 300)
		}
		walk(t, rng, s.Iter(cf, lo, hi), now, cf, lo, hi)
	}
}

// walk moves an iterator at random, and an index of a slice beside it.
func walk(t *testing.T, rng *rand.Rand, it region.Iterator, want state, cf region.CF, lo, hi []byte) {
	keys := want.sorted(cf, lo, hi)
	at, did := -1, "began"
	for range 60 {
		var ok bool
		switch k := randomKey(rng, 300); rng.IntN(7) {
		case 0:
			at, _ = slices.BinarySearchFunc(keys, k, bytes.Compare)
			ok, did = it.SeekGE(k), fmt.Sprintf("SeekGE(%q)", k)
		case 1:
			at, _ = slices.BinarySearchFunc(keys, k, bytes.Compare)
			at--
			ok, did = it.SeekLT(k), fmt.Sprintf("SeekLT(%q)", k)
		case 2, 3:
			if at >= 0 && at < len(keys) {
				at++
			}
			ok, did = it.Next(), "Next"
		case 4:
			bulk, can := it.(region.BulkIterator)
			if !can || at < 0 {
				continue
			}
			at += take(t, bulk, keys[at:], want[cf], rng.IntN(80))
			if at == len(keys) {
				at = -1
				continue
			}
			ok, did = true, "Take"
		default:
			if at >= 0 && at < len(keys) {
				at--
			}
			ok, did = it.Prev(), "Prev"
		}
		there := at >= 0 && at < len(keys)
		must(t, ok == there, "E4", "bounds %q to %q, %s: moved is %v, not %v", lo, hi, did, ok, there)
		if !ok {
			at = -1
			continue
		}
		must(t, bytes.Equal(it.Key(), keys[at]), "E4", "bounds %q to %q, %s: key %q, not %q", lo, hi, did, it.Key(), keys[at])
		must(t, string(it.Value()) == want[cf][string(keys[at])], "E4", "key %q: value %q", it.Key(), it.Value())
	}
	noError(t, "E4", it.Err())
	noError(t, "E4", it.Close())
}

// take takes at most so many of the keys that it should come to, and returns how many it
// got.
func take(t *testing.T, it region.BulkIterator, keys [][]byte, values map[string]string, most int) int {
	k, v := make([][]byte, most), make([][]byte, most)
	n := it.Take(k, v)
	must(t, n <= len(keys) && (n > 0 || most == 0), "E4", "%d taken, at most %d, of %d that are there", n, most, len(keys))
	for i := range n {
		must(t, bytes.Equal(k[i], keys[i]) && string(v[i]) == values[string(k[i])], "E4", "took key %q with %q, not %q", k[i], v[i], keys[i])
	}
	return n
}

func iteratorFromNowhere(t *testing.T, e region.Engine) {
	s := snapshot(t, e, "E4")
	it := s.Iter(region.Default, nil, nil)
	must(t, !it.Next() && !it.Prev() && !it.SeekGE(nil) && !it.SeekLT([]byte("z")), "E4", "an empty engine has a key")
	noError(t, "E4", it.Close())
	closeSnapshot(t, s, "E4")

	b := new(region.Batch)
	for _, k := range []string{"b", "d", "f"} {
		b.Put(region.Default, []byte(k), nil)
	}
	write(t, e, "E4", b)
	s = snapshot(t, e, "E4")
	defer s.Close()
	it = s.Iter(region.Default, []byte("b"), []byte("f"))
	must(t, !it.Next(), "E4", "Next of an iterator that stands nowhere moves")
	must(t, !it.Prev(), "E4", "Prev of an iterator that stands nowhere moves")
	must(t, it.SeekGE([]byte("a")) && string(it.Key()) == "b", "E4", "SeekGE of a key below the bounds is not the first key")
	must(t, !it.Prev() && !it.Next(), "E4", "before the first key it stands nowhere")
	must(t, it.SeekLT([]byte("z")) && string(it.Key()) == "d", "E4", "SeekLT of a key above the bounds is not the last key")
	must(t, !it.Next() && !it.Prev(), "E4", "behind the last key it stands nowhere")
	must(t, !it.SeekGE([]byte("e")), "E4", "SeekGE finds a key at the upper bound")
	must(t, !it.SeekLT([]byte("b")), "E4", "SeekLT finds a key below the lower bound")
	noError(t, "E4", it.Close())
}

func familiesAreApart(t *testing.T, e region.Engine) {
	want := newState()
	b := new(region.Batch)
	for _, cf := range families {
		for i := range 100 {
			b.Put(cf, fmt.Appendf(nil, "%03d", i), []byte(cf.String()))
		}
	}
	write(t, e, "E5", b)
	want.apply(b)
	b.Reset()
	b.DeleteRange(region.LockCF, nil, nil)
	b.Delete(region.WriteCF, []byte("007"))
	write(t, e, "E5", b)
	want.apply(b)
	s := snapshot(t, e, "E5")
	want.check(t, s, "E5")
	closeSnapshot(t, s, "E5")
}

func anyBytesAreAKey(t *testing.T, e region.Engine) {
	want := newState()
	b := new(region.Batch)
	rng := rand.New(rand.NewPCG(5, 5))
	keys := []string{"\x00", "\x00\x00", "a", "a\x00", "a\x00\x00", "a\x01", "ab", "\xff", "\xff\xff", "\xff\x00", string(make([]byte, 1000))}
	for range 200 { // of few letters, so that they begin alike for long
		k := make([]byte, 1+rng.IntN(30))
		for i := range k {
			k[i] = []byte{0, 1, 'a', 0xff}[rng.IntN(4)]
		}
		keys = append(keys, string(k))
	}
	for _, k := range keys {
		b.Put(region.WriteCF, []byte(k), nil)
		b.Put(region.Default, []byte(k), []byte(k))
	}
	write(t, e, "E5", b)
	want.apply(b)
	s := snapshot(t, e, "E5")
	want.check(t, s, "E5")
	v, ok, err := s.Get(region.Default, []byte("aa\x00no"))
	must(t, err == nil && !ok && v == nil, "E5", "a key that is not there: %q, %v, %v", v, ok, err)
	v, ok, err = s.Get(region.WriteCF, []byte("a"))
	must(t, err == nil && ok && v != nil && len(v) == 0, "E5", "a value that is empty: %v, %v, %v", v, ok, err)
	closeSnapshot(t, s, "E5")
}

func slicesAreNotKept(t *testing.T, e region.Engine) {
	key, end, value := []byte("key-1"), []byte("kez"), []byte("value-1")
	want := newState()
	var b region.Batch
	for i := range 100 {
		key[4], value[6] = byte(i), byte(i)
		b.Reset()
		b.Put(region.Default, key, value)
		b.DeleteRange(region.LockCF, key, end)
		write(t, e, "E6", &b)
		want.apply(&b)
		key[0], end[0], value[0] = 'x', 'x', 'x'
		clear(b.Ops)
		key[0], end[0], value[0] = 'k', 'k', 'v'
	}
	s := snapshot(t, e, "E6")
	want.check(t, s, "E6")
	closeSnapshot(t, s, "E6")
}

func slicesAreValid(t *testing.T, e region.Engine) {
	const n = 300
	fill := func(generation int) {
		var b region.Batch
		for i := range n {
			b.Put(region.Default, fmt.Appendf(nil, "%03d", i), fmt.Appendf(nil, "%d of generation %d", i, generation))
		}
		write(t, e, "E6", &b)
	}
	fill(0)
	s := snapshot(t, e, "E6")
	var values [n][]byte
	for i := range n {
		var err error
		values[i], _, err = s.Get(region.Default, fmt.Appendf(nil, "%03d", i))
		noError(t, "E6", err)
	}
	var taken [n][]byte
	it := s.Iter(region.Default, nil, nil)
	it.SeekGE(nil)
	if bulk, ok := it.(region.BulkIterator); ok {
		keys := make([][]byte, n)
		for got, more := 0, 1; more > 0; got += more {
			more = bulk.Take(keys[got:], taken[got:])
		}
	}
	noError(t, "E6", it.Close())
	for generation := range 50 {
		fill(generation + 1)
	}
	for i, v := range append(values[:], taken[:]...) {
		if i %= n; v == nil {
			continue // it cannot be taken
		}
		must(t, string(v) == fmt.Sprintf("%d of generation 0", i), "E6", "a value has become %q, though its snapshot is open", v)
	}
	closeSnapshot(t, s, "E6")
}

// batchIsSeenWhole: a number goes from key to key and from family to family, in one
// batch each time; whoever looks finds it once.
func batchIsSeenWhole(t *testing.T, e region.Engine) {
	const moves = 2000
	place := func(i int) (region.CF, []byte) { return families[i%3], fmt.Appendf(nil, "key%03d", i*31%101) }
	var b region.Batch
	cf, key := place(0)
	b.Put(cf, key, []byte("it"))
	write(t, e, "E1", &b)
	var done atomic.Bool
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for !done.Load() && !t.Failed() {
				if n := countAll(t, e); n != 1 {
					t.Errorf("RULE E1: what is moved from key to key is there %d times", n)
				}
			}
		})
	}
	for i := range moves {
		b.Reset()
		fromCF, from := place(i)
		toCF, to := place(i + 1)
		b.Delete(fromCF, from)
		b.Put(toCF, to, []byte("it"))
		if err := e.Write(context.Background(), &b); err != nil {
			t.Errorf("RULE E1: %v", err)
			break
		}
	}
	done.Store(true)
	readers.Wait()
}

func countAll(t *testing.T, e region.Engine) (n int) {
	s, err := e.Snapshot(context.Background())
	if err != nil {
		t.Errorf("RULE E1: %v", err)
		return 1
	}
	defer s.Close()
	for _, cf := range families {
		it := s.Iter(cf, nil, nil)
		for ok := it.SeekGE(nil); ok; ok = it.Next() {
			n++
		}
		if err := it.Err(); err != nil {
			t.Errorf("RULE E1: %v", err)
		}
		it.Close()
	}
	return n
}

// manyAtOnce: each writer counts up a key of its own in all families; a reader finds
// no number lower than one that it has seen, all families alike, and the end right.
func manyAtOnce(t *testing.T, e region.Engine) {
	const writers, writes = 4, 500
	var working, readers sync.WaitGroup
	for w := range writers {
		working.Go(func() {
			for i := range writes {
				var b region.Batch
				for _, cf := range families {
					b.Put(cf, fmt.Appendf(nil, "writer%d", w), fmt.Appendf(nil, "%06d", i))
				}
				b.Put(region.Default, fmt.Appendf(nil, "entry%d-%d", i, w), nil)
				if err := e.Write(context.Background(), &b); err != nil {
					t.Errorf("RULE E7: %v", err)
					return
				}
			}
		})
	}
	var done atomic.Bool
	for range 4 {
		readers.Go(func() {
			var seen [writers]string
			for !done.Load() && !t.Failed() {
				if err := look(e, seen[:]); err != nil {
					t.Errorf("RULE E7: %v", err)
				}
			}
		})
	}
	working.Wait()
	done.Store(true)
	readers.Wait()
	var seen [writers]string
	noError(t, "E7", look(e, seen[:]))
	for w, v := range seen {
		must(t, v == fmt.Sprintf("%06d", writes-1), "E7", "writer %d ended with %s", w, v)
	}
	s := snapshot(t, e, "E7")
	defer s.Close()
	it := s.Iter(region.Default, []byte("entry"), []byte("entrz"))
	n := 0
	for ok := it.SeekGE(nil); ok; ok = it.Next() {
		n++
	}
	noError(t, "E7", it.Close())
	must(t, n == writers*writes, "E7", "%d keys of %d", n, writers*writes)
}

func look(e region.Engine, seen []string) error {
	s, err := e.Snapshot(context.Background())
	if err != nil {
		return err
	}
	defer s.Close()
	for w := range seen {
		key := fmt.Appendf(nil, "writer%d", w)
		var values [3]string
		for i, cf := range families {
			v, _, err := s.Get(cf, key)
			if err != nil {
				return err
			}
			values[i] = string(v)
		}
		if values[0] != values[1] || values[1] != values[2] {
			return fmt.Errorf("writer %d is in the families as %v: they were written together", w, values)
		}
		if values[0] < seen[w] {
			return fmt.Errorf("writer %d is at %s, and was at %s before", w, values[0], seen[w])
		}
		seen[w] = values[0]
	}
	return nil
}
