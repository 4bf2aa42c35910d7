package manifest

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Edit is one step of a store's history.
type Edit struct {
	// NextFile is above the number of every table made so far, LastSeq the last
	// sequence number that is in a table, WALFirst the first record of the log
	// that is not.
	NextFile, LastSeq, WALFirst uint64
	// WALLast is a record of the log up to which it was durable when the edit
	// was made: a log that ends before it has lost something. 0: nothing is
	// said.
	WALLast uint64
	// Timestamps says that keys end with the user's timestamp.
	Timestamps bool
	// Added and Removed are the tables that come and go. A table that changes
	// its level does both.
	Added   []Table
	Removed []Removed
	// Offset is the byte at which the edit was found in the file. It is not
	// written.
	Offset int64
}

// Table is what the manifest knows of a table.
type Table struct {
	// Num is its number, Level where it is.
	Num   uint64
	Level int
	// Size is its length in bytes; Entries counts all its entries, Deletes the
	// tombstones among them, RangeDeletes the range tombstones beside them.
	Size, Entries, Deletes, RangeDeletes uint64
	// Smallest and Largest bound its internal keys, range tombstones included.
	Smallest, Largest []byte
	// MinSeq and MaxSeq bound its sequence numbers.
	MinSeq, MaxSeq uint64
	// Values is how much of each value log file it points to, by file.
	Values []ValueRef
	// Created is when it was made, in unix seconds. Expires is when the last of
	// its entries does, in unix seconds, or 0 when one of them never does.
	Created, Expires int64
}

// ValueRef is what a table has in a file of the value log.
type ValueRef struct {
	// File is the file's number, Bytes what the values take there, and End the
	// offset behind the last of them.
	File, Bytes, End uint64
}

// Removed names a table that is no longer in a level.
type Removed struct {
	Level int
	Num   uint64
}

const (
	editFormat    = 1
	flagTimestamp = 1
	// maxLevel bounds what is believed of a level.
	maxLevel = 63
)

// Encode appends the edit's bytes to dst.
func (e *Edit) Encode(dst []byte) []byte {
	b := append(dst, editFormat)
	b = binary.AppendUvarint(b, e.NextFile)
	b = binary.AppendUvarint(b, e.LastSeq)
	b = binary.AppendUvarint(b, e.WALFirst)
	b = binary.AppendUvarint(b, e.WALLast)
	flags := uint64(0)
	if e.Timestamps {
		flags |= flagTimestamp
	}
	b = binary.AppendUvarint(b, flags)
	b = binary.AppendUvarint(b, uint64(len(e.Added)))
	for i := range e.Added {
		b = e.Added[i].encode(b)
	}
	b = binary.AppendUvarint(b, uint64(len(e.Removed)))
	for _, r := range e.Removed {
		b = binary.AppendUvarint(b, uint64(r.Level))
		b = binary.AppendUvarint(b, r.Num)
	}
	return b
}

func (t *Table) encode(b []byte) []byte {
	for _, v := range []uint64{t.Num, uint64(t.Level), t.Size, t.Entries, t.Deletes, t.RangeDeletes, t.MinSeq, t.MaxSeq} {
		b = binary.AppendUvarint(b, v)
	}
	b = binary.AppendVarint(b, t.Created)
	b = binary.AppendVarint(b, t.Expires)
	for _, key := range [][]byte{t.Smallest, t.Largest} {
		b = binary.AppendUvarint(b, uint64(len(key)))
		b = append(b, key...)
	}
	b = binary.AppendUvarint(b, uint64(len(t.Values)))
	for _, v := range t.Values {
		b = binary.AppendUvarint(b, v.File)
		b = binary.AppendUvarint(b, v.Bytes)
		b = binary.AppendUvarint(b, v.End)
	}
	return b
}

// errEdit is a payload that this build did not write, although its checksum is
// right.
var errEdit = errors.New("edit does not decode")

// Decode reads an edit. The keys of its tables are parts of b. Any bytes are
// safe: no number in them is believed before its bytes are there.
func Decode(b []byte) (Edit, error) {
	if len(b) == 0 || b[0] != editFormat {
		return Edit{}, errEdit
	}
	d := decoder{b: b[1:]}
	e := Edit{NextFile: d.uvarint(), LastSeq: d.uvarint(), WALFirst: d.uvarint(), WALLast: d.uvarint()}
	flags := d.uvarint()
	e.Timestamps = flags&flagTimestamp != 0
	for n := d.uvarint(); n > 0 && !d.bad; n-- {
		e.Added = append(e.Added, d.table())
	}
	for n := d.uvarint(); n > 0 && !d.bad; n-- {
		e.Removed = append(e.Removed, Removed{Level: d.level(), Num: d.uvarint()})
	}
	if d.bad || len(d.b) > 0 || flags > flagTimestamp {
		return Edit{}, fmt.Errorf("%w: %d bytes before its end", errEdit, len(d.b))
	}
	return e, nil
}

// decoder takes values off the front of b; bad is set by the first that is not
// there.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) table() Table {
	t := Table{
		Num: d.uvarint(), Level: d.level(), Size: d.uvarint(), Entries: d.uvarint(), Deletes: d.uvarint(),
		RangeDeletes: d.uvarint(), MinSeq: d.uvarint(), MaxSeq: d.uvarint(),
		Created: d.varint(), Expires: d.varint(), Smallest: d.bytes(), Largest: d.bytes(),
	}
	for n := d.uvarint(); n > 0 && !d.bad; n-- {
		t.Values = append(t.Values, ValueRef{File: d.uvarint(), Bytes: d.uvarint(), End: d.uvarint()})
	}
	return t
}

func (d *decoder) level() int {
	v := d.uvarint()
	if v > maxLevel {
		d.bad = true
		return 0
	}
	return int(v)
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	d.take(n)
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	d.take(n)
	return v
}

func (d *decoder) take(n int) {
	if n <= 0 {
		d.bad, n = true, len(d.b)
	}
	d.b = d.b[n:]
}

func (d *decoder) bytes() []byte {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.bad, n = true, 0
	}
	p := d.b[:n:n]
	d.b = d.b[n:]
	return p
}
