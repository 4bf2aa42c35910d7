package filters_test

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/filters/filtertest"
)

func TestInlineContent(t *testing.T) {
	x := request("GET", "http://h/", "")
	filtertest.Run(x, nil, filter(t, "status", 418), filter(t, "inlineContent", "<h1>tea?</h1>"))
	require.Equal(t, 418, x.Response().StatusCode)
	require.Equal(t, "418 I'm a teapot", x.Response().Status)
	require.Equal(t, http.Header{"Content-Type": {"text/html; charset=utf-8"}, "Content-Length": {"13"}}, x.Response().Header)
	require.Equal(t, "<h1>tea?</h1>", x.Body())

	x = request("GET", "http://h/", "")
	filtertest.Run(x, nil, filter(t, "inlineContent", "[1]", "application/json"))
	require.Equal(t, "application/json", x.Response().Header.Get("Content-Type"))
}

// Pitfall 23: HEAD has GET's length, and no body.
func TestHeadHasNoBody(t *testing.T) {
	for name, f := range map[string]filters.Filter{
		"inline":   filter(t, "inlineContent", "four"),
		"ifStatus": filter(t, "inlineContentIfStatus", 200, "four"),
	} {
		x := request("HEAD", "http://h/", "")
		filtertest.Run(x, filtertest.Upstream(200, "another"), f)
		require.EqualValues(t, 4, x.Response().ContentLength, name)
		require.Equal(t, "4", x.Response().Header.Get("Content-Length"), name)
		require.Empty(t, x.Body(), "RULE F7: %s sends a body to HEAD", name)
	}
}

// Pitfall 23: what was true of the old body is not said of the new one.
func TestNewBodyHasItsOwnLength(t *testing.T) {
	x := request("GET", "http://h/", "")
	filtertest.Run(x, filtertest.Upstream(404, "not here, and a long story", "Etag", `"1"`, "Content-Encoding", "br", "Content-Range", "bytes 0-1/2", "X", "kept"),
		filter(t, "inlineContentIfStatus", 404, `{"e":1}`, "application/json"))
	require.Equal(t, http.Header{"Content-Length": {"7"}, "Content-Type": {"application/json"}, "X": {"kept"}}, x.Response().Header, "RULE F7: a header of another body")
	require.EqualValues(t, 7, x.Response().ContentLength, "RULE F7: the length of another body")
	require.Equal(t, `{"e":1}`, x.Body())

	x = request("GET", "http://h/", "")
	filtertest.Run(x, filtertest.Upstream(200, "ok"), filter(t, "inlineContentIfStatus", 404, "x"))
	require.Equal(t, "ok", x.Body())
}

func TestStatusWithoutBodyTakesTheBodyAway(t *testing.T) {
	for _, code := range []int{204, 304} {
		closed := &closing{Reader: strings.NewReader("body")}
		x := request("GET", "http://h/", "")
		filtertest.Run(x, filtertest.UpstreamFunc(func(c filters.FilterContext) (*http.Response, error) {
			r := filtertest.Response(c.Request(), 200, "body")
			r.Body = closed
			return r, nil
		}), filter(t, "status", code))
		require.Empty(t, x.Body(), "RULE F7: a %d has a body", code)
		require.Empty(t, x.Response().Header["Content-Length"], "RULE F7: a %d has a length", code)
		require.Equal(t, 1, closed.n, "RULE P6: a body was not closed")
	}
}

type closing struct {
	io.Reader
	n int
}

func (c *closing) Close() error { c.n++; return nil }

func TestStaticFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.txt": "0123456789", "sub/index.html": "<p>index", "../" + filepath.Base(dir) + "-secret": "secret"} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	secret := "/../" + filepath.Base(dir) + "-secret"
	f := filter(t, "static", "/files/", dir)
	for _, c := range []struct {
		method, path, header string
		status               int
		body                 string
	}{
		{"GET", "/files/a.txt", "", 200, "0123456789"},
		{"GET", "/files/a.txt", "bytes=2-4", 206, "234"},
		{"HEAD", "/files/a.txt", "", 200, ""},
		{"GET", "/files/sub/", "", 200, "<p>index"},
		{"GET", "/files/none", "", 404, "404 page not found\n"},
		{"GET", "/filesystem", "", 404, "Not Found\n"},
		{"GET", "/files" + secret, "", 404, "404 page not found\n"},
	} {
		x := request(c.method, "http://h/", "")
		x.Request().URL.Path = c.path
		if c.header != "" {
			x.Request().Header.Set("Range", c.header)
		}
		filtertest.Run(x, nil, f)
		require.Equal(t, c.status, x.Response().StatusCode, c.path)
		require.Equal(t, c.body, x.Body(), c.path)
	}
	x := request("HEAD", "http://h/files/a.txt", "")
	filtertest.Run(x, nil, f)
	require.EqualValues(t, 10, x.Response().ContentLength)
}

// F2: a handler that panics costs its request. P7: and what it had written is seen as broken off.
func TestHandlerPanics(t *testing.T) {
	serve := func(h http.HandlerFunc) *filtertest.Context {
		x := request("GET", "http://h/", "")
		filtertest.Run(x, nil, filters.OnRequest(func(c filters.FilterContext) { filters.ServeHandler(c, h) }))
		return x
	}
	x := serve(func(http.ResponseWriter, *http.Request) { panic("early") })
	require.Equal(t, 500, x.Response().StatusCode, "RULE F2: a panic looks like an answer")
	require.Empty(t, x.Body())
	x = serve(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "half")
		panic("late")
	})
	require.Contains(t, x.Body(), "half<broken: ", "RULE P7: an answer that broke off looks complete")
	x = serve(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X", "1")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(201)
		w.Header().Set("X", "2")
		w.(http.Flusher).Flush()
	})
	require.Equal(t, 201, x.Response().StatusCode)
	require.Equal(t, "1", x.Response().Header.Get("X"))
	require.Empty(t, x.Body())
	x = serve(func(http.ResponseWriter, *http.Request) {})
	require.Equal(t, 200, x.Response().StatusCode)
}

var long = strings.Repeat("all work and no play makes jack a dull boy\n", 100)

func compressed(t *testing.T, method, accept string, status int, body string, header ...string) *filtertest.Context {
	x := request(method, "http://h/", "", "Accept-Encoding", accept)
	filtertest.Run(x, filtertest.Upstream(status, body, header...), filter(t, "compress"))
	return x
}

func TestCompress(t *testing.T) {
	plain := []string{"Content-Type", "text/plain; charset=utf-8", "Etag", `"1"`, "Content-Digest", "sha-256=:x:", "Repr-Digest", "sha-256=:x:", "Content-Md5", "x"}
	x := compressed(t, "GET", "br;q=1.0, gzip;q=0.8", 200, long, plain...)
	r := x.Response()
	require.Equal(t, http.Header{
		"Content-Type": {"text/plain; charset=utf-8"}, "Content-Encoding": {"gzip"}, "Vary": {"Accept-Encoding"}, "Etag": {`W/"1"`},
	}, r.Header, "RULE F7: a header of another body")
	require.EqualValues(t, -1, r.ContentLength, "RULE F7: the length before compression")
	z, err := gzip.NewReader(r.Body)
	require.NoError(t, err)
	text, err := io.ReadAll(z)
	require.NoError(t, err)
	require.Equal(t, long, string(text))
	require.NoError(t, r.Body.Close())
	_, err = r.Body.Read(make([]byte, 1))
	require.Error(t, err)

	x = compressed(t, "HEAD", "gzip", 200, long, plain...)
	require.Equal(t, "gzip", x.Response().Header.Get("Content-Encoding"))
	require.Empty(t, x.Response().Header["Content-Length"], "RULE F7: HEAD has another length than GET")
	require.Empty(t, x.Body(), "RULE F7: a body for HEAD")
	x = compressed(t, "HEAD", "gzip", 200, "short", plain...)
	require.Empty(t, x.Response().Header["Content-Encoding"], "RULE F7: HEAD has another encoding than GET")
	require.Equal(t, `"1"`, x.Response().Header.Get("Etag"))
}

