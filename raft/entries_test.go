package raft

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// entriesModel is an entryList beside the plain slice that it stands for.
type entriesModel struct {
	list   entryList
	plain  []Entry
	next   uint64
	handed [][2][]Entry // parts given out, and what they held then
}

func (m *entriesModel) add(n int) {
	es := make([]Entry, n)
	for i := range es {
		m.next++
		es[i].Index = m.next
	}
	m.list.add(es...)
	m.plain = append(m.plain, es...)
}

// step does one of the things that a log does to its entries.
func (m *entriesModel) step(rnd *rand.Rand) {
	switch rnd.IntN(4) {
	case 0:
		m.add(rnd.IntN(3))
	case 1:
		m.add(rnd.IntN(2 * chunkEntries))
	case 2:
		n := rnd.IntN(len(m.plain) + 1)
		m.list.drop(n)
		m.plain = slices.Clone(m.plain[n:])
	case 3:
		n := len(m.plain) - rnd.IntN(min(len(m.plain), chunkEntries)+1)
		m.list.truncate(n)
		m.plain = slices.Clone(m.plain[:n])
	}
}

func TestEntriesInChunksAreThoseOfOneSlice(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(1, seed))
		m := &entriesModel{}
		for range 100 {
			m.step(rnd)
			n := len(m.plain)
			require.Equal(t, n, m.list.len(), "RULE log-in-chunks: seed %d", seed)
			if n == 0 {
				continue
			}
			i := rnd.IntN(n)
			j := i + 1 + rnd.IntN(n-i)
			require.Equal(t, m.plain[i].Index, m.list.at(i).Index, "RULE log-in-chunks: seed %d: entry %d of %d", seed, i, n)
			got := m.list.slice(i, j)
			require.True(t, slices.EqualFunc(m.plain[i:j], got, func(a, b Entry) bool { return a.Index == b.Index }), "RULE log-in-chunks: seed %d: %d..%d of %d", seed, i, j, n)
			run := m.list.run(i, j)
			require.NotEmpty(t, run)
			require.Equal(t, m.plain[i].Index, run[0].Index)
			m.handed = append(m.handed, [2][]Entry{run, slices.Clone(run)}, [2][]Entry{got, slices.Clone(got)})
		}
		for _, h := range m.handed {
			require.Equal(t, h[1], h[0], "RULE log-in-chunks: seed %d: what was handed out has changed", seed)
		}
	}
}

// A log that is cut at every so many entries must not hold on to commands that
// nobody can ask for any more.
func TestDroppedEntriesAreLetGo(t *testing.T) {
	m := &entriesModel{}
	m.add(3 * chunkEntries)
	m.list.drop(2*chunkEntries + 100)
	require.Equal(t, 1, 1+len(m.list.sealed))
	require.Equal(t, chunkEntries-100, m.list.len())
	require.Equal(t, m.list.len(), len(m.list.tail))
	first := m.list.tail[:1]
	m.add(50)
	m.add(50)
	require.Same(t, &first[0], m.list.at(0), "there is room to go on without a copy")
}

func BenchmarkEntries(b *testing.B) {
	var l entryList
	b.ReportAllocs()
	for b.Loop() {
		l.add(Entry{})
		if l.len() > 15_000 {
			l.drop(10_000)
		}
	}
}
