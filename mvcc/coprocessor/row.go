// The format of a row's value: what is not in the key.
//
//	0         1            1+b                        f                  f+e
//	+---------+------------+--------------------------+------------------+
//	| version | NULL bits  | fixed part               | bytes of strings |
//	+---------+------------+--------------------------+------------------+
//	  1         b = n/8,     a slot for each column,    one after the other
//	            rounded up   in the table's order
//
//	slot of   int     8 bytes, little-endian
//	          float   8 bytes, little-endian
//	          bool    1 byte, 0 or 1
//	          string  4 bytes, little-endian: where it ends, counted from f; it begins
//	                  where the string before it ends
//
// n columns are stored, and bit i%8 of byte 1+i/8 says that the i-th is NULL; then its
// slot is 0, or for a string the end of the one before. So every column is at a place
// that the table knows, and a column is read without looking at another. That costs 8
// bytes for a small number; in return a million of them are read in a loop without a
// branch. A reader refuses another version than 1.
//
// For a table with columns int, string, bool, string the row (258, 'go', NULL, 'x') is
//
//	01 | 04 | 02 01 00 00 00 00 00 00 | 02 00 00 00 | 00 | 03 00 00 00 | 67 6f 78

package coprocessor

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

const rowVersion = 1

// AppendValue appends the value of a row to dst: the columns that are not in the key.
// The row has all columns. It fails with ErrSchema if the row does not fit.
func (t *Table) AppendValue(dst []byte, row []Value) ([]byte, error) {
	if len(row) != len(t.Columns) {
		return dst, fmt.Errorf("%w: table %s has %d columns, the row %d", ErrSchema, t.Name, len(t.Columns), len(row))
	}
	base := len(dst)
	dst = append(dst, make([]byte, t.fixed)...)
	dst[base] = rowVersion
	strings := base + t.fixed
	for i, v := range row {
		s := &t.slots[i]
		if s.inKey {
			continue
		}
		if err := t.fits(i, v, t.Columns[i].NotNull); err != nil {
			return dst[:base], err
		}
		if v.IsNull() {
			dst[base+s.nullByte] |= s.nullMask
		}
		at := base + s.off
		switch t.Columns[i].Type {
		case Int:
			binary.LittleEndian.PutUint64(dst[at:], uint64(v.Int))
		case Float:
			binary.LittleEndian.PutUint64(dst[at:], math.Float64bits(v.Float+0))
		case Bool:
			dst[at] = byte(v.Int)
		case String:
			dst = append(dst, v.Str...)
			if uint64(len(dst)-strings) > math.MaxUint32 {
				return dst[:base], fmt.Errorf("%w: table %s, column %s: the strings of a row are 4 GiB at most", ErrSchema, t.Name, t.Columns[i].Name)
			}
			binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-strings))
		}
	}
	return dst, nil
}

// fits checks a value that is to be stored in a column.
func (t *Table) fits(i int, v Value, notNull bool) error {
	c := t.Columns[i]
	switch {
	case v.IsNull() && notNull:
		return fmt.Errorf("%w: table %s, column %s may not be NULL", ErrSchema, t.Name, c.Name)
	case !v.IsNull() && v.Type != c.Type:
		return fmt.Errorf("%w: table %s, column %s is %v, not %v as %v is", ErrSchema, t.Name, c.Name, c.Type, v.Type, v)
	case v.Type == Float && !finite(v.Float):
		return fmt.Errorf("%w: table %s, column %s: %v is not a finite number", ErrSchema, t.Name, c.Name, v.Float)
	case v.Type == Bool && v.Int != 0 && v.Int != 1:
		return fmt.Errorf("%w: table %s, column %s: a bool is 0 or 1, not %d", ErrSchema, t.Name, c.Name, v.Int)
	}
	return nil
}

// DecodeRow reads all columns of a row, into dst if it has room. It fails with a
// [*RowError]. The values do not share memory with the row.
func (t *Table) DecodeRow(dst []Value, key, value []byte) ([]Value, error) {
	dst = dst[:0]
	if reason := t.checkValue(value); reason != "" {
		return nil, &RowError{Table: t.Name, Key: bytes.Clone(key), Reason: reason}
	}
	if reason := t.checkKey(key); reason != "" {
		return nil, &RowError{Table: t.Name, Key: bytes.Clone(key), Reason: reason}
	}
	for i := range t.Columns {
		v, reason := t.value(i, key, value)
		if reason != "" {
			return nil, &RowError{Table: t.Name, Key: bytes.Clone(key), Column: t.Columns[i].Name, Reason: reason}
		}
		dst = append(dst, v)
	}
	return dst, nil
}

// checkValue says what is wrong with a value as a whole, if anything is. After it every
// slot may be read.
func (t *Table) checkValue(v []byte) (reason string) {
	switch {
	case len(v) == 0:
		return "the value is empty"
	case v[0] != rowVersion:
		return fmt.Sprintf("the value has version %d; this program reads version %d", v[0], rowVersion)
	case len(v) < t.fixed:
		return fmt.Sprintf("the value has %d bytes, but the columns take %d", len(v), t.fixed)
	}
	want := uint64(t.fixed)
	if t.last > 0 {
		want += uint64(binary.LittleEndian.Uint32(v[t.last:]))
	}
	if uint64(len(v)) != want {
		return fmt.Sprintf("the value has %d bytes, but says that they are %d", len(v), want)
	}
	return ""
}

// value reads one column of a value and key that were checked.
func (t *Table) value(i int, key, v []byte) (_ Value, reason string) {
	s := &t.slots[i]
	if s.inKey {
		return t.keyValue(i, key)
	}
	if v[s.nullByte]&s.nullMask != 0 {
		return Value{}, ""
	}
	switch t.Columns[i].Type {
	case Int:
		return IntValue(int64(binary.LittleEndian.Uint64(v[s.off:]))), ""
	case Float:
		f := math.Float64frombits(binary.LittleEndian.Uint64(v[s.off:]))
		if !finite(f) {
			return Value{}, fmt.Sprintf("%v is not a finite number", f)
		}
		return FloatValue(f), ""
	case Bool:
		if v[s.off] > 1 {
			return Value{}, fmt.Sprintf("%d is neither true nor false", v[s.off])
		}
		return BoolValue(v[s.off] == 1), ""
	}
	b, ok := t.bytes(s, v)
	if !ok {
		return Value{}, "the string is not within the row"
	}
	return StringValue(string(b)), ""
}

// bytes is the string of a slot, in place.
func (t *Table) bytes(s *slot, v []byte) ([]byte, bool) {
	var from uint32
	if s.prev > 0 {
		from = binary.LittleEndian.Uint32(v[s.prev:])
	}
	to := binary.LittleEndian.Uint32(v[s.off:])
	if from > to || uint64(to) > uint64(len(v)-t.fixed) {
		return nil, false
	}
	return v[t.fixed+int(from) : t.fixed+int(to)], true
}
