package erasuretest

import (
	"bytes"
	"io"
)

func shapeRules() []Rule {
	return []Rule{
		{ID: "split-join", Text: "Split and Join give back any number of bytes.", story: splitJoin},
		{ID: "split-pads", Text: "What Split adds behind the data is zeros, whatever lies there, and the data stays as it is.", story: splitPads},
		{ID: "join-refuses", Text: "Join refuses to give more than there is, or what is missing.", story: joinRefuses},
		{ID: "geometry-refused", Text: "No data shards, and fewer than none of parity, are refused.", story: geometryRefused},
		{ID: "shape-refused", Text: "Too few, too many, unequal and empty shards are errors, and nothing is written.", story: shapeRefused},
	}
}

func splitJoin(e *exam) {
	for _, g := range []geometry{{1, 1}, {3, 2}, {4, 2}, {10, 4}, {17, 3}} {
		c := e.coder(g)
		for _, size := range []int{1, 2, g.data - 1, g.data, g.data + 1, 2*g.data - 1, 100, 1000, 4097} {
			if size < 1 {
				continue
			}
			data := make([]byte, size)
			fill(random(size), data)
			shards, err := c.Split(bytes.Clone(data))
			must(err, "%v: splitting %d bytes", g, size)
			if len(shards) != g.total() {
				failf("%v: Split gives %d shards", g, len(shards))
			}
			must(c.Encode(shards), "%v: encoding what Split gave of %d bytes", g, size)
			for i := range g.parity {
				shards[i*g.total()/g.parity] = nil
			}
			must(c.Reconstruct(shards), "%v: reconstructing", g)
			var out bytes.Buffer
			must(c.Join(&out, shards, size), "%v: joining %d bytes", g, size)
			if !bytes.Equal(out.Bytes(), data) {
				failf("%v: %d bytes do not come back", g, size)
			}
		}
	}
}

func splitPads(e *exam) {
	for _, g := range []geometry{{3, 2}, {4, 2}, {10, 4}} {
		c := e.coder(g)
		for size := 1; size < 3*g.data; size++ {
			array := bytes.Repeat([]byte{0xee}, size+7*g.total())
			shards, err := c.Split(array[:size])
			must(err, "%v: splitting %d bytes", g, size)
			if len(shards) != g.total() {
				failf("%v: Split gives %d shards", g, len(shards))
			}
			all := bytes.Join(shards[:g.data], nil)
			if len(all) < size || bytes.Count(all[:size], []byte{0xee}) < size || bytes.Count(array[:size], []byte{0xee}) < size {
				failf("%v: Split changes the data, of %d bytes", g, size)
			}
			for i, b := range all[size:] {
				if b != 0 {
					failf("%v: byte %d behind the data's %d is %02x, not zero", g, i, size, b)
				}
			}
		}
	}
}

func joinRefuses(e *exam) {
	g := geometry{4, 2}
	c := e.coder(g)
	shards := encoded(c, g, 10)
	if c.Join(io.Discard, shards, 41) == nil {
		failf("%v: Join gives 41 bytes of 40", g)
	}
	if c.Join(io.Discard, without(shards, []int{1}), 40) == nil {
		failf("%v: Join does without data shard 1", g)
	}
	if c.Join(io.Discard, shards[:3], 40) == nil {
		failf("%v: Join takes 3 shards", g)
	}
	if _, err := c.Split(nil); err == nil {
		failf("%v: Split takes nothing", g)
	}
	var out bytes.Buffer
	must(c.Join(&out, shards, 25), "%v: joining part of the data", g)
	if want := bytes.Join(shards[:4], nil)[:25]; !bytes.Equal(out.Bytes(), want) {
		failf("%v: Join of 25 bytes gives others", g)
	}
}

func geometryRefused(e *exam) {
	for _, g := range []geometry{{0, 1}, {0, 0}, {-1, 2}, {2, -1}} {
		if _, err := e.new(g.data, g.parity); err == nil {
			failf("a codec of %v is made", g)
		}
	}
	e.coder(geometry{1, 1})
	e.coder(geometry{128, 128})
}

func shapeRefused(e *exam) {
	g := geometry{4, 2}
	c := e.coder(g)
	good := encoded(c, g, 10)
	all := func(size int) [][]byte { return blank(g, size)[:g.total()] }
	short, empty, uneven := good[:5], all(0), clone(good)
	uneven[2] = uneven[2][:9]
	unevenParity := clone(good)
	unevenParity[5] = append(unevenParity[5], 1)
	shapes := map[string][][]byte{
		"5 shards": short, "7 shards": append(clone(good), good[0]), "no shards": nil,
		"empty shards": empty, "a short data shard": uneven, "a long parity shard": unevenParity,
	}
	for shape, shards := range shapes {
		before := clone(shards)
		calls := map[string]func() error{
			"Encode":          func() error { return c.Encode(shards) },
			"Verify":          func() error { _, err := c.Verify(shards); return err },
			"Reconstruct":     func() error { return c.Reconstruct(shards) },
			"ReconstructData": func() error { return c.ReconstructData(shards) },
			"Update":          func() error { return c.Update(shards, good[:4]) },
		}
		for name, call := range calls {
			if call() == nil {
				failf("%v: %s takes %s", g, name, shape)
			}
			same(shards, before, "%v: %s of %s", g, name, shape)
		}
	}
	if c.Encode(without(good, []int{1})) == nil || c.Encode(without(good, []int{5})) == nil {
		failf("%v: Encode takes a missing shard", g)
	}
	if c.Update(clone(good), good[:3]) == nil {
		failf("%v: Update takes 3 new data shards", g)
	}
	if c.Update(without(good, []int{1}), [][]byte{nil, good[0], nil, nil}) == nil {
		failf("%v: Update does without the old contents of data shard 1", g)
	}
}