func TestTagOfWhatWasCompressedIsTheSameLater(t *testing.T) {
	for asked, want := range map[string]string{
		`W/"1"`: `W/"1"`, `"0", W/"1"`: `W/"1"`, // what was compressed
		`"1"`: `"1"`, `*`: `"1"`, `W/"2"`: `"1"`, // what was not
	} {
		x := request("GET", "http://h/", "", "Accept-Encoding", "gzip", "If-None-Match", asked)
		filtertest.Run(x, filtertest.Upstream(304, "", "Etag", `"1"`), filter(t, "compress"))
		require.Equal(t, want, x.Response().Header.Get("Etag"), "RULE F7: the client has no answer under the tag of this 304 (%s)", asked)
	}
}

func TestWhatIsNotCompressed(t *testing.T) {
	for _, c := range []struct {
		why, accept string
		status      int
		body        string
		header      []string
		vary        bool
	}{
		{"not accepted", "br", 200, long, []string{"Content-Type", "text/plain"}, true},
		{"refused", "gzip;q=0, br", 200, long, []string{"Content-Type", "text/plain"}, true},
		{"refused", "gzip; q=0.000", 200, long, []string{"Content-Type", "text/plain"}, true},
		{"anything", "*", 200, long, []string{"Content-Type", "text/plain"}, true},
		{"short", "gzip", 200, "short", []string{"Content-Type", "text/plain"}, true},
		{"another type", "gzip", 200, long, []string{"Content-Type", "image/png"}, false},
		{"no type", "gzip", 200, long, nil, false},
		{"compressed", "gzip", 200, long, []string{"Content-Type", "text/plain", "Content-Encoding", "gzip"}, false},
		{"part", "gzip", 206, long, []string{"Content-Type", "text/plain", "Content-Range", "bytes 0-9/10"}, false},
		{"no-transform", "gzip", 200, long, []string{"Content-Type", "text/plain", "Cache-Control", "no-transform"}, false},
		{"no-transform", "gzip", 200, long, []string{"Content-Type", "text/plain", "Cache-Control", "max-age=60", "Cache-Control", "private, No-Transform"}, false},
		{"no body", "gzip", 304, "", []string{"Content-Type", "text/plain"}, true},
	} {
		x := compressed(t, "GET", c.accept, c.status, c.body, c.header...)
		want := http.Header{}
		for i := 0; i+1 < len(c.header); i += 2 {
			want.Set(c.header[i], c.header[i+1])
		}
		require.Equal(t, want.Get("Content-Encoding"), x.Response().Header.Get("Content-Encoding"), "RULE F7: %s", c.why)
		require.Equal(t, c.vary, x.Response().Header["Vary"] != nil, "RULE F7: %s", c.why)
		require.Equal(t, c.body, x.Body(), "RULE F7: %s", c.why)
	}
	x := request("GET", "http://h/", "", "Accept-Encoding", "gzip")
	filtertest.Run(x, filtertest.Upstream(200, long, "Content-Type", "text/plain", "Vary", "Origin, accept-encoding"),
		filter(t, "compress", 9, "...", "image/tiff"), filter(t, "compress", "image/tiff"))
	require.Equal(t, []string{"Origin, accept-encoding"}, x.Response().Header["Vary"])
	require.Equal(t, []string{"gzip"}, x.Response().Header["Content-Encoding"])
	x.Response().Body.Close()
}

// pieces is a body that comes piece by piece, and breaks off.
type pieces struct {
	left  []string
	reads int
}

