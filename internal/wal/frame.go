package wal

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
)

// A frame is one record on disk: sixteen bytes of header, the payload, and
// zeros up to a multiple of eight.
//
//	 0        4        8        12       16               16+size  aligned to 8
//	+--------+--------+--------+--------+----------------+--------+
//	| check  | word   | durable| body   | payload        | zeros  |
//	+--------+--------+--------+--------+----------------+--------+
//	  |        |        |        |
//	  |        |        |        CRC32C of payload and zeros
//	  |        |        bytes of this segment known durable when written, / 8
//	  |        size in bits 0..28, kind in 29..30, "more follows" in 31
//	  CRC32C of segment id, offset, word, durable, body
//
// The header stands for itself: checked alone, it proves that this log put a
// frame of this length at this place of this segment, even when the payload
// never reached the disk. That is what lets recovery search for frames beyond
// a hole in linear time, and believe their durable field.
const (
	frameHeader = 16
	frameAlign  = 8

	sizeMask  = 1<<29 - 1
	kindShift = 29
	kindMask  = 3
	moreFlag  = 1 << 31

	// Kind 0 is no frame: sixteen zero bytes are the end of the log. The
	// other kinds are not zero, hence no frame can look like the end.
	kindRecord = 1
	// A mark carries no record, only its durable field. Close writes one, so
	// that the last records too have a frame after them that vouches for them.
	kindMark = 2
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frame is a decoded header.
type frame struct {
	size    int // payload bytes
	kind    int
	more    bool   // the batch goes on in the next frame
	durable int64  // bytes of the segment known durable when it was written
	body    uint32 // checksum of the padded payload
}

// span is the room the frame takes in the file.
func (f frame) span() int64 { return frameSpan(f.size) }

func frameSpan(size int) int64 { return frameHeader + roundUp(int64(size), frameAlign) }

// checker computes header checksums. The bytes that are not in the file, the
// frame's place, are put before those that are. It owns its scratch space
// because crc32 lets its argument escape: a local array would be an allocation
// per frame.
type checker struct{ scratch [28]byte }

func (c *checker) sum(segment uint64, offset int64, fields []byte) uint32 {
	s := c.scratch[:]
	binary.LittleEndian.PutUint64(s, segment)
	binary.LittleEndian.PutUint64(s[8:], uint64(offset))
	copy(s[16:], fields[:12])
	return crc32.Update(0, castagnoli, s)
}

// appendFrame encodes f and its payload to b, for the given place.
func (c *checker) appendFrame(b []byte, segment uint64, offset int64, f frame, payload []byte) []byte {
	start, span := len(b), int(frameSpan(len(payload)))
	b = slices.Grow(b, span)[:start+span]
	h := b[start:]
	clear(h[frameHeader+copy(h[frameHeader:], payload):])

	word := uint32(len(payload)) | uint32(f.kind)<<kindShift
	if f.more {
		word |= moreFlag
	}
	binary.LittleEndian.PutUint32(h[4:], word)
	binary.LittleEndian.PutUint32(h[8:], uint32(f.durable/frameAlign))
	binary.LittleEndian.PutUint32(h[12:], crc32.Update(0, castagnoli, h[frameHeader:]))
	binary.LittleEndian.PutUint32(h, c.sum(segment, offset, h[4:]))
	return b
}

// parse decodes the header h found at a place; ok is false when this log did
// not put it there.
func (c *checker) parse(h []byte, segment uint64, offset int64) (f frame, ok bool) {
	word := binary.LittleEndian.Uint32(h[4:])
	f = frame{
		size:    int(word & sizeMask),
		kind:    int(word >> kindShift & kindMask),
		more:    word&moreFlag != 0,
		durable: int64(binary.LittleEndian.Uint32(h[8:])) * frameAlign,
		body:    binary.LittleEndian.Uint32(h[12:]),
	}
	// The cheap tests come first: a search through old bytes asks this of
	// every eighth byte. No frame knows of durable bytes after its own start.
	ok = (f.kind == kindRecord || f.kind == kindMark && f.size == 0 && !f.more) &&
		f.durable <= offset &&
		binary.LittleEndian.Uint32(h) == c.sum(segment, offset, h[4:])
	return f, ok
}

// intact reports whether body, payload and padding, is what was written.
func (f frame) intact(body []byte) bool {
	return crc32.Update(0, castagnoli, body) == f.body
}

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }

func isZero(b []byte) bool {
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b) != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
