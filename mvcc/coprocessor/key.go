// The format of a row's key. It is memcomparable: keys compare as bytes in the order
// in which the columns compare as values, so that a scan gives rows in the order of the
// primary key, and a region is a range of it.
//
//	prefix | column | column | ...            prefix | id
//
//	int     8 bytes, big-endian, the sign flipped: -1 is 7fff..ff, 0 is 8000..00
//	float   8 bytes, big-endian; the sign is flipped if it is positive, all bits if it
//	        is negative
//	bool    1 byte, 0 or 1
//	string  groups of 8 bytes, each followed by a ninth: ff if another group follows,
//	        else f7 + how many of the 8 count; the others are 0:
//
//	            ''         00 00 00 00 00 00 00 00 f7
//	            'ab'       61 62 00 00 00 00 00 00 f9
//	            'ab\0'     61 62 00 00 00 00 00 00 fa
//	            8 bytes    61 62 63 64 65 66 67 68 ff | 00 00 00 00 00 00 00 00 f7
//
//	id      as an int

package coprocessor

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

const (
	sign  = 1 << 63
	group = 8
)

// AppendKey appends the key of a row to dst. The row has all columns.
func (t *Table) AppendKey(dst []byte, row []Value) ([]byte, error) {
	base := len(dst)
	if len(t.key) == 0 {
		return dst, fmt.Errorf("%w: table %s has no key: its rows have an id (AppendID)", ErrSchema, t.Name)
	}
	if len(row) != len(t.Columns) {
		return dst, fmt.Errorf("%w: table %s has %d columns, the row %d", ErrSchema, t.Name, len(t.Columns), len(row))
	}
	dst = append(dst, t.Prefix...)
	for _, i := range t.key {
		v := row[i]
		if err := t.fits(i, v, true); err != nil {
			return dst[:base], err
		}
		dst = appendKeyValue(dst, v)
	}
	return dst, nil
}

// appendKeyValue appends a column of a key.
func appendKeyValue(dst []byte, v Value) []byte {
	switch v.Type {
	case Float:
		return binary.BigEndian.AppendUint64(dst, orderFloat(v.Float))
	case Bool:
		return append(dst, byte(v.Int))
	case String:
		return appendGroups(dst, v.Str)
	}
	return binary.BigEndian.AppendUint64(dst, uint64(v.Int)^sign)
}

// AppendID appends the key of the row with that id to dst, of a table without Key.
func (t *Table) AppendID(dst []byte, id int64) ([]byte, error) {
	if len(t.key) > 0 {
		return dst, fmt.Errorf("%w: table %s has a key: its rows have no id (AppendKey)", ErrSchema, t.Name)
	}
	return binary.BigEndian.AppendUint64(append(dst, t.Prefix...), uint64(id)^sign), nil
}

// ID is the id of a row, of a table without Key.
func (t *Table) ID(key []byte) (int64, error) {
	reason := t.checkKey(key)
	if len(t.key) > 0 {
		reason = "the table has a key, not an id"
	}
	if reason != "" {
		return 0, &RowError{Table: t.Name, Key: bytes.Clone(key), Reason: reason}
	}
	return int64(binary.BigEndian.Uint64(key[len(t.Prefix):]) ^ sign), nil
}

// checkKey says what is wrong with a key as a whole. After it, if the columns all have
// a fixed width, they are where the table says.
func (t *Table) checkKey(key []byte) (reason string) {
	if !bytes.HasPrefix(key, t.Prefix) {
		return fmt.Sprintf("the key does not begin with %q as the table's do", t.Prefix)
	}
	// With strings in it, its columns are looked at one by one.
	if t.keyLen >= 0 && len(key) != t.keyLen {
		return fmt.Sprintf("the key has %d bytes; the table's have %d", len(key), t.keyLen)
	}
	return ""
}

