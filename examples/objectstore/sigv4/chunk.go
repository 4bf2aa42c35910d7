package sigv4

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"strconv"
	"strings"

	"github.com/flagship-go/flagship/examples/objectstore/checksum"
)

// maxLine bounds the line before a chunk, and each of the trailers.
const maxLine = 4096

// chunkReader takes the framing off a chunked body:
//
//	HEX-SIZE[;chunk-signature=SIGNATURE] CRLF
//	data CRLF
//	...
//	0[;chunk-signature=SIGNATURE] CRLF
//	[name:value CRLF]
//	[x-amz-trailer-signature:SIGNATURE CRLF]
//	CRLF
//
// It ends with io.EOF after the whole of this, and with an error at the end of
// the first chunk that is not signed as it must be.
type chunkReader struct {
	src     *bufio.Reader
	chain   *chain // nil: chunks are not signed
	trailer string // the name of the header that was announced, or ""
	value   string // of the trailer, once it has been read

	left      int64 // of the chunk that is being read
	begun     bool  // whether one is
	signature string
	hash      hash.Hash
	err       error
}

func newChunkReader(src io.Reader, mode string, chain *chain, trailer string) (*chunkReader, error) {
	c := &chunkReader{src: bufio.NewReaderSize(src, maxLine), trailer: strings.ToLower(trailer), hash: sha256.New()}
	switch mode {
	case StreamingPayload:
		if trailer != "" {
			return nil, refuse(CodeMalformedTrailer, "%s has no trailer, and %s is announced", mode, trailer)
		}
		c.chain = chain
		return c, nil
	case StreamingPayloadTrailer:
		c.chain = chain
	case StreamingUnsignedTrailer:
	default:
		return nil, refuse("NotImplemented", "A body of type %s is not supported here.", mode)
	}
	if _, ok := checksum.OfHeader(trailer); !ok {
		return nil, refuse(CodeInvalidRequest, "The value specified in the x-amz-trailer header, %q, is not supported", trailer)
	}
	return c, nil
}

func (c *chunkReader) Read(p []byte) (n int, err error) {
	if c.err == nil && c.left == 0 {
		c.err = c.next()
	}
	if c.err != nil {
		return 0, c.err
	}
	n, err = c.src.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if c.chain != nil {
		c.hash.Write(p[:n])
	}
	if err != nil {
		c.err = unexpected(err)
	}
	return n, c.err
}

// next ends the chunk that was read, and begins another; io.EOF if there is
// none.
func (c *chunkReader) next() error {
	if c.begun {
		if err := c.endChunk(); err != nil {
			return err
		}
	}
	line, err := c.line()
	if err != nil {
		return err
	}
	size, extension, _ := strings.Cut(line, ";")
	// 63 bits, and no sign, which ParseUint does not take.
	n, err := strconv.ParseUint(size, 16, 63)
	if err != nil {
		return refuse(CodeIncompleteBody, "The chunk size %q of the body is malformed", size)
	}
	c.begun, c.left = true, int64(n)
	c.hash.Reset()
	if c.chain != nil {
		var ok bool
		if c.signature, ok = strings.CutPrefix(extension, "chunk-signature="); !ok {
			return refuse(CodeMismatch, "A chunk of the body has no signature")
		}
	}
	if n > 0 {
		return nil
	}
	if err := c.verifyChunk(); err != nil {
		return err
	}
	return c.end()
}

// endChunk checks the chunk that was read, and takes the CRLF behind it.
func (c *chunkReader) endChunk() error {
	if err := c.verifyChunk(); err != nil {
		return err
	}
	var crlf [2]byte
	if _, err := io.ReadFull(c.src, crlf[:]); err != nil {
		return unexpected(err)
	}
	if crlf != [2]byte{'\r', '\n'} {
		return refuse(CodeIncompleteBody, "A chunk of the body is longer than its size")
	}
	return nil
}

func (c *chunkReader) verifyChunk() error {
	if c.chain == nil {
		return nil
	}
	if want := c.chain.signChunk(hex.EncodeToString(c.hash.Sum(nil))); !hmac.Equal([]byte(want), []byte(c.signature)) {
		return refuse(CodeMismatch, "The signature of a chunk of the body does not match: a chunk was changed, moved or left out, or was signed otherwise")
	}
	return nil
}

// end reads the trailers and the empty line. Nothing may follow.
func (c *chunkReader) end() error {
	var signature string
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		if line == "" {
			// Some clients put an empty line between a trailer and its signature.
			if c.chain != nil && c.value != "" && signature == "" {
				if _, err := c.src.Peek(1); err == nil {
					continue
				}
			}
			break
		}
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		switch {
		case ok && name == "x-amz-trailer-signature" && c.chain != nil && signature == "":
			signature = value
		case ok && name == c.trailer && c.trailer != "" && c.value == "":
			c.value = value
		default:
			return refuse(CodeMalformedTrailer, "The request contained trailing data that was not well-formed or did not conform to our published schema: %q", line)
		}
	}
	if err := c.verifyTrailer(signature); err != nil {
		return err
	}
	if _, err := c.src.ReadByte(); err != io.EOF {
		return refuse(CodeIncompleteBody, "The body goes on behind its last chunk")
	}
	return io.EOF
}

func (c *chunkReader) verifyTrailer(signature string) error {
	switch {
	case c.trailer == "":
		return nil
	case c.value == "":
		return refuse(CodeMalformedTrailer, "The trailer %s was announced and is missing", c.trailer)
	case c.chain == nil:
		return nil
	}
	want := c.chain.signTrailer(hexSHA256(c.trailer + ":" + c.value + "\n"))
	if !hmac.Equal([]byte(want), []byte(signature)) {
		return refuse(CodeMismatch, "The signature of the trailer does not match")
	}
	return nil
}

// line reads to the next line break, and returns what is before it.
func (c *chunkReader) line() (string, error) {
	line, err := c.src.ReadSlice('\n')
	switch {
	case err == bufio.ErrBufferFull:
		return "", refuse(CodeIncompleteBody, "A line between the chunks of the body is longer than %d bytes", maxLine)
	case err != nil:
		return "", unexpected(err)
	}
	return string(bytes.TrimRight(line, "\r\n")), nil
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
