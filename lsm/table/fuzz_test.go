package table

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/lsm/bloom"
	"github.com/flagship-go/flagship/lsm/key"
)

// goodBlock returns a block of random entries.
func goodBlock(seed uint64, hashed bool) []byte {
	rng := rand.New(rand.NewPCG(seed, 1))
	w := blockWriter{interval: 1 + rng.IntN(4), hashed: hashed}
	for _, p := range randomPairs(rng, key.Plain, 20) {
		user, trailer := key.Split(p.ikey)
		w.add(user, trailer, p.value, bloom.Hash(user))
	}
	return append([]byte(nil), w.finish()...)
}

// FuzzBlock reads a block of any bytes in all ways. What is read must be within
// it.
func FuzzBlock(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(goodBlock(seed, seed%2 == 0), []byte("a"))
	}
	f.Add([]byte{}, []byte{})
	f.Add(make([]byte, blockTail), []byte("\x00"))
	f.Fuzz(func(t *testing.T, data, user []byte) {
		b, ok := parseBlock(data)
		if !ok {
			return
		}
		seek := key.Append(nil, user, key.Trailer(5, key.Set))
		b.get(seek, bloom.Hash(user))
		for _, o := range []key.Order{key.Plain, key.Timestamped} {
			var c blockCursor
			c.init(b)
			n, most := 0, len(data)/(3+key.TrailerLen)
			for k := c.first(); k != nil; k = c.next() {
				c.value()
				if n++; n > most {
					broken(t, "T6", "more entries than %d bytes can hold", len(data))
				}
			}
			for k := c.last(); k != nil && n >= 0; k = c.prev() {
				n--
			}
			c.seekGE(o, seek)
			c.seekLT(o, seek)
			x := index{b}
			if i, ok := x.find(o, seek); ok && i < x.len() {
				x.handle(i)
			}
		}
		decodeSpans(data)
	})
}

// FuzzRangeDeletes decodes a block of range deletes: what is decoded is one.
func FuzzRangeDeletes(f *testing.F) {
	w := blockWriter{interval: 2}
	w.add([]byte("a"), key.Trailer(9, key.RangeDelete), []byte("c"), 0)
	w.add([]byte("ab"), key.Trailer(7, key.RangeDelete), []byte("d"), 0)
	w.add([]byte("b"), key.Trailer(7, key.RangeDelete), []byte("bb"), 0)
	f.Add(append([]byte(nil), w.finish()...))
	f.Add(goodBlock(1, false))
	f.Fuzz(func(t *testing.T, data []byte) {
		spans, ok := decodeSpans(data)
		if ok && len(spans)*(3+key.TrailerLen) > len(data) {
			broken(t, "T6", "%d range deletes of %d bytes", len(spans), len(data))
		}
	})
}

// FuzzFooter decodes a footer of any bytes; what is accepted is what encode makes.
func FuzzFooter(f *testing.F) {
	good := footer{handle{1, 2}, handle{20, 3}, handle{40, 50}, handle{100, 10}}
	f.Add(good.encode(), int64(300))
	f.Add(good.encode(), int64(100))
	f.Add([]byte(magic), int64(64))
	f.Fuzz(func(t *testing.T, data []byte, size int64) {
		got, err := decodeFooter(data, "f", size)
		var newer *VersionError
		switch {
		case err == nil && string(got.encode()) != string(data):
			broken(t, "T6", "%x was decoded to %+v", data, got)
		case err != nil && !errors.Is(err, ErrCorrupt) && !errors.As(err, &newer):
			broken(t, "T6", "untyped error: %v", err)
		}
		for _, h := range []handle{got.root, got.filter, got.properties, got.rangeDeletes} {
			if err == nil && h.length > 0 && h.offset+uint64(h.length)+blockTrailer > uint64(size) {
				broken(t, "T6", "handle %+v in %d bytes", h, size)
			}
		}
	})
}

// FuzzProperties decodes properties of any bytes.
func FuzzProperties(f *testing.F) {
	k := key.Append(nil, []byte("k"), key.Trailer(3, key.Set))
	full := Properties{Entries: 3, Blocks: 1, RawKey: 300, MinSeq: 1, MaxSeq: 1 << 40, Smallest: k, Largest: k}
	f.Add(full.encode(key.Plain))
	f.Add((&Properties{}).encode(key.Timestamped))
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, data []byte) {
		p, o, ok := decodeProperties(data)
		if !ok {
			return
		}
		again, _, ok := decodeProperties(p.encode(o))
		if !ok || again.Entries != p.Entries || string(again.Largest) != string(p.Largest) {
			broken(t, "T6", "%x was decoded to %+v, and that to %+v", data, p, again)
		}
	})
}

// FuzzTable opens a file of any bytes, in which each place that holds a checksum
// is made right, so that what is behind them is reached.
func FuzzTable(f *testing.F) {
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 2))
		fs := vfs.NewMem()
		o := WriterOptions{BlockSize: 60, Compression: Compression(seed % 3)}
		span := key.Span{Start: []byte("a"), End: []byte("b"), Seq: 3}
		write(f, fs, "t", o, randomPairs(rng, key.Plain, 30), []key.Span{span}[:seed%2])
		f.Add(contents(f, fs, "t"), []byte("a"), seed%2 == 0)
	}
	f.Fuzz(func(t *testing.T, data, user []byte, mmap bool) {
		fs := vfs.NewMem()
		repair(data)
		store(t, fs, "t", data)
		readEverything(t, fs, mmap, user)
	})
}

// repair makes the checksums of a damaged table right, as far as its blocks can
// still be found.
func repair(data []byte) {
	size := int64(len(data))
	if size < footerSize {
		return
	}
	tail := data[size-footerSize:]
	copy(tail[56:], magic)
	putChecksum(tail[:56])
	f, err := decodeFooter(tail, "", size)
	if err != nil {
		return
	}
	reseal := func(h handle) (body []byte) {
		if h.length == 0 || !h.within(size-footerSize) {
			return nil
		}
		b := data[h.offset:][:int(h.length)+blockTrailer]
		putChecksum(b)
		body, _ = decompress(Compression(b[h.length]), b[:h.length])
		return body
	}
	each := func(body []byte, f func(h handle)) {
		b, ok := parseBlock(body)
		x := index{b}
		for i := 0; ok && i < x.len(); i++ {
			if h, _, ok := x.handle(i); ok {
				f(h)
			}
		}
	}
	reseal(f.properties)
	reseal(f.filter)
	reseal(f.rangeDeletes)
	each(reseal(f.root), func(part handle) {
		each(reseal(part), func(h handle) { reseal(h) })
	})
}