// keyValue reads a column of a key that has the prefix, going over the columns before it.
// What follows the last column is refused.
func (t *Table) keyValue(column int, key []byte) (v Value, reason string) {
	rest, reason := t.keyRest(column, key)
	typ := t.Columns[column].Type
	switch {
	case reason != "":
	case typ == String:
		var b []byte
		b, reason = t.keyString(nil, column, key)
		v = StringValue(string(b))
	case len(rest) < typ.width():
		reason = "the key ends within the column"
	default:
		if v, reason = fixedKey(typ, rest); reason == "" {
			reason = t.keyEnd(column, rest[typ.width():])
		}
	}
	return v, reason
}

// keyString appends a string of a key to dst.
func (t *Table) keyString(dst []byte, column int, key []byte) (_ []byte, reason string) {
	rest, reason := t.keyRest(column, key)
	if reason != "" {
		return dst, reason
	}
	dst, rest, ok := cutGroups(dst, rest)
	if !ok {
		return dst, "the key ends within the column, or is not in groups of 8 bytes"
	}
	return dst, t.keyEnd(column, rest)
}

// keyRest is a key from a column on.
func (t *Table) keyRest(column int, key []byte) (rest []byte, reason string) {
	rest = key[len(t.Prefix):]
	for _, i := range t.key {
		typ := t.Columns[i].Type
		switch {
		case i == column:
			return rest, ""
		case typ == String:
			var ok bool
			if rest, ok = skipGroups(rest); !ok {
				return nil, "the key ends within column " + t.Columns[i].Name
			}
		case len(rest) < typ.width():
			return nil, "the key ends within column " + t.Columns[i].Name
		default:
			rest = rest[typ.width():]
		}
	}
	return rest, ""
}

// keyEnd says what is wrong with what follows a column.
func (t *Table) keyEnd(column int, rest []byte) (reason string) {
	if column == t.key[len(t.key)-1] && len(rest) > 0 {
		return fmt.Sprintf("the key goes on for %d bytes after its last column", len(rest))
	}
	return ""
}

// fixedKey reads an int, float or bool at the start of b, which is long enough.
func fixedKey(typ Type, b []byte) (_ Value, reason string) {
	switch typ {
	case Int:
		return IntValue(int64(binary.BigEndian.Uint64(b) ^ sign)), ""
	case Float:
		f := floatOf(binary.BigEndian.Uint64(b))
		if !finite(f) {
			return Value{}, fmt.Sprintf("%v is not a finite number", f)
		}
		return FloatValue(f), ""
	}
	if b[0] > 1 {
		return Value{}, fmt.Sprintf("%d is neither true nor false", b[0])
	}
	return BoolValue(b[0] == 1), ""
}

func orderFloat(f float64) uint64 {
	u := math.Float64bits(f + 0)
	if u&sign != 0 {
		return ^u
	}
	return u | sign
}

func floatOf(u uint64) float64 {
	if u&sign != 0 {
		return math.Float64frombits(u &^ sign)
	}
	return math.Float64frombits(^u)
}

func appendGroups(dst []byte, s string) []byte {
	for {
		n := min(len(s), group)
		dst = append(dst, s[:n]...)
		for range group - n {
			dst = append(dst, 0)
		}
		if n < group {
			return append(dst, 0xf7+byte(n))
		}
		dst = append(dst, 0xff)
		s = s[n:]
	}
}

// cutGroups appends the string at the start of b to dst, and returns what follows.
func cutGroups(dst, b []byte) (_, rest []byte, ok bool) {
	for {
		if len(b) < group+1 {
			return dst, nil, false
		}
		mark := b[group]
		if mark < 0xf7 {
			return dst, nil, false
		}
		n := min(int(mark-0xf7), group)
		dst = append(dst, b[:n]...)
		for _, pad := range b[n:group] {
			if pad != 0 {
				return dst, nil, false
			}
		}
		b = b[group+1:]
		if mark < 0xff {
			return dst, b, true
		}
	}
}

// skipGroups returns what follows the string at the start of b.
func skipGroups(b []byte) (rest []byte, ok bool) {
	for len(b) > group {
		mark := b[group]
		b = b[group+1:]
		if mark < 0xff {
			return b, true
		}
	}
	return nil, false
}
