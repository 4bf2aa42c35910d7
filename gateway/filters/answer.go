package filters

import (
	"io"
	"net/http"
	"strconv"
	"strings"
)

// What filters answer themselves, and how they put another body into an answer.

// Answer serves a text in the upstream's place. Header may be nil, and belongs to the answer from then on.
func Answer(c FilterContext, status int, header http.Header, text string) {
	if header == nil {
		header = make(http.Header, 2)
	}
	if text != "" && header["Content-Type"] == nil {
		header["Content-Type"] = []string{"text/plain; charset=utf-8"}
	}
	r := &http.Response{
		StatusCode: status, Status: statusText(status),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Request: c.OriginalRequest(), Body: http.NoBody,
	}
	setText(c.OriginalRequest(), r, text)
	c.Serve(r)
}

func statusText(status int) string { return strconv.Itoa(status) + " " + http.StatusText(status) }

// reject answers with the status alone, in words.
func reject(c FilterContext, status int, header http.Header) {
	Answer(c, status, header, http.StatusText(status)+"\n")
}

// setText puts a text in the place of an answer's body. To HEAD goes the length that GET would have, and no body.
func setText(request *http.Request, r *http.Response, text string) {
	closeBody(r)
	r.Body, r.ContentLength = http.NoBody, int64(len(text))
	if bodyless(r.StatusCode) {
		r.ContentLength = 0
		delete(r.Header, "Content-Length")
		return
	}
	if request.Method != http.MethodHead && text != "" {
		r.Body = io.NopCloser(strings.NewReader(text))
	}
	r.Header["Content-Length"] = []string{strconv.Itoa(len(text))}
	changedBody(r)
}

// ofBytes are fields that are about the bytes of a body in its encoding: ranges, and digests (RFC 9530, and what was before it).
var ofBytes = [...]string{"Accept-Ranges", "Content-Digest", "Content-Md5", "Digest", "Repr-Digest"}

// changedBody drops what was true of another body. The length is the caller's to say.
func changedBody(r *http.Response) {
	r.TransferEncoding, r.Uncompressed = nil, false
	for _, name := range ofBytes {
		delete(r.Header, name)
	}
	for _, name := range []string{"Etag", "Last-Modified", "Content-Encoding", "Content-Range", "Transfer-Encoding"} {
		delete(r.Header, name)
	}
}

// unknownLength says that a body's length shows at its end only.
func unknownLength(r *http.Response) {
	r.ContentLength = -1
	delete(r.Header, "Content-Length")
}

// bodyless are answers that have no body (RFC 9110 section 6.4.1).
func bodyless(status int) bool {
	return status < 200 || status == http.StatusNoContent || status == http.StatusNotModified
}

func closeBody(r *http.Response) {
	if r.Body != nil {
		r.Body.Close()
	}
}
