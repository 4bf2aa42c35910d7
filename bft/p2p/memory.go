package p2p

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
)

// A Memory is a network inside the process: pipes between listeners with names. Unlike sockets they
// can be waited for in a testing/synctest bubble, and they buffer nothing, so that a peer that does not read is felt at once.
// The zero Memory is ready, and safe for concurrent use.
type Memory struct {
	mu        sync.Mutex
	listeners map[string]*memoryListener
	dialed    int
}

type memoryAddr string

func (a memoryAddr) Network() string { return "memory" }
func (a memoryAddr) String() string  { return string(a) }

type memoryListener struct {
	m       *Memory
	address memoryAddr
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

type memoryConn struct {
	net.Conn
	local, remote memoryAddr
}

func (c *memoryConn) LocalAddr() net.Addr  { return c.local }
func (c *memoryConn) RemoteAddr() net.Addr { return c.remote }

// Listen takes an address, "host:port" with any names.
func (m *Memory) Listen(address string) (net.Listener, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.listeners == nil {
		m.listeners = map[string]*memoryListener{}
	}
	if m.listeners[address] != nil {
		return nil, fmt.Errorf("p2p: the address %s in memory is taken", address)
	}
	l := &memoryListener{m: m, address: memoryAddr(address), conns: make(chan net.Conn), closed: make(chan struct{})}
	m.listeners[address] = l
	return l, nil
}

// Dial connects to a listener. It fits Options.Dial.
func (m *Memory) Dial(ctx context.Context, address string) (net.Conn, error) {
	m.mu.Lock()
	l := m.listeners[address]
	m.dialed++
	from := memoryAddr("dialer:" + strconv.Itoa(m.dialed))
	m.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("p2p: nobody listens at %s in memory", address)
	}
	a, b := net.Pipe()
	select {
	case l.conns <- &memoryConn{b, l.address, from}:
		return &memoryConn{a, from, l.address}, nil
	case <-l.closed:
		return nil, fmt.Errorf("p2p: nobody listens at %s in memory any more", address)
	case <-ctx.Done():
		return nil, fmt.Errorf("p2p: dial %s in memory: %w", address, context.Cause(ctx))
	}
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.m.mu.Lock()
		defer l.m.mu.Unlock()
		if l.m.listeners[string(l.address)] == l {
			delete(l.m.listeners, string(l.address))
		}
	})
	return nil
}

func (l *memoryListener) Addr() net.Addr { return l.address }
