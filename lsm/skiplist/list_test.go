package skiplist

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/lsm/key"
)

// broken fails the test for a rule (see doc.go).
func broken(t testing.TB, rule, format string, args ...any) {
	t.Helper()
	t.Fatalf("RULE %s: %s", rule, fmt.Sprintf(format, args...))
}

var orders = []key.Order{key.Plain, key.Timestamped}

type entry struct {
	ikey, value []byte
}

// dirty returns an arena that was used before.
func dirty(size int) []byte {
	arena := make([]byte, size)
	rng := rand.New(rand.NewPCG(9, 9))
	for i := range arena {
		arena[i] = byte(rng.Uint32())
	}
	return arena
}

// randomUser returns a user key of the few and short, or of the long.
func randomUser(rng *rand.Rand, o key.Order) []byte {
	var k []byte
	if rng.IntN(4) == 0 {
		k = fmt.Appendf(nil, "a long prefix %08d", rng.IntN(200))
	} else {
		k = make([]byte, rng.IntN(4))
		for i := range k {
			k[i] = []byte{0, 'a', 0xff}[rng.IntN(3)]
		}
	}
	if o == key.Timestamped {
		k = binary.BigEndian.AppendUint64(k, ^rng.Uint64N(3))
	}
	return k
}

// model is the entries in a sorted slice.
type model struct {
	order   key.Order
	entries []entry
}

// find returns the index of the first entry at or after ikey.
func (m *model) find(ikey []byte) (int, bool) {
	return slices.BinarySearchFunc(m.entries, ikey, func(e entry, k []byte) int { return m.order.Compare(e.ikey, k) })
}

func (m *model) add(ikey, value []byte) bool {
	i, ok := m.find(ikey)
	if !ok {
		m.entries = slices.Insert(m.entries, i, entry{ikey, value})
	}
	return !ok
}

func (m *model) get(user []byte, maxSeq uint64) (uint64, []byte, bool) {
	i, _ := m.find(key.Append(nil, user, key.Trailer(maxSeq, key.MaxKind)))
	if i == len(m.entries) || !bytes.Equal(key.UserKey(m.entries[i].ikey), user) {
		return 0, nil, false
	}
	return key.TrailerOf(m.entries[i].ikey), m.entries[i].value, true
}

// fill adds n random entries to a list and to its model.
func fill(t testing.TB, rng *rand.Rand, o key.Order, n int) (*List, *model) {
	l, m := New(dirty(n*120+4096), o), &model{order: o}
	for i := range n {
		user, value := randomUser(rng, o), make([]byte, rng.IntN(20))
		trailer := key.Trailer(rng.Uint64N(50), key.Kind(rng.IntN(3)))
		if i > 0 && rng.IntN(3) == 0 { // near the last one
			user = key.UserKey(m.entries[rng.IntN(len(m.entries))].ikey)
		}
		err := l.Add(user, trailer, value)
		if m.add(key.Append(nil, user, trailer), value) != (err == nil) || err != nil && err != ErrExists {
			broken(t, "S1", "entry %d, %q %x: %v", i, user, trailer, err)
		}
	}
	require.Equal(t, len(m.entries), l.Len())
	return l, m
}

func TestEntriesAreInTheOrderOfTheirKeys(t *testing.T) {
	for seed := range uint64(40) {
		for _, o := range orders {
			rng := rand.New(rand.NewPCG(seed, uint64(o)))
			l, m := fill(t, rng, o, 1+rng.IntN(500))
			check(t, l, m)
		}
	}
}

// check compares the whole list with the model, in both directions.
func check(t testing.TB, l *List, m *model) {
	t.Helper()
	c := l.NewCursor()
	k := c.First()
	for i, e := range m.entries {
		if !bytes.Equal(k, e.ikey) || !bytes.Equal(c.Value(), e.value) {
			broken(t, "S1", "entry %d is %q, want %q", i, k, e.ikey)
		}
		k = c.Next()
	}
	if k != nil {
		broken(t, "S1", "%q after the last entry", k)
	}
	k = c.Last()
	for i := range m.entries {
		i = len(m.entries) - 1 - i
		if !bytes.Equal(k, m.entries[i].ikey) {
			broken(t, "S1", "backwards, entry %d is %q, want %q", i, k, m.entries[i].ikey)
		}
		k = c.Prev()
	}
	if k != nil {
		broken(t, "S1", "%q before the first entry", k)
	}
}

