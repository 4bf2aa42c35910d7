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

// maxHeight is the height of the head's tower. With half of the nodes of a level
// on the next one, the highest has a few hundred in the largest arena.
const maxHeight = 20

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
	basis  atomic.Pointer[basis]
}

// MinArena is the least length of an arena.
const MinArena = 256

// New returns an empty list in the given arena, from [MinArena] bytes to 4 GiB - 1
// long. The arena belongs to the list until its last use; it need not be zero.
func New(arena []byte, o key.Order) *List {
	if len(arena) < MinArena || int64(len(arena)) > math.MaxUint32 {
		panic("skiplist: an arena has from MinArena bytes to 4 GiB - 1")
	}
	base := unsafe.Pointer(unsafe.SliceData(arena))
	skip := int(-uintptr(base) & (align - 1))
	l := &List{base: unsafe.Add(base, skip), skip: skip, size: int64(len(arena) - skip), order: o}
	l.head = l.newNode(maxHeight, nil, 0, nil)
	for level := range maxHeight {
		*l.linkOf(l.head, level) = 0
	}
	*l.prev(l.head) = 0
	l.height.Store(1)
	return l
}

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
// 1/2, and so on. It is drawn from the trailer, which no two entries of a store
// share: the same entries take the same room in every run (rule L13).
func heightOf(trailer uint64) int {
	// The finish of splitmix64: near trailers get unrelated heights.
	h := (trailer ^ trailer>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	h ^= h >> 31
	return 1 + min(bits.TrailingZeros64(h), maxHeight-1)
}

// target is what a search is for.
type target struct {
	user    []byte
	trailer uint64
	hint    hint
}

func (l *List) target(userKey []byte, trailer uint64) target {
	return target{userKey, trailer, l.basis.Load().hint(l.order.Bare(userKey))}
}

// compare orders the entry at n and t.
func (l *List) compare(n node, t *target) int {
	user, trailer := key.Split(l.key(n))
	if c := l.order.CompareUser(user, t.user); c != 0 {
		return c
	}
	switch {
	case trailer > t.trailer: // newest first
		return -1
	case trailer < t.trailer:
		return 1
	}
	return 0
}

// gap is where a target belongs on one level: behind before, and before the node
// that the link leads to.
type gap struct {
	before node
	after  link
}

// walk returns the gap of t on a level, from a node before t. stop is a node that
// is known not to be before t, or 0. exists says that the node after the gap is
// t itself, if the search had to look at it.
func (l *List) walk(before node, level int, t *target, stop node) (g gap, exists bool) {
	for {
		after := l.next(before, level)
		n := after.node()
		if n == 0 || n == stop {
			return gap{before, after}, false
		}
		if h := after.hint(); h == t.hint || h == 0 || t.hint == 0 {
			if c := l.compare(n, t); c >= 0 {
				return gap{before, after}, c == 0
			}
		} else if h > t.hint {
			return gap{before, after}, false
		}
		before = n
	}
}

// seek returns the last node before userKey and trailer and the first one not
// before it; the head and 0 for none.
func (l *List) seek(userKey []byte, trailer uint64) (before, from node) {
	t := l.target(userKey, trailer)
	g := gap{before: l.head}
	for level := int(l.height.Load()) - 1; level >= 0; level-- {
		g, _ = l.walk(g.before, level, &t, g.after.node())
	}
	return g.before, g.after.node()
}

// Get returns the newest entry of userKey with a sequence number up to maxSeq.
// The value is a part of the arena.
func (l *List) Get(userKey []byte, maxSeq uint64) (trailer uint64, value []byte, ok bool) {
	_, n := l.seek(userKey, key.Trailer(maxSeq, key.MaxKind))
	if n == 0 {
		return 0, nil, false
	}
	user, trailer := key.Split(l.key(n))
	if string(user) != string(userKey) {
		return 0, nil, false
	}
	return trailer, l.value(n), true
}
