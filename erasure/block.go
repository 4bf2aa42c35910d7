// A block in memory: its bytes, cut into shards, each with its frame in front.

package erasure

import (
	"math/bits"
	"sync"

	"github.com/flagship-go/flagship/erasure/bitrot"
)

// A block is one block of an object. The frames lie one after the other, so that
// each goes to its drive in one write.
//
//	frames[0]            frames[1]
//	+------+------------+------+------------+--
//	| sum  | shards[0]  | sum  | shards[1]  | ...
//	+------+------------+------+------------+--
type block struct {
	memory []byte
	frames [][]byte
	shards [][]byte
}

// newBlock takes the memory of a block of so many bytes from the pool.
func (s *Store) newBlock(g geometry, size int) *block {
	n, shard := g.shards(), g.shardSize(size)
	frame := bitrot.Overhead + shard
	b := &block{memory: s.buffers.take(n * frame), frames: make([][]byte, n), shards: make([][]byte, n)}
	for i := range n {
		b.frames[i] = b.memory[i*frame : (i+1)*frame : (i+1)*frame]
		b.shards[i] = b.frames[i][bitrot.Overhead:]
	}
	return b
}

// split copies the bytes of a block into its data shards, and zeros behind them.
func (b *block) split(g geometry, p []byte) {
	for _, shard := range b.shards[:g.data] {
		n := copy(shard, p)
		p = p[n:]
		clear(shard[n:])
	}
}

// encode makes a block of p: shards with parity, and frames that are those of the
// version's part and block number.
func (s *Store) encode(v *version, part int, number int64, p []byte) (*block, error) {
	codec, err := s.codec(v.geometry)
	if err != nil {
		return nil, err
	}
	b := s.newBlock(v.geometry, len(p))
	b.split(v.geometry, p)
	if v.parity > 0 {
		if err := codec.Encode(b.shards); err != nil {
			return nil, err
		}
	}
	for i, frame := range b.frames {
		shard := bitrot.Shard{Version: v.ID, Part: part, Index: i}
		shard.Seal(frame, number)
	}
	return b, nil
}

// buffers lend memory, in sizes of powers of two.
type buffers struct{ pools [48]sync.Pool }

// take returns n bytes, which hold anything.
func (l *buffers) take(n int) []byte {
	if n == 0 {
		return nil
	}
	class := bits.Len(uint(n - 1))
	if b, ok := l.pools[class].Get().(*[]byte); ok {
		return (*b)[:n]
	}
	return make([]byte, n, 1<<class)
}

// give returns memory that nobody uses any more: not even a drive that was given
// up but may still read it, or write into it.
func (l *buffers) give(b []byte) {
	if cap(b) == 0 {
		return
	}
	b = b[:cap(b)]
	l.pools[bits.Len(uint(cap(b)-1))].Put(&b)
}
