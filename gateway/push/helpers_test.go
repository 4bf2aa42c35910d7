package push

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// world is a publisher and its subscribers, with pipes between them, inside a synctest bubble: time passes when all
// wait, and the bubble does not end as long as a goroutine is left.
type world struct {
	t *testing.T
	*Publisher
	wg      sync.WaitGroup
	members []*member

	mu    sync.Mutex
	conns []net.Conn // the subscribers' ends, in the order of their making
	ended []error    // what Serve has returned
	down  bool       // dial fails
}

func newWorld(t *testing.T, o Options) *world {
	return &world{t: t, Publisher: NewPublisher(o)}
}

// bubble runs a story in virtual time.
func bubble(t *testing.T, o Options, story func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, o)
		// Also if the story has failed: what is left in a bubble would hide why.
		defer w.end()
		story(t, w)
	})
}

func (w *world) end() {
	for _, m := range w.members {
		m.cancel()
	}
	w.Close()
	w.cut()
	w.wg.Wait()
}

func (w *world) dial(context.Context) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return nil, errors.New("connection refused")
	}
	ours, theirs := net.Pipe()
	w.conns = append(w.conns, ours)
	p := w.Publisher
	w.wg.Go(func() {
		err := p.Serve(theirs)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ended = append(w.ended, err)
	})
	return ours, nil
}

func (w *world) setDown(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
}

// served is what Serve has returned, of those that have, when everybody has come to rest; dialled is how many were connected.
func (w *world) served() []error {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.ended)
}

func (w *world) dialled() int {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.conns)
}

// cut ends all connections from the subscribers' side.
func (w *world) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		c.Close()
	}
}

func (w *world) publish(config string) uint64 {
	w.t.Helper()
	v, err := w.Publish([]byte(config))
	require.NoError(w.t, err)
	return v
}

// member is a subscriber that notes what it was given.
type member struct {
	w      *world
	ctx    context.Context
	cancel context.CancelFunc
	done   chan error

	mu      sync.Mutex
	applied []string
	refuse  string        // what Apply says
	hold    chan struct{} // Apply waits for it
}

func (w *world) join(name string, change ...func(*SubscriberOptions)) *member {
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{w: w, ctx: ctx, cancel: cancel, done: make(chan error, 1)}
	w.members = append(w.members, m)
	o := SubscriberOptions{Name: name, Apply: m.apply, Rand: func() float64 { return 1 }}
	for _, c := range change {
		c(&o)
	}
	w.wg.Go(func() { m.done <- SubscribeConn(ctx, w.dial, o) })
	return m
}

func (m *member) apply(version uint64, config []byte) error {
	m.mu.Lock()
	m.applied = append(m.applied, fmt.Sprintf("%d:%.20s", version, config))
	hold, refuse := m.hold, m.refuse
	m.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-m.ctx.Done():
		}
	}
	if refuse != "" {
		return errors.New(refuse)
	}
	return nil
}

func (m *member) set(change func(*member)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
}

// got is what it was given, when everybody has come to rest.
func (m *member) got() []string {
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.applied)
}

func (m *member) leave() {
	m.cancel()
	require.ErrorIs(m.w.t, <-m.done, context.Canceled)
}

// raw is a connection that a test speaks on by itself.
func (w *world) raw(send ...[]byte) net.Conn {
	conn, err := w.dial(context.Background())
	require.NoError(w.t, err)
	for _, b := range send {
		_, err := conn.Write(b)
		require.NoError(w.t, err)
	}
	return conn
}

func (w *world) status(name string) (Status, bool) {
	synctest.Wait()
	all := w.Status()
	i := slices.IndexFunc(all, func(s Status) bool { return s.Name == name })
	if i < 0 {
		return Status{}, false
	}
	return all[i], true
}

// The same over HTTP: a server on pipes.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once

	mu   sync.Mutex
	open []net.Conn
}

// cut ends all connections from the clients' side.
func (l *pipes) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.open {
		c.Close()
	}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "pipe"} }

func (l *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		l.mu.Lock()
		defer l.mu.Unlock()
		l.open = append(l.open, ours)
		return ours, nil
	case <-l.done:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// site is a publisher behind an HTTP server.
type site struct {
	*world
	pipes  *pipes
	client *http.Client
}

// http1 and http2, the latter without TLS.
func http1() *http.Protocols { p := new(http.Protocols); p.SetHTTP1(true); return p }
func http2() *http.Protocols { p := new(http.Protocols); p.SetUnencryptedHTTP2(true); return p }

func httpBubble(t *testing.T, o Options, protocols *http.Protocols, around func(http.Handler) http.Handler, story func(t *testing.T, s *site)) {
	t.Helper()
	bubble(t, o, func(t *testing.T, w *world) {
		s := &site{world: w, pipes: newPipes()}
		transport := &http.Transport{DialContext: s.pipes.dial, Protocols: protocols}
		s.client = &http.Client{Transport: transport}
		server := &http.Server{Handler: around(w.Publisher), Protocols: protocols}
		server.RegisterOnShutdown(func() { w.Close() })
		go server.Serve(s.pipes)
		defer server.Close()
		defer transport.CloseIdleConnections()
		defer s.end()
		story(t, s)
		require.NoError(t, server.Shutdown(context.Background()))
	})
}

func bare(h http.Handler) http.Handler { return h }

func (s *site) join(name string, change ...func(*SubscriberOptions)) *member {
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{w: s.world, ctx: ctx, cancel: cancel, done: make(chan error, 1)}
	s.members = append(s.members, m)
	o := SubscriberOptions{Name: name, Apply: m.apply, Rand: func() float64 { return 1 }, Client: s.client}
	for _, c := range change {
		c(&o)
	}
	s.wg.Go(func() { m.done <- Subscribe(ctx, "http://config.example/push?tenant=a", o) })
	return m
}

func (s *site) call(method, url string, body []byte) (status int, text string) {
	req, err := http.NewRequest(method, "http://config.example/push"+url, strings.NewReader(string(body)))
	require.NoError(s.t, err)
	resp, err := s.client.Do(req)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return resp.StatusCode, string(b)
}

const second = time.Second
