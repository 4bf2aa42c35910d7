package lsmtest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"
)

// The model is the store that is obviously right: a map. It is what every
// implementation is compared with.

// entry is what the model knows of a key: the value below, and the operands that
// were merged since.
type entry struct {
	base     []byte
	has      bool // there is a base
	expires  time.Time
	operands [][]byte
}

// state is the model at one moment. It is never changed, only followed by the
// next one.
type state map[string]entry

// mergeAll is the kit's merge operator: it shows every operand and its place.
func mergeAll(_, base []byte, operands [][]byte) ([]byte, error) {
	return bytes.Join(slices.Concat([][]byte{base}, operands), []byte("+")), nil
}

// visible returns the value of a key at a time.
func (s state) visible(key string, now time.Time) (value []byte, ok bool) {
	e, ok := s[key]
	if !ok {
		return nil, false
	}
	base, has := e.base, e.has
	if has && !e.expires.IsZero() && !now.Before(e.expires) {
		base, has = nil, false
	}
	if len(e.operands) > 0 {
		value, _ = mergeAll(nil, base, e.operands)
		return value, true
	}
	return base, has
}

// apply returns the state after a batch.
func (s state) apply(ops []Op, now time.Time) state {
	next := maps.Clone(s)
	for _, op := range ops {
		k := string(op.Key)
		switch op.Kind {
		case Put:
			next[k] = entry{base: op.Value, has: true}
		case PutTTL:
			next[k] = entry{base: op.Value, has: true, expires: now.Add(op.TTL)}
		case Delete:
			delete(next, k)
		case DeleteRange:
			maps.DeleteFunc(next, func(key string, _ entry) bool { return key >= k && key < string(op.Value) })
		case Merge:
			e := next[k]
			e.operands = append(slices.Clip(e.operands), op.Value)
			next[k] = e
		}
	}
	return next
}

// pair is a key and its value.
type pair struct{ key, value string }

// pairs returns what is visible within bounds, in order.
func (s state) pairs(low, high []byte, now time.Time) []pair {
	var all []pair
	for _, k := range slices.Sorted(maps.Keys(s)) {
		if low != nil && k < string(low) || high != nil && k >= string(high) {
			continue
		}
		if v, ok := s.visible(k, now); ok {
			all = append(all, pair{k, string(v)})
		}
	}
	return all
}

// cursor is the model of an iterator: at is -1 before the first pair, and
// len(pairs) behind the last.
type cursor struct {
	pairs []pair
	at    int
}

// move moves it and says whether it is on a pair.
func (c *cursor) move(how string, key []byte) bool {
	n := len(c.pairs)
	find := func() int {
		i, _ := slices.BinarySearchFunc(c.pairs, string(key), func(p pair, k string) int {
			return bytes.Compare([]byte(p.key), []byte(k))
		})
		return i
	}
	switch how {
	case "first":
		c.at = 0
	case "last":
		c.at = n - 1
	case "ge":
		c.at = find()
	case "lt":
		c.at = find() - 1
	case "next":
		c.at = min(c.at+1, n)
	case "prev":
		c.at = max(c.at-1, -1)
	}
	return c.at >= 0 && c.at < n
}

// compare says how what was read differs from what should have been. With drop,
// pairs may be missing.
func compare(got, want []pair, drop bool) error {
	for i, j := 0, 0; ; j++ {
		switch {
		case i == len(got) && (j >= len(want) || drop):
			return nil
		case i == len(got):
			return fmt.Errorf("key %s is missing (%d keys instead of %d)", show(want[j].key), len(got), len(want))
		case j >= len(want):
			return fmt.Errorf("key %s should not be there (%d keys instead of %d)", show(got[i].key), len(got), len(want))
		case got[i] == want[j]:
			i++
		case got[i].key == want[j].key:
			return fmt.Errorf("key %s is %s instead of %s", show(got[i].key), show(got[i].value), show(want[j].value))
		case got[i].key < want[j].key:
			return fmt.Errorf("key %s is out of place or should not be there", show(got[i].key))
		case !drop:
			return fmt.Errorf("key %s is missing", show(want[j].key))
		}
	}
}

// show is a value in an error.
func show(s string) string {
	if w := word([]byte(s)); len(w) <= 60 {
		return w
	}
	return fmt.Sprintf("%q... (%d bytes)", s[:40], len(s))
}
