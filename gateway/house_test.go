package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/upstream"
)

// A house is a gateway with its server in front and upstreams behind, all in memory. It runs in a synctest bubble:
// a goroutine that is left when it is closed fails the test.
type house struct {
	*testing.T
	gw     *Gateway
	server *Server
	front  *memoryListener
	client *http.Client
	log    lockedBuffer

	mu      sync.Mutex
	behind  map[string]*memoryListener // by host:port
	bodies  atomic.Int64               // of answers of upstreams, not closed
	closers []func()
	cut     bool // the test has made Shutdown cut what was left
}

type lockedBuffer struct {
	mu sync.Mutex
	strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Builder.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Builder.String()
}

// plan is how a house is to be.
type plan struct {
	routes  string // upstreams are http://NAME
	behind  map[string]http.Handler
	filters []filters.Spec
	gateway Options
	server  ServerOptions
}

// with has something else in the place of a word of the routes.
func (p plan) with(word, text string) plan {
	p.routes = strings.ReplaceAll(p.routes, word, text)
	return p
}

func inHouse(t *testing.T, p plan, test func(t *testing.T, h *house)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := build(t, p)
		defer h.close()
		test(t, h)
	})
}

func build(t *testing.T, p plan) *house {
	h := &house{T: t, front: listenMemory(), behind: map[string]*memoryListener{}}
	registry := NewRegistry(filters.Env{Log: slog.New(slog.NewTextHandler(&h.log, nil))})
	for _, f := range p.filters {
		require.NoError(t, registry.AddFilter(f))
	}
	o := p.gateway
	o.Registry, o.Transport = registry, h.transport
	gw, err := New(o)
	require.NoError(t, err)
	h.gw = gw
	for name, handler := range p.behind {
		ln := listenMemory()
		h.behind[name+":80"] = ln
		s := &http.Server{Handler: handler, Protocols: new(http.Protocols), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
		s.Protocols.SetHTTP1(true)
		s.Protocols.SetUnencryptedHTTP2(true)
		go s.Serve(ln)
		h.closers = append(h.closers, func() { s.Close() })
	}
	if p.routes != "" {
		require.NoError(t, gw.Apply(parsed(t, p.routes)))
	}
	h.server, err = NewServer(gw, p.server)
	require.NoError(t, err)
	go h.server.Serve(h.front)
	transport := &http.Transport{DisableCompression: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return h.front.Dial(ctx) }}
	h.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	h.closers = append(h.closers, transport.CloseIdleConnections)
	return h
}

// transport connects the gateway to what is behind it, and counts bodies.
func (h *house) transport(o upstream.TransportOptions) http.RoundTripper {
	t := upstream.NewTransport(o)
	t.DialContext = func(ctx context.Context, _, addr string) (net.Conn, error) {
		h.mu.Lock()
		ln := h.behind[addr]
		h.mu.Unlock()
		if ln == nil {
			return nil, &net.OpError{Op: "dial", Net: "memory", Err: fmt.Errorf("nobody listens at %s", addr)}
		}
		return ln.Dial(ctx)
	}
	return countingTransport{t, &h.bodies}
}

type countingTransport struct {
	*http.Transport
	bodies *atomic.Int64
}

func (t countingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.Transport.RoundTrip(r)
	if err == nil {
		t.bodies.Add(1)
		body := &countedBody{ReadCloser: res.Body, bodies: t.bodies}
		if w, is := res.Body.(io.Writer); is {
			res.Body = struct {
				*countedBody
				io.Writer
			}{body, w}
		} else {
			res.Body = body
		}
	}
	return res, err
}

type countedBody struct {
	io.ReadCloser
	bodies *atomic.Int64
	once   sync.Once
}

func (b *countedBody) Close() error {
	b.once.Do(func() { b.bodies.Add(-1) })
	return b.ReadCloser.Close()
}

