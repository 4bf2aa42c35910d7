// Package bitrot frames a shard so that no byte of it is believed unchecked:
// drives return wrong bytes without an error, and right bytes of another place.
//
// # The format
//
// A shard is cut into blocks, of which only the last may be shorter. Each has its
// own checksum in front, so that a range is read and checked without the rest:
//
//	 0       4       8
//	+-------+-------+---------------+-------+-------+---------------+--
//	| crc   | length| block 0       | crc   | length| block 1       | ...
//	+-------+-------+---------------+-------+-------+---------------+--
//	 little endian   length bytes    at 1 * (8 + block size)
//
// The checksum is CRC-32C (Castagnoli) of
//
//	version (16 bytes) | part, shard index (4 + 4) | block number (8) | length (4) | bytes
//
// of which the first three are not written: who reads knows what it wants. A
// block that is right but from elsewhere, an older version of the object, the
// neighbour's shard, the block before, does not pass (E2). Of blocks that differ
// in their number alone, or in the part and index alone, this is certain, for a
// CRC tells any two that differ within 32 bits; otherwise one in 2^32 would pass.
//
// The number of blocks is not in the file either: a file that was cut off at the
// edge of a block is too short for the size that the reader was told.
package bitrot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// Overhead is how many bytes a block takes in addition to its own.
const Overhead = 8

// ErrCorrupt is what every [Error] is.
var ErrCorrupt = errors.New("bitrot: corrupt")

// Error says where a shard is not what was written. It is an [ErrCorrupt].
type Error struct {
	Offset int64 // of the block's frame in the file
	Reason string
}

func (e *Error) Error() string {
	return fmt.Sprintf("bitrot: corrupt at offset %d: %s", e.Offset, e.Reason)
}

// Is makes it an ErrCorrupt.
func (e *Error) Is(target error) bool { return target == ErrCorrupt }

