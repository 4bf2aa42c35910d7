package filters

import (
	"bytes"
	"io"
	"net/http"
	"sync"
)

// A repeat is a request that can perhaps be sent once more (F4): one without a body, with one
// that was kept whole, or with one that nobody has begun to read.
type repeat struct {
	first *http.Request
	sent  int
	kept  []byte
	src   io.ReadCloser // nil: there is no body, or it is kept
	now   *attemptBody
}

// newRepeat keeps a body of at most limit bytes, if its length is known. The error is that of reading it.
func newRepeat(r *http.Request, limit int64) (*repeat, error) {
	p := &repeat{first: r}
	if r.Body == nil || r.Body == http.NoBody {
		return p, nil
	}
	if r.ContentLength <= 0 || r.ContentLength > limit {
		p.src = r.Body
		return p, nil
	}
	p.kept = make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, p.kept)
	r.Body.Close()
	return p, err
}

// next is the request to send now. A transport may still hold on to the one before: it is a copy.
func (p *repeat) next() *http.Request {
	p.sent++
	if p.sent == 1 && p.src == nil && p.kept == nil {
		return p.first
	}
	r, u := *p.first, *p.first.URL
	r.URL = &u
	switch {
	case p.kept != nil:
		r.Body = io.NopCloser(bytes.NewReader(p.kept))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(p.kept)), nil }
	case p.src != nil:
		p.now = &attemptBody{src: p.src}
		r.Body = p.now
	}
	return &r
}

// again tells whether the request can be sent once more. The one before gets nothing of the body from then on.
func (p *repeat) again() bool { return p.now == nil || p.now.abandon() }

// done ends the last attempt: what was not read is closed, if the transport wanted that.
func (p *repeat) done() {
	if p.now != nil {
		p.now.last()
	}
}

// attemptBody is a body as one attempt sees it. Closing it does not close the source as long as
// nothing was read: another attempt may want it.
type attemptBody struct {
	src    io.ReadCloser
	mu     sync.Mutex
	begun  bool
	closed bool
	final  bool
}

func (b *attemptBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	closed := b.closed
	b.begun = b.begun || !closed
	b.mu.Unlock()
	if closed {
		return 0, errClosedBody
	}
	return b.src.Read(p)
}

func (b *attemptBody) Close() error {
	b.mu.Lock()
	b.closed = true
	now := b.begun || b.final
	b.mu.Unlock()
	if now {
		return b.src.Close()
	}
	return nil
}

func (b *attemptBody) abandon() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return !b.begun
}

func (b *attemptBody) last() {
	b.mu.Lock()
	b.final = true
	now := b.closed && !b.begun
	b.mu.Unlock()
	if now {
		b.src.Close()
	}
}
