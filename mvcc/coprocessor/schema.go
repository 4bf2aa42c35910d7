// A table: its columns, and where in a row each one is.

package coprocessor

import (
	"fmt"
	"slices"
)

// Column is a column of a table.
type Column struct {
	Name    string
	Type    Type
	NotNull bool // columns of the key are, in any case
}

// Schema describes a table.
type Schema struct {
	Name    string
	Prefix  []byte // of the keys of its rows; no other table's prefix begins with it
	Columns []Column
	// Key names the columns of the primary key, in order: they are in the key of the
	// row, and not in its value. Without any, the key has an id that is no column.
	Key []string
}

// Table is a schema with the layout of its rows worked out (row.go has the picture).
// It does not change, and is safe for concurrent use.
type Table struct {
	Schema
	slots  []slot // by column
	key    []int  // columns of the key, in order
	keyLen int    // of every key; -1 if there are strings in it
	// fixed is the width of what comes before the strings; last is where the end of
	// the last string is written, 0 if there are no strings.
	fixed, last int
}

// slot is where a column is.
type slot struct {
	inKey    bool
	off      int  // in the value, or in the key if everything before has a fixed width; else -1
	nullByte int  // in the value
	nullMask byte // in that byte
	prev     int  // of a string: the slot that has the end of the one before it; 0 if it is the first
}

const maxColumns = 1000

// width is what a column takes up in the fixed part of a value.
func (t Type) width() int {
	switch t {
	case Bool:
		return 1
	case String:
		return 4
	}
	return 8
}

// NewTable checks a schema, of which it keeps the slices.
func NewTable(s Schema) (*Table, error) {
	t := &Table{Schema: s, slots: make([]slot, len(s.Columns))}
	if s.Name == "" {
		return nil, fmt.Errorf("%w: a table without a name", ErrSchema)
	}
	if len(s.Columns) == 0 || len(s.Columns) > maxColumns {
		return nil, fmt.Errorf("%w: table %s has %d columns; it may have 1 to %d", ErrSchema, s.Name, len(s.Columns), maxColumns)
	}
	for i, c := range s.Columns {
		if c.Name == "" {
			return nil, fmt.Errorf("%w: table %s, column %d has no name", ErrSchema, s.Name, i)
		}
		if c.Type < Int || c.Type > Bool {
			return nil, fmt.Errorf("%w: table %s, column %s is of %v; it may be int, float, string or bool", ErrSchema, s.Name, c.Name, c.Type)
		}
		if t.column(c.Name) != i {
			return nil, fmt.Errorf("%w: table %s has two columns %s", ErrSchema, s.Name, c.Name)
		}
	}
	if err := t.layKey(); err != nil {
		return nil, err
	}
	t.layValue()
	return t, nil
}

func (t *Table) layKey() error {
	off := len(t.Prefix)
	for _, name := range t.Key {
		i := t.column(name)
		if i < 0 {
			return fmt.Errorf("%w: table %s, the key has a column %s that the table has not", ErrSchema, t.Name, name)
		}
		if slices.Contains(t.key, i) {
			return fmt.Errorf("%w: table %s, the key has column %s twice", ErrSchema, t.Name, name)
		}
		t.key = append(t.key, i)
		t.slots[i] = slot{inKey: true, off: off}
		switch {
		case t.Columns[i].Type == String:
			off = -1
		case off >= 0:
			off += t.Columns[i].Type.width()
		}
	}
	if len(t.key) == 0 {
		off += Int.width()
	}
	t.keyLen = off
	return nil
}

func (t *Table) layValue() {
	stored := 0
	for i := range t.slots {
		if s := &t.slots[i]; !s.inKey {
			s.nullByte, s.nullMask = 1+stored/8, 1<<(stored%8)
			stored++
		}
	}
	t.fixed = 1 + (stored+7)/8
	for i := range t.slots {
		s := &t.slots[i]
		if s.inKey {
			continue
		}
		s.off = t.fixed
		t.fixed += t.Columns[i].Type.width()
		if t.Columns[i].Type == String {
			s.prev, t.last = t.last, s.off
		}
	}
}

// column is the index of the column of that name, or -1.
func (t *Table) column(name string) int {
	return slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == name })
}

// Range is where the rows are: start <= key < end. A nil end is no bound. The slices
// are the caller's.
func (t *Table) Range() (start, end []byte) {
	return slices.Clone(t.Prefix), after(t.Prefix)
}
