package transcode

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"
)

// A message on the wire of gRPC is behind five bytes:
//
//	+-------+------------------+------------ - - -
//	| flags | length, 4 bytes  | message
//	+-------+------------------+------------ - - -
//	  1: compressed as grpc-encoding says; big-endian
const (
	frameHeader    = 5
	flagCompressed = 1
)

// appendFrame adds a message to b, which it may grow.
func appendFrame(b []byte, m proto.Message) ([]byte, error) {
	start := len(b)
	b = append(b, make([]byte, frameHeader)...)
	b, err := proto.MarshalOptions{}.MarshalAppend(b, m)
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint32(b[start+1:], uint32(len(b)-start-frameHeader))
	return b, nil
}

// A frameReader takes a stream apart.
type frameReader struct {
	r        io.Reader
	max      int    // bytes of a message, also of one that was compressed
	encoding string // grpc-encoding

	header  [frameHeader]byte
	message []byte // the last, as it came
	zip     *gzip.Reader
	plain   []byte // the last, if it was compressed
}

// next returns the next message, which is good until the one after it. Its error is io.EOF between two messages,
// a *status if the peer broke the protocol or a limit, and otherwise the reader's.
func (f *frameReader) next() ([]byte, error) {
	if _, err := io.ReadFull(f.r, f.header[:]); err != nil {
		return nil, err
	}
	flags, size := f.header[0], binary.BigEndian.Uint32(f.header[1:])
	switch {
	case flags&^flagCompressed != 0:
		return nil, statusf(Internal, "the answer is no gRPC: a frame with flags %#02x", flags)
	case uint64(size) > uint64(f.max):
		return nil, f.tooLarge(fmt.Sprint(size))
	}
	// X4: not a byte is taken before the size is known to be allowed.
	if cap(f.message) < int(size) {
		f.message = make([]byte, size)
	}
	f.message = f.message[:size]
	if _, err := io.ReadFull(f.r, f.message); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	if flags&flagCompressed == 0 {
		return f.message, nil
	}
	return f.expand()
}

func (f *frameReader) tooLarge(size string) error {
	s := statusf(ResourceExhausted, "the answer has a message of %s bytes, and %d are allowed", size, f.max)
	s.http = 502 // 429 would tell the client that it has asked too often
	return s
}

// expand undoes the compression of f.message.
func (f *frameReader) expand() ([]byte, error) {
	if f.encoding != "gzip" {
		return nil, statusf(Internal, "the answer has a compressed message, but grpc-encoding is %q", f.encoding)
	}
	r := bytes.NewReader(f.message)
	var err error
	if f.zip == nil {
		f.zip, err = gzip.NewReader(r)
	} else {
		err = f.zip.Reset(r)
	}
	if err != nil {
		return nil, statusf(Internal, "the answer has a message that is no gzip: %v", err)
	}
	f.plain, err = readAtMost(f.zip, f.plain[:0], f.max)
	if errors.Is(err, errTooLong) {
		return nil, f.tooLarge("more than " + fmt.Sprint(f.max))
	}
	if err != nil {
		return nil, statusf(Internal, "the answer has a message that is no gzip: %v", err)
	}
	return f.plain, nil
}

var errTooLong = errors.New("too long")

// readAtMost reads all of r behind dst, or gives up with errTooLong when dst has more than limit bytes.
func readAtMost(r io.Reader, dst []byte, limit int) ([]byte, error) {
	for {
		if len(dst) > limit {
			return dst, errTooLong
		}
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if err == io.EOF && len(dst) <= limit {
			return dst, nil
		}
		if err != nil && err != io.EOF {
			return dst, err
		}
	}
}

// Timeouts are at most eight digits and a unit.
var timeoutUnits = []struct {
	unit byte
	d    time.Duration
}{{'n', time.Nanosecond}, {'u', time.Microsecond}, {'m', time.Millisecond}, {'S', time.Second}, {'M', time.Minute}, {'H', time.Hour}}

// formatTimeout writes grpc-timeout, in the smallest unit that has room. What is over already is the shortest time there is.
func formatTimeout(d time.Duration) string {
	d = max(d, 1)
	for _, u := range timeoutUnits {
		if n := d / u.d; n < 100_000_000 {
			return strconv.FormatInt(int64(n), 10) + string(u.unit)
		}
	}
	return "99999999H" // not reached: a Duration has less than 3 million hours
}

// parseTimeout reads grpc-timeout.
func parseTimeout(text string) (time.Duration, error) {
	if n := len(text); n >= 2 && n <= 9 {
		for _, u := range timeoutUnits {
			if u.unit != text[n-1] {
				continue
			}
			count, err := strconv.ParseUint(text[:n-1], 10, 32)
			if err != nil {
				break
			}
			if count > uint64(maxDuration/u.d) {
				return maxDuration, nil
			}
			return time.Duration(count) * u.d, nil
		}
	}
	return 0, fmt.Errorf("header Grpc-Timeout: %q is not up to eight digits and one of n, u, m, S, M, H", text)
}

const maxDuration = time.Duration(1<<63 - 1)