func TestGetFindsTheNewestEntryThatTheReaderSees(t *testing.T) {
	for seed := range uint64(20) {
		for _, o := range orders {
			rng := rand.New(rand.NewPCG(seed, uint64(o)))
			l, m := fill(t, rng, o, 300)
			for range 1000 {
				user, seq := randomUser(rng, o), rng.Uint64N(52)
				trailer, value, ok := l.Get(user, seq)
				wantTrailer, wantValue, wantOK := m.get(user, seq)
				if ok != wantOK || trailer != wantTrailer || !bytes.Equal(value, wantValue) {
					broken(t, "S2", "Get(%q, %d) = %x %q %v, want %x %q %v", user, seq, trailer, value, ok, wantTrailer, wantValue, wantOK)
				}
			}
		}
	}
}

func TestACursorMovesAsOverASortedSlice(t *testing.T) {
	for seed := range uint64(30) {
		for _, o := range orders {
			rng := rand.New(rand.NewPCG(seed, uint64(o)))
			l, m := fill(t, rng, o, rng.IntN(60))
			c := l.NewCursor()
			at := -1 // in the model
			for step := range 2000 {
				seek := key.Append(nil, randomUser(rng, o), key.Trailer(rng.Uint64N(52), key.Kind(rng.IntN(4))))
				var got []byte
				op := rng.IntN(8)
				if at < 0 || at >= len(m.entries) {
					op %= 4 // only a cursor at an entry may step
				}
				switch op {
				case 0:
					got, at = c.First(), 0
				case 1:
					got, at = c.Last(), len(m.entries)-1
				case 2:
					got = c.SeekGE(seek)
					at, _ = m.find(seek)
				case 3:
					got = c.SeekLT(seek)
					at, _ = m.find(seek)
					at--
				case 4, 5:
					got, at = c.Next(), at+1
				default:
					got, at = c.Prev(), at-1
				}
				var want []byte
				if at >= 0 && at < len(m.entries) {
					want = m.entries[at].ikey
				}
				if !bytes.Equal(got, want) || (got == nil) != (want == nil) {
					broken(t, "S3", "seed %d step %d: operation %d gives %q, want %q", seed, step, op, got, want)
				}
				if got != nil && !bytes.Equal(c.Value(), m.entries[at].value) {
					broken(t, "S3", "seed %d step %d: value %q, want %q", seed, step, c.Value(), m.entries[at].value)
				}
			}
		}
	}
}

// Between the search of an entry and its insertion somebody adds another one there.
func TestInsertKeepsWhatOthersHaveAdded(t *testing.T) {
	l, m := New(dirty(1<<12), key.Plain), &model{order: key.Plain}
	user, trailer := []byte("b"), key.Trailer(1, key.Set)
	target, height := l.target(user, trailer), heightOf(trailer)
	var gaps [maxHeight]gap
	require.False(t, l.find(&target, height, &gaps))
	for i, other := range []string{"a", "c"} {
		e := Entry{User: []byte(other), Trailer: key.Trailer(uint64(2+i), key.Set)}
		require.NoError(t, l.Add(e.User, e.Trailer, nil))
		m.add(e.ikey(), nil)
	}
	n := l.newNode(height, user, trailer, nil)
	for level := range height {
		require.True(t, l.insert(n, level, &target, &gaps[level]))
	}
	m.add(Entry{User: user, Trailer: trailer}.ikey(), nil)
	for _, e := range m.entries {
		if _, _, ok := l.Get(key.UserKey(e.ikey), key.MaxSeq); !ok {
			broken(t, "S4", "%s is lost", key.UserKey(e.ikey))
		}
	}
	check(t, l, m)
}

