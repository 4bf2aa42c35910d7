package tcp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"time"
)

// Everything on a connection, but the magic it begins with, is a frame:
//
//	0        4      5        9
//	| length | kind | CRC32C | payload ... |
//	  uint32  byte    uint32   length bytes
//
// Numbers are little-endian. The checksum is over length, kind and payload (T2).

const headerSize = 9

// kind says what a frame is.
type kind byte

const (
	kindHello   kind = iota + 1 // dialer: who I am and whom I mean
	kindAnswer                  // listener: welcome, or why not
	kindMessage                 // a raft.Message
	kindPing                    // dialer, at intervals; answered by
	kindPong                    // listener
	kindOffer                   // dialer: the snapshot that will come
	kindAck                     // listener: holds so many bytes of it
	kindChunk                   // dialer: a piece of it
	kindDone                    // listener: delivered, or why not
)

// crcTable is not changed after it is made.
var crcTable = crc32.MakeTable(crc32.Castagnoli)

// beginFrame appends the place for a header. The payload is appended next, and
// endFrame makes both a frame; at is len(b) before.
func beginFrame(b []byte) []byte { return append(b, make([]byte, headerSize)...) }

func endFrame(b []byte, at int, k kind) {
	header, payload := b[at:at+headerSize], b[at+headerSize:]
	binary.LittleEndian.PutUint32(header, uint32(len(payload)))
	header[4] = byte(k)
	binary.LittleEndian.PutUint32(header[5:], checksum(header, payload))
}

func appendFrame(b []byte, k kind, payload []byte) []byte {
	at := len(b)
	b = append(beginFrame(b), payload...)
	endFrame(b, at, k)
	return b
}

func checksum(header, payload []byte) uint32 {
	return crc32.Update(crc32.Update(0, crcTable, header[:5]), crcTable, payload)
}

// frameReader takes frames off a connection. It is not safe for concurrent
// use.
type frameReader struct {
	conn net.Conn
	r    *bufio.Reader
	max  int // of a payload
	// allow is how long n bytes may take once a frame has begun; nil while a
	// deadline of the whole handshake is set.
	allow func(n int) time.Duration
	// idle is how long a frame may not begin; 0: for ever.
	idle time.Duration
	// buf holds the payloads that nobody keeps, one after the other.
	buf []byte
}

const (
	readBuffer = 64 << 10
	// firstRead is the most that is allocated on the word of a header; beyond
	// it the buffer grows with what has come.
	firstRead = 1 << 20
)

// next returns the next frame. Its payload is valid until the call after, if
// keep is not called in between. At the end of the connection, between two
// frames, the error is io.EOF.
func (f *frameReader) next() (kind, []byte, error) {
	if f.r.Buffered() < headerSize {
		f.deadline(f.idle)
		if _, err := f.r.Peek(1); err != nil {
			return 0, nil, err
		}
		if f.allow != nil {
			f.deadline(f.allow(0))
		}
	}
	peeked, err := f.r.Peek(headerSize)
	if err != nil {
		return 0, nil, cutShort(err)
	}
	header := [headerSize]byte(peeked)
	f.r.Discard(headerSize)
	n := binary.LittleEndian.Uint32(header[:])
	if int64(n) > int64(f.max) {
		return 0, nil, fmt.Errorf("%w: a frame says it has %d bytes, at most %d", ErrTooLarge, n, f.max)
	}
	if f.r.Buffered() < int(n) && f.allow != nil {
		f.deadline(f.allow(int(n)))
	}
	if err := f.fill(int(n)); err != nil {
		return 0, nil, cutShort(err)
	}
	if got, want := checksum(header[:], f.buf), binary.LittleEndian.Uint32(header[5:]); got != want {
		return 0, nil, fmt.Errorf("%w: frame of %d bytes has checksum %08x, says %08x", ErrProtocol, n, got, want)
	}
	return kind(header[4]), f.buf, nil
}

// fill reads n bytes into buf. T4: a header alone does not make it allocate more
// than firstRead: it doubles, as the bytes come.
func (f *frameReader) fill(n int) error {
	if cap(f.buf) > readBuffer && n <= readBuffer {
		f.buf = nil // a large one was here, once
	}
	f.buf = f.buf[:0]
	for len(f.buf) < n {
		have := len(f.buf)
		upTo := min(n, have+max(have, firstRead))
		if upTo > cap(f.buf) {
			grown := make([]byte, upTo)
			copy(grown, f.buf)
			f.buf = grown
		}
		f.buf = f.buf[:upTo]
		if _, err := io.ReadFull(f.r, f.buf[have:]); err != nil {
			return err
		}
	}
	return nil
}

// keep leaves the last payload to the caller for good. One that is much
// smaller than its buffer must be copied by the caller instead.
func (f *frameReader) keep() (fits bool) {
	if cap(f.buf)/2 > len(f.buf)+64 {
		return false
	}
	f.buf = nil
	return true
}

// deadline lets the next reads take d; 0: for ever.
func (f *frameReader) deadline(d time.Duration) {
	switch {
	case f.allow == nil:
	case d == 0:
		f.conn.SetReadDeadline(time.Time{})
	default:
		f.conn.SetReadDeadline(time.Now().Add(d))
	}
}

func cutShort(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("inside a frame: %w", err)
}

// explain gives an I/O error a name of this package, where it has one.
func explain(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", ErrTimeout, err)
	}
	return err
}

// magic begins both directions of a connection; its last byte is the version
// of the handshake and the frames.
var magic = []byte("raft/tcp\x00\x01")

// readMagic makes sure that it is this protocol that is spoken.
func (f *frameReader) readMagic() error {
	got := make([]byte, len(magic))
	if n, err := io.ReadFull(f.r, got[:3]); n == 0 && errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: the other side hung up without a word; does only one of the two use TLS?", ErrProtocol)
	} else if err != nil {
		return fmt.Errorf("%w: the connection ended after %d bytes: %w", ErrProtocol, n, err)
	}
	// A TLS record: handshake, or alert, of version 3.x.
	if (got[0] == 0x16 || got[0] == 0x15) && got[1] == 3 {
		return fmt.Errorf("%w: the other side speaks TLS, Options.TLS is missing here", ErrProtocol)
	}
	if n, err := io.ReadFull(f.r, got[3:]); err != nil {
		return fmt.Errorf("%w: the connection ended after %d bytes: %w", ErrProtocol, 3+n, err)
	}
	last := len(magic) - 1
	switch {
	case !bytes.Equal(got[:last], magic[:last]):
		return fmt.Errorf("%w: the connection begins with %q", ErrProtocol, got)
	case got[last] != magic[last]:
		return fmt.Errorf("%w: the other side speaks version %d of the protocol, this build %d", ErrVersion, got[last], magic[last])
	}
	return nil
}
