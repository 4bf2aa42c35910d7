package skiplist

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/lsm/key"
)

// sortedBatch returns n random entries in order, none of them twice.
func sortedBatch(rng *rand.Rand, o key.Order, n int) []Entry {
	batch := make([]Entry, n)
	for i := range batch {
		batch[i] = Entry{randomUser(rng, o), key.Trailer(rng.Uint64N(1000), key.Kind(rng.IntN(3))), make([]byte, rng.IntN(20))}
	}
	return sortEntries(o, batch)
}

func sortEntries(o key.Order, batch []Entry) []Entry {
	slices.SortFunc(batch, func(a, b Entry) int { return o.Compare(a.ikey(), b.ikey()) })
	return slices.CompactFunc(batch, func(a, b Entry) bool { return bytes.Equal(a.ikey(), b.ikey()) })
}

func (e Entry) ikey() []byte { return key.Append(nil, e.User, e.Trailer) }

func TestSortedEntriesAreWhereSingleOnesWouldBe(t *testing.T) {
	for seed := range uint64(60) {
		for _, o := range orders {
			rng := rand.New(rand.NewPCG(seed, uint64(o)))
			l, m := New(dirty(1<<18), o), &model{order: o}
			for range 1 + rng.IntN(20) {
				batch := sortedBatch(rng, o, rng.IntN(60))
				batch = slices.DeleteFunc(batch, func(e Entry) bool { return !m.add(e.ikey(), e.Value) })
				if err := l.AddSorted(batch); err != nil {
					broken(t, "S1", "adding %d entries that are not there: %v", len(batch), err)
				}
			}
			require.Equal(t, len(m.entries), l.Len())
			check(t, l, m)
			if len(m.entries) == 0 {
				continue
			}
			e := m.entries[rng.IntN(len(m.entries))]
			again := Entry{key.UserKey(e.ikey), key.TrailerOf(e.ikey), nil}
			if err := l.AddSorted([]Entry{again}); err != ErrExists {
				broken(t, "S1", "an entry that is there was added: %v", err)
			}
		}
	}
}

func TestSortedEntriesAreAddedOnce(t *testing.T) {
	l := New(dirty(1<<12), key.Plain)
	e := Entry{User: []byte("a"), Trailer: key.Trailer(1, key.Set)}
	if err := l.AddSorted([]Entry{e, e}); err != ErrExists || l.Len() > 1 {
		broken(t, "S1", "one entry twice: %v, and the list has %d", err, l.Len())
	}
}

func TestFullArenaTakesNoSortedEntries(t *testing.T) {
	const size = 1 << 12
	l, m := New(dirty(size), key.Plain), &model{order: key.Plain}
	batch := make([]Entry, 100)
	for i := range batch {
		batch[i] = Entry{[]byte{byte(i)}, key.Trailer(uint64(i), key.Set), make([]byte, 40)}
	}
	require.ErrorIs(t, l.AddSorted(batch), ErrFull)
	require.LessOrEqual(t, l.Size(), size)
	for _, e := range batch[:l.Len()] {
		m.add(e.ikey(), e.Value)
	}
	check(t, l, m)
}

// Of two entries with one gap, the first was sought before somebody added an entry
// between them, and the second after that, or the other way round.
func TestGapIsSharedOnlyWhileNobodyElseUsesIt(t *testing.T) {
	for _, first := range []int{0, 1} {
		l, m := New(dirty(1<<12), key.Plain), &model{order: key.Plain}
		add := func(k string) {
			e := Entry{User: []byte(k), Trailer: key.Trailer(1, key.Set)}
			m.add(e.ikey(), nil)
			require.NoError(t, l.Add(e.User, e.Trailer, nil))
		}
		add("k1")
		entries := []Entry{{[]byte("k2"), key.Trailer(2, key.Set), nil}, {[]byte("k4"), key.Trailer(3, key.Set), nil}}
		var g group
		seek := func(i int) {
			s := &g.searches[i]
			s.target, s.height = l.target(entries[i].User, entries[i].Trailer), heightOf(entries[i].Trailer)
			s.level = max(int(l.height.Load()), s.height) - 1
			for s.at, s.stop = (gap{l.head, l.next(l.head, s.level)}), 0; s.level >= 0; {
				require.False(t, s.step(l))
			}
		}
		seek(first)
		add("k3")
		seek(1 - first)
		require.NoError(t, l.link(&g, entries))
		for _, e := range entries {
			m.add(e.ikey(), nil)
		}
		check(t, l, m)
	}
}

func TestManyGoroutinesAddSortedEntriesAtOnce(t *testing.T) {
	const writers, batches, each = 4, 60, 50
	l, m := New(dirty(writers*batches*each*120), key.Plain), &model{order: key.Plain}
	batch := func(w, i int) []Entry {
		rng := rand.New(rand.NewPCG(uint64(w), uint64(i)))
		b := make([]Entry, each)
		for j := range b {
			user := binary.BigEndian.AppendUint32(nil, rng.Uint32N(5000))
			b[j] = Entry{user, key.Trailer(uint64((i*each+j)*writers+w), key.Set), user}
		}
		return sortEntries(key.Plain, b)
	}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range batches {
				b := batch(w, i)
				if err := l.AddSorted(b); err != nil {
					t.Errorf("RULE S4: adding: %v", err)
				}
				for _, e := range b {
					if got, v, ok := l.Get(e.User, key.SeqOf(e.Trailer)); !ok || got != e.Trailer || !bytes.Equal(v, e.User) {
						t.Errorf("RULE S4: what was added is not there: %x, %v", got, ok)
					}
				}
			}
		})
	}
	for r := range 2 {
		wg.Go(func() { readInOrder(t, l, r == 0) })
	}
	wg.Wait()
	for w := range writers {
		for i := range batches {
			for _, e := range batch(w, i) {
				m.add(e.ikey(), e.Value)
			}
		}
	}
	require.Equal(t, len(m.entries), l.Len())
	check(t, l, m)
}
