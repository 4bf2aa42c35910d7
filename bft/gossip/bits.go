package gossip

import (
	"iter"
	"math/bits"
)

// A set of small numbers: of validators, or of parts.
type set []uint64

func (s set) has(i int) bool { return i>>6 < len(s) && s[i>>6]>>(i&63)&1 == 1 }

func (s *set) add(i int) {
	for i>>6 >= len(*s) {
		*s = append(*s, 0)
	}
	(*s)[i>>6] |= 1 << (i & 63)
}

func (s set) remove(i int) {
	if i>>6 < len(s) {
		s[i>>6] &^= 1 << (i & 63)
	}
}

func (s *set) addAll(o set) {
	for len(*s) < len(o) {
		*s = append(*s, 0)
	}
	for i, w := range o {
		(*s)[i] |= w
	}
}

func (s set) removeAll(o set) {
	for i := range min(len(s), len(o)) {
		s[i] &^= o[i]
	}
}

// keepAll drops what is not in o.
func (s set) keepAll(o set) {
	for i := range s {
		if i < len(o) {
			s[i] &= o[i]
		} else {
			s[i] = 0
		}
	}
}

func (s set) empty() bool {
	for _, w := range s {
		if w != 0 {
			return false
		}
	}
	return true
}

// without is s and none of others, in dst's space.
func (s set) without(dst set, others ...set) set {
	dst = append(dst[:0], s...)
	for _, o := range others {
		dst.removeAll(o)
	}
	return dst
}

func (s set) all() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, w := range s {
			for ; w != 0; w &= w - 1 {
				if !yield(i<<6 + bits.TrailingZeros64(w)) {
					return
				}
			}
		}
	}
}

// bytes is s with eight to a byte, the lowest first, and no zero at the end.
func (s set) bytes() []byte {
	var b []byte
	for i := range 8 * len(s) {
		b = append(b, byte(s[i>>3]>>(8*(i&7))))
	}
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	return b
}

func setOf(b []byte) set {
	s := make(set, (len(b)+7)/8)
	for i, x := range b {
		s[i>>3] |= uint64(x) << (8 * (i & 7))
	}
	return s
}
