package table

import (
	"encoding/binary"

	"github.com/flagship-go/flagship/lsm/key"
)

// block is a block's bytes, taken apart. What they say is believed only as far as
// reading stays within the block: any bytes are safe.
type block struct {
	keys, values, restarts, buckets []byte
}

// parseBlock takes a block apart; false if it is none.
func parseBlock(b []byte) (block, bool) {
	end := len(b) - blockTail
	if end < 0 {
		return block{}, false
	}
	keys := uint64(binary.LittleEndian.Uint32(b[end:]))
	n := uint64(binary.LittleEndian.Uint32(b[end+4:]))
	m := uint64(binary.LittleEndian.Uint32(b[end+8:]))
	if keys+n*restartSize+m > uint64(end) || (n == 0) != (keys == 0) {
		return block{}, false
	}
	buckets := end - int(m)
	restarts := buckets - int(n)*restartSize
	k := int(keys)
	return block{b[:k:k], b[k:restarts:restarts], b[restarts:buckets], b[buckets:end]}, true
}

// len returns the number of restarts. Only an empty block has none.
func (b *block) len() int { return len(b.restarts) / restartSize }

// place is where an entry begins: the offsets of its key and of its value.
type place struct{ key, value int }

// restart returns the place of the entry at restart i.
func (b *block) restart(i int) place {
	r := b.restarts[restartSize*i:][:restartSize]
	return place{int(binary.LittleEndian.Uint32(r)), int(binary.LittleEndian.Uint32(r[4:]))}
}

// end returns the offset in keys of what follows the entries behind restart i.
func (b *block) end(i int) int {
	if i+1 < b.len() {
		return b.restart(i + 1).key
	}
	return len(b.keys)
}

// entry is where the parts of an entry are.
type entry struct {
	shared     int // bytes of the user key that are the previous one's
	key, value int // the rest of the internal key is keys[key:next.key], the value values[value:next.value]
	next       place
}

// decode reads the entry at a place; false if there is none.
func (b *block) decode(p place) (e entry, ok bool) {
	d, at := b.keys, p.key
	if uint(at) >= uint(len(d)) {
		return e, false
	}
	var unshared, length int
	if at+3 <= len(d) && d[at]|d[at+1]|d[at+2] < 0x80 {
		e.shared, unshared, length = int(d[at]), int(d[at+1]), int(d[at+2])
		at += 3
	} else {
		var n [3]int
		for i := range n {
			v, size := binary.Uvarint(d[at:])
			if size <= 0 || v > uint64(len(d)+len(b.values)) {
				return e, false
			}
			n[i] = int(v)
			at += size
		}
		e.shared, unshared, length = n[0], n[1], n[2]
	}
	e.key, e.value = at, p.value
	if unshared > len(d)-at-key.TrailerLen || uint(p.value) > uint(len(b.values)) || length > len(b.values)-p.value {
		return e, false
	}
	e.next = place{at + unshared + key.TrailerLen, p.value + length}
	return e, true
}

func (b *block) keyOf(e entry) []byte   { return b.keys[e.key:e.next.key:e.next.key] }
func (b *block) valueOf(e entry) []byte { return b.values[e.value:e.next.value:e.next.value] }

// whole returns the internal key of the entry at restart i, which shares
// nothing.
func (b *block) whole(i int) ([]byte, bool) {
	e, ok := b.decode(b.restart(i))
	if !ok || e.shared != 0 {
		return nil, false
	}
	return b.keyOf(e), true
}

// seek returns the first restart, from lo on, whose key is beyond ikey; with at, one
// at ikey will do. It returns len if there is none.
func (b *block) seek(o key.Order, ikey []byte, lo int, at bool) (i int, ok bool) {
	hi := b.len() // restarts below lo are before, those from hi on are not
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		k, ok := b.whole(mid)
		if !ok {
			return 0, false
		}
		if c := o.Compare(k, ikey); c < 0 || c == 0 && !at {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, true
}

// search returns the last restart whose key is before ikey, 0 if none is.
func (b *block) search(o key.Order, ikey []byte) (i int, ok bool) {
	i, ok = b.seek(o, ikey, 1, true)
	return i - 1, ok
}

// get returns the first entry at or after seek, if it is of the same user key.
// It is for key.Plain. Not sane is a block that is damaged.
func (b *block) get(seek []byte, hash uint64) (found uint64, value []byte, ok, sane bool) {
	if b.len() == 0 {
		return 0, nil, false, true
	}
	user, trailer := key.Split(seek)
	i := collision
	if n := len(b.buckets); n > 0 {
		i = int(b.buckets[bucketOf(hash, n)])
	}
	if i == noEntry {
		return 0, nil, false, true
	}
	if i == collision {
		if i, sane = b.search(key.Plain, seek); !sane {
			return 0, nil, false, false
		}
		// The entry may be the first one behind the next restart.
		if found, value, ok, sane = b.scan(i, user, trailer); ok || !sane || i+1 >= b.len() {
			return found, value, ok, sane
		}
		i++
	}
	if i >= b.len() {
		return 0, nil, false, false
	}
	return b.scan(i, user, trailer)
}

// scan looks for user behind restart i, without putting keys together: matched is
// the length of what user has in common with the entry before, which is before
// it.
//
//	user             apple5
//	entry before     apple2     matched 5: "apple"
//	entry, shared 6  apple2...  differs from user where the one before does: before user
//	       shared 5  apple?     compare from there on
//	       shared 4  apply      differs earlier, and upwards: after user
func (b *block) scan(i int, user []byte, trailer uint64) (found uint64, value []byte, ok, sane bool) {
	at, end := b.restart(i), b.end(i)
	matched := 0
	for first := true; at.key < end; first = false {
		e, ok := b.decode(at)
		if !ok || first && e.shared != 0 {
			return 0, nil, false, false
		}
		at = e.next
		if e.shared > matched {
			continue
		}
		if e.shared < matched {
			return 0, nil, false, true
		}
		rest, t := key.Split(b.keyOf(e))
		want := user[matched:]
		n := sharedPrefix(rest, want)
		switch {
		case n == len(rest) && n == len(want):
			if t <= trailer {
				return t, b.valueOf(e), true, true
			}
		case n == len(want) || n < len(rest) && rest[n] > want[n]:
			return 0, nil, false, true
		}
		matched += n
	}
	return 0, nil, false, true
}

// index is a block of separators, each a restart, with the places of the blocks
// before them.
type index struct{ block }

// find returns the first block whose separator is beyond ikey, len if none is.
func (x *index) find(o key.Order, ikey []byte) (i int, ok bool) { return x.seek(o, ikey, 0, false) }

// handle returns the place of the i-th block, and what follows it in the entry.
func (x *index) handle(i int) (handle, []byte, bool) {
	e, ok := x.decode(x.restart(i))
	if !ok {
		return handle{}, nil, false
	}
	return decodeHandle(x.valueOf(e))
}
