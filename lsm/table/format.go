package table

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

// A table is blocks, one after the other, and a footer that says where those are
// that lead to the rest:
//
//	+--------+--------+-----+---------+--------+---------+-----+---------+-------+--------+
//	| data   | data   | ... | range   | filter | index   | ... | index   | prop- | footer |
//	| block  | block  |     | deletes |        | part    |     | root    | erties|  64 B  |
//	+--------+--------+-----+---------+--------+---------+-----+---------+-------+--------+
//	                          ^         ^                         ^        ^      |
//	                          +---------+-------------------------+--------+------+
//
// Each block is followed by a byte, how it is compressed, and four more, the
// CRC32C of it and of that byte. Every byte of the file is under a checksum.
const (
	blockTrailer = 5
	footerSize   = 64
	magic        = "lsmtable"
	// formatVersion is the newest format that this build reads, and the one it
	// writes.
	formatVersion = 1
)

// MaxEntry is the most that the key and the value of an entry take together.
const MaxEntry = 1 << 30

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// handle is where a block is, without its trailer. No block has length 0: a
// handle with it says that there is no such block.
type handle struct {
	offset uint64
	length uint32
}

// footer is the end of the file:
//
//	 0        12       24       36       48        52       56      64
//	+--------+--------+--------+--------+---------+--------+-------+
//	| range  | filter | root   | prop-  | version | CRC32C | magic |
//	| deletes|        |        | erties |         | of 0-51|       |
//	+--------+--------+--------+--------+---------+--------+-------+
//	  a handle: offset 8, length 4, little-endian as all numbers here
type footer struct {
	rangeDeletes, filter, root, properties handle
}

func (f footer) encode() []byte {
	b := make([]byte, 0, footerSize)
	for _, h := range []handle{f.rangeDeletes, f.filter, f.root, f.properties} {
		b = binary.LittleEndian.AppendUint64(b, h.offset)
		b = binary.LittleEndian.AppendUint32(b, h.length)
	}
	b = binary.LittleEndian.AppendUint32(b, formatVersion)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return append(b, magic...)
}

// decodeFooter reads the last footerSize bytes of a file of the given size.
func decodeFooter(b []byte, name string, size int64) (f footer, err error) {
	at := size - footerSize
	if size < footerSize || len(b) != footerSize {
		return f, &CorruptError{File: name, Offset: 0, Reason: fmt.Sprintf("%d bytes are too few for a table: it was cut, or never finished", size)}
	}
	if string(b[56:]) != magic {
		return f, &CorruptError{File: name, Offset: at, Reason: "there is no footer: it is no table, or was cut"}
	}
	if crc32.Checksum(b[:52], castagnoli) != binary.LittleEndian.Uint32(b[52:]) {
		return f, &CorruptError{File: name, Offset: at, Reason: "the footer's checksum is wrong"}
	}
	if v := binary.LittleEndian.Uint32(b[48:]); v != formatVersion {
		return f, &VersionError{File: name, Version: v, Supported: formatVersion}
	}
	for i, h := range []*handle{&f.rangeDeletes, &f.filter, &f.root, &f.properties} {
		h.offset, h.length = binary.LittleEndian.Uint64(b[12*i:]), binary.LittleEndian.Uint32(b[12*i+8:])
		if !h.within(at) {
			return f, &CorruptError{File: name, Offset: at, Reason: fmt.Sprintf("handle %d of the footer, offset %d, length %d, leads out of the file", i, h.offset, h.length)}
		}
	}
	return f, nil
}

// within reports whether the block and its trailer are in the first size bytes.
func (h handle) within(size int64) bool {
	return h.offset <= uint64(size) && uint64(h.length)+blockTrailer <= uint64(size)-h.offset || h == handle{}
}

// append encodes h as the index has it.
func (h handle) append(b []byte) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, h.offset), uint64(h.length))
}

// decodeHandle reads a handle, and returns what follows it.
func decodeHandle(b []byte) (h handle, rest []byte, ok bool) {
	offset, n := binary.Uvarint(b)
	if n <= 0 {
		return h, nil, false
	}
	length, m := binary.Uvarint(b[n:])
	if m <= 0 || length > math.MaxUint32 {
		return h, nil, false
	}
	return handle{offset, uint32(length)}, b[n+m:], true
}

// seal appends the trailer to the block that b ends with, which begins at start.
func seal(b []byte, start int, c Compression) []byte {
	b = append(b, byte(c))
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// unseal checks a block with its trailer and returns it without, still
// compressed.
func unseal(b []byte) (body []byte, c Compression, ok bool) {
	n := len(b) - blockTrailer
	if crc32.Checksum(b[:n+1], castagnoli) != binary.LittleEndian.Uint32(b[n+1:]) {
		return nil, 0, false
	}
	return b[:n:n], Compression(b[n]), true
}
