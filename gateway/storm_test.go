package gateway

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/internal/tries"
	"github.com/stretchr/testify/require"
)

var storm = flag.Duration("storm", 0, "how long each kind of reload storm lasts; 0: 1s, and 60ms with -short")

const (
	stormClients = 4
	stormEchoes  = 8
)

// TestReloadStorm: C3. While requests and upgraded connections pass, one route of 10,000 (of 300 with -short) changes 100 times a second, and then
// all do, back to back. No request fails, no connection is cut, and nothing is left running.
func TestReloadStorm(t *testing.T) {
	s := startStorm(t, tries.Of(10_000, 300))
	defer s.end()
	t.Run("one route", func(t *testing.T) {
		start := time.Now()
		s.blow(t, func(n int) error {
			// On the real clock, since this is how often; nothing is waited for.
			time.Sleep(time.Until(start.Add(time.Duration(n) * 10 * time.Millisecond)))
			return s.gateway.Update(s.routes[n/len(s.routes[0])%2^1][n%len(s.routes[0]):][:1], nil)
		})
	})
	t.Run("all routes", func(t *testing.T) {
		s.blow(t, func(n int) error { return s.gateway.Apply(s.routes[n%2]) })
	})
}

// stormy is a gateway on a socket, an upstream, and clients of both kinds.
type stormy struct {
	t       *testing.T
	gateway *Gateway
	front   *httptest.Server
	back    [2]*httptest.Server
	routes  [2][]*eskip.Route // two configurations that have no route in common

	requests atomic.Uint64
	echoes   atomic.Uint64
	failed   chan error
	stop     chan struct{}
	clients  sync.WaitGroup
	before   int // goroutines
}

func startStorm(t *testing.T, routes int) *stormy {
	s := &stormy{t: t, failed: make(chan error, 100), stop: make(chan struct{})}
	for i := range s.back {
		s.back[i] = httptest.NewServer(http.HandlerFunc(serveOrEcho))
		t.Cleanup(s.back[i].Close)
	}
	for i := range s.routes {
		var text strings.Builder
		for n := range routes {
			fmt.Fprintf(&text, "r%d: Path(\"/r%d\") -> setPath(\"/x\") -> <random, %q, %q>;\n", n, n, s.back[i].URL, s.back[1-i].URL)
		}
		s.routes[i] = parsed(t, text.String())
	}
	g, err := New(Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, g.Close()) })
	s.gateway = g
	require.NoError(t, g.Apply(s.routes[0]))
	s.front = httptest.NewServer(g)
	t.Cleanup(s.front.Close)

	for i := range stormClients {
		s.clients.Go(func() { s.ask(i) })
	}
	for i := range stormEchoes {
		s.clients.Go(func() { s.echo(i) })
	}
	for s.requests.Load() < 100 || s.echoes.Load() < stormEchoes { // warm: all connections are there
		runtime.Gosched()
	}
	s.before = runtime.NumGoroutine()
	return s
}

// serveOrEcho answers requests, and echoes what comes over connections that ask to be upgraded.
func serveOrEcho(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") == "" {
		_, _ = io.WriteString(w, "ok")
		return
	}
	conn, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	_, _ = io.Copy(conn, buffered)
}

// ask sends one request after the other.
func (s *stormy) ask(client int) {
	t := &http.Transport{}
	defer t.CloseIdleConnections()
	for n := client; ; n += 7 {
		select {
		case <-s.stop:
			return
		default:
		}
		if err := one(t, fmt.Sprintf("%s/r%d", s.front.URL, n%len(s.routes[0]))); err != nil {
			s.fail(fmt.Errorf("RULE C3: a reload failed a request: %w", err))
			return
		}
		s.requests.Add(1)
	}
}

func one(t *http.Transport, url string) error {
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := t.RoundTrip(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 || string(body) != "ok" {
		return fmt.Errorf("%s: %s %q %w", url, res.Status, body, err)
	}
	return nil
}

// echo upgrades one connection and uses it to the end.
func (s *stormy) echo(client int) {
	conn, err := net.Dial("tcp", s.front.Listener.Addr().String())
	if err != nil {
		s.fail(err)
		return
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /r%d HTTP/1.1\r\nHost: gateway\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", client)
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		s.fail(fmt.Errorf("upgrade: %v %w", res, err))
		return
	}
	for n := 0; ; n++ {
		fmt.Fprintf(conn, "%d %d\n", client, n)
		line, err := in.ReadString('\n')
		if want := fmt.Sprintf("%d %d\n", client, n); err != nil || line != want {
			s.fail(fmt.Errorf("RULE C3: a reload cut an upgraded connection: %q, expected %q: %w", line, want, err))
			return
		}
		s.echoes.Add(1)
		select {
		case <-s.stop:
			return
		case <-time.After(time.Millisecond):
		}
	}
}

func (s *stormy) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
}

// blow changes the configuration for a while.
func (s *stormy) blow(t *testing.T, change func(n int) error) {
	span := *storm
	if span == 0 {
		span = time.Duration(tries.Of(1000, 60)) * time.Millisecond
	}
	requests, echoes, changes := s.requests.Load(), s.echoes.Load(), 0
	for start := time.Now(); time.Since(start) < span; {
		changes++
		require.NoError(t, change(changes))
	}
	// Idle connections come and go with requests, some goroutines each; a leak would be one for each change.
	if now := runtime.NumGoroutine(); now > s.before+50 {
		t.Errorf("RULE C3: %d goroutines after %d changes, %d before", now, changes, s.before)
	}
	require.Len(t, s.gateway.Metrics().Endpoints, 2, "RULE C3: upstreams of old configurations are left")
	t.Logf("%d changes, %d requests, %d echoes", changes, s.requests.Load()-requests, s.echoes.Load()-echoes)
}

// end stops the clients, and says what went wrong for them.
func (s *stormy) end() {
	close(s.stop)
	s.clients.Wait()
	close(s.failed)
	var errs []error
	for err := range s.failed {
		errs = append(errs, err)
	}
	require.NoError(s.t, errors.Join(errs...))
}
