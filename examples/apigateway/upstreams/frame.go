package upstreams

import (
	"encoding/binary"
	"fmt"
	"io"

	"google.golang.org/protobuf/proto"
)

// A message of gRPC is behind five bytes: a flag, which is 1 if it is compressed, and its length.
const (
	frameHeader = 5
	maxMessage  = 4 << 20
)

// readFrame reads a message into m. Its error is io.EOF if there is none any more.
func readFrame(r io.Reader, m proto.Message) error {
	var header [frameHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(header[1:])
	switch {
	case header[0] != 0:
		return &Status{Unimplemented, "compressed messages are not understood"}
	case size > maxMessage:
		return &Status{ResourceExhausted, fmt.Sprintf("a message of %d bytes, and %d are allowed", size, maxMessage)}
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(r, b); err != nil {
		return io.ErrUnexpectedEOF
	}
	return proto.Unmarshal(b, m)
}

// writeFrame writes a message.
func writeFrame(w io.Writer, m proto.Message) error {
	b, err := proto.MarshalOptions{}.MarshalAppend(make([]byte, frameHeader), m)
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint32(b[1:], uint32(len(b)-frameHeader))
	_, err = w.Write(b)
	return err
}
