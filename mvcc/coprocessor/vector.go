// Vectors: many values of one type, so that an operation is a loop over numbers and not
// a decision for each.

package coprocessor

import (
	"bytes"
	"cmp"
)

// vector is a column of a batch. One of the slices is in use, by the type. Only the rows
// that a batch selects have something in them; what is at the others is not to be looked
// at, and what is beside a NULL may be anything of the type.
type vector struct {
	typ    Type
	ints   []int64 // Int; of Bool 0 and 1
	floats []float64
	strs   [][]byte
	null   []bool
	nulls  bool // null is to be looked at
}

func (v *vector) isNull(r int32) bool { return v.nulls && v.null[r] }

// resize makes room for n rows. What was in them may be lost.
func (v *vector) resize(n int) {
	v.nulls = false
	v.null = room(v.null, n)
	switch v.typ {
	case Float:
		v.floats = room(v.floats, n)
	case String:
		v.strs = room(v.strs, n)
	default:
		v.ints = room(v.ints, n)
	}
}

func room[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// compare orders two rows of vectors of one type; NULL is below all.
func (v *vector) compare(r int32, o *vector, q int32) int {
	switch vn, on := v.isNull(r), o.isNull(q); {
	case vn && on:
		return 0
	case vn:
		return -1
	case on:
		return 1
	}
	switch v.typ {
	case Float:
		return cmp.Compare(v.floats[r], o.floats[q])
	case String:
		return bytes.Compare(v.strs[r], o.strs[q])
	}
	return cmp.Compare(v.ints[r], o.ints[q])
}

// value takes one out. It shares no memory with the vector.
func (v *vector) value(r int32) Value {
	if v.isNull(r) {
		return Value{}
	}
	switch v.typ {
	case Float:
		return Value{Type: Float, Float: v.floats[r]}
	case String:
		return Value{Type: String, Str: string(v.strs[r])}
	}
	return Value{Type: v.typ, Int: v.ints[r]}
}

// gather makes the vector the rows sel of another, in that order. Strings are shared.
func (v *vector) gather(o *vector, sel []int32) {
	v.typ = o.typ
	v.resize(len(sel))
	v.nulls = o.nulls
	for i, r := range sel {
		v.null[i] = o.isNull(r)
	}
	switch v.typ {
	case Float:
		for i, r := range sel {
			v.floats[i] = o.floats[r]
		}
	case String:
		for i, r := range sel {
			v.strs[i] = o.strs[r]
		}
	default:
		for i, r := range sel {
			v.ints[i] = o.ints[r]
		}
	}
}

// keepTrue returns the rows of sel, in its place, that are true in a vector of bools.
func (v *vector) keepTrue(sel []int32) []int32 {
	n := 0
	if v.nulls {
		for _, r := range sel {
			sel[n] = r
			if !v.null[r] {
				n += int(v.ints[r])
			}
		}
		return sel[:n]
	}
	for _, r := range sel {
		sel[n] = r
		n += int(v.ints[r])
	}
	return sel[:n]
}

// upTo is the numbers below n.
func upTo(sel []int32, n int) []int32 {
	sel = sel[:0]
	for i := range n {
		sel = append(sel, int32(i))
	}
	return sel
}

// store holds rows that stay, a column at a time, with strings of its own.
type store struct {
	cols  []vector
	n     int
	size  int // in bytes, about
	arena []byte
}

func newStore(types []Type) store {
	s := store{cols: make([]vector, len(types))}
	for i, t := range types {
		s.cols[i].typ = t
		s.cols[i].nulls = true
	}
	return s
}

// add appends the rows sel of vectors that are as the columns.
func (s *store) add(from []*vector, sel []int32) {
	for i := range s.cols {
		c, v := &s.cols[i], from[i]
		for _, r := range sel {
			c.null = append(c.null, v.isNull(r))
		}
		switch c.typ {
		case Float:
			for _, r := range sel {
				c.floats = append(c.floats, v.floats[r])
			}
		case String:
			for _, r := range sel {
				if v.isNull(r) {
					c.strs = append(c.strs, nil)
					continue
				}
				c.strs = append(c.strs, s.own(v.strs[r]))
			}
		default:
			for _, r := range sel {
				c.ints = append(c.ints, v.ints[r])
			}
		}
		s.size += len(sel) * (1 + c.typ.memory())
	}
	s.n += len(sel)
}

// memory is what a value takes in a vector, but for the bytes of a string.
func (t Type) memory() int {
	if t == String {
		return 24
	}
	return 8
}

// set puts a row in the place of another.
func (s *store) set(at int32, from []*vector, r int32) {
	for i := range s.cols {
		c, v := &s.cols[i], from[i]
		c.null[at] = v.isNull(r)
		switch {
		case c.null[at]:
		case c.typ == Float:
			c.floats[at] = v.floats[r]
		case c.typ == String:
			if len(v.strs[r]) > cap(c.strs[at]) {
				s.size += 2 * len(v.strs[r])
				c.strs[at] = make([]byte, 0, 2*len(v.strs[r]))
			}
			c.strs[at] = append(c.strs[at][:0], v.strs[r]...)
		default:
			c.ints[at] = v.ints[r]
		}
	}
}

// own copies a string into memory of the store, a large piece at a time.
func (s *store) own(b []byte) []byte {
	if len(b) > cap(s.arena)-len(s.arena) {
		s.arena = make([]byte, 0, max(len(b), min(64<<10, max(512, 2*cap(s.arena)))))
	}
	at := len(s.arena)
	s.arena = append(s.arena, b...)
	s.size += len(b)
	return s.arena[at:len(s.arena):len(s.arena)]
}

// views are the columns as operations take them.
func (s *store) views() []*vector {
	v := make([]*vector, len(s.cols))
	for i := range s.cols {
		v[i] = &s.cols[i]
	}
	return v
}