func TestManyGoroutinesAddAndReadAtOnce(t *testing.T) {
	const writers, each = 4, 2000
	l := New(dirty(writers*each*120), key.Plain)
	m := &model{order: key.Plain}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 1))
			for i := range each {
				user := binary.BigEndian.AppendUint32(nil, rng.Uint32N(5000))
				trailer := key.Trailer(uint64(i*writers+w), key.Set)
				if err := l.Add(user, trailer, user); err != nil {
					t.Errorf("RULE S4: adding: %v", err)
				}
				if got, v, ok := l.Get(user, key.SeqOf(trailer)); !ok || got != trailer || !bytes.Equal(v, user) {
					t.Errorf("RULE S4: what was added is not there: %x, %v", got, ok)
				}
			}
		})
	}
	for r := range 2 {
		wg.Go(func() { readInOrder(t, l, r == 0) })
	}
	wg.Wait()
	for w := range writers {
		rng := rand.New(rand.NewPCG(uint64(w), 1))
		for i := range each {
			user := binary.BigEndian.AppendUint32(nil, rng.Uint32N(5000))
			m.add(key.Append(nil, user, key.Trailer(uint64(i*writers+w), key.Set)), user)
		}
	}
	require.Equal(t, writers*each, l.Len())
	check(t, l, m)
}

// A node that is being inserted is on level 0 before the node behind it knows.
func TestPrevFindsWhatABackwardLinkHasMissed(t *testing.T) {
	l := New(make([]byte, 4096), key.Plain)
	for i, k := range []string{"a", "d", "c", "b"} {
		require.NoError(t, l.Add([]byte(k), key.Trailer(uint64(i), key.Set), nil))
	}
	c := l.NewCursor()
	c.Last()
	a := l.next(l.head, 0).node()
	atomic.StoreUint32(l.prev(c.at), uint32(a)) // as when d came, before c and b
	if k := c.Prev(); string(key.UserKey(k)) != "c" {
		broken(t, "S4", "before d is %q, want c", k)
	}
}

// readInOrder walks while others add: the order must hold at every moment.
func readInOrder(t *testing.T, l *List, forwards bool) {
	for range 10 {
		c := l.NewCursor()
		var last []byte
		move, start, want := c.Next, c.First, -1
		if !forwards {
			move, start, want = c.Prev, c.Last, 1
		}
		for k := start(); k != nil; k = move() {
			if last != nil && key.Plain.Compare(last, k) != want {
				t.Errorf("RULE S4: %x and %x are out of order, forwards: %v", last, k, forwards)
			}
			last = append(last[:0], k...)
		}
	}
}

func TestTheSameEntryIsAddedOnce(t *testing.T) {
	for range 50 {
		l := New(dirty(1<<16), key.Plain)
		var wg sync.WaitGroup
		added := make([]int, 4)
		for g := range added {
			wg.Go(func() {
				for i := range 100 {
					if l.Add([]byte{byte(i)}, key.Trailer(uint64(i), key.Set), nil) == nil {
						added[g]++
					}
				}
			})
		}
		wg.Wait()
		if n := added[0] + added[1] + added[2] + added[3]; n != 100 || l.Len() != 100 {
			broken(t, "S4", "100 entries were added %d times, the list says %d", n, l.Len())
		}
	}
}

// What a batch has reserved by NodeSize is enough for it, whatever else the
// arena holds, and a full arena takes nothing.
func TestReservedRoomIsEnough(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		size := MinArena + rng.IntN(5000)
		l, m := New(dirty(size), key.Plain), &model{order: key.Plain}
		for seq := uint64(1); ; seq++ {
			user, value := make([]byte, rng.IntN(30)), make([]byte, rng.IntN(60))
			room := size-l.Size() >= NodeSize(len(user), len(value))
			before := l.Size()
			err := l.Add(user, key.Trailer(seq, key.Set), value)
			if room && err != nil {
				broken(t, "S5", "%d bytes are free, an entry of %d and %d bytes: %v", size-before, len(user), len(value), err)
			}
			if err == nil {
				m.add(key.Append(nil, user, key.Trailer(seq, key.Set)), value)
			}
			if l.Size() > size {
				broken(t, "S5", "%d of %d bytes are used", l.Size(), size)
			}
			if err != nil {
				require.ErrorIs(t, err, ErrFull)
				break
			}
		}
		check(t, l, m)
	}
}

// The same entries take the same room, in whatever order they come: a store
// replays its schedule.
func TestSizeIsDetermined(t *testing.T) {
	sizes := make(map[int]bool)
	for range 3 {
		l := New(make([]byte, 1<<20), key.Plain)
		for _, i := range rand.Perm(1000) {
			require.NoError(t, l.Add(fmt.Appendf(nil, "%d", i), key.Trailer(uint64(i), key.Set), nil))
		}
		sizes[l.Size()] = true
	}
	if len(sizes) != 1 {
		broken(t, "S5", "sizes %v", sizes)
	}
}

