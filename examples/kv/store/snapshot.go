package store

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"math"
)

// Snapshots and hashes: the tables, row by row, in order.
//
//	"flagship-kv" | version                                    12 bytes
//	for each table   for each row   1 | key | value            strings with their length before
//	                 0                                         end of the table
//	CRC-32C of all that                                        4 bytes, little endian
//
// Rows are the same on all members, and the order too, so the bytes are.

const (
	snapshotMagic   = "flagship-kv"
	snapshotVersion = 1
)

// castagnoli is the table of CRC-32C, which processors compute.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// WriteTo writes a snapshot of the view.
func (v *view) WriteTo(w io.Writer) (n int64, err error) {
	defer Caught(&err)
	out := snapshotWriter{Writer: bufio.NewWriterSize(w, 64<<10), crc: crc32.New(castagnoli())}
	out.tables(v)
	out.write(binary.LittleEndian.AppendUint32(nil, out.crc.Sum32()))
	if out.err == nil {
		out.err = out.Flush()
	}
	return out.n, out.err
}

// tables writes all but the checksum.
func (w *snapshotWriter) tables(r Reader) {
	w.write(append([]byte(snapshotMagic), snapshotVersion))
	for t := range tables {
		w.table(r, t)
	}
}

func (w *snapshotWriter) table(r Reader, t Table) {
	c := r.Cursor(t)
	defer c.Close()
	for c.Seek(nil); c.Valid() && w.err == nil; c.Next() {
		w.write([]byte{1})
		w.string(c.Key())
		w.string(c.Value())
	}
	w.write([]byte{0})
}

// snapshotWriter remembers the first error.
type snapshotWriter struct {
	*bufio.Writer
	crc     hash.Hash32
	n       int64
	err     error
	scratch []byte
}

func (w *snapshotWriter) write(b []byte) {
	if w.err == nil {
		w.crc.Write(b)
		_, w.err = w.Write(b)
		w.n += int64(len(b))
	}
}

func (w *snapshotWriter) string(b []byte) {
	w.scratch = binary.AppendUvarint(w.scratch[:0], uint64(len(b)))
	w.write(w.scratch)
	w.write(b)
}

// commitBytes of rows are committed at a time: until the last one nobody uses the
// storage.
const commitBytes = 1 << 20

// ReadSnapshot fills an empty storage with what Snapshot wrote, and returns the
// index of the last command in it. It believes nothing: what it accepts can be
// read by the rest of the package. ErrInvalidCommand, ErrVersion, a [*Failure],
// or the reader's error: the storage is of no use then.
func ReadSnapshot(r io.Reader, s Storage) (index uint64, err error) {
	defer Caught(&err)
	in := snapshotReader{r: bufio.NewReaderSize(r, 64<<10), crc: crc32.New(castagnoli())}
	head := in.bytes(uint64(len(snapshotMagic) + 1))
	switch {
	case in.err != nil:
		return 0, in.err
	case string(head[:len(snapshotMagic)]) != snapshotMagic:
		return 0, fmt.Errorf("%w: no snapshot of a store", ErrInvalidCommand)
	case head[len(snapshotMagic)] > snapshotVersion:
		return 0, fmt.Errorf("%w: snapshot of version %d, this build reads up to %d", ErrVersion, head[len(snapshotMagic)], snapshotVersion)
	}
	waiting := 0
	for t := range tables {
		for row := 0; in.more(); row++ {
			key, value := in.string(), in.string()
			if in.err == nil && !checkRow(t, key, value) {
				return 0, fmt.Errorf("%w: table %d, row %d", ErrInvalidCommand, t, row)
			}
			s.Set(t, key, value)
			if waiting += len(key) + len(value); waiting > commitBytes {
				s.Commit()
				waiting = 0
			}
		}
	}
	sum := in.crc.Sum32()
	tail := in.bytes(4)
	if in.err != nil {
		return 0, in.err
	}
	if binary.LittleEndian.Uint32(tail) != sum {
		return 0, fmt.Errorf("%w: the snapshot's checksum does not match", ErrInvalidCommand)
	}
	row, ok := s.Get(tableMeta, metaKey)
	if !ok {
		return 0, fmt.Errorf("%w: a snapshot without its meta row", ErrInvalidCommand)
	}
	s.Commit()
	return decodeMeta(row).index, nil
}

