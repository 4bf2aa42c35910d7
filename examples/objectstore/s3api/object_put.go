package s3api

import (
	"io"
	"net/http"

	"github.com/flagship-go/flagship/examples/objectstore/checksum"
)

// putObject stores an object: of a body, or as a copy of another.
func (c *call) putObject() error {
	switch {
	case c.query.Has("partNumber"):
		return invalid("uploadId", "", "A part needs the uploadId of its upload.")
	case c.Header.Get("X-Amz-Copy-Source") != "":
		c.operation = "CopyObject"
		return c.copyObject()
	}
	o, err := putOptions(c.Header)
	if err != nil {
		return err
	}
	body, size, err := c.bodyToStore()
	if err != nil {
		return err
	}
	stored, err := c.server.Store.Put(c.Context(), c.bucket, c.key, body, size, o)
	if err != nil {
		return body.blame(err)
	}
	header := storedHeader(stored)
	c.checksumHeader(header)
	c.begin(http.StatusOK, header)
	return nil
}

// clientBody is what a client sends, and remembers what went wrong with it.
type clientBody struct {
	src io.Reader
	err error
}

func (b *clientBody) Read(p []byte) (int, error) {
	n, err := b.src.Read(p)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// blame returns the body's error, if it had one: a store that could not store
// need not say why in the words of signatures.
func (b *clientBody) blame(err error) error {
	if b.err != nil {
		return b.err
	}
	return err
}

// bodyToStore is the body, of which Read never returns the last bytes before
// they are verified, and its size.
func (c *call) bodyToStore() (*clientBody, int64, error) {
	switch size := c.signed.Size; {
	case size < 0:
		return nil, 0, MissingContentLength
	case size > c.server.MaxObjectSize:
		return nil, 0, EntityTooLarge
	default:
		return &clientBody{src: c.signed.Body}, size, nil
	}
}

// checksumHeader answers with the checksum that was sent, and is right.
func (c *call) checksumHeader(h http.Header) {
	if a, sum := c.signed.Checksum(); a != "" {
		h.Set(a.Header(), sum)
		h.Set("X-Amz-Checksum-Type", "FULL_OBJECT")
	}
}

func isChecksum(header string) bool {
	_, ok := checksum.OfHeader(header)
	return ok
}