// A Shard says which shard of what a file holds.
type Shard struct {
	Version [16]byte // the version's ID
	Part    int      // of a multipart object
	Index   int      // among the data and parity shards
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// mix takes the eight bytes of v into a CRC. It is crc32.Update without a slice,
// which would be allocated at every call.
func mix(crc uint32, v uint64) uint32 {
	crc = ^crc
	for range 8 {
		crc = castagnoli[byte(crc)^byte(v)] ^ crc>>8
		v >>= 8
	}
	return ^crc
}

// sum is the checksum of a block, whose frame without the checksum this is.
func (s *Shard) sum(block int64, lengthAndBytes []byte) uint32 {
	crc := mix(0, binary.LittleEndian.Uint64(s.Version[:8]))
	crc = mix(crc, binary.LittleEndian.Uint64(s.Version[8:]))
	crc = mix(crc, uint64(uint32(s.Part))|uint64(uint32(s.Index))<<32)
	crc = mix(crc, uint64(block))
	return crc32.Update(crc, castagnoli, lengthAndBytes)
}

// Seal completes a frame: the caller has put the block behind the first
// [Overhead] bytes, which Seal fills in.
func (s *Shard) Seal(frame []byte, block int64) {
	binary.LittleEndian.PutUint32(frame[4:], uint32(len(frame)-Overhead))
	binary.LittleEndian.PutUint32(frame, s.sum(block, frame[4:]))
}

// Open checks a frame and returns the block in it, which shares its memory. The
// Offset of the error is 0.
func (s *Shard) Open(frame []byte, block int64) ([]byte, error) {
	switch {
	case len(frame) < Overhead:
		return nil, &Error{Reason: fmt.Sprintf("%d bytes are no frame", len(frame))}
	case binary.LittleEndian.Uint32(frame[4:]) != uint32(len(frame)-Overhead):
		return nil, &Error{Reason: fmt.Sprintf("a block of %d bytes where one of %d belongs",
			binary.LittleEndian.Uint32(frame[4:]), len(frame)-Overhead)}
	case binary.LittleEndian.Uint32(frame) != s.sum(block, frame[4:]):
		return nil, &Error{Reason: fmt.Sprintf("checksum of block %d of shard %d of part %d", block, s.Index, s.Part)}
	}
	return frame[Overhead:], nil
}

// Offset is where block n begins in the file, of blocks of the given size.
func Offset(n int64, blockSize int) int64 { return n * (Overhead + int64(blockSize)) }

// FileSize is the length of the file of a shard of size bytes.
func FileSize(size int64, blockSize int) int64 {
	return size + Overhead*blocks(size, blockSize)
}

// blocks is how many there are; an empty shard has none.
func blocks(size int64, blockSize int) int64 {
	n := size / int64(blockSize)
	if size%int64(blockSize) != 0 {
		n++
	}
	return n
}

// A Writer writes a shard, block by block. It holds one block. It is not safe for
// concurrent use.
type Writer struct {
	w     io.Writer
	shard Shard
	frame []byte
	block int64
}

// NewWriter returns a Writer of blocks of at most blockSize bytes.
func NewWriter(w io.Writer, s Shard, blockSize int) *Writer {
	return &Writer{w: w, shard: s, frame: make([]byte, Overhead+blockSize)}
}

// WriteBlock writes the next block with one Write. All but the last have the
// Writer's block size. p is not kept.
func (w *Writer) WriteBlock(p []byte) error {
	frame := w.frame[:Overhead+copy(w.frame[Overhead:], p)]
	if len(frame) != Overhead+len(p) {
		return fmt.Errorf("bitrot: a block of %d bytes is longer than %d: %w", len(p), len(w.frame)-Overhead, io.ErrShortBuffer)
	}
	w.shard.Seal(frame, w.block)
	w.block++
	_, err := w.w.Write(frame)
	return err
}

// A Reader reads blocks of a shard. It has no memory of its own and is safe for
// concurrent use.
type Reader struct {
	r         io.ReaderAt
	shard     Shard
	size      int64
	blockSize int
}

// NewReader returns a Reader of a shard of size bytes without the frames.
func NewReader(r io.ReaderAt, s Shard, size int64, blockSize int) *Reader {
	return &Reader{r: r, shard: s, size: size, blockSize: blockSize}
}

// Blocks is how many blocks the shard has.
func (r *Reader) Blocks() int64 { return blocks(r.size, r.blockSize) }

// ReadBlock reads and checks block n. The block lies in buf, which must have room
// for a whole frame: Overhead and the block size. An error that is not an
// [ErrCorrupt] is the drive's.
func (r *Reader) ReadBlock(n int64, buf []byte) ([]byte, error) {
	if n < 0 || n >= r.Blocks() {
		return nil, fmt.Errorf("bitrot: block %d of %d", n, r.Blocks())
	}
	frame := buf[:Overhead+min(int64(r.blockSize), r.size-n*int64(r.blockSize))]
	at := Offset(n, r.blockSize)
	got, err := r.r.ReadAt(frame, at)
	switch {
	case got < len(frame) && (err == nil || errors.Is(err, io.EOF)):
		return nil, &Error{Offset: at, Reason: fmt.Sprintf("the file ends after %d of %d bytes of block %d", got, len(frame), n)}
	case got < len(frame):
		return nil, err
	}
	block, err := r.shard.Open(frame, n)
	if err != nil {
		err.(*Error).Offset = at
	}
	return block, err
}

// Verify reads and checks every block of a file that is fileSize bytes long,
// through buf as in ReadBlock.
func (r *Reader) Verify(fileSize int64, buf []byte) error {
	if want := FileSize(r.size, r.blockSize); fileSize != want {
		return &Error{Offset: min(fileSize, want), Reason: fmt.Sprintf("the file has %d bytes instead of %d", fileSize, want)}
	}
	for n := range r.Blocks() {
		if _, err := r.ReadBlock(n, buf); err != nil {
			return err
		}
	}
	return nil
}
