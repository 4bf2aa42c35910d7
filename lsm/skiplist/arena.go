package skiplist

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"
)

// A node is a piece of the arena, and is named by the offset of its header. Its
// tower of links lies before the header, the lowest link nearest; its key and
// value follow:
//
//	         node
//	          |
//	+----+----+--------+------+--------------+----------+-------+
//	| l1 | l0 | keyLen | prev | internal key | valueLen | value |
//	+----+----+--------+------+--------------+----------+-------+
//	  8    8      4       4        keyLen         4       valueLen
//
// So the key is at the same place whatever the tower's height, and what a search
// reads at a node, the lowest links and the key, is on one cache line or two that
// follow each other. Nodes begin at multiples of eight.
//
// prev is a node before this one, nearly always the one directly before.
const (
	linkSize   = 8
	headerSize = 8
	valueLen   = 4
	align      = 8
)

// node is the offset of a header in the arena; 0 is none.
type node uint32

// link leads to the next node on a level: its offset, 0 at the end, and in the
// upper half what is known of its key without a look at it (see hint).
type link uint64

func makeLink(n node, h hint) link { return link(h)<<32 | link(n) }

func (k link) node() node { return node(k) }
func (k link) hint() hint { return hint(k >> 32) }

// at returns the address of the byte at offset off. All offsets are the list's
// own: only its methods write the arena.
func (l *List) at(off uint32) unsafe.Pointer { return unsafe.Add(l.base, off) }

// linkOf returns the address of the link of n on a level.
func (l *List) linkOf(n node, level int) *uint64 {
	return (*uint64)(l.at(uint32(n) - uint32(level+1)*linkSize))
}

// next returns the link of n on a level.
func (l *List) next(n node, level int) link {
	return link(atomic.LoadUint64(l.linkOf(n, level)))
}

func (l *List) keyLen(n node) *uint32 { return (*uint32)(l.at(uint32(n))) }
func (l *List) prev(n node) *uint32   { return (*uint32)(l.at(uint32(n) + 4)) }

// key returns the internal key of n: a part of the arena.
func (l *List) key(n node) []byte {
	return unsafe.Slice((*byte)(l.at(uint32(n)+headerSize)), *l.keyLen(n))
}

// value returns the value of n: a part of the arena.
func (l *List) value(n node) []byte {
	at := uint32(n) + headerSize + *l.keyLen(n)
	size := binary.LittleEndian.Uint32((*[valueLen]byte)(l.at(at))[:])
	return unsafe.Slice((*byte)(l.at(at+valueLen)), size)
}

// nodeSize is what a node takes.
func nodeSize(height, ikeyLen, valLen int) int64 {
	n := int64(height)*linkSize + headerSize + int64(ikeyLen) + valueLen + int64(valLen)
	return (n + align - 1) &^ (align - 1)
}

// alloc takes size bytes of the arena; false when it has not as many.
func (l *List) alloc(size int64) (uint32, bool) {
	for {
		used := l.used.Load()
		if size > l.size-used {
			return 0, false
		}
		if l.used.CompareAndSwap(used, used+size) {
			return uint32(used), true
		}
	}
}
