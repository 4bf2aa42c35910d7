package coprocessor

import (
	"math"
	"testing"
)

// Numbers that differ in a few bits only, and ones that somebody has chosen because a hash
// of which all is known puts them in one place, lie apart like any others.
func TestGroupsOfNumbersLieApart(t *testing.T) {
	rule(t, "C9 groups are found at once")
	const n = 4096
	// The inverse of the factor, modulo 2^64: a product whose halves are equal is 0 when they
	// are folded.
	factor, inverse := uint64(0x9e3779b97f4a7c15), uint64(1)
	for range 6 {
		inverse *= 2 - factor*inverse
	}
	for name, number := range map[string]func(i uint64) int64{
		"in a row":     func(i uint64) int64 { return int64(i) },
		"upper bits":   func(i uint64) int64 { return int64(i << 50) },
		"whole floats": func(i uint64) int64 { return int64(math.Float64bits(float64(i))) },
		"chosen":       func(i uint64) int64 { return int64((i<<32 | i) * inverse) },
	} {
		g := newGroupTable([]Type{Int})
		v := &vector{typ: Int, null: make([]bool, n), ints: make([]int64, n)}
		var sel []int32
		for i := range uint64(n) {
			v.ints[i] = number(i)
			sel = append(sel, int32(i))
		}
		g.assign([]*vector{v}, sel)
		homes := map[uint64]bool{}
		for _, h := range g.hashes {
			homes[h&uint64(len(g.slots)-1)] = true
		}
		if len(g.hashes) != n || len(homes) < n/2 {
			t.Errorf("RULE C9: %s: of %d groups, in %d slots, %d begin to be looked for at a place of their own", name, len(g.hashes), len(g.slots), len(homes))
		}
	}
}
