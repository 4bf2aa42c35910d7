package lsm

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/lsm/key"
)

// spread deals the entries of all out to n sources.
func spread(rng *rand.Rand, all *listCursor, n int) []source {
	parts := make([]*listCursor, n)
	for i := range parts {
		parts[i] = &listCursor{order: all.order, at: -1}
	}
	for i := range all.keys {
		p := parts[rng.IntN(n)]
		p.keys, p.values = append(p.keys, all.keys[i]), append(p.values, all.values[i])
	}
	var out []source
	for _, p := range parts {
		out = append(out, source{cur: p})
	}
	return out
}

// TestMergerIsOneSortedCursor walks a merger and one sorted list by the same
// random steps, with changes of direction anywhere.
func TestMergerIsOneSortedCursor(t *testing.T) {
	for seed := uint64(1); seed <= 300; seed++ {
		rng := rand.New(rand.NewPCG(seed, 0))
		all := &listCursor{}
		for seq := range uint64(rng.IntN(40)) {
			// Short keys share their first eight bytes with trailers and each other.
			user := []byte("common prefix"[:rng.IntN(13)] + fmt.Sprint(rng.IntN(20)))
			all.keys = append(all.keys, key.Append(nil, user, key.Trailer(seq+1, key.Set)))
			all.values = append(all.values, fmt.Append(nil, "v", seq))
		}
		all = all.sorted()
		var m merger
		m.init(key.Plain, spread(rng, all, 1+rng.IntN(6)))
		var got, want []byte
		for step := range 100 {
			op := rng.IntN(9)
			if got == nil {
				op %= 4 // only a merger at a key may step
			}
			probe := key.Append(nil, fmt.Append(nil, "common prefix"[:rng.IntN(13)], rng.IntN(20)), key.Trailer(uint64(rng.IntN(45)), key.MaxKind))
			switch op {
			case 0:
				got, want = m.First(), all.First()
			case 1:
				got, want = m.Last(), all.Last()
			case 2:
				got, want = m.SeekGE(probe), all.SeekGE(probe)
			case 3:
				got, want = m.SeekLT(probe), all.SeekLT(probe)
			case 4, 5:
				got, want = m.Next(), all.Next()
			case 8:
				if key.Plain.Compare(probe, got) > 0 {
					got, want = m.skipTo(probe), all.SeekGE(probe)
				}
			default:
				got, want = m.Prev(), all.Prev()
			}
			if string(got) != string(want) || got != nil && string(m.Value()) != string(all.Value()) {
				t.Fatalf("RULE L3: seed %d step %d op %d: merger is at %q, want %q", seed, step, op, got, want)
			}
		}
	}
}

// TestMergerStopsAtAnError: a source that failed is not at its end.
func TestMergerStopsAtAnError(t *testing.T) {
	broken := errors.New("broken")
	good := &listCursor{keys: [][]byte{key.Append(nil, []byte("a"), 1), key.Append(nil, []byte("b"), 1)}, values: make([][]byte, 2), at: -1}
	var m merger
	m.init(key.Plain, []source{{cur: &listCursor{err: broken}}, {cur: good}})
	if m.First() != nil || !errors.Is(m.Err(), broken) {
		t.Errorf("RULE L6: a merger went on without a source that failed: error %v", m.Err())
	}
	require.NoError(t, m.Close())
}

func BenchmarkMerger(b *testing.B) {
	for _, n := range []int{1, 2, 4, 8} {
		b.Run(fmt.Sprintf("sources=%d", n), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 0))
			all := &listCursor{at: -1}
			for i := range 10_000 {
				all.keys = append(all.keys, key.Append(nil, fmt.Appendf(nil, "%016x", uint64(i)<<50), key.Trailer(1, key.Set)))
			}
			all.values = make([][]byte, len(all.keys))
			var m merger
			m.init(key.Plain, spread(rng, all, n))
			m.First()
			for b.Loop() {
				if m.Next() == nil {
					m.First()
				}
			}
		})
	}
}
