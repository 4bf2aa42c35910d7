package filters

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// ServeHandler answers with what an http.Handler writes, as it writes it: nothing is kept but
// what a pipe holds. The handler runs until it has written everything, or the answer's body is closed.
// One that panics before it has begun costs a 500; later, the answer is broken off (P7).
func ServeHandler(c FilterContext, h http.Handler) {
	r, w := io.Pipe()
	p := &pipeWriter{pipe: w, header: http.Header{}, begun: make(chan struct{})}
	log, route := c.Log(), c.RouteID()
	request := c.Request().Clone(c.Request().Context())
	go func() {
		defer func() {
			var err error
			if v := recover(); v != nil {
				err = fmt.Errorf("route %s: a handler has panicked: %v", route, v)
				if v != http.ErrAbortHandler { // which is how a handler breaks off on purpose
					log.Error("handler panicked", "panic", v)
				}
			}
			p.end(err)
		}()
		h.ServeHTTP(p, request)
	}()
	<-p.begun
	answer := &http.Response{
		StatusCode: p.status, Status: statusText(p.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: p.sent, Body: r, ContentLength: -1, Request: c.OriginalRequest(),
	}
	if n, err := strconv.ParseInt(p.sent.Get("Content-Length"), 10, 64); err == nil {
		answer.ContentLength = n
	}
	if bodyless(p.status) || c.Request().Method == http.MethodHead {
		r.Close()
		answer.Body = http.NoBody
	}
	c.Serve(answer)
}

// pipeWriter is the handler's ResponseWriter. All fields but header are fixed once begun is closed.
type pipeWriter struct {
	pipe   *io.PipeWriter
	header http.Header // the handler's
	sent   http.Header // as it was when the answer began
	status int
	begun  chan struct{}
}

func (p *pipeWriter) Header() http.Header { return p.header }

func (p *pipeWriter) WriteHeader(status int) {
	if p.status == 0 && status >= 200 {
		p.status, p.sent = status, p.header.Clone()
		close(p.begun)
	}
}

func (p *pipeWriter) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	return p.pipe.Write(b)
}

// Flush has nothing to do but to begin: a pipe holds nothing back.
func (p *pipeWriter) Flush() { p.WriteHeader(http.StatusOK) }

func (p *pipeWriter) end(err error) {
	if err != nil && p.status == 0 {
		clear(p.header)
		p.WriteHeader(http.StatusInternalServerError)
		err = nil
	}
	p.WriteHeader(http.StatusOK)
	p.pipe.CloseWithError(err)
}
