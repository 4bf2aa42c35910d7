package s3api

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

// A line is the connection of a call: a client may be slow, but not stand
// still. Each read of the request, and each write of the answer, has a deadline.
type line struct {
	control *http.ResponseController
	timeout time.Duration
	body    io.ReadCloser
	taken   int64 // bytes of the body
}

// guardStalls puts a line between the call and its body. The request is a copy:
// by the body of its own net/http knows whether a client still waits to be asked
// for it (Expect: 100-continue).
func (c *call) guardStalls() {
	c.line = &line{control: http.NewResponseController(c.w), timeout: c.server.StallTimeout, body: c.Request.Body}
	c.Request = c.Request.WithContext(c.Request.Context())
	c.Request.Body = c.line
}

func (l *line) Read(p []byte) (int, error) {
	l.control.SetReadDeadline(time.Now().Add(l.timeout)) // not every writer can
	n, err := l.body.Read(p)
	l.taken += int64(n)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = RequestTimeout
	}
	return n, err
}

func (l *line) Close() error { return l.body.Close() }

func (l *line) beforeWrite() { l.control.SetWriteDeadline(time.Now().Add(l.timeout)) }
