package filters

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// How large a request may be.

func bodyLimits() []Spec {
	return []Spec{NewSpec("requestBodyLimit", "bytes", func(a *Args) Filter {
		return &bodyLimit{limit: int64(a.Int("bytes", 0, 1<<31-1))}
	})}
}

// bodyLimit refuses a body that says it is too large before anything of it is read, and stops one that does not say so where it is.
type bodyLimit struct{ limit int64 }

func (f *bodyLimit) Request(c FilterContext) {
	r := c.Request()
	switch {
	case r.ContentLength > f.limit:
		c.Event("requestBodyLimit", "rejected")
		reject(c, http.StatusRequestEntityTooLarge, http.Header{"Connection": {"close"}})
	case r.ContentLength < 0 && r.Body != nil && r.Body != http.NoBody:
		r.Body = &limitedBody{ReadCloser: r.Body, left: f.limit, limit: f.limit}
	}
}

func (*bodyLimit) Response(FilterContext) {}

// Wrap knows what was the matter when a call has failed: transports wrap the errors of bodies, or forget them.
func (f *bodyLimit) Wrap(next RoundTrip) RoundTrip {
	return func(c FilterContext) (*http.Response, error) {
		body, is := c.Request().Body.(*limitedBody)
		r, err := next(c)
		if err == nil {
			return r, nil
		}
		var large *http.MaxBytesError
		if is && body.over.Load() || errors.As(err, &large) {
			c.Event("requestBodyLimit", "rejected")
			err = &Error{Status: http.StatusRequestEntityTooLarge, Reason: "the body is too large", Local: true, Err: err}
		}
		return nil, err
	}
}

// limitedBody fails behind the limit. That a body ends just there shows only when there is nothing more.
type limitedBody struct {
	io.ReadCloser
	left, limit int64
	over        atomic.Bool
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if b.over.Load() {
		return 0, &http.MaxBytesError{Limit: b.limit}
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if int64(n) <= b.left {
		b.left -= int64(n)
		return n, err
	}
	n, b.left = int(b.left), 0
	b.over.Store(true)
	return n, &http.MaxBytesError{Limit: b.limit}
}
