package tcp

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/raft"
)

// wire is a network in memory: pipes between named listeners. Unlike a socket
// a pipe may be waited for inside a synctest bubble; it buffers nothing, so
// that a peer which does not read is felt at once.
type wire struct {
	mu        sync.Mutex
	listeners map[string]*wireListener
	dials     map[string]int
	// wrap may put something between the dialer and its pipe.
	wrap func(address string, c net.Conn) net.Conn
	// open counts the ends of pipes that nobody has closed.
	open atomic.Int64
}

// countedConn is an end of a pipe that is missed while it is open.
type countedConn struct {
	net.Conn
	w    *wire
	once sync.Once
}

func (w *wire) count(c net.Conn) net.Conn {
	w.open.Add(1)
	return &countedConn{Conn: c, w: w}
}

func (c *countedConn) Close() error {
	c.once.Do(func() { c.w.open.Add(-1) })
	return c.Conn.Close()
}

func newWire() *wire { return &wire{listeners: map[string]*wireListener{}, dials: map[string]int{}} }

type wireListener struct {
	w       *wire
	address string
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

type wireAddr string

func (a wireAddr) Network() string { return "wire" }
func (a wireAddr) String() string  { return string(a) }

func (w *wire) listen(address string) net.Listener {
	l := &wireListener{w: w, address: address, conns: make(chan net.Conn), closed: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listeners[address] = l
	return l
}

func (l *wireListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *wireListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	if l.w.listeners[l.address] == l {
		delete(l.w.listeners, l.address)
	}
	return nil
}

func (l *wireListener) Addr() net.Addr { return wireAddr(l.address) }

func (w *wire) dial(ctx context.Context, address string) (net.Conn, error) {
	w.mu.Lock()
	l, wrap := w.listeners[address], w.wrap
	w.dials[address]++
	w.mu.Unlock()
	if l == nil {
		return nil, errors.New("wire: nobody listens at " + address)
	}
	client, server := net.Pipe()
	client, server = w.count(client), w.count(server)
	select {
	case l.conns <- server:
	case <-l.closed:
		return nil, errors.New("wire: nobody listens at " + address)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if wrap != nil {
		client = wrap(address, client)
	}
	return client, nil
}

func (w *wire) dialed(address string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dials[address]
}

// received collects what a transport delivers.
type received struct {
	mu       sync.Mutex
	messages []raft.Message
	times    []time.Time
}

func (r *received) deliver(m raft.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, m)
	r.times = append(r.times, time.Now())
}

func (r *received) all() []raft.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]raft.Message(nil), r.messages...)
}

// addressFor is where a node listens on a wire.
func addressFor(id raft.NodeID) string { return id.String() + ":1" }

// peersOf are nodes 1 to n on a wire.
func peersOf(n int) map[raft.NodeID]string {
	peers := map[raft.NodeID]string{}
	for id := raft.NodeID(1); int(id) <= n; id++ {
		peers[id] = addressFor(id)
	}
	return peers
}

// start returns a started transport on a wire; the test closes it.
func (w *wire) start(t *testing.T, id raft.NodeID, change func(*Options)) (*Transport, *received) {
	t.Helper()
	tr, in := w.prepare(t, id, change), &received{}
	require.NoError(t, tr.Start(in.deliver))
	return tr, in
}

func (w *wire) prepare(t *testing.T, id raft.NodeID, change func(*Options)) *Transport {
	t.Helper()
	o := Options{
		ID: id, ClusterID: "test", Listener: w.listen(addressFor(id)), Peers: peersOf(3), Dial: w.dial,
		Logger: textLogger(newTestWriter(t)),
	}
	if change != nil {
		change(&o)
	}
	tr, err := Listen(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, tr.Close()) })
	return tr
}

// testWriter sends a transport's log to the test's, which shows it on failure. What is
// said after the test has ended, by a transport that a failed test did not close, is dropped.
type testWriter struct {
	t    *testing.T
	mu   sync.Mutex
	over bool
}

func newTestWriter(t *testing.T) *testWriter {
	w := &testWriter{t: t}
	t.Cleanup(func() {
		w.mu.Lock()
		w.over = true
		w.mu.Unlock()
	})
	return w
}