// close ends everything, and looks whether anything was left.
func (h *house) close() {
	h.Helper()
	h.client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	down := h.server.Shutdown(ctx)
	closed := h.gw.Close()
	h.mu.Lock()
	closers := h.closers
	h.mu.Unlock()
	for _, c := range closers {
		c()
	}
	synctest.Wait()
	if h.Failed() {
		return // the test has said it already
	}
	require.NoError(h, closed)
	if !h.cut {
		require.NoError(h, down)
	}
	require.Zero(h, h.bodies.Load(), "RULE P6: bodies of upstreams' answers were not closed")
	require.Zero(h, h.gw.inFlight.Load())
	require.Zero(h, h.front.open.Load(), "RULE P6: connections of clients were left open")
	for name, ln := range h.behind {
		require.Zero(h, ln.open.Load(), "RULE P6: connections to %s were left open", name)
	}
	for _, s := range h.gw.pools.Status() {
		require.Zero(h, s.InFlight, "RULE U1: %s was not given back", s.Address)
	}
}

// get asks for a path and returns the answer, with its body read.
func (h *house) get(path string, header ...string) (*http.Response, string) {
	h.Helper()
	return h.do(http.MethodGet, path, nil, header...)
}

func (h *house) do(method, path string, body io.Reader, header ...string) (*http.Response, string) {
	h.Helper()
	req, err := http.NewRequest(method, "http://front.example"+path, body)
	require.NoError(h, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	res, err := h.client.Do(req)
	require.NoError(h, err, "RULE P7: %s %s has no answer", method, path)
	text, err := io.ReadAll(res.Body)
	require.NoError(h, err, "RULE P7: the answer to %s %s broke off", method, path)
	res.Body.Close()
	return res, string(text)
}

// A wire is a connection to the gateway on which bytes are written as they are.
type wire struct {
	*house
	net.Conn
	r *bufio.Reader
}

func (h *house) dial() *wire {
	conn, err := h.front.Dial(context.Background())
	require.NoError(h, err)
	return &wire{h, conn, bufio.NewReader(conn)}
}

func (w *wire) send(text string) *wire {
	_, err := io.WriteString(w.Conn, text)
	require.NoError(w, err)
	return w
}

// answer reads one answer to a request of a method. That there is one may be a rule.
func (w *wire) answer(method string, rule ...any) (*http.Response, string) {
	w.Helper()
	w.SetReadDeadline(time.Now().Add(time.Hour))
	res, err := http.ReadResponse(w.r, &http.Request{Method: method})
	require.NoError(w, err, rule...)
	body, err := io.ReadAll(res.Body)
	require.NoError(w, err, rule...)
	return res, string(body)
}

// rest is all that still comes until the gateway closes the connection, or does not for an hour.
func (w *wire) rest() string {
	w.SetReadDeadline(time.Now().Add(time.Hour))
	rest, _ := io.ReadAll(w.r)
	return string(rest)
}

// until is what comes, up to an end, or what there was of it after an hour.
func (w *wire) until(end string) string {
	w.SetReadDeadline(time.Now().Add(time.Hour))
	var got strings.Builder
	for !strings.HasSuffix(got.String(), end) {
		b, err := w.r.ReadByte()
		if err != nil {
			break
		}
		got.WriteByte(b)
	}
	return got.String()
}

// step is a filter made of functions.
type step struct {
	name     string
	request  func(filters.FilterContext)
	response func(filters.FilterContext)
	wrap     func(filters.RoundTrip) filters.RoundTrip
}

func (s step) Name() string                               { return s.name }
func (s step) CreateFilter([]any) (filters.Filter, error) { return s, nil }

func (s step) Request(c filters.FilterContext) {
	if s.request != nil {
		s.request(c)
	}
}

func (s step) Response(c filters.FilterContext) {
	if s.response != nil {
		s.response(c)
	}
}

func (s step) Wrap(next filters.RoundTrip) filters.RoundTrip {
	if s.wrap != nil {
		return s.wrap(next)
	}
	return next
}

// says is a handler with one answer.
func says(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) })
}

// rawServer is an upstream that writes bytes as they are: one answer for each request.
func (h *house) rawServer(name string, serve func(r *http.Request, br *bufio.Reader, c net.Conn)) {
	ln := listenMemory()
	h.mu.Lock()
	h.behind[name+":80"] = ln
	h.mu.Unlock()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			h.mu.Lock()
			h.closers = append(h.closers, func() { c.Close() })
			h.mu.Unlock()
			go func() {
				defer c.Close()
				br := bufio.NewReader(c)
				for {
					r, err := http.ReadRequest(br)
					if err != nil {
						return
					}
					serve(r, br, c)
				}
			}()
		}
	}()
	h.closers = append(h.closers, func() { ln.Close() })
}
