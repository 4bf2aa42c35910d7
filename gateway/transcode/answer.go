package transcode

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/flagship-go/flagship/gateway/filters"
)

// An answer is a response as gRPC sees it: messages, and then a status.
//
//	header                      body               trailer
//	content-type, grpc-encoding frame, frame, ...  grpc-status, grpc-message, details
//	  or, if there is no body: grpc-status is here ("trailers-only")
type answer struct {
	response *http.Response
	header   *status // if it is there
	body     io.ReadCloser
	frames   frameReader
}

// end takes the status out of the trailers, when all frames are read, and the trailers away: they are
// not the client's. Without a status there or in the header nobody knows how the call ended.
func (a *answer) end() *status {
	trailer := a.response.Trailer
	a.response.Trailer = nil
	if end := readStatus(trailer); end != nil {
		return end
	}
	if a.header != nil {
		return a.header
	}
	return statusf(Unknown, "the answer ended without grpc-status")
}

// Response turns an answer back, if it is one to a call that Request made.
func (f *filter) Response(ctx filters.FilterContext) {
	c, ok := ctx.StateBag()[stateKey].(*call)
	if !ok || c.of != f {
		return
	}
	resp := ctx.Response()
	if !isGRPC(resp.Header) {
		// It is the gateway's own, or another filter's, or no gRPC service is there.
		if resp.StatusCode == http.StatusOK && !ctx.Served() {
			s := statusf(Unknown, "the backend answers with Content-Type %q: it is no gRPC service", resp.Header.Get("Content-Type"))
			s.http = http.StatusBadGateway
			f.fail(resp, s)
		}
		return
	}
	end := readStatus(resp.Header)
	if end == nil && resp.StatusCode != http.StatusOK {
		end = statusf(FromHTTP(resp.StatusCode), "the backend answers with status %d", resp.StatusCode)
	}
	a := &answer{
		response: resp, header: end, body: resp.Body,
		frames: frameReader{r: resp.Body, max: f.codec.maxMessage, encoding: resp.Header.Get("Grpc-Encoding")},
	}
	for _, name := range []string{"Grpc-Status", "Grpc-Message", "Grpc-Status-Details-Bin", "Grpc-Encoding", "Grpc-Accept-Encoding", "Trailer", "Content-Length"} {
		resp.Header.Del(name)
	}
	resp.Trailer = nil // what is announced there is for us, and comes all the same
	switch {
	case end != nil && end.code != OK:
		f.fail(resp, end)
	case c.binding.rpc.IsStreamingServer():
		f.stream(a, c)
	default:
		f.unary(a, c)
	}
}

// endedBy is the status of an answer that ended with an error before anything was passed on.
func endedBy(err error) *status {
	var s *status
	if errors.As(err, &s) {
		return s
	}
	return statusf(Unavailable, "the answer broke off: %v", err)
}

// fail makes an answer an error, and ends the call.
func (f *filter) fail(resp *http.Response, s *status) {
	resp.Body.Close()
	resp.Trailer = nil
	setBody(resp, s.httpStatus(), "application/json", f.codec.statusJSON(s))
}

// stream makes the body one that turns messages as they come.
func (f *filter) stream(a *answer, c *call) {
	if c.binding.rawAnswer() {
		f.raw(a, c)
		return
	}
	contentType := "application/x-ndjson"
	if c.events {
		contentType = "text/event-stream"
		a.response.Header.Set("Cache-Control", "no-cache")
	}
	a.response.Header.Add("Vary", "Accept")
	a.response.Header.Set("Content-Type", contentType)
	a.response.ContentLength = -1
	a.response.Body = &streamBody{codec: f.codec, binding: c.binding, answer: a, events: c.events}
	if c.head {
		a.body.Close()
		a.response.Body = http.NoBody
	}
}

// unary waits for the one message and for the trailers behind it.
func (f *filter) unary(a *answer, c *call) {
	contentType, body, err := f.readUnary(a, c.binding)
	if err != nil {
		f.fail(a.response, endedBy(err))
		return
	}
	a.body.Close()
	setBody(a.response, http.StatusOK, contentType, body)
	if c.head {
		a.response.Body = http.NoBody
	}
}

func (f *filter) readUnary(a *answer, b *Binding) (contentType string, body []byte, err error) {
	first, err := a.frames.next()
	if err == io.EOF {
		if end := a.end(); end.code != OK {
			return "", nil, end
		}
		return "", nil, statusf(Internal, "the answer of %s has no message", b.path)
	}
	if err != nil {
		return "", nil, err
	}
	m, err := f.codec.decode(b, first)
	if err != nil {
		return "", nil, err
	}
	switch _, err = a.frames.next(); err {
	case io.EOF:
	case nil:
		return "", nil, statusf(Internal, "the answer of %s has more than one message", b.path)
	default:
		return "", nil, err
	}
	if end := a.end(); end.code != OK { // X3: only the trailers say whether it went well
		return "", nil, end
	}
	if b.rawAnswer() {
		contentType, body = b.httpBody(m)
		return contentType, body, nil
	}
	body, err = f.codec.appendJSON(nil, b, m)
	return "application/json", body, err
}

// setBody gives an answer a body that is complete.
func setBody(resp *http.Response, code int, contentType string, body []byte) {
	resp.StatusCode, resp.Status = code, ""
	resp.Header.Set("Content-Type", contentType)
	resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
	resp.ContentLength = int64(len(body))
	resp.TransferEncoding = nil
	resp.Body = io.NopCloser(bytes.NewReader(body))
}
