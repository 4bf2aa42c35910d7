package table

import (
	"encoding/binary"
	"math/bits"

	"github.com/flagship-go/flagship/lsm/key"
)

// A block is a sorted run of entries. An entry does not repeat what its user key
// has in common with the one before, except that every so many entries one is
// whole: a restart, where a search can enter.
//
//	entry     shared | unshared | valueLen | key bytes | trailer | value
//	          varint   varint     varint     unshared    8         valueLen
//
//	block     entries | restarts: 4 B each | buckets: 1 B each | n restarts | n buckets
//	                                                              4 B          4 B
//
//	apple|9 = x      0 5 1 apple ........ x    <- restart 0
//	apple|7 = y      5 0 1       ........ y
//	apply|8 = z      4 1 1 y     ........ z
//	bee|2   = u      0 3 1 bee   ........ u    <- restart 1
//
// Only user keys are shared, never a part of a trailer, so that a search for a
// user key can compare what is there without putting keys together. A restart is
// the offset of its entry.
//
// The buckets are a hash table from bare keys to restarts, for Get: most often it
// leads to the restart that the key is behind, without a binary search; and says
// of keys that are not in the block that they are not.
const (
	// noEntry is the bucket of no key of the block.
	noEntry = 255
	// collision is the bucket of keys behind different restarts.
	collision = 254

	blockTail = 8
)

// blockWriter makes a block of entries that are added in order.
type blockWriter struct {
	interval int // entries from restart to restart
	hashed   bool

	buf      []byte
	restarts []uint32
	last     []byte // the last entry's user key
	entries  int
	hashes   []bucketHash
}

// bucketHash is a bare key's hash and the restart it is behind.
type bucketHash struct {
	hash    uint64
	restart uint32
}

// add adds an entry; hash is of its bare key, and is used in hashed blocks.
func (w *blockWriter) add(user []byte, trailer uint64, value []byte, hash uint64) {
	shared := 0
	if w.entries%w.interval == 0 {
		w.restarts = append(w.restarts, uint32(len(w.buf)))
	} else {
		shared = sharedPrefix(w.last, user)
	}
	if w.hashed {
		h := bucketHash{hash, uint32(len(w.restarts) - 1)}
		if n := len(w.hashes); n == 0 || w.hashes[n-1] != h {
			w.hashes = append(w.hashes, h)
		}
	}
	w.buf = appendUvarint(w.buf, uint64(shared))
	w.buf = appendUvarint(w.buf, uint64(len(user)-shared))
	w.buf = appendUvarint(w.buf, uint64(len(value)))
	w.buf = key.Append(w.buf, user[shared:], trailer)
	w.buf = append(w.buf, value...)
	w.last = append(w.last[:shared], user[shared:]...)
	w.entries++
}

// appendUvarint is binary.AppendUvarint with a short way for short numbers.
func appendUvarint(b []byte, n uint64) []byte {
	if n < 0x80 {
		return append(b, byte(n))
	}
	return binary.AppendUvarint(b, n)
}

// size returns the length that finish would return.
func (w *blockWriter) size() int {
	return len(w.buf) + 4*len(w.restarts) + bucketsFor(len(w.hashes)) + blockTail
}

// bucketsFor is how many buckets n keys get: with fewer, too many collide.
func bucketsFor(n int) int { return (n*4 + 2) / 3 }

// finish returns the block, valid until the next add, and begins another.
func (w *blockWriter) finish() []byte {
	for _, r := range w.restarts {
		w.buf = binary.LittleEndian.AppendUint32(w.buf, r)
	}
	n := 0
	if w.hashed && len(w.restarts) < collision {
		n = bucketsFor(len(w.hashes))
		w.appendBuckets(n)
	}
	w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(len(w.restarts)))
	w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(n))
	out := w.buf
	w.buf, w.restarts, w.hashes, w.last, w.entries = w.buf[:0], w.restarts[:0], w.hashes[:0], w.last[:0], 0
	return out
}

func (w *blockWriter) appendBuckets(n int) {
	start := len(w.buf)
	for range n {
		w.buf = append(w.buf, noEntry)
	}
	buckets := w.buf[start:]
	for _, h := range w.hashes {
		switch b := &buckets[bucketOf(h.hash, n)]; *b {
		case noEntry:
			*b = byte(h.restart)
		case byte(h.restart):
		default:
			*b = collision
		}
	}
}

// bucketOf returns which of n buckets is a hash's.
func bucketOf(hash uint64, n int) int {
	return int(hash & 0xffffffff * uint64(n) >> 32)
}

// sharedPrefix returns the length of the longest common prefix.
func sharedPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for ; i+8 <= n; i += 8 {
		if x := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); x != 0 {
			return i + bits.TrailingZeros64(x)/8
		}
	}
	for ; i < n && a[i] == b[i]; i++ {
	}
	return i
}
