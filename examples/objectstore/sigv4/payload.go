package sigv4

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"

	"github.com/flagship-go/flagship/examples/objectstore/checksum"
)

// What X-Amz-Content-Sha256 may say instead of the body's SHA-256.
const (
	// UnsignedPayload: the body is not signed. So it is with presigned URLs.
	UnsignedPayload = "UNSIGNED-PAYLOAD"
	// StreamingPayload: chunks are signed.
	StreamingPayload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	// StreamingPayloadTrailer: chunks are signed, and so is a trailer.
	StreamingPayloadTrailer = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	// StreamingUnsignedTrailer: chunks without signatures, for the sake of a
	// trailer.
	StreamingUnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

// Request is a request whose signature was verified.
type Request struct {
	// AccessKey is whose signature it is.
	AccessKey string
	// Size of the body in bytes, without the framing of chunks; -1 if it was
	// not promised.
	Size int64
	// Body verifies itself while it is read: it ends with io.EOF only if it is
	// what was signed, has the size that was promised and the checksums that
	// were sent along; and otherwise with an *Error, or an error of the
	// connection. The last bytes come after the verification.
	Body io.Reader

	body *body
}

// Checksum returns the checksum that was sent with the body and verified; ""
// if there was none, or if the body has not been read to its end.
func (r *Request) Checksum() (a checksum.Algorithm, base64 string) {
	if r.body.err != io.EOF || r.body.checksum == nil {
		return "", ""
	}
	return r.body.algorithm, r.body.sum
}

// SkipChecksum leaves the checksum in a header out of the verification, for the
// request whose header is not about its body: that which completes an upload in
// parts sends the checksum of the object. It must be called before Body is read.
func (r *Request) SkipChecksum() { r.body.checksum = nil }

// body delivers what src does, and its end once everything was checked.
type body struct {
	src    io.Reader
	left   int64 // of the promised bytes; less than 0: none were promised
	checks []check
	err    error // what every further Read returns

	checksum  *check // as checks; nil: there is none
	algorithm checksum.Algorithm
	sum       string
}

// check is a hash of the body, compared at its end.
type check struct {
	hash    hash.Hash
	compare func(sum []byte) error
}

func newRequest(r *http.Request, c *claim, chain *chain) (*Request, error) {
	b := &body{src: r.Body, left: r.ContentLength}
	if r.Body == nil {
		b.src = http.NoBody
	}
	var chunks *chunkReader
	switch {
	case strings.HasPrefix(c.payload, "STREAMING-"):
		var err error
		if chunks, err = newChunkReader(b.src, c.payload, chain, r.Header.Get("X-Amz-Trailer")); err != nil {
			return nil, err
		}
		b.src = chunks
		if b.left, err = decodedLength(r); err != nil {
			return nil, err
		}
	case c.payload == UnsignedPayload:
	default:
		want, err := hex.DecodeString(c.payload)
		if err != nil || len(want) != sha256.Size {
			return nil, refuse("InvalidArgument", "x-amz-content-sha256 must be %s, %s, %s, %s or a valid sha256 value.",
				UnsignedPayload, StreamingPayload, StreamingPayloadTrailer, StreamingUnsignedTrailer)
		}
		b.expect(sha256.New(), want, refuse(CodePayloadMismatch, "The provided 'x-amz-content-sha256' header does not match what was computed."))
	}
	if err := b.expectMD5(r.Header); err != nil {
		return nil, err
	}
	if err := b.expectChecksum(r.Header, chunks); err != nil {
		return nil, err
	}
	return &Request{AccessKey: c.accessKey, Size: b.left, Body: b, body: b}, nil
}

func decodedLength(r *http.Request) (int64, error) {
	text := r.Header.Get("X-Amz-Decoded-Content-Length")
	if text == "" {
		return 0, refuse(CodeMissingLength, "You must provide the x-amz-decoded-content-length HTTP header with a streamed body.")
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, refuse("InvalidArgument", "x-amz-decoded-content-length is %q, which is no length", text)
	}
	return n, nil
}

func (b *body) expect(h hash.Hash, want []byte, mismatch error) {
	b.checks = append(b.checks, check{h, func(sum []byte) error {
		if subtle.ConstantTimeCompare(sum, want) != 1 {
			return mismatch
		}
		return nil
	}})
}

func (b *body) expectMD5(h http.Header) error {
	if len(h.Values("Content-Md5")) == 0 {
		return nil
	}
	want, err := base64.StdEncoding.Strict().DecodeString(h.Get("Content-Md5"))
	if err != nil || len(want) != md5.Size {
		return refuse(CodeInvalidDigest, "The Content-MD5 you specified is not valid.")
	}
	b.expect(md5.New(), want, refuse(CodeBadDigest, "The Content-MD5 you specified did not match what we received."))
	return nil
}

// expectChecksum looks for the one checksum, of a header or a trailer.
func (b *body) expectChecksum(h http.Header, chunks *chunkReader) error {
	value := func() string { return h.Get(b.algorithm.Header()) }
	for name := range h {
		a, ok := checksum.OfHeader(name)
		if ok && b.algorithm != "" {
			return refuse(CodeInvalidRequest, "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		if ok {
			b.algorithm = a
		}
	}
	if chunks != nil && chunks.trailer != "" {
		if b.algorithm != "" {
			return refuse(CodeInvalidRequest, "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		b.algorithm, _ = checksum.OfHeader(chunks.trailer)
		value = func() string { return chunks.value }
	} else if b.algorithm != "" && !b.algorithm.Valid(value()) {
		return refuse(CodeInvalidRequest, "Value for %s header is invalid.", b.algorithm.Header())
	}
	if b.algorithm == "" {
		return nil
	}
	hash := b.algorithm.New()
	b.checksum = &check{hash, func([]byte) error {
		if b.sum = checksum.Encode(hash); b.sum != value() {
			return refuse(CodeBadDigest, "The %s you specified did not match the calculated checksum.", b.algorithm)
		}
		return nil
	}}
	return nil
}

// all are the checks.
func (b *body) all() iter.Seq[check] {
	return func(yield func(check) bool) {
		for _, c := range b.checks {
			if !yield(c) {
				return
			}
		}
		if b.checksum != nil {
			yield(*b.checksum)
		}
	}
}

// Read keeps the last bytes back until they have been checked, so that a
// caller who counts, and never asks for io.EOF, gets too few of a bad body.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.left >= 0 && int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := 0, error(nil)
	if len(p) > 0 {
		n, err = b.src.Read(p)
	}
	for c := range b.all() {
		c.hash.Write(p[:n])
	}
	if b.left > 0 {
		b.left -= int64(n)
	}
	switch {
	case err == nil && b.left != 0:
		return n, nil
	case err != nil && err != io.EOF:
		b.err = incomplete(err)
	case b.left > 0:
		b.err = incomplete(io.ErrUnexpectedEOF)
	default:
		b.err = b.end(err)
	}
	if b.err != io.EOF {
		n = 0
	}
	return n, b.err
}

// end reads what follows the last byte, which is the end of the connection's
// body, or chunks without data and trailers, and compares all hashes.
func (b *body) end(err error) error {
	for one := make([]byte, 1); err == nil; {
		var n int
		if n, err = b.src.Read(one); n > 0 {
			return refuse(CodeIncompleteBody, "The body is longer than promised")
		}
	}
	if err != io.EOF {
		return incomplete(err)
	}
	for c := range b.all() {
		if err := c.compare(c.hash.Sum(nil)); err != nil {
			return err
		}
	}
	return io.EOF
}

// incomplete gives S3's name to a body that ends early.
func incomplete(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return refuse(CodeIncompleteBody, "You did not provide the number of bytes specified by the Content-Length HTTP header")
	}
	return err
}