func (p *pieces) Read(b []byte) (int, error) {
	p.reads++
	if len(p.left) == 0 {
		return 0, errors.New("the upstream broke off")
	}
	n := copy(b, p.left[0])
	p.left = p.left[1:]
	return n, nil
}

func (p *pieces) Close() error { return nil }

// P3: each piece of a stream comes out before the next one is asked for. P7: a stream that breaks off has no end.
func TestCompressedStreamsAreNotHeldBack(t *testing.T) {
	body := &pieces{left: []string{"first", "second"}}
	x := request("GET", "http://h/", "", "Accept-Encoding", "gzip")
	filtertest.Run(x, filtertest.UpstreamFunc(func(c filters.FilterContext) (*http.Response, error) {
		r := filtertest.Response(c.Request(), 200, "", "Content-Type", "text/html")
		delete(r.Header, "Content-Length")
		r.ContentLength, r.Body = -1, body
		return r, nil
	}), filter(t, "compress"))
	z, err := gzip.NewReader(x.Response().Body)
	require.NoError(t, err, "RULE P3: a piece of a stream was held back")
	buf := make([]byte, 100)
	for i, piece := range []string{"first", "second"} {
		n, err := io.ReadAtLeast(z, buf, len(piece))
		require.NoError(t, err, "RULE P3: a piece of a stream was held back")
		require.Equal(t, piece, string(buf[:n]))
		require.Equal(t, i+1, body.reads, "RULE P3: a piece of a stream was held back")
	}
	_, err = z.Read(buf)
	require.Error(t, err, "RULE P7: what broke off looks complete")
	require.NotErrorIs(t, err, io.EOF, "RULE P7: what broke off looks complete")
	require.NoError(t, x.Response().Body.Close())
}

func TestCORS(t *testing.T) {
	const shop, evil = "https://shop.org", "https://evil.org"
	f := filter(t, "cors", shop, "methods=GET,PUT", "headers=X-A", "expose=X-B", "credentials=true", "maxAge=1h")
	run := func(f filters.Filter, method, origin string, more ...string) http.Header {
		x := request(method, "http://h/", "", append([]string{"Origin", origin}, more...)...)
		filtertest.Run(x, filtertest.Upstream(200, "", "Access-Control-Allow-Origin", "backend"), f)
		delete(x.Response().Header, "Content-Length")
		return x.Response().Header
	}
	require.Equal(t, http.Header{
		"Access-Control-Allow-Origin": {shop}, "Access-Control-Allow-Credentials": {"true"}, "Access-Control-Expose-Headers": {"X-B"}, "Vary": {"Origin"},
	}, run(f, "GET", shop))
	require.Equal(t, http.Header{"Vary": {"Origin"}}, run(f, "GET", evil))
	require.Equal(t, http.Header{
		"Access-Control-Allow-Origin": {shop}, "Access-Control-Allow-Credentials": {"true"}, "Access-Control-Expose-Headers": {"X-B"}, "Vary": {"Origin"},
		"Access-Control-Allow-Methods": {"GET,PUT"}, "Access-Control-Allow-Headers": {"X-A"}, "Access-Control-Max-Age": {"3600"},
	}, run(f, "OPTIONS", shop, "Access-Control-Request-Method", "PUT"))
	require.Equal(t, http.Header{"Vary": {"Origin"}}, run(f, "OPTIONS", evil, "Access-Control-Request-Method", "PUT"))
	require.Equal(t, []string{"*"}, run(filter(t, "corsOrigin"), "GET", evil)["Access-Control-Allow-Origin"])
	require.Equal(t, []string{"*"}, run(filter(t, "cors", "*"), "GET", evil)["Access-Control-Allow-Origin"])
	require.Equal(t, []string{shop}, run(filter(t, "corsOrigin", evil, shop), "GET", shop)["Access-Control-Allow-Origin"])
	require.Nil(t, run(filter(t, "corsOrigin", shop), "GET", evil)["Access-Control-Allow-Origin"])
}
