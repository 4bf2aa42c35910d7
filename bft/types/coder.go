package types

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Encodings are CometBFT's protocol buffers, and each value has exactly one: fields in the order of
// their numbers, each once, and what is zero left out, but for the messages that are always there (times, and ids of values).
//
//	field := tag (number << 3 | type)  then  varint  or  length and bytes
//
// A coder goes through the fields of a value in that order, and either appends them or takes them off: one description
// serves both, so that they cannot differ, and what is repeated, out of order, unknown or trailing is not found where
// it should be, and is an error.

// ErrEncoding is bytes that are not the encoding of what they are said to be.
var ErrEncoding = errors.New("bft: encoding")

type coder struct {
	reading bool
	buf     []byte // what was written so far; or what is left to read
	err     error  // the first one; after it nothing more is read
}

// encode appends a value to dst, without allocating if there is room.
func encode(dst []byte, code func(*coder)) []byte {
	c := coder{buf: dst}
	code(&c)
	return c.buf
}

// decode reads all of data. What is read may be slices of it.
func decode(what string, data []byte, code func(*coder)) error {
	c := coder{reading: true, buf: data}
	code(&c)
	if c.end(); c.err != nil {
		return fmt.Errorf("%w of a %s: %w", ErrEncoding, what, c.err)
	}
	return nil
}

func (c *coder) fail(format string, args ...any) {
	if c.reading && c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

// end is where nothing may be left.
func (c *coder) end() {
	if c.err == nil && len(c.buf) > 0 {
		f, _, _ := protowire.ConsumeTag(c.buf)
		c.fail("a field %d is unknown, repeated, zero or out of order", f)
	}
}

// next tells whether the next field is f, and takes off its tag.
func (c *coder) next(f protowire.Number, want protowire.Type) bool {
	if c.err != nil {
		return false
	}
	field, got, n := protowire.ConsumeTag(c.buf)
	if n < 0 || field != f {
		return false
	}
	if got != want || n != protowire.SizeTag(f) {
		c.fail("field %d is of type %d, and not %d", f, got, want)
		return false
	}
	c.buf = c.buf[n:]
	return true
}

// number is any integer. It must fit what it is read into.
func number[T ~int64 | ~int32 | ~uint64 | ~uint32 | ~uint8](c *coder, f protowire.Number, x *T) {
	if !c.reading {
		c.buf = appendUint(c.buf, f, uint64(*x))
		return
	}
	if !c.next(f, protowire.VarintType) {
		return
	}
	v, n := protowire.ConsumeVarint(c.buf)
	if n < 0 || v == 0 || n != protowire.SizeVarint(v) || uint64(T(v)) != v {
		c.fail("field %d is no number of the right size in its shortest form, or 0", f)
		return
	}
	*x, c.buf = T(v), c.buf[n:]
}

// take takes off a length, and as many bytes.
func (c *coder) take(f protowire.Number) []byte {
	n, size := protowire.ConsumeVarint(c.buf)
	if size < 0 || size != protowire.SizeVarint(n) || n > uint64(len(c.buf)-size) {
		c.fail("field %d is cut off", f)
		return nil
	}
	b := c.buf[size : size+int(n) : size+int(n)]
	c.buf = c.buf[size+int(n):]
	return b
}

// bytes is up to most bytes; none are left out. What is read is a slice of the data.
func (c *coder) bytes(f protowire.Number, b *[]byte, most int) {
	if !c.reading {
		c.buf = appendBytes(c.buf, f, *b)
		return
	}
	if !c.next(f, protowire.BytesType) {
		return
	}
	if *b = c.take(f); len(*b) == 0 || len(*b) > most {
		c.fail("field %d has %d bytes, and may have 1 to %d", f, len(*b), most)
	}
}

func (c *coder) string(f protowire.Number, s *string, most int) {
	if !c.reading {
		c.buf = appendString(c.buf, f, *s)
		return
	}
	var b []byte
	c.bytes(f, &b, most)
	*s = string(b)
}

// array is a hash or an address. One of zeros is none, and left out.
func (c *coder) array(f protowire.Number, a []byte) {
	if !c.reading {
		if !allZero(a) {
			c.buf = appendBytes(c.buf, f, a)
		}
		return
	}
	if !c.next(f, protowire.BytesType) {
		return
	}
	if b := c.take(f); len(b) != len(a) || allZero(b) {
		c.fail("field %d has %d bytes, and must have %d that are not all 0", f, len(b), len(a))
	} else {
		copy(a, b)
	}
}

func allZero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}

// message is another message in this one. It is always there.
func (c *coder) message(f protowire.Number, code func()) {
	if !c.optional(f, true, code) {
		c.fail("field %d is missing", f)
	}
}

// optional is a message that may be missing: when it is written there says whether it is. It tells whether it was there.
func (c *coder) optional(f protowire.Number, there bool, code func()) bool {
	if !c.reading {
		if there {
			var at int
			c.buf, at = nest(c.buf, f)
			code()
			c.buf = end(c.buf, at)
		}
		return there
	}
	if !c.next(f, protowire.BytesType) {
		return false
	}
	inner := c.take(f)
	outer := c.buf
	c.buf = inner
	code()
	c.end()
	c.buf = outer
	return true
}

// rest is a message that is bytes, also none, and nothing else.
func (c *coder) rest(b *[]byte) {
	if !c.reading {
		c.buf = append(c.buf, *b...)
		return
	}
	*b, c.buf = c.buf, nil
}

// list is a repeated message.
func list[T any](c *coder, f protowire.Number, items *[]T, code func(*coder, *T)) {
	if !c.reading {
		for i := range *items {
			c.optional(f, true, func() { code(c, &(*items)[i]) })
		}
		return
	}
	for more := true; more; {
		n := len(*items)
		*items = append(*items, *new(T))
		if more = c.optional(f, true, func() { code(c, &(*items)[n]) }) && c.err == nil; !more {
			*items = (*items)[:n]
		}
	}
	if len(*items) == 0 {
		*items = nil
	}
}

// The times that a timestamp can have: the years 1 to 9999.
const (
	minSeconds = -62135596800
	maxSeconds = 253402300799
)

func (c *coder) time(f protowire.Number, t *time.Time) {
	if !c.reading {
		c.buf = appendTime(c.buf, f, *t)
		return
	}
	var seconds int64
	var nanoseconds int32
	c.message(f, func() {
		number(c, 1, &seconds)
		number(c, 2, &nanoseconds)
	})
	if seconds < minSeconds || seconds > maxSeconds || nanoseconds < 0 || nanoseconds >= 1e9 {
		c.fail("a time of %d seconds and %d nanoseconds", seconds, nanoseconds)
		return
	}
	*t = time.Unix(seconds, int64(nanoseconds)).UTC()
}

func (c *coder) valueID(f protowire.Number, v *ValueID) {
	if !c.reading {
		c.buf = appendValue(c.buf, f, v)
		return
	}
	c.message(f, func() {
		c.array(1, v.Hash[:])
		c.message(2, func() {
			number(c, 1, &v.Parts.Total)
			c.array(2, v.Parts.Hash[:])
		})
	})
}
