package sigv4

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"

	"github.com/flagship-go/flagship/examples/objectstore/checksum"
)

// StreamOptions say how a body is cut and signed.
type StreamOptions struct {
	// ChunkSize in bytes; default 64 KiB.
	ChunkSize int
	// Trailer is the checksum to send behind the body; "": none.
	Trailer checksum.Algorithm
	// Unsigned leaves the chunks without signatures; it needs a Trailer.
	Unsigned bool
}

// SignStream signs a request and replaces its body, of the given size in bytes,
// by one that is cut into chunks and signed while it is read.
func (s *Signer) SignStream(r *http.Request, size int64, o StreamOptions) {
	if o.ChunkSize == 0 {
		o.ChunkSize = 64 << 10
	}
	mode := StreamingPayload
	switch {
	case o.Unsigned:
		mode = StreamingUnsignedTrailer
	case o.Trailer != "":
		mode = StreamingPayloadTrailer
	}
	if o.Trailer != "" {
		r.Header.Set("X-Amz-Trailer", o.Trailer.Header())
	}
	r.Header.Set("Content-Encoding", "aws-chunked")
	r.Header.Set("X-Amz-Decoded-Content-Length", strconv.FormatInt(size, 10))
	r.ContentLength = streamLength(size, o)
	w := &chunkWriter{src: r.Body, size: o.ChunkSize, chain: s.sign(r, mode), name: o.Trailer.Header()}
	if o.Unsigned {
		w.chain = nil
	}
	if o.Trailer != "" {
		w.trailer = o.Trailer.New()
	}
	r.Body = w
}

// streamLength is the length of a body with its framing.
func streamLength(size int64, o StreamOptions) int64 {
	line := func(n int64) int64 { // before a chunk, and the line break behind it
		l := int64(len(strconv.FormatInt(n, 16)) + 4)
		if !o.Unsigned {
			l += int64(len(";chunk-signature=") + 64)
		}
		return l
	}
	chunk := int64(o.ChunkSize)
	total := size + size/chunk*line(chunk) + line(0)
	if rest := size % chunk; rest > 0 {
		total += line(rest)
	}
	if o.Trailer != "" {
		h := o.Trailer.New()
		total += int64(len(o.Trailer.Header()+":"+checksum.Encode(h)) + 2)
		if !o.Unsigned {
			total += int64(len("x-amz-trailer-signature:") + 64 + 2)
		}
	}
	return total
}

// chunkWriter is the opposite of chunkReader; it too is a reader, as bodies of
// requests are.
type chunkWriter struct {
	src     io.ReadCloser
	size    int
	chain   *chain // nil: chunks are not signed
	name    string // of the trailer
	trailer hash.Hash

	out bytes.Buffer // framed, and not read yet
	err error
}

func (w *chunkWriter) Close() error { return w.src.Close() }

func (w *chunkWriter) Read(p []byte) (int, error) {
	if w.out.Len() == 0 && w.err == nil {
		w.err = w.chunk()
	}
	if w.out.Len() == 0 {
		return 0, w.err
	}
	return w.out.Read(p)
}

// chunk frames the next chunk; after the last one it returns io.EOF.
func (w *chunkWriter) chunk() error {
	data := make([]byte, w.size)
	n, err := io.ReadFull(w.src, data)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	data = data[:n]
	if w.trailer != nil {
		w.trailer.Write(data)
	}
	if n > 0 {
		w.line(data)
		w.out.Write(data)
		w.out.WriteString("\r\n")
	}
	if err == nil {
		return nil
	}
	w.line(nil)
	if w.trailer != nil {
		text := w.name + ":" + checksum.Encode(w.trailer)
		w.out.WriteString(text + "\r\n")
		if w.chain != nil {
			w.out.WriteString("x-amz-trailer-signature:" + w.chain.signTrailer(hexSHA256(text+"\n")) + "\r\n")
		}
	}
	w.out.WriteString("\r\n")
	return io.EOF
}

// line writes the line before a chunk.
func (w *chunkWriter) line(data []byte) {
	fmt.Fprintf(&w.out, "%x", len(data))
	if w.chain != nil {
		sha := sha256.Sum256(data)
		w.out.WriteString(";chunk-signature=" + w.chain.signChunk(hex.EncodeToString(sha[:])))
	}
	w.out.WriteString("\r\n")
}
