package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/flagship-go/flagship/internal/vfs"
)

// A segment file begins with
//
//	 0          8         12        16         24         32
//	+----------+---------+---------+----------+----------+--------
//	| magic    | version | check   | id       | first    | frames...
//	+----------+---------+---------+----------+----------+--------
//	                       |         |          sequence number of its first record
//	                       |         the number in its name
//	                       CRC32C of the other fields
//
// and carries its name only after header and blocks are durable (rule W8): a
// bad header is therefore always damage, never a torn write.
const (
	segmentHeader = 32
	segmentMagic  = "FLAGWAL\x00"
	formatVersion = 1

	segmentSuffix = ".wal"
	spareSuffix   = ".spare"
	tempName      = "segment.tmp"
	lockName      = "LOCK"

	pageSize = 4 << 10
)

// segment is one file of the log. The last one is being appended to, the
// others are sealed: complete, durable, and never written again.
type segment struct {
	id    uint64
	first uint64 // sequence number of its first record
	pins  int    // readers that have it open; TruncateFront stops at it
}

func segmentName(id uint64, suffix string) string { return fmt.Sprintf("%016x%s", id, suffix) }

// parseName is the reverse of segmentName; ok is false for another file.
func parseName(name, suffix string) (id uint64, ok bool) {
	digits, found := strings.CutSuffix(name, suffix)
	if !found || len(digits) != 16 {
		return 0, false
	}
	id, err := strconv.ParseUint(digits, 16, 64)
	return id, err == nil && segmentName(id, suffix) == name
}

func encodeSegmentHeader(id, first uint64) []byte {
	h := make([]byte, segmentHeader)
	copy(h, segmentMagic)
	binary.LittleEndian.PutUint32(h[8:], formatVersion)
	binary.LittleEndian.PutUint64(h[16:], id)
	binary.LittleEndian.PutUint64(h[24:], first)
	binary.LittleEndian.PutUint32(h[12:], headerSum(h))
	return h
}

func headerSum(h []byte) uint32 {
	sum := crc32.Update(0, castagnoli, h[:12])
	return crc32.Update(sum, castagnoli, h[16:segmentHeader])
}

// readSegmentHeader reads and judges the header of the segment named id.
func readSegmentHeader(f vfs.File, id uint64) (first uint64, err error) {
	var h [segmentHeader]byte
	damaged := func(format string, args ...any) error {
		return &CorruptError{File: f.Name(), Reason: "segment header: " + fmt.Sprintf(format, args...)}
	}
	n, err := f.ReadAt(h[:], 0)
	if n < segmentHeader {
		if err == nil || errors.Is(err, io.EOF) {
			return 0, damaged("only %d of %d bytes", n, segmentHeader)
		}
		return 0, fmt.Errorf("wal: reading the header of %s: %w", f.Name(), err)
	}
	if string(h[:8]) != segmentMagic {
		return 0, damaged("magic bytes %q", h[:8])
	}
	// Before the checksum: a newer format may compute it otherwise.
	version := binary.LittleEndian.Uint32(h[8:])
	if version > formatVersion {
		return 0, &VersionError{File: f.Name(), Version: version, Supported: formatVersion}
	}
	if binary.LittleEndian.Uint32(h[12:]) != headerSum(h[:]) {
		return 0, damaged("checksum mismatch")
	}
	if got := binary.LittleEndian.Uint64(h[16:]); got != id {
		return 0, damaged("it is of segment %d", got)
	}
	first = binary.LittleEndian.Uint64(h[24:])
	if version == 0 || first == 0 {
		return 0, damaged("version %d, first record %d", version, first)
	}
	return first, nil
}

// createSegment brings a segment into being under its name, durably: header
// and blocks first, then the name, then the directory. visible reports whether
// the name may exist when err is not nil: up to there a failure leaves nothing
// behind, so that a full disk is not the end of the log. A segment with content
// gets a new file: were a spare one left half filled, it would hold frames of a
// segment that is not older than all to come (rule W9).
func (l *Log) createSegment(id, first uint64, size int64, content func(vfs.File) error) (fresh, visible bool, err error) {
	name := filepath.Join(l.dir, segmentName(id, segmentSuffix))
	file, fresh, err := l.blankFile(size, content == nil)
	if err != nil {
		return false, false, fmt.Errorf("wal: making room for %s: %w", name, err)
	}
	temp := file.Name()
	// The zeros after the header end the log there, whatever an earlier life
	// of the file left behind.
	header := append(encodeSegmentHeader(id, first), make([]byte, frameHeader)...)
	if _, err = file.WriteAt(header, 0); err == nil && content != nil {
		err = content(file)
	}
	if err != nil {
		file.Close()
		l.fs.Remove(temp)
		return false, false, fmt.Errorf("wal: writing %s: %w", temp, err)
	}
	if err = file.Sync(); err == nil {
		// Closed before the rename: some systems refuse to rename an open file.
		err = file.Close()
	} else {
		file.Close()
	}
	if err == nil {
		err = l.fs.Rename(temp, name)
	}
	if err == nil {
		err = l.fs.SyncDir(l.dir)
	}
	if err != nil {
		return false, true, fmt.Errorf("wal: making %s durable: %w", name, err)
	}
	return fresh, true, nil
}

// blankFile returns a file of the given size that no segment name leads to: a
// spare one when there is one of that size, or a new, preallocated one.
func (l *Log) blankFile(size int64, mayRecycle bool) (file vfs.File, fresh bool, err error) {
	for mayRecycle && size == l.opts.SegmentSize && len(l.spares) > 0 {
		name := l.spares[0]
		l.spares = l.spares[1:]
		if file, err = l.fs.Open(name, vfs.ReadWrite); err == nil {
			if n, err := file.Size(); err == nil && n == size {
				l.metrics.Recycled++
				return file, false, nil
			}
			file.Close()
		}
		l.fs.Remove(name) // of another size, or unreadable: of no use
	}
	name := filepath.Join(l.dir, tempName)
	if file, err = l.fs.Create(name); err != nil {
		return nil, false, err
	}
	if err = file.Preallocate(size); err != nil {
		file.Close()
		l.fs.Remove(name)
		return nil, false, err
	}
	return file, true, nil
}
