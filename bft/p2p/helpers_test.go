package p2p

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func testKey(i int) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	seed[0], seed[1] = byte(i), byte(i>>8)
	return ed25519.NewKeyFromSeed(seed)
}

func idOf(i int) ID { return IDOf(testKey(i).Public().(ed25519.PublicKey)) }

// A recorder is a handler that notes all that it hears.
type recorder struct {
	mu       sync.Mutex
	peers    []*Peer
	removed  []error
	messages []string
	heard    chan string // also here, if it is not nil
	hold     chan struct{}
}

func (r *recorder) AddPeer(p *Peer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.peers = append(r.peers, p)
}

func (r *recorder) RemovePeer(_ *Peer, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.removed = append(r.removed, why)
}

func (r *recorder) Receive(p *Peer, msg []byte) {
	if r.hold != nil {
		select {
		case <-r.hold:
		case <-p.Context().Done():
		}
	}
	r.mu.Lock()
	r.messages = append(r.messages, string(msg))
	r.mu.Unlock()
	if r.heard != nil {
		select {
		case r.heard <- string(msg):
		case <-p.Context().Done():
		}
	}
}

func (r *recorder) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.messages)
}

func (r *recorder) reasons() []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.removed)
}

// reason is why n has lost its i-th link.
func reason(t *testing.T, n *testNode, i int) error {
	t.Helper()
	all := n.reasons()
	require.Greater(t, len(all), i, "RULE P1: the link ends")
	return all[i]
}

// An eventLog keeps events.
type eventLog struct {
	mu  sync.Mutex
	all []Event
}

func (l *eventLog) add(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, e)
}

func (l *eventLog) of(kind EventKind) []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	var some []Event
	for _, e := range l.all {
		if e.Kind == kind {
			some = append(some, e)
		}
	}
	return some
}

// A testNode is a switch on a network in memory.
type testNode struct {
	*Switch
	recorder
	events eventLog
	friend *testNode // see target
}

func address(i int) string { return fmt.Sprintf("node%d:1", i) }

func peerAddress(i int) string { return string(idOf(i)) + "@" + address(i) }

// newNode makes node i, with channel 1, and closes it with the test.
func newNode(t *testing.T, m *Memory, i int, change ...func(*testNode, *Options, *ChannelOptions)) *testNode {
	n := &testNode{}
	listener, err := m.Listen(address(i))
	require.NoError(t, err)
	o := Options{Key: testKey(i), Network: "test", Listener: listener, Dial: m.Dial, OnEvent: n.events.add, Random: func() float64 { return 0.5 }}
	c := ChannelOptions{ID: 1}
	for _, f := range change {
		f(n, &o, &c)
	}
	n.Switch, err = New(o)
	require.NoError(t, err)
	require.NoError(t, n.Channel(c, n))
	require.NoError(t, n.Start())
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	return n
}

func persistent(js ...int) func(*testNode, *Options, *ChannelOptions) {
	return func(_ *testNode, o *Options, _ *ChannelOptions) {
		for _, j := range js {
			o.Persistent = append(o.Persistent, peerAddress(j))
		}
	}
}

// dialRaw opens a connection that does not speak the protocol yet.
func dialRaw(t *testing.T, m *Memory, i int) net.Conn {
	conn, err := m.Dial(context.Background(), address(i))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Hour)))
	return conn
}

func newReader(conn net.Conn) *bufio.Reader {
	return bufio.NewReaderSize(conn, maxRecord+recordHead+sealSize)
}

func isError(err, target error) bool { return target != nil && errors.Is(err, target) }
