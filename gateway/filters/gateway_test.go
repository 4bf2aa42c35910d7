package filters_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway"
	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/filters"
)

// What stands around calls is tried here in a gateway, with real connections: transports have ways of their
// own with bodies, contexts and errors, that no fake has.

// through starts a gateway with routes and is its address. A client's connections end with the test.
func through(t *testing.T, routes string) (url string, client *http.Client) {
	g, err := gateway.New(gateway.Options{Registry: gateway.NewRegistry(filters.Env{Rand: func() float64 { return 0 }})})
	require.NoError(t, err)
	parsed, err := eskip.Parse("routes.eskip", routes)
	require.NoError(t, err)
	require.NoError(t, g.Apply(parsed))
	front := httptest.NewServer(g)
	t.Cleanup(func() {
		front.Close()
		require.NoError(t, g.Close())
	})
	return front.URL, front.Client()
}

func backend(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// nobody is an address at which nobody listens.
func nobody(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return "http://" + l.Addr().String()
}

// ask sends a request. A body without a length is sent in chunks.
func ask(t *testing.T, client *http.Client, method, url, body string, chunked bool) (status int, answer string, err error) {
	var b io.Reader
	if body != "" {
		b = strings.NewReader(body)
	}
	if chunked {
		b = io.MultiReader(b)
	}
	r, err := http.NewRequest(method, url, b)
	require.NoError(t, err)
	res, err := client.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %d", r.Method, r.URL.Path, len(body))
}

func TestRetryInAGateway(t *testing.T) {
	good := backend(t, echo)
	broken := backend(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }) // no answer
	url, client := through(t, fmt.Sprintf(`
		dead:   Path("/dead")   -> retry(1, 1, 0) -> <roundRobin, %q, %q>;
		broken: Path("/broken") -> retry(1, 1, 0) -> <roundRobin, %q, %q>;
	`, nobody(t), good, broken, good))
	long := strings.Repeat("x", 200<<10)
	for range 4 { // whichever endpoint is the first one
		for _, body := range []string{"", "short", long} {
			status, answer, err := ask(t, client, "PUT", url+"/dead", body, false)
			require.NoError(t, err)
			require.Equal(t, 200, status, "RULE F4: %s", answer)
			require.Equal(t, fmt.Sprint("PUT /dead ", len(body)), answer, "RULE F4: another body")
		}
		status, answer, err := ask(t, client, "PUT", url+"/broken", "short", false)
		require.NoError(t, err)
		require.Equal(t, 200, status, answer)
	}
}

func TestCanaryFallsBackInAGateway(t *testing.T) {
	stable := backend(t, echo)
	url, client := through(t, fmt.Sprintf(`* -> canary(%q, "percentage=100", "upstream_fallback=true") -> %q;`, nobody(t), stable))
	for _, chunked := range []bool{false, true} {
		status, answer, err := ask(t, client, "POST", url+"/a", strings.Repeat("x", 100<<10), chunked)
		require.NoError(t, err)
		require.Equal(t, 200, status, answer)
		require.Equal(t, "POST /a 102400", answer, "RULE F4: another body")
	}
}

func TestTeeInAGateway(t *testing.T) {
	seen := make(chan string, 10)
	shadow := backend(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		seen <- fmt.Sprint(r.Method, " ", r.URL.Path, " ", len(body), " ", err, " ", r.Header.Get("X"))
	})
	url, client := through(t, fmt.Sprintf(`* -> tee(%q) -> setRequestHeader("X", "later") -> retry(1) -> %q;`, shadow, backend(t, echo)))
	for _, c := range []struct {
		method, body string
		chunked      bool
	}{{"GET", "", false}, {"POST", "hello", false}, {"PUT", "hello", false}, {"POST", strings.Repeat("x", 100<<10), true}} {
		status, answer, err := ask(t, client, c.method, url+"/a", c.body, c.chunked)
		require.NoError(t, err)
		require.Equal(t, 200, status)
		require.Equal(t, fmt.Sprint(c.method, " /a ", len(c.body)), answer)
		require.Equal(t, fmt.Sprint(c.method, " /a ", len(c.body), " <nil> "), <-seen)
	}
}

func TestTimeoutsInAGateway(t *testing.T) {
	let := make(chan struct{})
	slow := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			io.WriteString(w, "half")
			w.(http.Flusher).Flush()
		}
		select {
		case <-r.Context().Done():
		case <-let:
		}
	})
	t.Cleanup(func() { close(let) }) // before the backend ends
	url, client := through(t, fmt.Sprintf(`* -> retry(1, 1, 0) -> backendTimeout("20ms") -> %q;`, slow))
	status, _, err := ask(t, client, "GET", url+"/header", "", false)
	require.NoError(t, err)
	require.Equal(t, 504, status)
	status, answer, err := ask(t, client, "GET", url+"/body", "", false)
	require.Equal(t, 200, status)
	require.Equal(t, "half", answer)
	require.Error(t, err, "RULE P7: a body that broke off looks complete")
}

func TestBodiesInAGateway(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.txt"), []byte(long), 0o644))
	url, client := through(t, fmt.Sprintf(`
		files:  PathSubtree("/files") -> compress() -> static("/files", %q) -> <shunt>;
		upload: Path("/upload")       -> requestBodyLimit(5) -> %q;
		none:   Path("/none")         -> status(204) -> inlineContent("nobody sees this") -> <shunt>;
	`, dir, backend(t, echo)))

	r, err := http.NewRequest("GET", url+"/files/a.txt", nil)
	require.NoError(t, err)
	r.Header.Set("Accept-Encoding", "gzip")
	res, err := client.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, "gzip", res.Header.Get("Content-Encoding"))
	require.EqualValues(t, -1, res.ContentLength, "RULE F7: the length before compression")
	z, err := gzip.NewReader(res.Body)
	require.NoError(t, err)
	text, err := io.ReadAll(z)
	require.NoError(t, err)
	require.Equal(t, long, string(text))

	res, err = client.Head(url + "/files/a.txt")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, 200, res.StatusCode)

	for _, chunked := range []bool{false, true} {
		status, answer, err := ask(t, client, "POST", url+"/upload", "12345", chunked)
		require.NoError(t, err)
		require.Equal(t, "200 POST /upload 5", fmt.Sprint(status, " ", answer))
		status, _, err = ask(t, client, "POST", url+"/upload", "123456", chunked)
		require.NoError(t, err)
		require.Equal(t, 413, status)
	}
	status, answer, err := ask(t, client, "GET", url+"/none", "", false)
	require.NoError(t, err)
	require.Equal(t, "204 ", fmt.Sprint(status, " ", answer), "RULE F7: a 204 with a body")
}

// U3: a client that sends a broken body is no reason to close the backend to everybody else.
func TestBrokenBodyOpensNoBreakerInAGateway(t *testing.T) {
	url, client := through(t, fmt.Sprintf(`* -> consecutiveBreaker(1) -> %q;`, backend(t, echo)))
	for range 3 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		require.NoError(t, err)
		_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nwhat?\r\n")
		require.NoError(t, err)
		answer, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Contains(t, string(answer), "HTTP/1.1 400 ")
		require.NoError(t, conn.Close())
		status, text, err := ask(t, client, "GET", url, "", false)
		require.NoError(t, err)
		require.Equal(t, 200, status, "RULE U3: a client has opened the breaker: %s", text)
	}
}
