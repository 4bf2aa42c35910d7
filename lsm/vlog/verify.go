package vlog

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Verify reads a file from its beginning and calls found, if it is not nil, for
// each whole value; v is valid until found returns. The first record that is
// not what was appended is a [*CorruptError]: damage, if something points to it
// or behind it, and otherwise what a crash has left of an append.
func (l *Log) Verify(num uint64, found func(p Pointer, v []byte) error) error {
	l.mu.RLock()
	f := l.files[num]
	closed := l.closed()
	l.mu.RUnlock()
	switch {
	case closed:
		return ErrClosed
	case f == nil:
		return l.damage(num, 0, "the file is missing")
	case f.bad != nil:
		return f.bad
	}
	size := f.size.Load()
	w := walker{num: num, at: fileHeader, size: size, r: bufio.NewReaderSize(io.NewSectionReader(f.f, fileHeader, size-fileHeader), 1<<18)}
	for w.at < size {
		p, v, err := w.next()
		if errors.Is(err, errRecord) {
			return l.damage(num, w.at, "no record, or a bad checksum")
		}
		if err != nil {
			return fmt.Errorf("vlog: reading %s: %w", l.Path(num), err)
		}
		if found != nil {
			if err := found(p, v); err != nil {
				return err
			}
		}
		w.at = int64(p.Offset) + int64(p.Length)
	}
	return nil
}

// walker reads the records of a file in order.
type walker struct {
	r        *bufio.Reader
	num      uint64
	at, size int64 // where the next record begins; where the file ends
	buf      []byte
}

// errRecord is a record that is not there.
var errRecord = errors.New("not a record")

func (w *walker) next() (p Pointer, v []byte, err error) {
	head, err := w.r.Peek(checkLen + binary.MaxVarintLen32)
	if err != nil && !errors.Is(err, io.EOF) {
		return p, nil, err
	}
	if len(head) < checkLen+1 {
		return p, nil, errRecord
	}
	length, n := binary.Uvarint(head[checkLen:])
	if n <= 0 || length > uint64(max(w.size-w.at-checkLen-int64(n), 0)) || length > MaxValue {
		return p, nil, errRecord
	}
	p = Pointer{File: w.num, Offset: uint64(w.at) + checkLen + uint64(n), Length: uint32(length)}
	if headLen(p.Length) != uint64(checkLen+n) {
		return p, nil, errRecord
	}
	w.buf = slices.Grow(w.buf[:0], checkLen+n+int(length))[:checkLen+n+int(length)]
	if _, err := io.ReadFull(w.r, w.buf); err != nil {
		return p, nil, err
	}
	v, ok := p.value(w.buf)
	if !ok {
		return p, nil, errRecord
	}
	return p, v, nil
}
