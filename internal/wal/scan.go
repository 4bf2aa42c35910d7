package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/flagship-go/flagship/internal/vfs"
)

const readAhead = 256 << 10

// scanner reads the frames of one segment in order. It is used both by
// recovery, which asks how far they reach, and by readers.
type scanner struct {
	checker
	file    vfs.File
	segment uint64
	size    int64 // of the file
	offset  int64 // of the next frame

	window []byte // bytes of the file, read ahead
	start  int64  // where they are in it
}

func newScanner(file vfs.File, segment uint64) (*scanner, error) {
	size, err := file.Size()
	if err != nil {
		return nil, fmt.Errorf("wal: reading %s: %w", file.Name(), err)
	}
	return &scanner{file: file, segment: segment, size: size, offset: segmentHeader}, nil
}

// bytesAt returns n bytes of the file, valid until the next call. The caller
// has checked that the file has them.
func (s *scanner) bytesAt(offset int64, n int) ([]byte, error) {
	if offset < s.start || offset+int64(n) > s.start+int64(len(s.window)) {
		want := int(min(max(int64(n), readAhead), s.size-offset))
		if cap(s.window) < want {
			s.window = make([]byte, want)
		}
		s.window, s.start = s.window[:want], offset
		got, err := s.file.ReadAt(s.window, offset)
		s.window = s.window[:got]
		if got < n {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, fmt.Errorf("wal: reading %s at byte %d: %w", s.file.Name(), offset, err)
		}
	}
	at := int(offset - s.start)
	return s.window[at : at+n : at+n], nil
}

// flaw says why there is no frame where one was looked for. The empty flaw is
// none, flawEnd the sixteen zeros, or the end of the file, that end the log.
type flaw string

const (
	flawEnd    flaw = "no frame"
	flawHeader flaw = "bad frame header"
	flawLength flaw = "frame runs past the end of the file"
	flawBody   flaw = "bad payload checksum"
)

// next returns the frame at s.offset and its payload, valid until the next
// call, and moves on. When there is a flaw instead it stays. The error is one
// of reading the file.
func (s *scanner) next() (f frame, payload []byte, why flaw, err error) {
	left := s.size - s.offset
	h, err := s.bytesAt(s.offset, int(min(left, frameHeader)))
	switch {
	case err != nil:
		return f, nil, "", err
	case isZero(h):
		return f, nil, flawEnd, nil
	case left < frameHeader:
		return f, nil, flawLength, nil
	}
	f, ok := s.parse(h, s.segment, s.offset)
	switch {
	case !ok:
		return f, nil, flawHeader, nil
	case f.span() > left:
		return f, nil, flawLength, nil
	}
	body, err := s.bytesAt(s.offset+frameHeader, int(f.span()-frameHeader))
	if err != nil {
		return f, nil, "", err
	}
	if !f.intact(body) {
		return f, nil, flawBody, nil
	}
	s.offset += f.span()
	return f, body[:f.size], "", nil
}

// beyond is what is found after the first flaw of a segment.
type beyond struct {
	witness int64 // offset of the frame that states most; 0: there is none
	durable int64 // what it states
	frames  int64 // end of the last frame header that verifies; 0: none
	trace   int64 // end of the bytes that look like a lost write
}

// skipZeros passes over whole pages of zeros, where no frame begins: most of a
// preallocated segment. It is asked at every word, and looks once a page.
func (s *scanner) skipZeros(offset int64) (int64, error) {
	const page = 4096
	for offset%page == 0 && offset+page <= s.size {
		b, err := s.bytesAt(offset, page)
		if err != nil || !isZero(b) {
			return offset, err
		}
		offset += page
	}
	return offset, nil
}

// survey searches the file from offset on for frame headers that verify. Each
// tells what was durable when it was written: only frames that came after the
// flaw can tell whether the flaw is damage (rule W3). Each found frame is
// jumped over, so that the search is linear whatever the payloads hold.
func (s *scanner) survey(offset int64) (b beyond, err error) {
	trail := true // still in the non-zero bytes that follow the flaw
	for offset+frameHeader <= s.size {
		h, err := s.bytesAt(offset, frameHeader)
		if err != nil {
			return b, err
		}
		if binary.LittleEndian.Uint64(h) == 0 {
			trail = trail && !isZero(h)
			offset += frameAlign
			if !trail {
				if offset, err = s.skipZeros(offset); err != nil {
					return b, err
				}
			}
			continue
		}
		f, ok := s.parse(h, s.segment, offset)
		if !ok {
			offset += frameAlign
			if trail {
				b.trace = offset
			}
			continue
		}
		if b.witness == 0 || f.durable > b.durable {
			b.witness, b.durable = offset, f.durable
		}
		offset += f.span()
		b.frames = min(offset, s.size)
		b.trace = b.frames
	}
	return b, nil
}
