package lsm

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"sort"

	"github.com/flagship-go/flagship/lsm/key"
)

// flat is encoded batches, sorted in place: an index into their bytes. Sorting
// costs a third of inserting the same keys into a skiplist, and copies nothing.
//
//	data     [batch 7: c=1 a=2][batch 8: b=3]
//	entries  a -> 7.2, b -> 8.1, c -> 7.1
type flat struct {
	order   key.Order
	data    []byte
	entries []flatEntry
	spare   []flatEntry // what sort works with
}

// flatEntry has no pointers: the garbage collector does not look at it.
type flatEntry struct {
	prefix   uint64 // a part of the key that decides most comparisons: see sort
	trailer  uint64
	key, end uint32 // the user key is data[key:end]
	value    uint32 // the value is data[value:stop]
	stop     uint32
}

// newFlatMemtable returns a memtable of the sealed batches that data holds one
// after the other. It keeps data.
func newFlatMemtable(order key.Order, batches ...[]byte) (*memtable, error) {
	m := &memtable{order: order, flat: &flat{order: order}}
	m.refs.Store(1)
	for _, data := range batches {
		if err := m.flat.add(data, &m.spans, len(batches) == 1); err != nil {
			return nil, err
		}
	}
	m.flat.sort()
	m.flat.spare = nil
	return m, nil
}

// add appends the entries of one sealed batch, unsorted. With keep, f takes
// over data, otherwise it copies.
func (f *flat) add(data []byte, spans *spanList, keep bool) error {
	r, err := openBatch(data)
	if err != nil {
		return err
	}
	base := len(f.data)
	if keep && base == 0 {
		f.data = data
	} else {
		f.data = append(grown(f.data, len(data)), data...)
	}
	f.entries = grown(f.entries, min(int(r.count), len(data)))
	for seq := r.seq; ; seq++ {
		e, ok, err := r.next()
		switch {
		case err != nil:
			return err
		case !ok:
			return nil
		case e.kind == key.Mark:
			seq--
			continue
		case e.kind == key.RangeDelete:
			spans.add(key.Span{Start: e.key, End: e.value, Seq: seq})
			continue
		}
		end, stop := base+e.keyEnd, base+len(data)-len(r.rest)
		f.entries = append(f.entries, flatEntry{
			trailer: key.Trailer(seq, e.kind),
			key:     uint32(end - len(e.key)), end: uint32(end), value: uint32(stop - len(e.value)), stop: uint32(stop),
		})
	}
}

// grown returns s with room for n more. It grows in larger steps than append does
// with large slices, which would copy a replayed log five times over; and unlike
// slices.Grow it leaves memory alone that is fresh from the system.
func grown[T any](s []T, n int) []T {
	if cap(s)-len(s) >= n {
		return s
	}
	return append(make([]T, 0, len(s)+max(n, 3*len(s))), s...)
}

// prefixOf returns the first eight bytes of k, zeros after a shorter one, so
// that unequal prefixes compare as their keys do.
func prefixOf(k []byte) uint64 {
	if len(k) >= 8 {
		return binary.BigEndian.Uint64(k)
	}
	var p uint64
	for i, c := range k {
		p |= uint64(c) << (56 - 8*i)
	}
	return p
}

// sort sorts the entries. Prefixes are taken behind what all keys have in common,
// or they would decide nothing.
func (f *flat) sort() {
	if len(f.entries) == 0 {
		return
	}
	common := f.order.Bare(f.user(f.entries[0]))
	for _, e := range f.entries {
		k := f.order.Bare(f.user(e))
		n := min(len(common), len(k))
		for common = common[:n]; !bytes.HasPrefix(k, common); {
			common = common[:len(common)-1]
		}
		if len(common) == 0 {
			break
		}
	}
	for i := range f.entries {
		e := &f.entries[i]
		e.prefix = prefixOf(f.order.Bare(f.user(*e))[len(common):])
	}
	if len(f.entries) < radixFrom {
		slices.SortFunc(f.entries, f.compare)
		return
	}
	f.entries, f.spare = byPrefix(f.entries, f.spare)
	for from, to := 0, 0; from < len(f.entries); from = to {
		for to = from + 1; to < len(f.entries) && f.entries[to].prefix == f.entries[from].prefix; {
			to++
		}
		slices.SortFunc(f.entries[from:to], f.compare)
	}
}

func (f *flat) compare(a, b flatEntry) int {
	if a.prefix != b.prefix {
		return cmp.Compare(a.prefix, b.prefix)
	}
	if c := f.order.CompareUser(f.user(a), f.user(b)); c != 0 {
		return c
	}
	return cmp.Compare(b.trailer, a.trailer) // newest first
}

func (f *flat) user(e flatEntry) []byte { return f.data[e.key:e.end:e.end] }

// seek returns the index of the first entry at or after the user key k with
// this trailer.
func (f *flat) seek(k []byte, trailer uint64) int {
	return sort.Search(len(f.entries), func(i int) bool {
		e := f.entries[i]
		c := f.order.CompareUser(f.user(e), k)
		return c > 0 || c == 0 && e.trailer <= trailer
	})
}

func (f *flat) get(k []byte, seq uint64) (trailer uint64, value []byte, ok bool) {
	i := f.seek(k, key.Trailer(seq, key.MaxKind))
	if i == len(f.entries) || !bytes.Equal(f.user(f.entries[i]), k) {
		return 0, nil, false
	}
	e := f.entries[i]
	return e.trailer, f.data[e.value:e.stop:e.stop], true
}

// flatCursor is a key.Cursor over a flat.
type flatCursor struct {
	f   *flat
	at  int
	buf []byte
}

func (c *flatCursor) move(to int) []byte {
	if to < 0 || to == len(c.f.entries) {
		return nil
	}
	c.at = to
	e := c.f.entries[to]
	c.buf = key.Append(c.buf[:0], c.f.user(e), e.trailer)
	return c.buf
}

func (c *flatCursor) SeekGE(ikey []byte) []byte { return c.move(c.f.seek(key.Split(ikey))) }
func (c *flatCursor) SeekLT(ikey []byte) []byte { return c.move(c.f.seek(key.Split(ikey)) - 1) }
func (c *flatCursor) First() []byte             { return c.move(0) }
func (c *flatCursor) Last() []byte              { return c.move(len(c.f.entries) - 1) }
func (c *flatCursor) Next() []byte              { return c.move(c.at + 1) }
func (c *flatCursor) Prev() []byte              { return c.move(c.at - 1) }
func (c *flatCursor) Err() error                { return nil }
func (c *flatCursor) Close() error              { return nil }

func (c *flatCursor) Value() []byte {
	e := c.f.entries[c.at]
	return c.f.data[e.value:e.stop:e.stop]
}
