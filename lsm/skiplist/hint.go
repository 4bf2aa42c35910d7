package skiplist

import (
	"math"
	"math/bits"

	"github.com/flagship-go/flagship/lsm/key"
)

// hint stands for a key in comparisons: if those of two keys differ, the keys are
// in the same order. It is kept beside the link to a node, so that a search that
// stops before the node need not look at it: on every level one cache miss less,
// of two or three. 0 says nothing.
//
// Thirty-two bits tell random keys apart, but not keys that begin alike, as most
// do. So a list looks at its first entries, and takes for hints what comes after
// their common prefix, with as many bits a byte as their range needs:
//
//	user:0000000017     common prefix of the first 256 keys: "user:0000"
//	user:0000349120     bytes after it: '0' to '9', 4 bits
//	         ------
//	          349120..  hint 0x34912000
//
// Keys of another kind that come later have poor hints: too low or too high for
// their place, never out of order.
type hint uint32

// sampled is how many entries a list has when it makes the basis of its hints.
// Links made before have none, and are looked up as in any skiplist.
const sampled = 256

// basis is how a list makes hints. It never changes.
type basis struct {
	prefix []byte
	lo, hi byte // the range of bytes after the prefix
	bits   int  // what a byte of it needs
}

// hint returns the hint of a bare key; 0 if b is nil.
func (b *basis) hint(bare []byte) hint {
	if b == nil {
		return 0
	}
	n := len(b.prefix)
	if len(bare) < n || string(bare[:n]) != string(b.prefix) {
		if string(bare) < string(b.prefix) {
			return 1
		}
		return math.MaxUint32
	}
	h, left := hint(0), 32
	for _, c := range bare[n:] {
		// A byte below the range is as low as can be, and so is all that follows; one
		// above it is as high.
		if left < b.bits || c < b.lo {
			break
		}
		if c > b.hi {
			h |= 1<<left - 1
			break
		}
		left -= b.bits
		h |= hint(c-b.lo) << left
	}
	return max(h, 1)
}

// sample makes the basis from the entries up to last. Others may be adding some behind
// it, which need not begin as these do.
func (l *List) sample(last node) {
	first := l.next(l.head, 0).node()
	a, z := l.bare(first), l.bare(last)
	n := 0
	for n < min(len(a), len(z)) && a[n] == z[n] {
		n++
	}
	b := &basis{prefix: a[:n:n], lo: math.MaxUint8}
	for x := first; ; x = l.next(x, 0).node() {
		k := l.bare(x)
		for _, c := range k[n:min(len(k), n+8)] {
			b.lo, b.hi = min(b.lo, c), max(b.hi, c)
		}
		if x == last {
			break
		}
	}
	if b.lo <= b.hi {
		b.bits = max(1, bits.Len8(b.hi-b.lo))
		l.basis.Store(b)
	}
}

func (l *List) bare(n node) []byte { return l.order.Bare(key.UserKey(l.key(n))) }
