package erasuretest

import (
	"bytes"
	"sync"

	"github.com/klauspost/reedsolomon"
)

// oddSizes are lengths of shards around those of words, vectors and tiles.
var oddSizes = [...]int{1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 129, 191, 511, 513, 1000, 4095, 4097, 9001}

func encodeRules() []Rule {
	return []Rule{
		{ID: "products", Text: "Every coefficient multiplies as the field with the polynomial 0x11d does.", story: products},
		{ID: "parity-bytes", Text: "Parity is byte for byte that of klauspost/reedsolomon.", story: parityBytes},
		{ID: "writes-parity-only", Text: "Encoding writes the parity shards and no byte before, behind or beside them.", story: writesParityOnly},
		{ID: "verify", Text: "Verify accepts what was encoded and refuses one flipped bit anywhere.", story: verify},
		{ID: "update", Text: "Update makes the parity that encoding the new data makes.", story: update},
		{ID: "concurrent", Text: "One codec serves several goroutines at a time.", story: concurrent},
	}
}

// times multiplies bit by bit: the definition, and independent of all tables.
func times(a, b byte) byte {
	product, x := 0, int(a)
	for ; b != 0; b >>= 1 {
		if b&1 == 1 {
			product ^= x
		}
		if x <<= 1; x&0x100 != 0 {
			x ^= 0x11d
		}
	}
	return byte(product)
}

// products encodes all 256 bytes as one data shard, the others being zero. The
// parity for 1 is the coefficient, so the others are known.
func products(e *exam) {
	for _, g := range append(smallGeometries(), largeGeometries()...) {
		c := e.coder(g)
		for j := 0; j < g.data; j += 1 + g.data/17 {
			shards := make([][]byte, g.total())
			for i := range shards {
				shards[i] = make([]byte, 256)
			}
			for b := range 256 {
				shards[j][b] = byte(b)
			}
			must(c.Encode(shards), "%v: encoding 256 bytes", g)
			for i, row := range shards[g.data:] {
				for b, got := range row {
					if want := times(row[1], byte(b)); got != want {
						failf("%v: parity %d of %02x in data shard %d is %02x; its coefficient is %02x, and their product %02x", g, i, b, j, got, row[1], want)
					}
				}
				if row[1] == 0 {
					failf("%v: parity %d does not depend on data shard %d", g, i, j)
				}
			}
		}
	}
}

func parityBytes(e *exam) {
	for i, g := range append(smallGeometries(), largeGeometries()...) {
		c := e.coder(g)
		oracle, err := reedsolomon.New(g.data, g.parity, reedsolomon.WithMaxGoroutines(1))
		must(err, "%v: the oracle", g)
		for j, size := range oddSizes {
			if (i+j)%4 > 0 && !e.exhaustive {
				continue // a quarter of the sizes, others for each geometry
			}
			got := encoded(c, g, size)
			want := clone(got)
			must(oracle.Encode(want), "%v: the oracle", g)
			same(got, want, "%v, %d bytes", g, size)
		}
	}
}

// fenced returns shards that lie in larger arrays, with fences around, at
// addresses that are aligned to nothing, and a check of the fences.
func fenced(g geometry, size int) (shards [][]byte, intact func() int) {
	const fence = 80
	arrays := make([][]byte, g.total())
	shards = blank(g, size)
	for i, s := range shards {
		arrays[i] = bytes.Repeat([]byte{0xfe}, fence+i+size+fence)
		shards[i] = arrays[i][fence+i : fence+i+size]
		copy(shards[i], s)
	}
	return shards, func() int {
		for i, a := range arrays {
			before, after := a[:fence+i], a[fence+i+size:]
			if bytes.Count(before, []byte{0xfe}) < len(before) || bytes.Count(after, []byte{0xfe}) < len(after) {
				return i
			}
		}
		return -1
	}
}

func writesParityOnly(e *exam) {
	for _, g := range []geometry{{1, 1}, {3, 2}, {4, 2}, {5, 3}, {10, 4}, {6, 7}} {
		c := e.coder(g)
		for _, size := range oddSizes {
			shards, intact := fenced(g, size)
			before := clone(shards)
			must(c.Encode(shards), "%v: encoding shards of %d bytes", g, size)
			if size > 16 && bytes.Equal(shards[g.data], before[g.data]) {
				failf("%v: encoding %d bytes wrote no parity", g, size)
			}
			same(shards, before[:g.data], "%v: encoding %d bytes changed the data", g, size)
			if i := intact(); i >= 0 {
				failf("%v: encoding %d bytes wrote outside shard %d", g, size, i)
			}
			if ok, err := c.Verify(shards); err != nil || !ok {
				failf("%v: %d bytes, not aligned: Verify says %v, %v of what was encoded", g, size, ok, err)
			}
		}
	}
}

func verify(e *exam) {
	for _, g := range []geometry{{1, 1}, {2, 1}, {4, 2}, {5, 3}, {10, 4}, {3, 9}} {
		c := e.coder(g)
		for _, size := range []int{1, 15, 64, 100, 4097, 9001} {
			shards := encoded(c, g, size)
			if ok, err := c.Verify(shards); err != nil || !ok {
				failf("%v: Verify says %v, %v of what was encoded, %d bytes", g, ok, err, size)
			}
			for i, s := range shards {
				for _, at := range []int{0, size / 2, size - 1} {
					s[at] ^= 0x10
					if ok, _ := c.Verify(shards); ok {
						failf("%v: Verify accepts a flipped bit in byte %d of %d of shard %d", g, at, size, i)
					}
					s[at] ^= 0x10
				}
			}
		}
	}
}

func update(e *exam) {
	for _, g := range []geometry{{1, 1}, {4, 2}, {5, 3}, {10, 4}} {
		c := e.coder(g)
		for _, size := range []int{1, 64, 100, 4097, 9001} {
			r := random(g.total(), size)
			subsets(g.data, g.data, 12, r, func(changed []int) {
				if len(changed) == 0 {
					return // some refuse that, some do nothing
				}
				want := encoded(c, g, size)
				updated, newData := clone(want), make([][]byte, g.data)
				for _, i := range changed {
					newData[i] = make([]byte, size)
					fill(r, newData[i])
					want[i] = newData[i]
				}
				must(c.Encode(want), "%v: encoding", g)
				if size > 1 && bytes.Equal(want[g.data], updated[g.data]) {
					failf("%v: new data in %v, and the parity of %d bytes is the old", g, changed, size)
				}
				must(c.Update(updated, newData), "%v: updating %v", g, changed)
				same(updated[g.data:], want[g.data:], "%v: parity after the update of %v of %d bytes", g, changed, size)
			})
		}
	}
}

func concurrent(e *exam) {
	g := geometry{6, 3}
	c := e.coder(g)
	want := encoded(c, g, 5000)
	failures := make([]any, 4)
	var wg sync.WaitGroup
	for i := range failures {
		wg.Go(func() {
			defer func() { failures[i] = recover() }()
			for round := range 20 {
				lost := []int{(i + round) % 9, (i + 2*round + 4) % 9}
				got := without(want, lost)
				must(c.Reconstruct(got), "%v: the loss of %v", g, lost)
				same(got, want, "%v: the loss of %v, beside others", g, lost)
				if ok, err := c.Verify(got); !ok || err != nil {
					failf("%v: Verify says %v, %v beside others", g, ok, err)
				}
			}
		})
	}
	wg.Wait()
	for _, f := range failures {
		if f != nil {
			panic(f)
		}
	}
}
