package erasuretest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
)

// exam is what stories are told with. Whatever does not go as it must ends the
// story by panicking.
type exam struct {
	new        constructor
	exhaustive bool
}

// geometry is a number of data shards and one of parity shards.
type geometry struct{ data, parity int }

func (g geometry) String() string { return fmt.Sprintf("%d+%d", g.data, g.parity) }
func (g geometry) total() int     { return g.data + g.parity }

// smallGeometries are all with up to 16 shards.
func smallGeometries() (all []geometry) {
	for total := 2; total <= 16; total++ {
		for data := 1; data < total; data++ {
			all = append(all, geometry{data, total - data})
		}
	}
	return all
}

// largeGeometries are a few with more, up to the most there can be.
func largeGeometries() []geometry {
	return []geometry{{17, 3}, {20, 9}, {100, 28}, {128, 128}, {255, 1}, {1, 255}}
}

func failf(format string, args ...any) { panic(broken(fmt.Sprintf(format, args...))) }

// must fails the rule when the codec refuses what it should do.
func must(err error, format string, args ...any) {
	if err != nil {
		failf("%s: %v", fmt.Sprintf(format, args...), err)
	}
}

func (e *exam) coder(g geometry) Coder {
	c, err := e.new(g.data, g.parity)
	must(err, "the codec %v cannot be made", g)
	return c
}

// random returns a source that is the same in each run.
func random(seeds ...int) *rand.Rand {
	s := uint64(14695981039346656037)
	for _, seed := range seeds {
		s = (s ^ uint64(seed)) * 1099511628211
	}
	return rand.New(rand.NewPCG(s, s))
}

func fill(r *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(r.Uint32())
	}
}

// blank returns data of this size beside parity that is full of rubbish.
func blank(g geometry, size int) [][]byte {
	r := random(g.data, g.parity, size)
	shards := make([][]byte, g.total())
	for i := range shards {
		shards[i] = make([]byte, size)
		fill(r, shards[i])
	}
	return shards
}

// encoded returns shards that the codec has encoded.
func encoded(c Coder, g geometry, size int) [][]byte {
	shards := blank(g, size)
	must(c.Encode(shards), "%v: encoding shards of %d bytes", g, size)
	return shards
}

func clone(shards [][]byte) [][]byte {
	c := make([][]byte, len(shards))
	for i, s := range shards {
		c[i] = bytes.Clone(s)
	}
	return c
}

// without returns a copy of the shards with these missing.
func without(shards [][]byte, lost []int) [][]byte {
	c := clone(shards)
	for _, i := range lost {
		c[i] = nil
	}
	return c
}

// same fails the rule when shards differ from what they should be.
func same(got, want [][]byte, format string, args ...any) {
	for i := range want {
		if bytes.Equal(got[i], want[i]) {
			continue
		}
		what := fmt.Sprintf(format, args...)
		if len(got[i]) != len(want[i]) {
			failf("%s: shard %d has %d bytes, not %d", what, i, len(got[i]), len(want[i]))
		}
		at := 0
		for got[i][at] == want[i][at] {
			at++
		}
		failf("%s: shard %d is wrong, first at byte %d: %02x, not %02x", what, i, at, got[i][at], want[i][at])
	}
}

// subsets calls use with sets of up to most of n numbers, in order: all of them
// when they are at most limit, else so many chosen at random.
func subsets(n, most, limit int, r *rand.Rand, use func([]int)) {
	count := 0
	for k, c := 0, 1; k <= most && count <= limit; k++ {
		count += c
		c = c * (n - k) / (k + 1)
	}
	if count <= limit {
		allSubsets(n, most, nil, use)
		return
	}
	for range limit {
		s := r.Perm(n)[:1+r.IntN(most)]
		slices.Sort(s)
		use(s)
	}
	use(r.Perm(n)[:most])
}

func allSubsets(n, most int, begun []int, use func([]int)) {
	use(begun)
	if len(begun) == most {
		return
	}
	next := 0
	if len(begun) > 0 {
		next = begun[len(begun)-1] + 1
	}
	for i := next; i < n; i++ {
		allSubsets(n, most, append(begun[:len(begun):len(begun)], i), use)
	}
}
