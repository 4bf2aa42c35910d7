package gatewaytest_test

import (
	"io"
	"net"
	"sync"

	"github.com/flagship-go/flagship/gateway/gatewaytest"
)

// tunnel passes bytes to the first upstream, and knows nothing of HTTP.
type tunnel struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func newTunnel(c gatewaytest.Config) (gatewaytest.Proxy, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &tunnel{Listener: ln}
	go func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			upstream, err := net.Dial("tcp", c.Routes[0].Upstream)
			if err != nil {
				client.Close()
				continue
			}
			t.mu.Lock()
			t.conns = append(t.conns, client, upstream)
			t.mu.Unlock()
			for _, way := range [][2]net.Conn{{client, upstream}, {upstream, client}} {
				go func() {
					_, _ = io.Copy(way[0], way[1])
					way[0].Close()
				}()
			}
		}
	}()
	return t, nil
}

func (t *tunnel) Addr() string { return t.Listener.Addr().String() }

func (t *tunnel) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.conns {
		c.Close()
	}
	return t.Listener.Close()
}
