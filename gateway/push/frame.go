package push

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
)

// All that is sent, either way and whatever carries it, is a frame:
//
//	0        4      5         13       17
//	| length | kind | version | CRC32C | payload ... |
//	  uint32  byte    uint64    uint32   length bytes
//
// Numbers are little-endian. The checksum is over all that stands before it, and the payload.
const headerSize = 17

type kind byte

const (
	kindSnapshot kind = iota + 1 // publisher: a version, with the configuration
	kindPing                     // publisher: still here, and nothing new
	kindHello                    // subscriber: what it has, and who it is
	kindAck                      // subscriber: has applied the version
	kindNack                     // subscriber: has refused the version, and why
)

const (
	// maxSize is how long a configuration may be, unless Options say otherwise.
	maxSize = 64 << 20
	// maxReport is how long a frame of a subscriber may be.
	maxReport = 1024
	maxName   = 256
)

// ErrFrame is what comes when bytes are no frames: cut off, changed, too long, or of somebody who
// speaks something else. The connection is given up, since nobody knows where the next frame begins.
var ErrFrame = errors.New("broken frame")

// castagnoli is not changed after it is made.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// id is what a version is known by. Numbers alone would not do: a publisher that starts anew counts from 1 again.
type id struct {
	version uint64
	sum     uint32 // the frame's checksum
}

// beginFrame has the place for a header at the beginning of b, whose bytes are used again. The payload is appended next.
func beginFrame(b []byte) []byte { return append(b[:0], make([]byte, headerSize)...) }

// endFrame makes a frame of what beginFrame has begun.
func endFrame(b []byte, k kind, version uint64) id {
	binary.LittleEndian.PutUint32(b, uint32(len(b)-headerSize))
	b[4] = byte(k)
	binary.LittleEndian.PutUint64(b[5:], version)
	sum := checksum(b[:headerSize], b[headerSize:])
	binary.LittleEndian.PutUint32(b[13:], sum)
	return id{version, sum}
}

func newFrame(k kind, version uint64, payload string) []byte {
	b := append(beginFrame(nil), payload...)
	endFrame(b, k, version)
	return b
}

func checksum(header, payload []byte) uint32 {
	return crc32.Update(crc32.Checksum(header[:13], castagnoli), castagnoli, payload)
}

// newHello says what a subscriber has: the version in the header, its checksum before the name.
func newHello(known id, name string) []byte {
	b := binary.LittleEndian.AppendUint32(beginFrame(nil), known.sum)
	b = append(b, name...)
	endFrame(b, kindHello, known.version)
	return b
}

func (f frame) hello() (known id, name string, err error) {
	if f.kind != kindHello || len(f.payload) < 4 || len(f.payload) > 4+maxName {
		return id{}, "", fmt.Errorf("push: the first frame is of kind %d with %d bytes, and no hello: %w", f.kind, len(f.payload), ErrFrame)
	}
	return id{f.version, binary.LittleEndian.Uint32(f.payload)}, string(f.payload[4:]), nil
}

// frame is one that was received. Its payload is overwritten by the next.
type frame struct {
	kind kind
	id
	payload []byte
}

// frameReader takes frames off a stream. It is for one goroutine.
type frameReader struct {
	r      io.Reader
	max    int        // of a payload
	pool   *sync.Pool // of *[]byte, for payloads, until free; nil: it keeps its own
	header [headerSize]byte
	buf    []byte
}

// step is how much is believed of a length before as much has come: a header of 17 bytes is not to
// cost 64 MiB.
const step = 64 << 10

// next is the next frame. Its error is io.EOF if the stream ends between two frames.
func (f *frameReader) next() (frame, error) {
	if _, err := io.ReadFull(f.r, f.header[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return frame{}, fmt.Errorf("push: the stream ends in a header: %w", ErrFrame)
		}
		return frame{}, err
	}
	length := binary.LittleEndian.Uint32(f.header[:])
	if uint64(length) > uint64(f.max) {
		return frame{}, fmt.Errorf("push: a length of %d, and at most %d is taken (MaxSize): %w", length, f.max, ErrFrame)
	}
	f.buf = f.buf[:0]
	if length > 0 && f.buf == nil && f.pool != nil {
		if b, is := f.pool.Get().(*[]byte); is {
			f.buf = *b
		}
	}
	for left := int(length); left > 0; {
		n := min(left, max(step, len(f.buf))) // twice as much, each time
		at := len(f.buf)
		if cap(f.buf) < at+n {
			f.buf = append(make([]byte, 0, at+n), f.buf...)
		}
		f.buf = f.buf[:at+n]
		if _, err := io.ReadFull(f.r, f.buf[at:]); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return frame{}, fmt.Errorf("push: the stream ends %d bytes before its frame does: %w", left, ErrFrame)
			}
			return frame{}, err
		}
		left -= n
	}
	got := frame{
		kind:    kind(f.header[4]),
		id:      id{binary.LittleEndian.Uint64(f.header[5:]), binary.LittleEndian.Uint32(f.header[13:])},
		payload: f.buf,
	}
	if sum := checksum(f.header[:], f.buf); sum != got.sum {
		return frame{}, fmt.Errorf("push: version %d has checksum %08x, and %08x was sent: %w", got.version, sum, got.sum, ErrFrame)
	}
	return got, nil
}

// free gives back the memory of the payload that came last.
func (f *frameReader) free() {
	if f.pool != nil && f.buf != nil {
		b := f.buf[:0]
		f.pool.Put(&b)
		f.buf = nil
	}
}