func (w *testWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.over {
		w.t.Log(strings.TrimSpace(string(b)))
	}
	return len(b), nil
}

// peerStatus returns what a transport says of a peer.
func peerStatus(tr *Transport, id raft.NodeID) PeerStatus {
	for _, s := range tr.Peers() {
		if s.ID == id {
			return s
		}
	}
	return PeerStatus{}
}

func heartbeat(from, to raft.NodeID, round uint64) raft.Message {
	return raft.Message{Type: raft.AppendEntries, From: from, To: to, Term: 1, Round: round}
}

// stranger is a client that speaks as it likes.
type stranger struct {
	t testing.TB
	net.Conn
	frames frameReader
}

func (w *wire) stranger(t *testing.T, to raft.NodeID) *stranger {
	c, err := w.dial(t.Context(), addressFor(to))
	require.NoError(t, err)
	return newStranger(t, c)
}

func newStranger(t testing.TB, c net.Conn) *stranger {
	s := &stranger{t: t, Conn: c}
	s.frames = frameReader{conn: c, r: bufio.NewReader(c), max: 1 << 20}
	return s
}

func (s *stranger) send(b []byte) error {
	_, err := s.Write(b)
	return err
}

// hello introduces the stranger and returns the answer.
func (s *stranger) hello(h hello) answer {
	s.t.Helper()
	require.NoError(s.t, s.send(appendFrame(append([]byte(nil), magic...), kindHello, h.encode())))
	require.NoError(s.t, s.frames.readMagic())
	k, payload, err := s.frames.next()
	require.NoError(s.t, err)
	require.Equal(s.t, kindAnswer, k)
	a, err := decodeAnswer(payload)
	require.NoError(s.t, err)
	return a
}

// pose listens as a node that welcomes everybody, and then does as it likes.
func (w *wire) pose(t *testing.T, id raft.NodeID, then func(s *stranger)) {
	l := w.listen(addressFor(id))
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				s := newStranger(t, c)
				if s.frames.readMagic() == nil {
					s.frames.next()
					a := answer{version: 1}
					s.send(appendFrame(append([]byte(nil), magic...), kindAnswer, a.encode()))
					then(s)
				}
			}()
		}
	}()
}

// helloOf is what node from would say to node to.
func helloOf(from, to raft.NodeID) hello {
	return hello{oldest: 1, newest: 1, instance: 7, from: from, to: to, cluster: "test"}
}

// requireEnded makes sure that the other side hangs up, without a word, before a
// minute has passed; promise is what it breaks otherwise.
func (s *stranger) requireEnded(promise string) {
	s.t.Helper()
	s.SetReadDeadline(time.Now().Add(time.Minute)) // fails when it has hung up
	_, err := s.frames.r.ReadByte()
	require.Error(s.t, err, promise)
	require.NotErrorIs(s.t, err, os.ErrDeadlineExceeded, promise)
}

// requireCloses closes a transport, which must not take for ever.
func requireCloses(t *testing.T, tr *Transport) {
	t.Helper()
	closed := make(chan error, 1)
	go func() { closed <- tr.Close() }()
	select {
	case err := <-closed:
		require.NoError(t, err)
	case <-time.After(10 * time.Second):
		require.Fail(t, "RULE T8: Close does not return, so some goroutine does not", ours())
	}
}

// requireNoGoroutines fails if a goroutine of this package is left.
func requireNoGoroutines(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ours() != "" && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	require.Empty(t, ours(), "RULE T8: no goroutine is left")
}

func ours() string {
	buf := make([]byte, 1<<20)
	var left []string
	for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "raft/tcp.(*") && !strings.Contains(g, "testing.tRunner") && !strings.Contains(g, "testing.(*B)") {
			left = append(left, g)
		}
	}
	return strings.Join(left, "\n\n")
}

// trickle reads a stream in random pieces.
type trickle struct {
	b   []byte
	rng *rand.Rand
}

func (r *trickle) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.b[:1+r.rng.IntN(min(len(r.b), 1<<r.rng.IntN(18)))])
	r.b = r.b[n:]
	return n, nil
}

func readerOf(r io.Reader, limit int) *frameReader {
	return &frameReader{r: bufio.NewReaderSize(r, readBuffer), max: limit}
}

func textLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
