package ordmap

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// record is a version of a key: the header of a piece of memory in which key and
// value follow. It never changes. The garbage collector finds no pointer in it, so
// it need not look inside, and a reader who is at the header has the key on the same
// cache line, mostly.
//
//	+-----+--------+----------+-----+-------+
//	| seq | keyLen | valueLen | key | value |
//	+-----+--------+----------+-----+-------+
//	   8      4         4
type record struct {
	seq              uint64 // of the batch that wrote it
	keyLen, valueLen uint32
}

const (
	headerSize = int(unsafe.Sizeof(record{}))
	// deletion as valueLen says that the key was deleted.
	deletion = math.MaxUint32
	// maxLen is the longest key or value.
	maxLen = math.MaxInt32
)

func newRecord(seq uint64, key, value []byte) *record {
	if len(key) > maxLen || len(value) > maxLen {
		panic("ordmap: key or value of more than 2 GiB")
	}
	// Memory of 16 bytes or more is aligned for a header.
	buf := make([]byte, headerSize+len(key)+len(value))
	copy(buf[headerSize:], key)
	copy(buf[headerSize+len(key):], value)
	r := (*record)(unsafe.Pointer(unsafe.SliceData(buf)))
	r.seq, r.keyLen, r.valueLen = seq, uint32(len(key)), uint32(len(value))
	return r
}

func newDeletion(seq uint64, key []byte) *record {
	r := newRecord(seq, key, nil)
	r.valueLen = deletion
	return r
}

func (r *record) deleted() bool { return r.valueLen == deletion }

func (r *record) key() []byte { return r.bytes(0, int(r.keyLen)) }

// value must not be asked of a deletion.
func (r *record) value() []byte { return r.bytes(int(r.keyLen), int(r.valueLen)) }

// bytes returns n bytes of what follows the header. What is empty is somewhere else:
// a pointer to the end of a piece of memory is one to its neighbour.
func (r *record) bytes(from, n int) []byte {
	if n == 0 {
		return []byte{}
	}
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(r), headerSize+from)), n)
}

// headOf is the eight bytes of a key that follow its first prefix bytes, as a
// number. Of two keys with the same prefix the one with the lower head is the lower;
// equal heads say nothing.
func headOf(key []byte, prefix int) uint64 {
	if prefix+8 <= len(key) {
		return binary.BigEndian.Uint64(key[prefix:])
	}
	var h uint64
	for shift := 56; prefix < len(key); shift -= 8 {
		h |= uint64(key[prefix]) << shift
		prefix++
	}
	return h
}

// commonPrefix is the number of bytes in which two keys begin alike.
func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// separator is the shortest key that is above a and not above b, where a < b.
func separator(a, b []byte) *record {
	return newRecord(0, b[:commonPrefix(a, b)+1], nil)
}
