// A batch of rows, and how a column of it becomes a vector.

package coprocessor

import (
	"encoding/binary"
	"math"
)

// batch is some rows on their way through the operators. A filter does not move them: it
// takes numbers out of sel. A column is decoded when an expression first asks for it,
// for the rows that are selected then; filters that come first spare the later ones work.
//
//	keys, values   r0  r1  r2  r3  r4  r5        as the source has them
//	column a       11   0  12   7   0  13        decoded for WHERE a > 10
//	sel             0       2           5
//	column b       'x'     'y'         'x'       decoded for GROUP BY b
type batch struct {
	table *Table // nil: the columns are given, not decoded
	rows  Rows
	n     int
	sel   []int32
	cols  []vector
	have  []bool // columns that are decoded

	checked   bool // the values of the selected rows are well-formed as a whole
	keyed     bool // their keys are
	arena     []byte
	positions []int32 // numbers from 0 on, for what goes over all rows
}

func newBatch(t *Table) *batch {
	b := &batch{table: t, cols: make([]vector, len(t.Columns)), have: make([]bool, len(t.Columns))}
	for i := range b.cols {
		b.cols[i].typ = t.Columns[i].Type
	}
	return b
}

// load begins with other rows, all of them selected.
func (b *batch) load(rows Rows) {
	b.rows, b.n = rows, rows.len()
	clear(b.have)
	b.checked, b.keyed = false, false
	b.arena = b.arena[:0]
	if len(b.positions) < b.n {
		b.positions = upTo(b.positions, b.n)
	}
	b.sel = append(b.sel[:0], b.positions[:b.n]...)
}

// column is a column of the selected rows.
func (b *batch) column(i int) (*vector, error) {
	v := &b.cols[i]
	if b.table == nil || b.have[i] {
		return v, nil
	}
	v.resize(b.n)
	bad, reason := b.decode(i, v)
	if reason != "" {
		return nil, &RowError{Table: b.table.Name, Key: b.rows.key(bad), Column: b.table.Columns[i].Name, Reason: reason}
	}
	b.have[i] = true
	return v, nil
}

// decode reads a column of the selected rows into v. It fails at the row bad.
func (b *batch) decode(i int, v *vector) (bad int32, reason string) {
	s := &b.table.slots[i]
	if s.inKey {
		return b.decodeKeys(i, v)
	}
	if !b.checked {
		if bad, reason := b.check(); reason != "" {
			return bad, reason
		}
		b.checked = true
	}
	switch v.typ {
	case Int:
		b.decodeInts(s, v)
		return 0, ""
	case Float:
		return b.decodeFloats(s, v)
	case Bool:
		return b.decodeBools(s, v)
	}
	return b.decodeStrings(s, v)
}

// check looks at the values as a whole. It is where most of them are first touched, so
// the loop is short, for the processor to wait for many of them at once.
func (b *batch) check() (bad int32, reason string) {
	t := b.table
	for _, r := range b.sel {
		v := b.rows.Values[r]
		if len(v) >= t.fixed && v[0] == rowVersion {
			end := 0
			if t.last > 0 {
				end = int(binary.LittleEndian.Uint32(v[t.last:]))
			}
			if len(v)-t.fixed == end {
				continue
			}
		}
		if reason := t.checkValue(v); reason != "" {
			return r, reason
		}
	}
	return 0, ""
}

// The loops below read the NULL bit and the slot, which checkValue has found to be
// within the value.

func (b *batch) decodeInts(s *slot, v *vector) {
	at, mask, off := s.nullByte, s.nullMask, s.off
	var some byte
	for _, r := range b.sel {
		row := b.rows.Values[r]
		bit := row[at] & mask
		some |= bit
		v.null[r] = bit != 0
		v.ints[r] = int64(binary.LittleEndian.Uint64(row[off:]))
	}
	v.nulls = some != 0
}

func (b *batch) decodeFloats(s *slot, v *vector) (bad int32, reason string) {
	at, mask, off := s.nullByte, s.nullMask, s.off
	for _, r := range b.sel {
		row := b.rows.Values[r]
		bit := row[at] & mask
		v.null[r] = bit != 0
		v.nulls = v.nulls || bit != 0
		f := math.Float64frombits(binary.LittleEndian.Uint64(row[off:]))
		if !finite(f) && bit == 0 {
			return r, "the float is not a finite number"
		}
		v.floats[r] = f + 0
	}
	return 0, ""
}

func (b *batch) decodeBools(s *slot, v *vector) (bad int32, reason string) {
	at, mask, off := s.nullByte, s.nullMask, s.off
	for _, r := range b.sel {
		row := b.rows.Values[r]
		bit := row[at] & mask
		v.null[r] = bit != 0
		v.nulls = v.nulls || bit != 0
		if row[off] > 1 && bit == 0 {
			return r, "the bool is neither true nor false"
		}
		v.ints[r] = int64(row[off] & 1)
	}
	return 0, ""
}

func (b *batch) decodeStrings(s *slot, v *vector) (bad int32, reason string) {
	at, mask, t := s.nullByte, s.nullMask, b.table
	for _, r := range b.sel {
		row := b.rows.Values[r]
		bit := row[at] & mask
		v.null[r] = bit != 0
		v.nulls = v.nulls || bit != 0
		if bit != 0 {
			continue
		}
		str, ok := t.bytes(s, row)
		if !ok {
			return r, "the string is not within the row"
		}
		v.strs[r] = str
	}
	return 0, ""
}

// decodeKeys reads a column that is in the key.
func (b *batch) decodeKeys(i int, v *vector) (bad int32, reason string) {
	t, off := b.table, b.table.slots[i].off
	if !b.keyed {
		for _, r := range b.sel {
			if reason := t.checkKey(b.rows.Keys[r]); reason != "" {
				return r, reason
			}
		}
		b.keyed = true
	}
	if v.typ == Int && t.keyLen >= 0 {
		for _, r := range b.sel {
			v.ints[r] = int64(binary.BigEndian.Uint64(b.rows.Keys[r][off:]) ^ sign)
		}
		return 0, ""
	}
	// A column behind a string has no place of its own.
	for _, r := range b.sel {
		key := b.rows.Keys[r]
		if v.typ == String {
			from := len(b.arena)
			var reason string
			if b.arena, reason = t.keyString(b.arena, i, key); reason != "" {
				return r, reason
			}
			v.strs[r] = b.arena[from:]
			continue
		}
		x, reason := t.keyValue(i, key)
		if reason != "" {
			return r, reason
		}
		if v.typ == Float {
			v.floats[r] = x.Float
		} else {
			v.ints[r] = x.Int
		}
	}
	return 0, ""
}

// keyVector is the keys themselves, to order by.
func (b *batch) keyVector() *vector { return &vector{typ: String, strs: b.rows.Keys} }