// Index returns the index of the last command whose effects are in r, which may
// be empty: false.
func Index(r Reader) (index uint64, ok bool) {
	row, ok := r.Get(tableMeta, metaKey)
	if !ok {
		return 0, false
	}
	return decodeMeta(row).index, true
}

// PeekIndex returns the index of the last command in a snapshot that r is about
// to read; 0 if it is not there, for which reading has the reason.
func PeekIndex(r *bufio.Reader) uint64 {
	const before = len(snapshotMagic) + 1 + 1 // magic and version, a row begins
	head, _ := r.Peek(before + 1 + len("meta") + 1 + 8)
	if len(head) < before+14 || head[before] != byte(len(metaKey)) || !bytes.Equal(head[before+1:before+5], metaKey) {
		return 0
	}
	return binary.BigEndian.Uint64(head[before+6:])
}

// unlessEOF is err, or ErrInvalidCommand where err says that bytes are missing.
func unlessEOF(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return ErrInvalidCommand
	}
	return err
}

// snapshotReader remembers the first error.
type snapshotReader struct {
	r       *bufio.Reader
	crc     hash.Hash32
	err     error
	scratch [1]byte
}

// bytes reads n of them. It believes a length only as far as bytes follow.
func (in *snapshotReader) bytes(n uint64) []byte {
	if in.err == nil && n > math.MaxInt32 {
		in.err = fmt.Errorf("%w: a row of %d bytes", ErrInvalidCommand, n)
	}
	if in.err != nil {
		return nil
	}
	var b []byte
	if n <= 64<<10 {
		b = make([]byte, n)
		_, in.err = io.ReadFull(in.r, b)
	} else {
		var buf bytes.Buffer
		_, in.err = io.CopyN(&buf, in.r, int64(n))
		b = buf.Bytes()
	}
	if in.err != nil {
		in.endsEarly()
		return nil
	}
	in.crc.Write(b)
	return b
}

func (in *snapshotReader) endsEarly() {
	in.err = fmt.Errorf("the snapshot ends early: %w", unlessEOF(in.err))
}

func (in *snapshotReader) byte() byte {
	if in.err != nil {
		return 0
	}
	if in.scratch[0], in.err = in.r.ReadByte(); in.err != nil {
		in.endsEarly()
		return 0
	}
	in.crc.Write(in.scratch[:])
	return in.scratch[0]
}

func (in *snapshotReader) more() bool {
	b := in.byte()
	if b > 1 {
		in.err = fmt.Errorf("%w: %d where a row begins", ErrInvalidCommand, b)
	}
	return b == 1
}

func (in *snapshotReader) string() []byte {
	var n uint64
	for shift := 0; ; shift += 7 {
		b := in.byte()
		if shift > 28 {
			in.err = fmt.Errorf("%w: a length that is no number", ErrInvalidCommand)
		}
		if n |= uint64(b&0x7f) << shift; b < 0x80 || in.err != nil {
			return in.bytes(n)
		}
	}
}

// Hash covers all keys and their history up to a revision; 0 or less: now.
// Members compare it to find one whose data differ: see HashResponse.
// ErrFutureRev, ErrCompacted.
func (s *Store) Hash(rev int64) (_ HashResponse, err error) {
	defer Caught(&err)
	v := s.read()
	defer v.Close()
	if err := checkRevision(rev, v.meta); err != nil {
		return HashResponse{}, err
	}
	if rev <= 0 {
		rev = v.meta.revision
	}
	crc := crc32.New(castagnoli())
	c := v.Cursor(tableIndex)
	defer c.Close()
	for c.Seek(nil); c.Valid(); c.Next() {
		if _, at := splitIndexKey(c.Key()); at.main <= rev {
			crc.Write(c.Key())
			crc.Write(c.Value())
		}
	}
	return HashResponse{Hash: crc.Sum32(), Revision: rev, CompactRevision: v.meta.compacted}, nil
}

// HashState covers everything, leases and alarms too, and is comparable only
// between members that have applied up to the same index, which it returns.
func (s *Store) HashState() (hash uint32, index uint64) {
	v := s.read()
	defer v.Close()
	// Without the checksum at the end: a CRC over bytes and their CRC is the
	// same for all bytes.
	out := snapshotWriter{Writer: bufio.NewWriter(io.Discard), crc: crc32.New(castagnoli())}
	out.tables(v)
	return out.crc.Sum32(), v.meta.index
}
