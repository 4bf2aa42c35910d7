package filters

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// Compression of answers on their way out, with gzip.

// compressible are Skipper's media types.
var compressible = []string{
	"text/plain", "text/html", "application/json", "application/javascript", "application/x-javascript",
	"text/javascript", "text/css", "image/svg+xml", "application/octet-stream",
}

// minCompressed is the length below which compression makes nothing shorter, once there is a header of 18 bytes.
const minCompressed = 128

func compression() []Spec {
	return []Spec{NewSpec("compress", `level?, "..."?, types?`, func(a *Args) Filter {
		level, types := gzip.BestSpeed, compressible
		if a.More() {
			if _, is := a.list[a.next].(float64); is {
				level = min(a.Int("level", 0, 11), gzip.BestCompression) // 10 and 11 are brotli's
			}
		}
		for i := 0; a.More(); i++ {
			t := a.NonEmpty("type")
			if i == 0 && t != "..." {
				types = nil
			}
			if t != "..." {
				types = append(types[:len(types):len(types)], strings.ToLower(t))
			}
		}
		return newCompress(level, types)
	})}
}

type compress struct {
	types []string
	pool  sync.Pool // of *deflater
}

// deflater is what one answer needs while it is compressed.
type deflater struct {
	gz  *gzip.Writer
	out bytes.Buffer
	in  [16 << 10]byte
}

func newCompress(level int, types []string) *compress {
	f := &compress{types: types}
	f.pool.New = func() any {
		gz, _ := gzip.NewWriterLevel(nil, level) // the level has been checked
		return &deflater{gz: gz}
	}
	return f
}

func (f *compress) Request(FilterContext) {}

func (f *compress) Response(c FilterContext) {
	r := c.Response()
	if r.StatusCode == http.StatusNotModified {
		validated(c.OriginalRequest(), r)
	}
	if !f.may(r) {
		return
	}
	// Also if this client gets it as it is: what a cache keeps depends on it.
	addVary(r.Header, "Accept-Encoding")
	if !acceptsGzip(c.OriginalRequest().Header["Accept-Encoding"]) || bodyless(r.StatusCode) {
		return
	}
	if isShort(c.OriginalRequest(), r) {
		return
	}
	r.Header["Content-Encoding"] = []string{"gzip"}
	if tag := r.Header.Get("Etag"); tag != "" && !strings.HasPrefix(tag, "W/") {
		r.Header["Etag"] = []string{"W/" + tag} // RFC 9110 section 8.8.1: other bytes, the same meaning
	}
	for _, name := range ofBytes {
		delete(r.Header, name)
	}
	streams := r.ContentLength < 0
	unknownLength(r)
	if c.OriginalRequest().Method == http.MethodHead || r.Body == nil || r.Body == http.NoBody {
		return
	}
	r.Body = &gzipBody{src: r.Body, from: &f.pool, flush: streams}
}

// may tells whether an answer is of a kind that is compressed for those who accept it.
func (f *compress) may(r *http.Response) bool {
	encoding := r.Header.Get("Content-Encoding")
	if encoding != "" && encoding != "identity" ||
		r.StatusCode == http.StatusPartialContent || r.Header["Content-Range"] != nil || r.StatusCode == http.StatusSwitchingProtocols ||
		listed(r.Header["Cache-Control"], "no-transform") {
		return false
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && slices.Contains(f.types, kind)
}

// isShort tells whether compression would make nothing shorter. To HEAD goes the header of GET; but there, some say that nothing is
// everything.
func isShort(request *http.Request, r *http.Response) bool {
	known := r.ContentLength > 0 || r.ContentLength == 0 && request.Method != http.MethodHead
	return known && r.ContentLength < minCompressed
}

// validated gives a 304 the tag under which the client has what it asks about: that of a compressed answer was made weak, and a strong
// one would be another answer's (RFC 9111 section 4.3.4).
func validated(request *http.Request, r *http.Response) {
	if tag := r.Header.Get("Etag"); tag != "" && listed(request.Header["If-None-Match"], "W/"+tag) {
		r.Header["Etag"] = []string{"W/" + tag}
	}
}

// listed tells whether an item is in a list, over one or more fields.
func listed(lines []string, item string) bool {
	for _, line := range lines {
		for one := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(one), item) {
				return true
			}
		}
	}
	return false
}

// acceptsGzip reads Accept-Encoding (RFC 9110 section 12.5.3). As in Skipper, * is not enough.
func acceptsGzip(lines []string) bool {
	for _, line := range lines {
		for item := range strings.SplitSeq(line, ",") {
			name, weight, _ := strings.Cut(item, ";")
			name = strings.TrimSpace(name)
			if !strings.EqualFold(name, "gzip") && !strings.EqualFold(name, "x-gzip") {
				continue
			}
			q, is := strings.CutPrefix(strings.ToLower(strings.TrimSpace(weight)), "q=")
			value, err := strconv.ParseFloat(q, 64)
			return !is || err == nil && value > 0
		}
	}
	return false
}

// addVary adds a name to Vary, unless it is there.
func addVary(h http.Header, name string) {
	for _, line := range h["Vary"] {
		for item := range strings.SplitSeq(line, ",") {
			if item = strings.TrimSpace(item); item == "*" || strings.EqualFold(item, name) {
				return
			}
		}
	}
	h["Vary"] = append(h["Vary"], name)
}

// gzipBody compresses what it reads, when it is read: there is no goroutine, and no more in
// memory than a window and a buffer. What came without a length is a stream: each piece is
// passed on as it came (P3), which costs a few bytes a piece.
type gzipBody struct {
	src   io.ReadCloser
	from  *sync.Pool
	d     *deflater // nil before the first byte and after Close
	flush bool
	err   error
}

var errClosedBody = errors.New("filters: read from a body that is closed")

func (b *gzipBody) Read(p []byte) (int, error) {
	if b.d == nil && b.err == nil {
		b.d = b.from.Get().(*deflater)
		b.d.gz.Reset(&b.d.out)
	}
	for b.d != nil && b.d.out.Len() == 0 && b.err == nil {
		b.fill()
	}
	if b.d == nil || b.d.out.Len() == 0 {
		return 0, b.err
	}
	return b.d.out.Read(p)
}

func (b *gzipBody) fill() {
	n, err := b.src.Read(b.d.in[:])
	// Writing to a buffer in memory cannot fail.
	if n > 0 {
		b.d.gz.Write(b.d.in[:n])
		if b.flush {
			b.d.gz.Flush()
		}
	}
	if err == io.EOF {
		b.d.gz.Close()
	}
	// Any other error: no end of the stream is written, so that the client sees that it is broken (P7).
	b.err = err
}

func (b *gzipBody) Close() error {
	if b.d != nil {
		b.d.out.Reset()
		b.from.Put(b.d)
		b.d = nil
	}
	b.err = errClosedBody
	return b.src.Close()
}