func TestTowersHaveTheHeightsOfTheirProbability(t *testing.T) {
	var n [maxHeight + 1]int
	const all = 1 << 18
	for seq := range uint64(all) {
		n[heightOf(key.Trailer(seq, key.Set))]++
	}
	for h, want := 1, all/2; want > 500; h, want = h+1, want/2 {
		require.InEpsilon(t, want, n[h], 0.15, "height %d", h)
	}
}

// A list that has seen 256 keys of any kind makes hints for all keys, of any kind.
func TestHintsAreInTheOrderOfTheirKeys(t *testing.T) {
	for seed := range uint64(50) {
		for _, o := range orders {
			rng := rand.New(rand.NewPCG(seed, uint64(o)))
			l := New(make([]byte, 1<<16), o)
			prefix := string([]byte{0, 'a', 0xff}[rng.IntN(3)]) + "common"[:rng.IntN(7)]
			number := func() []byte {
				return append(fmt.Appendf([]byte(prefix), "%016d", rng.Uint32N(1e6)), make([]byte, o)...)
			}
			random := func() []byte {
				k := append([]byte(prefix), randomUser(rng, o)...)
				switch rng.IntN(4) {
				case 0:
					k = fmt.Appendf([]byte(prefix), "%d", rng.Uint64())
				case 1:
					k = binary.BigEndian.AppendUint64([]byte(prefix), rng.Uint64())
				case 2: // what the keys of digits have in common, and then something else
					k = append([]byte(prefix+"0000000000"), k[len(prefix):]...)
				}
				return k
			}
			style := rng.IntN(2)
			for seq := range uint64(sampled) {
				k := random()
				if style == 0 {
					k = number()
				}
				require.NoError(t, l.Add(k, key.Trailer(seq, key.Set), nil))
			}
			b := l.basis.Load()
			require.NotNil(t, b)
			for range 2000 {
				x, y := random(), random()
				switch rng.IntN(4) {
				case 0:
					x = randomUser(rng, o)
				case 1:
					x = number()
				}
				hx, hy := b.hint(o.Bare(x)), b.hint(o.Bare(y))
				if c := o.CompareUser(x, y); hx == 0 || c < 0 && hx > hy || c > 0 && hx < hy || c == 0 && hx != hy {
					broken(t, "S6", "hints of %q and %q are %x and %x, by %v", x, y, hx, hy, *b)
				}
			}
		}
	}
}

func TestHintsTellKeysWithACommonPrefixApart(t *testing.T) {
	l := New(make([]byte, 1<<20), key.Plain)
	different := make(map[hint]bool)
	for i := range 1000 {
		k := fmt.Appendf(nil, "user:%016d", i*7919%1000003)
		require.NoError(t, l.Add(k, key.Trailer(uint64(i), key.Set), nil))
		if i >= sampled {
			different[l.basis.Load().hint(k)] = true
		}
	}
	if len(different) < 700 {
		broken(t, "S6", "744 keys have only %d different hints", len(different))
	}
}

func TestGetAllocatesNothing(t *testing.T) {
	l, m := fill(t, rand.New(rand.NewPCG(1, 1)), key.Plain, 100)
	k := key.UserKey(m.entries[50].ikey)
	require.Zero(t, testing.AllocsPerRun(100, func() { l.Get(k, key.MaxSeq) }))
	c := l.NewCursor()
	require.Zero(t, testing.AllocsPerRun(100, func() { c.SeekGE(m.entries[50].ikey); c.Next(); c.Prev() }))
}

// While a list looks at its first entries, others add more. What comes behind the last
// one looked at may be shorter than what these have in common.
func TestBasisIsOfTheEntriesLookedAt(t *testing.T) {
	l := New(make([]byte, 4<<10), key.Plain)
	add := func(seq uint64, user string) {
		require.NoError(t, l.Add([]byte(user), key.Trailer(seq, key.Set), nil))
	}
	add(1, "a long prefix 1")
	add(2, "a long prefix 2")
	last := l.last()
	add(3, "b")
	require.NotPanics(t, func() { l.sample(last) }, "RULE S4: an entry was added while the basis was made")
	require.Equal(t, "a long prefix ", string(l.basis.Load().prefix))
	require.Equal(t, byte('2'), l.basis.Load().hi)
}
