package store

// A Change is a key with its new value; nil: it is deleted.
type Change struct{ Key, Value []byte }

// Diff is what must be written to make old into new, in the order of keys. It takes time for what
// differs, not for what is there: subtrees that both have are passed over.
func Diff(old, new Tree) []Change {
	var out []Change
	diff(old.root, new.root, &out)
	return out
}

// diff appends to out. a and b are at the same place: all keys of both agree before the positions of their parents.
func diff(a, b *node, out *[]Change) {
	switch {
	case a == b:
		return
	case a == nil || b == nil:
		only(a, true, out)
		only(b, false, out)
		return
	case a.leaf() && b.leaf() && a.key == b.key:
		*out = append(*out, Change{[]byte(b.key), b.value})
		return
	}
	// d is where the two part, as far as each has something in common.
	d := critBit(a.key, b.key)
	switch {
	case d < min(a.bit, b.bit): // nothing in common
		if bitAt(a.key, d) == 0 {
			only(a, true, out)
			only(b, false, out)
		} else {
			only(b, false, out)
			only(a, true, out)
		}
	case a.bit == b.bit:
		diff(a.kids[0], b.kids[0], out)
		diff(a.kids[1], b.kids[1], out)
	case a.bit < b.bit: // all of b is on one side of a
		pair := [2]*node{}
		pair[bitAt(b.key, a.bit)] = b
		diff(a.kids[0], pair[0], out)
		diff(a.kids[1], pair[1], out)
	default:
		pair := [2]*node{}
		pair[bitAt(a.key, b.bit)] = a
		diff(pair[0], b.kids[0], out)
		diff(pair[1], b.kids[1], out)
	}
}

// only appends all of n as deleted, or as set.
func only(n *node, deleted bool, out *[]Change) {
	_ = n.walk(nil, nil, func(key string, value []byte) error {
		if deleted {
			value = nil
		}
		*out = append(*out, Change{[]byte(key), value})
		return nil
	})
}
