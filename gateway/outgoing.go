package gateway

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"sync"
	"time"
)

// An outgoing is a request as it is sent upstream, in one piece of memory with what belongs to it. A transport
// may hold on to it for a moment longer than the exchange lives, so it is never used again.
type outgoing struct {
	req   *http.Request
	url   url.URL
	body  requestBody
	trace httptrace.ClientTrace
	early earlyAnswers
	// forwarded and upgrade hold what headers point at, one value each.
	forwarded [4]string
	upgrade   [2]string
}

// newOutgoing makes a request that has everything of r but where it goes: whoever
// writes an absolute URL into a request line does not choose a backend by it.
// Its header is still r's, which predicates are asked about; see sealHeader.
func newOutgoing(w http.ResponseWriter, r *http.Request) *outgoing {
	o := &outgoing{url: url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery, ForceQuery: r.URL.ForceQuery}}
	o.early = earlyAnswers{w: w, old: !r.ProtoAtLeast(1, 1), expects: r.Header["Expect"] != nil}
	o.trace.Got1xxResponse = o.early.pass
	o.req = r.WithContext(httptrace.WithClientTrace(r.Context(), &o.trace))
	o.req.URL, o.req.RequestURI, o.req.Close = &o.url, "", false
	o.req.TransferEncoding = nil
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		// A transport that sees no body may send such a request again by itself.
		o.req.Body, o.req.ContentLength, o.req.Trailer = nil, 0, nil
		return o
	}
	o.body.from, o.body.in = r.Body, r
	o.req.Body = &o.body
	if r.ProtoMajor >= 2 {
		o.body.limitPieces(w)
	}
	if o.req.ContentLength < 0 {
		o.body.trailer = announced(r.Trailer)
		o.req.Trailer = o.body.trailer
	}
	return o
}

// announced are the names of trailers to come, without those that must not be any (P1).
func announced(trailer http.Header) http.Header {
	names := make(http.Header, len(trailer))
	for name := range trailer {
		if !forbiddenTrailer(name) {
			names[name] = nil
		}
	}
	return names
}

// A requestBody is the client's body as a transport reads it.
//
// Close does nothing. A transport closes a body on every failure, but the body is the
// server's: closing it there would read the rest of it, which a client who waits for 100
// Continue never sends; and a retry could not send what was not touched.
type requestBody struct {
	from    io.ReadCloser
	in      *http.Request
	trailer http.Header   // is filled at the end of the body, before anybody is told of the end
	limit   time.Duration // for the next piece; 0: none, or the guard's
	rc      *http.ResponseController

	mu    sync.Mutex
	until time.Time // as readTimeout has set it: for all pieces
	begun bool      // somebody has read
	ended bool      // and come to the end
	over  bool      // the exchange has ended: body and connection are the server's again
	err   error
}

var errExchangeOver = errors.New("gateway: the request is over")

func (b *requestBody) Read(p []byte) (int, error) {
	if !b.begin() {
		return 0, errExchangeOver
	}
	n, err := b.from.Read(p)
	switch {
	case err == io.EOF:
		b.takeTrailer()
		b.mu.Lock()
		b.ended = true
		b.mu.Unlock()
	case err != nil:
		b.mu.Lock()
		b.err = err
		b.mu.Unlock()
	}
	return n, err
}

func (b *requestBody) Close() error { return nil }

// begin is called before each piece. The lock keeps the exchange from ending meanwhile.
func (b *requestBody) begin() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.begun = true
	if !b.over && b.limit > 0 {
		t := time.Now().Add(b.limit)
		if !b.until.IsZero() && b.until.Before(t) {
			t = b.until
		}
		_ = b.rc.SetReadDeadline(t)
	}
	return !b.over
}

// A deadlineWriter is a ResponseWriter of HTTP/2 that tells the body of a deadline which a filter sets: it holds beside those of pieces.
type deadlineWriter struct {
	http.ResponseWriter
	body *requestBody
}

func (w *deadlineWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *deadlineWriter) SetReadDeadline(t time.Time) error {
	w.body.mu.Lock()
	defer w.body.mu.Unlock()
	w.body.until = t
	return w.body.rc.SetReadDeadline(t)
}

// progress tells how far the body was read.
func (b *requestBody) progress() (begun, ended bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.begun, b.ended
}

// end tells a transport that still reads that there is nothing more.
func (b *requestBody) end() {
	b.mu.Lock()
	b.over = true
	b.mu.Unlock()
}

// limitPieces bounds the wait for each piece of an HTTP/2 body, as the guard does for HTTP/1 (P8).
func (b *requestBody) limitPieces(w http.ResponseWriter) {
	if s, is := b.in.Context().Value(serverKey{}).(*Server); is {
		b.limit, b.rc = s.opts.BodyTimeout, http.NewResponseController(w)
	}
}

// failure is the error with which the client's body broke off, if it did.
func (b *requestBody) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// takeTrailer passes on what net/http has read after the last chunk, announced or not (P3).
func (b *requestBody) takeTrailer() {
	if b.trailer == nil {
		return
	}
	for name, values := range b.in.Trailer {
		if !forbiddenTrailer(name) && len(values) > 0 {
			b.trailer[name] = values
		}
	}
}

// earlyAnswers passes on 1xx answers, which a transport reports from a goroutine of
// its own, until the call is over.
type earlyAnswers struct {
	mu      sync.Mutex
	over    bool
	old     bool // HTTP/1.0 knows no 1xx
	expects bool // the client waits for 100
	w       http.ResponseWriter
}

func (a *earlyAnswers) pass(code int, header textproto.MIMEHeader) error {
	// 100 is between neighbours: the server says it as soon as the transport, told by the upstream, reads the body.
	if code == http.StatusContinue || a.old {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over {
		return nil
	}
	if a.expects {
		// Written here, 100 is not written by a reader of the body in the middle of what follows.
		a.w.WriteHeader(http.StatusContinue)
		a.expects = false
	}
	h := a.w.Header()
	// Who is around the gateway may have set fields of the answer that is still to come.
	before := maps.Clone(h)
	removeHopByHop(http.Header(header)) // P1: golang/go#81319
	for name, values := range header {
		h[name] = values
	}
	a.w.WriteHeader(code)
	clear(h)
	maps.Copy(h, before)
	return nil
}

// end is called when the call has returned: from now on the header is the final answer's.
func (a *earlyAnswers) end() {
	a.mu.Lock()
	a.over = true
	a.mu.Unlock()
}
