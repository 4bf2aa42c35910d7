package gateway

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/upstream"
	"github.com/flagship-go/flagship/internal/cputime"
)

// BenchmarkProxy compares a gateway, with a route and five filters, to httputil.ReverseProxy without
// any, over loopback: 64 clients, an answer of 1 KiB, a header as a browser's. CPU is of the whole
// process: client and upstream are the same for both, and their share is what direct costs.
func BenchmarkProxy(b *testing.B) {
	back := benchServer(b, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", "1024")
		io.WriteString(w, kib)
	}))
	b.Run("to=direct", func(b *testing.B) { benchClients(b, back) })
	b.Run("to=reverseproxy", func(b *testing.B) {
		target, _ := url.Parse("http://" + back)
		benchClients(b, benchServer(b, bareProxy(target)))
	})
	for _, n := range []int{0, 5} {
		b.Run(fmt.Sprintf("to=gateway/filters=%d", n), func(b *testing.B) {
			gw := benchGateway(b, back, n, nil)
			server, err := NewServer(gw, ServerOptions{})
			require.NoError(b, err)
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(b, err)
			go server.Serve(ln)
			b.Cleanup(func() { server.Close() })
			benchClients(b, ln.Addr().String())
		})
	}
}

// BenchmarkServe is the part of it that is ours: no network, and a transport that answers at once.
func BenchmarkServe(b *testing.B) {
	transport := roundTripper(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, ContentLength: 1024, Request: r, Body: io.NopCloser(strings.NewReader(kib)), Header: http.Header{
			"Content-Type": {"text/plain"}, "Content-Length": {"1024"}, "Date": {"Fri, 27 Nov 2026 04:00:00 GMT"}}}, nil
	})
	target, _ := url.Parse("http://127.0.0.1:1")
	bare := bareProxy(target).(*httputil.ReverseProxy)
	bare.Transport = transport
	handlers := map[string]http.Handler{"reverseproxy": bare}
	names := []string{"reverseproxy"}
	for _, n := range []int{0, 5} {
		name := fmt.Sprintf("gateway/filters=%d", n)
		names, handlers[name] = append(names, name), benchGateway(b, "127.0.0.1:1", n, func(upstream.TransportOptions) http.RoundTripper { return transport })
	}
	for _, name := range names {
		b.Run("by="+name, func(b *testing.B) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			r := httptest.NewRequestWithContext(ctx, "GET", "/shop/items/1234?color=red", nil)
			r.Header = http.Header{"User-Agent": {"Mozilla/5.0 (X11; Linux x86_64)"}, "Accept": {"text/html"}, "Accept-Language": {"en-US,en;q=0.5"},
				"Accept-Encoding": {"gzip, deflate"}, "Cookie": {"session=0123456789abcdef; theme=dark"}, "X-Request-Id": {"3e1f0a7c"}}
			w := &benchWriter{h: http.Header{}}
			b.ReportAllocs()
			stop := cputime.Report(b)
			for b.Loop() {
				clear(w.h)
				handlers[name].ServeHTTP(w, r)
			}
			stop()
			require.Equal(b, 200, w.status)
		})
	}
}

// benchWriter is a client that forgets.
type benchWriter struct {
	h      http.Header
	status int
}

func (w *benchWriter) Header() http.Header         { return w.h }
func (w *benchWriter) WriteHeader(status int)      { w.status = status }
func (w *benchWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *benchWriter) Flush()                      {}

var kib = strings.Repeat("x", 1024)

// bareProxy is a ReverseProxy as one would tune it: a pool of buffers, connections kept, nothing logged.
func bareProxy(target *url.URL) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite:    func(r *httputil.ProxyRequest) { r.SetURL(target); r.SetXForwarded() },
		Transport:  upstream.NewTransport(upstream.TransportOptions{}),
		BufferPool: &benchBuffers{},
		ErrorLog:   log.New(io.Discard, "", 0),
	}
}

type benchBuffers struct{ sync.Pool }

func (p *benchBuffers) Put(b []byte) { p.Pool.Put(&b) }
func (p *benchBuffers) Get() []byte {
	if b, is := p.Pool.Get().(*[]byte); is {
		return *b
	}
	return make([]byte, copySize)
}

func benchServer(b *testing.B, h http.Handler) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	s := &http.Server{Handler: h}
	go s.Serve(ln)
	b.Cleanup(func() { s.Close() })
	return ln.Addr().String()
}

func benchGateway(b *testing.B, back string, n int, transport func(upstream.TransportOptions) http.RoundTripper) *Gateway {
	gw, err := New(Options{Registry: NewRegistry(filters.Env{}), Transport: transport})
	require.NoError(b, err)
	b.Cleanup(func() { gw.Close() })
	five := []string{`setRequestHeader("X-From", "gateway")`, `dropRequestHeader("X-Secret")`, `setResponseHeader("X-By", "gateway")`,
		`appendResponseHeader("X-By", "again")`, `modPath("^/old", "/new")`}
	chain := strings.Join(append(five[:n:n], `"http://`+back+`"`), " -> ")
	require.NoError(b, gw.Apply(parsed(b, `shop: PathSubtree("/shop") && Method("GET") -> `+chain+`;`)))
	return gw
}

// benchClients sends b.N requests from 64 clients that know just enough HTTP.
func benchClients(b *testing.B, addr string) {
	const clients = 64
	request := []byte("GET /shop/items/1234?color=red HTTP/1.1\r\nHost: " + addr + "\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: text/html,application/xhtml+xml\r\n" +
		"Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate\r\nCookie: session=0123456789abcdef; theme=dark\r\nX-Request-Id: 3e1f0a7c\r\n\r\n")
	conns := make([]net.Conn, clients)
	for i := range conns {
		c, err := net.Dial("tcp", addr)
		require.NoError(b, err)
		defer c.Close()
		conns[i] = c
	}
	var left = make(chan struct{}, b.N)
	for range b.N {
		left <- struct{}{}
	}
	close(left)
	b.ReportAllocs()
	runtime.GC()
	b.ResetTimer()
	stop := cputime.Report(b)
	var all sync.WaitGroup
	for _, c := range conns {
		all.Go(func() {
			buf := make([]byte, 4096)
			for range left {
				if err := oneRequest(c, request, buf); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	stop()
}

func oneRequest(c net.Conn, request, buf []byte) error {
	if _, err := c.Write(request); err != nil {
		return err
	}
	n, want := 0, -1
	for want < 0 || n < want {
		m, err := c.Read(buf[n:])
		if err != nil {
			return err
		}
		n += m
		if want < 0 {
			if end := strings.Index(string(buf[:n]), "\r\n\r\n"); end >= 0 {
				want = end + 4 + len(kib)
			}
		}
	}
	if string(buf[:12]) != "HTTP/1.1 200" {
		return fmt.Errorf("%s", buf[:n])
	}
	return nil
}
