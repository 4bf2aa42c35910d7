package key

import (
	"bytes"
	"encoding/binary"
)

// Order is the order of keys. Its value is the bytes at the end of a user key
// that are no part of the key proper.
type Order int

const (
	// Plain compares user keys byte by byte.
	Plain Order = 0
	// Timestamped takes the last eight bytes of a user key for the complement of
	// a timestamp: they are compared after the bytes before them, and filters
	// leave them out.
	Timestamped Order = 8
)

// Compare orders internal keys: by user key, then newest first.
func (o Order) Compare(a, b []byte) int {
	ua, ub := UserKey(a), UserKey(b)
	if c := o.CompareUser(ua, ub); c != 0 {
		return c
	}
	// The complement is stored: the smaller word is the newer entry.
	ta, tb := binary.BigEndian.Uint64(a[len(ua):]), binary.BigEndian.Uint64(b[len(ub):])
	switch {
	case ta < tb:
		return -1
	case ta > tb:
		return 1
	}
	return 0
}

// CompareUser orders user keys.
func (o Order) CompareUser(a, b []byte) int {
	if o == Plain {
		return bytes.Compare(a, b)
	}
	// As one string, the timestamp of a key would be compared with the bytes of
	// a longer one:  "a"+ts  and  "ab"+ts.
	ba, bb := o.Bare(a), o.Bare(b)
	if c := bytes.Compare(ba, bb); c != 0 {
		return c
	}
	return bytes.Compare(a[len(ba):], b[len(bb):])
}

// Bare returns userKey without its timestamp: a part of it. What is too short to
// have one, as damaged bytes may be, is all timestamp.
func (o Order) Bare(userKey []byte) []byte {
	n := max(len(userKey)-int(o), 0)
	return userKey[:n:n]
}

// Separator appends to dst a short internal key s with a < s <= b, for internal
// keys a < b, such that no key of a's user key lies between a and s, and none of
// b's user key between s and b.
//
//	a  appetite|9      the shortest start of b's user key that is
//	b  apple|7         beyond a's, before all entries it could have
//	s  appl|First
//
//	a  apple|7         of one user key: what follows a directly
//	b  apple|3
//	s  apple|7 - 1
//
// It is what an index keeps of a block that ends with a when the next one begins
// with b. The entry that a reader of a user key looks for is then in the first
// block whose separator is beyond its seek key, or nowhere.
func (o Order) Separator(dst, a, b []byte) []byte {
	ua, ub := UserKey(a), UserKey(b)
	if o.CompareUser(ua, ub) == 0 {
		return Append(dst, ua, TrailerOf(a)-1)
	}
	ba, bb := o.Bare(ua), o.Bare(ub)
	n := shared(ba, bb)
	if n == len(bb) {
		// Only timestamps differ.
		return Append(dst, ub, First)
	}
	dst = append(dst, bb[:n+1]...)
	return o.first(dst)
}

// Successor appends to dst a short internal key beyond all of a's user key.
func (o Order) Successor(dst, a []byte) []byte {
	bare := o.Bare(UserKey(a))
	for i, c := range bare {
		if c != 0xff {
			return o.first(append(append(dst, bare[:i]...), c+1))
		}
	}
	return o.first(append(append(dst, bare...), 0))
}

// first makes the bare key in dst the first internal key it could have: its
// highest timestamp, its highest trailer.
func (o Order) first(dst []byte) []byte {
	const zeros = "\x00\x00\x00\x00\x00\x00\x00\x00"
	dst = append(dst, zeros[:o]...)
	return binary.BigEndian.AppendUint64(dst, ^First)
}

// shared returns the length of the longest common prefix.
func shared(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
