package table

import (
	"encoding/binary"

	"github.com/flagship-go/flagship/lsm/key"
)

// block is a block's bytes, taken apart. What its entries hold is believed only
// as far as reading stays within the block: any bytes are safe.
type block struct {
	data     []byte // the entries
	restarts []byte
	buckets  []byte
}

// parseBlock takes a block apart; false if it is none.
func parseBlock(b []byte) (block, bool) {
	if len(b) < blockTail {
		return block{}, false
	}
	n := uint64(binary.LittleEndian.Uint32(b[len(b)-8:]))
	m := uint64(binary.LittleEndian.Uint32(b[len(b)-4:]))
	b = b[:len(b)-blockTail]
	if 4*n+m > uint64(len(b)) || n == 0 && len(b) > 0 {
		return block{}, false
	}
	data := len(b) - int(4*n+m)
	return block{b[:data:data], b[data : len(b)-int(m)], b[len(b)-int(m):]}, true
}

// len returns the number of restarts.
func (b *block) len() int { return len(b.restarts) / 4 }

// restart returns the offset of the entry at restart i.
func (b *block) restart(i int) int {
	return int(binary.LittleEndian.Uint32(b.restarts[4*i:]))
}

// end returns where the entries behind restart i end.
func (b *block) end(i int) int {
	if i+1 < b.len() {
		return b.restart(i + 1)
	}
	return len(b.data)
}

// entry is where the parts of an entry are in a block's data.
type entry struct {
	shared int // bytes of the user key that are the previous one's
	key    int // the rest of the internal key is data[key:value]
	value  int // the value is data[value:next]
	next   int
}

// decode reads the entry at offset at; false if there is none.
func (b *block) decode(at int) (e entry, ok bool) {
	d := b.data
	if uint(at) >= uint(len(d)) {
		return e, false
	}
	var unshared, length int
	if at+3 <= len(d) && d[at]|d[at+1]|d[at+2] < 0x80 {
		e.shared, unshared, length = int(d[at]), int(d[at+1]), int(d[at+2])
		at += 3
	} else {
		var n [3]uint64
		for i := range n {
			v, size := binary.Uvarint(d[at:])
			if size <= 0 || v > uint64(len(d)) {
				return e, false
			}
			n[i] = v
			at += size
		}
		e.shared, unshared, length = int(n[0]), int(n[1]), int(n[2])
	}
	e.key = at
	rest := len(d) - at - key.TrailerLen
	if unshared > rest || length > rest-unshared {
		return e, false
	}
	e.value = at + unshared + key.TrailerLen
	e.next = e.value + length
	return e, true
}

// whole returns the internal key of the entry at restart i, which shares
// nothing.
func (b *block) whole(i int) ([]byte, bool) {
	e, ok := b.decode(b.restart(i))
	if !ok || e.shared != 0 {
		return nil, false
	}
	return b.data[e.key:e.value:e.value], true
}

// search returns the last restart whose key is before ikey, 0 if none is.
func (b *block) search(o key.Order, ikey []byte) (i int, ok bool) {
	lo, hi := 1, b.len() // the answer is lo-1: restarts below lo are before ikey, those from hi on are not
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		k, ok := b.whole(mid)
		if !ok {
			return 0, false
		}
		if o.Compare(k, ikey) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo - 1, true
}

// get returns the first entry at or after seek, if it is of the same user key.
// It is for key.Plain. Not sane is a block that is damaged.
func (b *block) get(seek []byte, hash uint64) (found uint64, value []byte, ok, sane bool) {
	if len(b.data) == 0 {
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
//	user        appl e t
//	entry       appl e 5      matched 5
//	shared 6    same as the entry before where that differs from user: before user
//	shared 5    compare what follows
//	shared 4    differs earlier than the entry before, and is after it: after user
func (b *block) scan(i int, user []byte, trailer uint64) (found uint64, value []byte, ok, sane bool) {
	at, end := b.restart(i), b.end(i)
	if end > len(b.data) {
		return 0, nil, false, false
	}
	matched := 0
	for first := true; at < end; first = false {
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
		rest, want := b.data[e.key:e.value-key.TrailerLen], user[matched:]
		n := sharedPrefix(rest, want)
		switch {
		case n == len(rest) && n == len(want):
			t := ^binary.BigEndian.Uint64(b.data[e.value-key.TrailerLen:])
			if t <= trailer {
				return t, b.data[e.value:e.next:e.next], true, true
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
func (x *index) find(o key.Order, ikey []byte) (i int, ok bool) {
	lo, hi := 0, x.len()
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		k, ok := x.whole(mid)
		if !ok {
			return 0, false
		}
		if o.Compare(k, ikey) <= 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, true
}

// handle returns the place of the i-th block, and what follows it in the entry.
func (x *index) handle(i int) (handle, []byte, bool) {
	e, ok := x.decode(x.restart(i))
	if !ok {
		return handle{}, nil, false
	}
	return decodeHandle(x.data[e.value:e.next])
}
