package vlog

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"
	"strconv"
	"strings"
)

// The layouts of header, record and mark are drawn in doc.go.
const (
	// MaxValue is the longest value, in bytes.
	MaxValue = 1<<30 - 1

	fileMagic     = "FVLG"
	fileHeader    = 16
	formatVersion = 1
	fileSuffix    = ".vlog"

	checkLen = 4
	markText = "SEAL"
	markLen  = 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// FileName returns the name of a file of the log.
func FileName(num uint64) string { return fmt.Sprintf("%016x%s", num, fileSuffix) }

// parseName is the reverse of FileName; ok is false for another file.
func parseName(name string) (num uint64, ok bool) {
	digits, found := strings.CutSuffix(name, fileSuffix)
	if !found {
		return 0, false
	}
	num, err := strconv.ParseUint(digits, 16, 64)
	return num, err == nil && FileName(num) == name
}

func appendHeader(b []byte, num uint64) []byte {
	b = append(b, fileMagic...)
	b = binary.LittleEndian.AppendUint32(b, formatVersion)
	return binary.LittleEndian.AppendUint64(b, num)
}

// checkHeader says whether h is the header of file num. It needs no checksum:
// each of its bytes is known.
func checkHeader(h []byte, path string, num uint64) error {
	if len(h) < fileHeader || string(h[:4]) != fileMagic {
		return &CorruptError{File: path, Reason: "no header"}
	}
	if v := binary.LittleEndian.Uint32(h[4:]); v > formatVersion {
		return &VersionError{File: path, Version: v, Supported: formatVersion}
	} else if v != formatVersion {
		return &CorruptError{File: path, Reason: fmt.Sprintf("format version %d", v)}
	}
	if n := binary.LittleEndian.Uint64(h[8:]); n != num {
		return &CorruptError{File: path, Reason: fmt.Sprintf("it is file %d under another name", n)}
	}
	return nil
}

// headLen is what a record has before its value.
func headLen(length uint32) uint64 {
	return checkLen + uint64(max(bits.Len32(length)+6, 7)/7)
}

// sum is the CRC32C of what follows the checksum of a record, begun from its
// place, which is not in the file. (A place written to a buffer first would be an
// allocation: crc32 lets its argument escape.)
func sum(num, offset uint64, rest []byte) uint32 {
	x := num*0x9e3779b97f4a7c15 + offset
	x = (x ^ x>>32) * 0xd6e8feb86659fd93
	return crc32.Update(uint32(x>>32), castagnoli, rest)
}

// appendRecord encodes a value to b, which goes to the given place of file num,
// and returns where the value then is.
func appendRecord(b []byte, num uint64, at int64, value []byte) ([]byte, Pointer) {
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	b = binary.AppendUvarint(b, uint64(len(value)))
	p := Pointer{File: num, Offset: uint64(at) + uint64(len(b)-start), Length: uint32(len(value))}
	b = append(b, value...)
	binary.LittleEndian.PutUint32(b[start:], sum(num, p.Offset, b[start+checkLen:]))
	return b, p
}

// value returns the value of the record r, which lies where p says; ok is false
// when it is not what was appended there.
func (p Pointer) value(r []byte) (v []byte, ok bool) {
	head := headLen(p.Length)
	length, n := binary.Uvarint(r[checkLen:head])
	ok = n == int(head-checkLen) && length == uint64(p.Length) &&
		binary.LittleEndian.Uint32(r) == sum(p.File, p.Offset, r[checkLen:])
	return r[head:], ok
}

func appendMark(b []byte, num uint64, at int64) []byte {
	b = binary.LittleEndian.AppendUint32(b, sum(num, uint64(at), []byte(markText)))
	return append(b, markText...)
}
