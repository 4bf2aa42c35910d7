package s3api

import (
	"io"
	"net/http"
	"strconv"
)

// getObject sends an object, or a part of it.
func (c *call) getObject() error {
	o, content, err := c.server.Store.Get(c.Context(), c.bucket, c.key, c.query.Get("versionId"))
	if err != nil {
		return err
	}
	if content != nil {
		defer content.Close()
	}
	a, err := c.readable(o)
	if err != nil {
		return err
	}
	if a.off > 0 {
		if _, err := content.Seek(a.off, io.SeekStart); err != nil {
			return err
		}
	}
	// The head of the answer goes with the first bytes: until they are read, what
	// is wrong with the object can still be said.
	w := &answerWriter{c, a}
	if _, err = io.CopyN(w, content, a.n); err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	if err == nil && a.n == 0 {
		c.begin(a.status, a.header)
	}
	return err
}

// headObject describes an object.
func (c *call) headObject() error {
	o, err := c.server.Store.Stat(c.Context(), c.bucket, c.key, c.query.Get("versionId"))
	if err != nil {
		return err
	}
	a, err := c.readable(o)
	if err != nil {
		return err
	}
	c.begin(a.status, a.header)
	return nil
}

// answer is the head of an answer, and which bytes follow.
type answer struct {
	status int
	header http.Header
	off, n int64
}

type answerWriter struct {
	*call
	answer
}

func (w *answerWriter) Write(p []byte) (int, error) {
	if w.call.status == 0 {
		w.begin(w.answer.status, w.header)
	}
	return w.call.Write(p)
}

// readable decides what is sent of a version, if anything.
func (c *call) readable(o Object) (answer, error) {
	if o.DeleteMarker {
		versionHeader(c.w.Header(), o)
		if c.query.Get("versionId") != "" {
			c.w.Header().Set("Allow", "DELETE")
			return answer{}, MethodNotAllowed
		}
		return answer{}, NoSuchKey
	}
	a := answer{http.StatusOK, c.objectHeader(o), 0, o.Size}
	if err := readConditions(c.Header, "").check(o); err != nil {
		for _, name := range []string{"Etag", "Last-Modified", "X-Amz-Version-Id", "Cache-Control", "Expires"} {
			if v := a.header.Get(name); v != "" {
				c.w.Header().Set(name, v)
			}
		}
		return a, err
	}
	partial, err := c.selectBytes(o, &a)
	if err != nil {
		c.w.Header().Set("Content-Range", "bytes */"+strconv.FormatInt(o.Size, 10))
		return a, err
	}
	if partial {
		a.status = http.StatusPartialContent
		a.header.Set("Content-Range", contentRange(a.off, a.n, o.Size))
		for name := range a.header { // of the whole
			if isChecksum(name) {
				a.header.Del(name)
			}
		}
	}
	a.header.Set("Content-Length", strconv.FormatInt(a.n, 10))
	return a, nil
}

// selectBytes takes the part or the range that is asked for.
func (c *call) selectBytes(o Object, a *answer) (partial bool, err error) {
	header, part := c.Header.Get("Range"), c.query.Get("partNumber")
	switch {
	case header != "" && part != "":
		return false, &Failure{Code: InvalidRequest, Message: "Cannot specify both Range header and partNumber query parameter."}
	case part != "":
		err := selectPart(o, part, a)
		return a.n > 0, err // of no bytes there is no range
	}
	if v := c.Header.Get("If-Range"); v != "" && unquote(v) != o.ETag {
		return false, nil
	}
	a.off, a.n, partial, err = parseRange(header, o.Size)
	return partial, err
}

// selectPart takes the part of a number; an object that was not uploaded in
// parts is its own part 1.
func selectPart(o Object, number string, a *answer) error {
	parts := o.Parts
	if parts == nil {
		parts = []int64{o.Size}
	} else {
		a.header.Set("X-Amz-Mp-Parts-Count", strconv.Itoa(len(parts)))
	}
	n, err := strconv.Atoi(number)
	switch {
	case err != nil || n < 1 || n > maxPart:
		return invalid("partNumber", number, "Part number must be an integer between 1 and 10000, inclusive")
	case n > len(parts):
		return InvalidPartNumber
	}
	for _, size := range parts[:n-1] {
		a.off += size
	}
	a.n = parts[n-1]
	return nil
}
