package table

import (
	"encoding/binary"
	"math/bits"

	"github.com/flagship-go/flagship/lsm/key"
)

// A block is a sorted run of entries. An entry does not repeat what its user key
// has in common with the one before, except that every so many entries one is
// whole: a restart, where a search can enter. Values lie apart from keys, in the
// same order, so that who looks for a key reads keys, a few cache lines of them.
//
//	block     keys | values | restarts | buckets | tail
//	key       shared | unshared | valueLen | user key bytes | trailer
//	          varint   varint     varint     unshared         8
//	restart   offset in keys 4 | offset in values 4
//	bucket    1
//	tail      length of keys 4 | n restarts 4 | n buckets 4
//
//	apple|9 = x      0 5 1 apple ........    <- restart 0
//	apple|7 = y      5 0 1       ........
//	apply|8 = z      4 1 1 y     ........    (shared 4: "appl")
//	bee|2   = u      0 3 1 bee   ........    <- restart 1
//
// Only user keys are shared, never a part of a trailer, so that a search for a
// user key can compare what is there without putting keys together.
//
// The buckets are a hash table from bare keys to restarts, for Get: most often it
// leads to the restart that the key is behind, without a binary search; and says
// of keys that are not in the block that they are not.
const (
	// noEntry is the bucket of no key of the block.
	noEntry = 255
	// collision is the bucket of keys behind different restarts.
	collision = 254

	restartSize = 8
	blockTail   = 12
)

// blockWriter makes a block of entries that are added in order.
type blockWriter struct {
	interval int // entries from restart to restart
	hashed   bool

	keys     []byte
	values   []byte
	restarts []byte
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
		w.restarts = binary.LittleEndian.AppendUint32(w.restarts, uint32(len(w.keys)))
		w.restarts = binary.LittleEndian.AppendUint32(w.restarts, uint32(len(w.values)))
	} else {
		shared = sharedPrefix(w.last, user)
	}
	if w.hashed {
		h := bucketHash{hash, uint32(w.entries / w.interval)}
		if n := len(w.hashes); n == 0 || w.hashes[n-1] != h {
			w.hashes = append(w.hashes, h)
		}
	}
	w.keys = appendUvarint(w.keys, uint64(shared))
	w.keys = appendUvarint(w.keys, uint64(len(user)-shared))
	w.keys = appendUvarint(w.keys, uint64(len(value)))
	w.keys = key.Append(w.keys, user[shared:], trailer)
	w.values = append(w.values, value...)
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
	return len(w.keys) + len(w.values) + len(w.restarts) + bucketsFor(len(w.hashes)) + blockTail
}

// bucketsFor is how many buckets n keys get: with fewer, too many collide.
func bucketsFor(n int) int { return (n*4 + 2) / 3 }

// finish returns the block, valid until the next add, and begins another.
func (w *blockWriter) finish() []byte {
	b := append(append(w.keys, w.values...), w.restarts...)
	n, m := len(w.restarts)/restartSize, 0
	if w.hashed && n < collision {
		m = bucketsFor(len(w.hashes))
		b = w.appendBuckets(b, m)
	}
	for _, size := range []int{len(w.keys), n, m} {
		b = binary.LittleEndian.AppendUint32(b, uint32(size))
	}
	*w = blockWriter{
		interval: w.interval, hashed: w.hashed,
		keys: b[:0], values: w.values[:0], restarts: w.restarts[:0], hashes: w.hashes[:0], last: w.last[:0],
	}
	return b
}

func (w *blockWriter) appendBuckets(b []byte, n int) []byte {
	start := len(b)
	for range n {
		b = append(b, noEntry)
	}
	buckets := b[start:]
	for _, h := range w.hashes {
		switch at := &buckets[bucketOf(h.hash, n)]; *at {
		case noEntry:
			*at = byte(h.restart)
		case byte(h.restart):
		default:
			*at = collision
		}
	}
	return b
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
