package vlog

import (
	"encoding/binary"
	"errors"
)

// Pointer says where a value is.
type Pointer struct {
	// File is the number of the file, Offset the byte in it at which the value
	// begins, Length how many bytes it has.
	File, Offset uint64
	Length       uint32
}

// Append appends the pointer's bytes to dst: three uvarints.
func (p Pointer) Append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, p.File)
	dst = binary.AppendUvarint(dst, p.Offset)
	return binary.AppendUvarint(dst, uint64(p.Length))
}

var errPointer = errors.New("vlog: not a pointer")

// ParsePointer is the reverse of [Pointer.Append], for the whole of b.
func ParsePointer(b []byte) (Pointer, error) {
	file, n := binary.Uvarint(b)
	if n <= 0 {
		return Pointer{}, errPointer
	}
	b = b[n:]
	offset, n := binary.Uvarint(b)
	if n <= 0 {
		return Pointer{}, errPointer
	}
	b = b[n:]
	length, n := binary.Uvarint(b)
	if n <= 0 || n != len(b) || length > MaxValue {
		return Pointer{}, errPointer
	}
	return Pointer{file, offset, uint32(length)}, nil
}
