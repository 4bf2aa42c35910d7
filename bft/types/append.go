package types

import (
	"encoding/binary"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// The pieces of encodings, appended to the caller's slice. They allocate nothing if it has room.

// begin leaves a byte for the length of what follows; end fills it in, and makes room if one byte is too few.
func begin(dst []byte) ([]byte, int) { return append(dst, 0), len(dst) + 1 }

func end(dst []byte, at int) []byte {
	n := len(dst) - at
	if n < 0x80 {
		dst[at-1] = byte(n)
		return dst
	}
	var more [binary.MaxVarintLen64]byte
	dst = append(dst, more[:protowire.SizeVarint(uint64(n))-1]...)
	copy(dst[len(dst)-n:], dst[at:at+n])
	protowire.AppendVarint(dst[:at-1], uint64(n))
	return dst
}

// nest begins a message that is field f of another.
func nest(dst []byte, f protowire.Number) ([]byte, int) {
	return begin(appendTag(dst, f, protowire.BytesType))
}

// appendTag is protowire's, faster for the numbers that nearly all fields have.
func appendTag(dst []byte, f protowire.Number, typ protowire.Type) []byte {
	if f < 16 {
		return append(dst, byte(f)<<3|byte(typ))
	}
	return protowire.AppendTag(dst, f, typ)
}

func appendUint(dst []byte, f protowire.Number, x uint64) []byte {
	if x == 0 {
		return dst
	}
	return protowire.AppendVarint(appendTag(dst, f, protowire.VarintType), x)
}

func appendFixed(dst []byte, f protowire.Number, x uint64) []byte {
	return binary.LittleEndian.AppendUint64(appendTag(dst, f, protowire.Fixed64Type), x)
}

func appendBytes(dst []byte, f protowire.Number, b []byte) []byte {
	if len(b) == 0 {
		return dst
	}
	return protowire.AppendBytes(appendTag(dst, f, protowire.BytesType), b)
}

func appendString(dst []byte, f protowire.Number, s string) []byte {
	if s == "" {
		return dst
	}
	return protowire.AppendString(appendTag(dst, f, protowire.BytesType), s)
}

// appendHash leaves the zero hash out: there is none.
func appendHash(dst []byte, f protowire.Number, h *Hash) []byte {
	if *h == (Hash{}) {
		return dst
	}
	return appendBytes(dst, f, h[:])
}

func appendTime(dst []byte, f protowire.Number, t time.Time) []byte {
	dst, at := nest(dst, f)
	return end(appendTimestamp(dst, t), at)
}

func appendTimestamp(dst []byte, t time.Time) []byte {
	return appendUint(appendUint(dst, 1, uint64(t.Unix())), 2, uint64(t.Nanosecond()))
}

func appendValue(dst []byte, f protowire.Number, v *ValueID) []byte {
	dst, at := nest(dst, f)
	return end(appendValueID(dst, v), at)
}

func appendValueID(dst []byte, v *ValueID) []byte {
	dst = appendHash(dst, 1, &v.Hash)
	dst, at := nest(dst, 2)
	return end(appendParts(dst, &v.Parts), at)
}

func appendParts(dst []byte, h *PartsHeader) []byte {
	return appendHash(appendUint(dst, 1, uint64(h.Total)), 2, &h.Hash)
}
