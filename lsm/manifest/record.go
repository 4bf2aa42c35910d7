package manifest

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// The layouts of header and record are drawn in doc.go.
const (
	fileMagic     = "FLAGMANI"
	fileHeader    = 24
	formatVersion = 1

	recordHeader = 16
	// maxFile keeps every length and offset within a 32-bit int.
	maxFile = 1<<31 - 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func encodeHeader(num uint64) []byte {
	var h [fileHeader]byte
	copy(h[:], fileMagic)
	binary.LittleEndian.PutUint32(h[8:], formatVersion)
	binary.LittleEndian.PutUint64(h[16:], num)
	binary.LittleEndian.PutUint32(h[12:], headerSum(h[:]))
	return h[:]
}

func headerSum(h []byte) uint32 {
	return crc32.Update(crc32.Update(0, castagnoli, h[:12]), castagnoli, h[16:fileHeader])
}

// checkHeader says whether b, the contents of a file, begins as file num does.
func checkHeader(b []byte, file string, num uint64) error {
	corrupt := func(format string, args ...any) error {
		return &CorruptError{File: file, Reason: fmt.Sprintf(format, args...)}
	}
	switch {
	case len(b) < fileHeader:
		return corrupt("only %d bytes", len(b))
	case string(b[:8]) != fileMagic:
		return corrupt("magic bytes %q", b[:8])
	}
	sum := binary.LittleEndian.Uint32(b[12:])
	// Before the checksum: a newer format may have another.
	if v := binary.LittleEndian.Uint32(b[8:]); v > formatVersion {
		return &VersionError{File: file, Version: v, Supported: formatVersion}
	}
	if sum != headerSum(b) {
		return corrupt("header checksum")
	}
	if n := binary.LittleEndian.Uint64(b[16:]); n != num {
		return corrupt("it is file %d under another name", n)
	}
	return nil
}

// record is a decoded header.
type record struct {
	length  int
	durable int64 // bytes of the file known durable when it was written
	body    uint32
}

// recordSum covers the record's place, which is not in the file, and its fields.
func recordSum(num uint64, offset int64, fields []byte) uint32 {
	var place [16]byte
	binary.LittleEndian.PutUint64(place[:], num)
	binary.LittleEndian.PutUint64(place[8:], uint64(offset))
	return crc32.Update(crc32.Update(0, castagnoli, place[:]), castagnoli, fields[:recordHeader-4])
}

// appendRecord encodes a payload to b, for the given place.
func appendRecord(b []byte, num uint64, offset, durable int64, payload []byte) []byte {
	start := len(b)
	b = append(b, make([]byte, recordHeader)...)
	b = append(b, payload...)
	h := b[start:]
	binary.LittleEndian.PutUint32(h[4:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(h[8:], uint32(durable))
	binary.LittleEndian.PutUint32(h[12:], crc32.Update(0, castagnoli, payload))
	binary.LittleEndian.PutUint32(h, recordSum(num, offset, h[4:]))
	return b
}

// parseRecord decodes the header at the start of b; ok is false when this log did
// not put it there. The payload may be bad or missing.
func parseRecord(b []byte, num uint64, offset int64) (r record, ok bool) {
	if len(b) < recordHeader {
		return record{}, false
	}
	length, durable := binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])
	// The cheap tests come first: a search asks this of every byte.
	if length > maxFile || int64(durable) > offset || binary.LittleEndian.Uint32(b) != recordSum(num, offset, b[4:]) {
		return record{}, false
	}
	return record{int(length), int64(durable), binary.LittleEndian.Uint32(b[12:])}, true
}

// scanned is what the bytes of a file say.
type scanned struct {
	edits   []Edit
	end     int64  // behind the last edit
	durable int64  // the most that a record states
	dropped int64  // bytes after end that are no mark
	reason  string // why they are not
}

// scan reads the records of file num from its bytes, header checked.
//
//	header | A | B | C | ? ? ? ? | mark
//	                   ^ end       durable: reaches behind end: damage
//
// What follows the first bad record is searched for headers: one that is right
// states how much was durable before it, even if its own payload never reached
// the disk.
func scan(b []byte, file string, num uint64) (s scanned, err error) {
	s.end = fileHeader
	corrupt := func(offset int64, format string, args ...any) error {
		return &CorruptError{File: file, Offset: offset, Reason: fmt.Sprintf(format, args...)}
	}
	why := "no record"
	for s.end < int64(len(b)) {
		rest := b[s.end:]
		r, ok := parseRecord(rest, num, s.end)
		if !ok {
			break
		}
		s.durable = max(s.durable, r.durable)
		if r.length == 0 {
			why = "after the mark"
			if len(rest) == recordHeader {
				return s, s.whole(corrupt)
			}
			break
		}
		if r.length > len(rest)-recordHeader {
			why = "payload is cut off"
			break
		}
		payload := rest[recordHeader : recordHeader+r.length]
		if crc32.Update(0, castagnoli, payload) != r.body {
			why = "payload checksum"
			break
		}
		e, err := Decode(payload)
		if err != nil {
			return s, corrupt(s.end, "%v", err)
		}
		e.Offset = s.end
		s.edits = append(s.edits, e)
		s.end += recordHeader + int64(r.length)
	}
	if s.dropped = int64(len(b)) - s.end; s.dropped > 0 {
		s.reason = why
	}
	for at := s.end + 1; at < int64(len(b)); at++ {
		if r, ok := parseRecord(b[at:], num, at); ok && r.durable > s.end {
			s.durable = r.durable
			return s, corrupt(s.end, "%s; the record at byte %d states that the first %d bytes were durable", why, at, r.durable)
		}
	}
	return s, s.whole(corrupt)
}

// whole checks what the first record, which was durable before the file was in
// force, and the records' own statements demand.
func (s *scanned) whole(corrupt func(int64, string, ...any) error) error {
	if len(s.edits) == 0 {
		return corrupt(fileHeader, "the first edit is missing: %s", s.reason)
	}
	if s.durable > s.end {
		return corrupt(s.end, "%s; a record states that the first %d bytes were durable", s.reason, s.durable)
	}
	return nil
}
