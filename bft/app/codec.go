package app

import (
	"encoding/binary"
	"fmt"
)

// Messages and transactions are written field by field: numbers as uvarint, strings and bytes after their length, fixed
// sizes as they are. A message's decoder takes them with a [Reader] in the same order.

// AppendUint appends a number.
func AppendUint(dst []byte, v uint64) []byte { return binary.AppendUvarint(dst, v) }

// AppendString appends a length and a string, or bytes.
func AppendString[S string | []byte](dst []byte, s S) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// Append appends c.
func (c Coin) Append(dst []byte) []byte { return AppendUint(AppendString(dst, c.Denom), c.Amount) }

// A Reader takes fields from bytes. After the first that is not there all are zero, and Done says what was wrong.
// What it returns is a copy where it is not a number.
type Reader struct {
	b   []byte
	err error
}

// NewReader reads b.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

func (r *Reader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s is not there, %d bytes before the end", what, len(r.b))
	}
	r.b = nil
}

// Uint takes a number. One that could be written shorter is taken, too: who needs one encoding compares (see [DecodeTx]).
func (r *Reader) Uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail("a number")
		return 0
	}
	r.b = r.b[n:]
	return v
}

// take is the next n bytes, not copied.
func (r *Reader) take(n uint64, what string) []byte {
	if n > uint64(len(r.b)) {
		r.fail(what)
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

// Bytes takes a length and as many bytes.
func (r *Reader) Bytes() []byte { return append([]byte(nil), r.take(r.Uint(), "a field")...) }

// Text takes a length and a string.
func (r *Reader) Text() string { return string(r.take(r.Uint(), "a text")) }

// Fixed fills dst.
func (r *Reader) Fixed(dst []byte) { copy(dst, r.take(uint64(len(dst)), "a field of fixed size")) }

// Address takes an address.
func (r *Reader) Address() (a Address) {
	r.Fixed(a[:])
	return a
}

// Coin takes a coin.
func (r *Reader) Coin() Coin { return Coin{r.Text(), r.Uint()} }

// Len takes the number of things to come, each of at least size bytes: more than can be there is refused.
func (r *Reader) Len(size int) int {
	n := r.Uint()
	if n > uint64(len(r.b)/size) {
		r.fail("a list")
		return 0
	}
	return int(n)
}

// Done is the first error; bytes that are left over are one.
func (r *Reader) Done() error {
	if r.err == nil && len(r.b) > 0 {
		return fmt.Errorf("%d bytes are left over", len(r.b))
	}
	return r.err
}
