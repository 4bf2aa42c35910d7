package store

import "encoding/binary"

// codec writes or reads. Each type has one function that walks its fields in
// order and does either, so that the two directions cannot disagree:
//
//	codec{writing: true}   *field -> b        a field is only read: others may read it too
//	codec{b: bytes}        b -> *field
//
// Numbers are varints, byte strings have their length before them, up to eight
// flags share a byte. Reading never panics: what does not fit sets bad, and
// everything after that reads as zero.
type codec struct {
	writing bool
	b       []byte // reading: what is left
	bad     bool
	depth   int // of nested transactions
}

// done tells whether all was read and made sense.
func (c *codec) done() bool { return !c.bad && len(c.b) == 0 }

func (c *codec) fail() { c.bad, c.b = true, nil }

func (c *codec) byte(v *byte) {
	switch {
	case c.writing:
		c.b = append(c.b, *v)
	case len(c.b) == 0:
		c.fail()
	default:
		*v, c.b = c.b[0], c.b[1:]
	}
}

func (c *codec) int(v *int64) {
	if c.writing {
		c.b = binary.AppendVarint(c.b, *v)
		return
	}
	n, size := binary.Varint(c.b)
	if size <= 0 {
		c.fail()
		return
	}
	*v, c.b = n, c.b[size:]
}

func (c *codec) uint(v *uint64) {
	if c.writing {
		c.b = binary.AppendUvarint(c.b, *v)
		return
	}
	n, size := binary.Uvarint(c.b)
	if size <= 0 {
		c.fail()
		return
	}
	*v, c.b = n, c.b[size:]
}

// bytes reads a part of b, not a copy; an empty string as nil.
func (c *codec) bytes(v *[]byte) {
	n := uint64(len(*v))
	c.uint(&n)
	switch {
	case c.writing:
		c.b = append(c.b, *v...)
	case n > uint64(len(c.b)):
		c.fail()
	case n > 0:
		*v, c.b = c.b[:n:n], c.b[n:]
	}
}

func (c *codec) string(v *string) {
	b := []byte(*v)
	if c.bytes(&b); !c.writing {
		*v = string(b)
	}
}

// flags are at most 8; a bit that is not theirs is refused.
func (c *codec) flags(flags ...*bool) {
	var bits byte
	for i, f := range flags {
		if *f {
			bits |= 1 << i
		}
	}
	c.byte(&bits)
	if c.writing {
		return
	}
	if bits>>len(flags) != 0 {
		c.fail()
		return
	}
	for i, f := range flags {
		*f = bits&(1<<i) != 0
	}
}

// enum is a number of one byte.
func enum[T ~uint8](c *codec, v *T) {
	b := byte(*v)
	if c.byte(&b); !c.writing {
		*v = T(b)
	}
}

// list walks a slice. An element takes a byte at least, so the length cannot
// make a reader allocate much more than it was sent.
func list[T any](c *codec, l *[]T, element func(*T)) {
	n := uint64(len(*l))
	c.uint(&n)
	if !c.writing {
		if n > uint64(len(c.b)) {
			c.fail()
			return
		}
		if n == 0 {
			return
		}
		*l = make([]T, n)
	}
	for i := range *l {
		if c.bad {
			return
		}
		element(&(*l)[i])
	}
}

// optional walks what a pointer points to, if anything.
func optional[T any](c *codec, p **T, element func(*T)) {
	there := *p != nil
	c.flags(&there)
	if !there || c.bad {
		return
	}
	if !c.writing {
		*p = new(T)
	}
	element(*p)
}
