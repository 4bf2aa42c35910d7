package key

import (
	"encoding/binary"
)

// Kind says what an entry does to its user key. The values are on disk.
type Kind uint8

const (
	// Delete hides every older entry of the key.
	Delete Kind = 0
	// Set gives the key its value.
	Set Kind = 1
	// SetTTL is Set until a time: eight bytes before the value, nanoseconds
	// since 1970, little-endian.
	SetTTL Kind = 2
	// Pointer is Set with the value elsewhere: the entry's value is its place in
	// the value log.
	Pointer Kind = 3
	// PointerTTL is Pointer with the eight bytes of SetTTL before it.
	PointerTTL Kind = 4
	// Merge is an operand on top of the older entries.
	Merge Kind = 5
	// RangeDelete hides every older entry of a range of keys. It is no entry of a
	// memtable's list or of a table's data blocks: see [Span].
	RangeDelete Kind = 6
	// Mark is a note in the log; it never gets into a memtable.
	Mark Kind = 7
	// MaxKind is in no entry: a key with it is before all entries of its user key
	// and sequence number, which makes it the one to seek with.
	MaxKind Kind = 0xff
)

const (
	// MaxSeq is the highest sequence number: 56 bits share a word with the kind.
	MaxSeq = 1<<56 - 1
	// TrailerLen is the bytes that follow the user key in an internal key.
	TrailerLen = 8
	// First is the trailer before all others: with it, a user key is at or before
	// each of its entries.
	First = uint64(MaxSeq)<<8 | uint64(MaxKind)
)

// Trailer packs a sequence number and a kind: seq<<8 | kind.
func Trailer(seq uint64, k Kind) uint64 { return seq<<8 | uint64(k) }

// SeqOf returns the sequence number in a trailer.
func SeqOf(trailer uint64) uint64 { return trailer >> 8 }

// KindOf returns the kind in a trailer.
func KindOf(trailer uint64) Kind { return Kind(trailer) }

// Append appends the internal key of userKey and trailer to dst.
func Append(dst, userKey []byte, trailer uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, userKey...), ^trailer)
}

// Split takes an internal key apart. The user key, with its timestamp where
// there is one, is a part of ikey. It panics if ikey is shorter than
// [TrailerLen]: decoders check the length of what they read.
func Split(ikey []byte) (userKey []byte, trailer uint64) {
	n := len(ikey) - TrailerLen
	return ikey[:n:n], ^binary.BigEndian.Uint64(ikey[n:])
}

// UserKey returns the user key in an internal key: a part of it.
func UserKey(ikey []byte) []byte {
	n := len(ikey) - TrailerLen
	return ikey[:n:n]
}

// TrailerOf returns the trailer of an internal key.
func TrailerOf(ikey []byte) uint64 {
	return ^binary.BigEndian.Uint64(ikey[len(ikey)-TrailerLen:])
}
