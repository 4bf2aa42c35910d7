package skiplist

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"sync/atomic"
	"unsafe"

	"github.com/flagship-go/flagship/lsm/key"
)

// Errors of [List.Add].
var (
	// ErrFull reports that the arena has no room for the entry.
	ErrFull = errors.New("skiplist: arena is full")
	// ErrExists reports that the list has an entry of this user key and trailer.
	ErrExists = errors.New("skiplist: entry exists")
)

// maxHeight is the height of the head's tower: with a quarter of the nodes of a
// level on the next one it is enough for 4^12 entries, more than an arena holds.
const maxHeight = 12

// List is a sorted list of entries in an arena. It is safe for concurrent use:
// entries are added and read at the same time, and none is removed.
type List struct {
	base  unsafe.Pointer // where the arena begins, at a multiple of align
	size  int64          // of the arena from base
	skip  int            // bytes before base
	order key.Order
	head  node
	used  atomic.Int64
	count atomic.Int64
	// height is the highest tower's.
	height atomic.Int32
}

// New returns an empty list in the given arena, which must be at least
// [MinArena] long and less than 4 GiB. The arena belongs to the list until its
// last use; it need not be zero.
func New(arena []byte, o key.Order) *List {
	if len(arena) < MinArena || int64(len(arena)) > math.MaxUint32 {
		panic("skiplist: an arena has from MinArena bytes to 4 GiB - 1")
	}
	base := unsafe.Pointer(unsafe.SliceData(arena))
	skip := int(-uintptr(base) & (align - 1))
	l := &List{base: unsafe.Add(base, skip), skip: skip, size: int64(len(arena) - skip), order: o}
	l.head = l.newNode(maxHeight, nil, 0, nil)
	for i := range maxHeight {
		*l.link(l.head, i) = 0
	}
	*l.prev(l.head) = 0
	l.height.Store(1)
	return l
}

// MinArena is the least length of an arena: the head and a small entry fit.
const MinArena = 256

// NodeSize returns the most bytes of the arena that adding an entry takes, for a
// user key and a value of these lengths.
func NodeSize(keyLen, valueLen int) int {
	return int(nodeSize(maxHeight, keyLen+key.TrailerLen, valueLen))
}

// Len returns the number of entries.
func (l *List) Len() int { return int(l.count.Load()) }

// Size returns the bytes used of the arena.
func (l *List) Size() int { return int(l.used.Load()) + l.skip }

// newNode writes a node without its links, and returns 0 when the arena is full.
func (l *List) newNode(height int, userKey []byte, trailer uint64, value []byte) node {
	ikeyLen := len(userKey) + key.TrailerLen
	off, ok := l.alloc(nodeSize(height, ikeyLen, len(value)))
	if !ok {
		return 0
	}
	n := node(off + uint32(height)*linkSize)
	*l.keyLen(n) = uint32(ikeyLen)
	k := l.key(n)
	copy(k, userKey)
	binary.BigEndian.PutUint64(k[len(userKey):], ^trailer)
	at := uint32(n) + headerSize + uint32(ikeyLen)
	binary.LittleEndian.PutUint32((*[valueLen]byte)(l.at(at))[:], uint32(len(value)))
	copy(l.value(n), value)
	return n
}

// heightOf draws the height of a node's tower: 1, and one more with probability
// 1/4, and so on. It is drawn from the trailer, which no two entries share: the
// same entries take the same room in every run.
func heightOf(trailer uint64) int {
	// The finish of splitmix64: near trailers get unrelated heights.
	h := (trailer ^ trailer>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	h ^= h >> 31
	return 1 + min(bits.TrailingZeros64(h)/2, maxHeight-1)
}

// compare orders the entry at n and the one that userKey and trailer name.
func (l *List) compare(n node, userKey []byte, trailer uint64) int {
	nk, nt := key.Split(l.key(n))
	if c := l.order.CompareUser(nk, userKey); c != 0 {
		return c
	}
	switch {
	case nt > trailer:
		return -1
	case nt < trailer:
		return 1
	}
	return 0
}

// seek returns the last node before userKey and trailer and the first one not
// before it; 0 for none.
func (l *List) seek(userKey []byte, trailer uint64) (before, from node) {
	before = l.head
	// A node that stopped the search on one level stops it on those below.
	var stop node
	for level := int(l.height.Load()) - 1; level >= 0; level-- {
		for {
			from = l.next(before, level)
			if from == stop {
				break
			}
			if from == 0 || l.compare(from, userKey, trailer) >= 0 {
				stop = from
				break
			}
			before = from
		}
	}
	return before, from
}

// Get returns the newest entry of userKey with a sequence number up to maxSeq.
// The value is a part of the arena.
func (l *List) Get(userKey []byte, maxSeq uint64) (trailer uint64, value []byte, ok bool) {
	_, n := l.seek(userKey, key.Trailer(maxSeq, key.MaxKind))
	if n == 0 {
		return 0, nil, false
	}
	nk, trailer := key.Split(l.key(n))
	if string(nk) != string(userKey) {
		return 0, nil, false
	}
	return trailer, l.value(n), true
}
