package gateway

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSlowClientsAreCut(t *testing.T) {
	limits := ServerOptions{HeaderTimeout: 5 * time.Second, BodyTimeout: 7 * time.Second, IdleTimeout: 11 * time.Second, WriteTimeout: 13 * time.Second}
	big := strings.Repeat("x", 1<<20)
	for name, c := range map[string]struct {
		begin, piece string        // piece is sent each second
		after        time.Duration // that long, at least, after the beginning
		want         string
	}{
		"nothing":               {"", "", 5 * time.Second, ""},
		"header by letters":     {"GET / HTTP/1.1\r\nX: ", "x", 5 * time.Second, ""},
		"body stops":            {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx", "", 7 * time.Second, "HTTP/1.1 408 "},
		"chunks stop":           {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx", "", 7 * time.Second, "HTTP/1.1 408 "},
		"upgrade's body stops":  {"POST / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nContent-Length: 9\r\n\r\nx", "", 7 * time.Second, "HTTP/1.1 408 "},
		"upgrade's chunks stop": {"POST / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx", "", 7 * time.Second, "HTTP/1.1 408 "},
		"idle":                  {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "", 11 * time.Second, "HTTP/1.1 200 "},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, plan{routes: `a: * -> "http://a";`, server: limits, behind: map[string]http.Handler{"a": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
			})}}, func(t *testing.T, h *house) {
				start := time.Now()
				w := h.dial()
				if c.begin != "" {
					w.send(c.begin)
				}
				var typing sync.WaitGroup
				if c.piece != "" {
					typing.Go(func() {
						for {
							time.Sleep(time.Second)
							if _, err := io.WriteString(w.Conn, c.piece); err != nil {
								return
							}
						}
					})
				}
				got := w.rest()
				require.Equal(t, c.after, time.Since(start).Truncate(time.Second), "RULE P8: a slow client holds a connection")
				require.True(t, strings.HasPrefix(got, c.want), got)
				w.Close()
				typing.Wait()
			})
		})
	}
	t.Run("HTTP/2 body stops", func(t *testing.T) {
		limits := limits
		limits.H2C = true
		inHouse(t, plan{routes: `a: * -> "http://a";`, server: limits, behind: map[string]http.Handler{"a": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
		})}}, func(t *testing.T, h *house) {
			tr := h.client.Transport.(*http.Transport)
			tr.Protocols = new(http.Protocols)
			tr.Protocols.SetUnencryptedHTTP2(true)
			body, write := io.Pipe()
			start := time.Now()
			go func() {
				io.WriteString(write, "x")
				time.Sleep(6 * time.Second)
				io.WriteString(write, "y")
				time.Sleep(time.Hour)
				write.Close()
			}()
			res, err := h.client.Post("http://front.example/", "text/plain", body)
			require.NoError(t, err)
			require.Equal(t, 13*time.Second, time.Since(start), "RULE P8: a slow client holds an upstream")
			require.Equal(t, http.StatusRequestTimeout, res.StatusCode)
			res.Body.Close()
			time.Sleep(time.Hour)
		})
	})
	t.Run("HTTP/2 end does not come", func(t *testing.T) {
		limits := limits
		limits.H2C = true
		inHouse(t, plan{routes: `a: * -> "http://a";`, server: limits, behind: map[string]http.Handler{"a": says("a")}}, func(t *testing.T, h *house) {
			w := h.dial()
			defer w.Close()
			all := frames("x", field{":method", "POST"}, field{":scheme", "http"}, field{":path", "/"}, field{":authority", "a"}, field{"content-length", "0"})
			w.send(string(all[:len(all)-10])) // without the DATA frame
			go io.Copy(io.Discard, w.r)
			time.Sleep(8 * time.Second)
			synctest.Wait()
			require.Zero(t, h.gw.inFlight.Load(), "RULE P8: a client that does not end its request holds a stream")
		})
	})
	t.Run("answer is not taken", func(t *testing.T) {
		inHouse(t, plan{routes: `a: * -> "http://a";`, server: limits, behind: map[string]http.Handler{"a": says(big)}}, func(t *testing.T, h *house) {
			w := h.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			time.Sleep(14 * time.Second)
			synctest.Wait()
			require.Zero(t, h.gw.inFlight.Load(), "RULE P8: a client that does not read holds an upstream")
			w.Close()
		})
	})
	t.Run("slow but steady", func(t *testing.T) {
		inHouse(t, plan{routes: `a: * -> "http://a";`, server: limits, behind: map[string]http.Handler{"a": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(90 * time.Second) // the limits are the client's
			io.Copy(w, r.Body)
		})}}, func(t *testing.T, h *house) {
			w := h.dial().send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
			go func() {
				for range 9 {
					time.Sleep(6 * time.Second)
					w.send("x")
				}
			}()
			res, body := w.answer("POST", "RULE P8: a limit for the client ended the upstream's time")
			require.Equal(t, "200 xxxxxxxxx", res.Status[:3]+" "+body)
			w.Close()
		})
	})
}

func TestAnswerBeforeTheEndIsNotLostInAReset(t *testing.T) {
	for name, o := range map[string]ServerOptions{"plain": {}, "behind a proxy": {ProxyProtocol: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}} {
		t.Run(name, func(t *testing.T) {
			o.MaxHeaderBytes = 8 << 10
			inHouse(t, plan{routes: `a: * -> <shunt>;`, server: o}, func(t *testing.T, h *house) {
				w := h.dial()
				defer w.Close()
				if o.ProxyProtocol != nil {
					w.send("PROXY UNKNOWN\r\n")
				}
				w.send("GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: "+strings.Repeat("x", 1000)+"\r\n", 20))
				require.Contains(t, w.rest(), "431 Request Header Fields Too Large")
				require.EqualValues(t, 2, h.front.open.Load(), "RULE P8: closed at once, the connection is reset, and the answer may be lost")
			})
		})
	}
}

func TestGoingDownDropsNobody(t *testing.T) {
	release := make(chan bool)
	inHouse(t, plan{
		routes: `a: * -> "http://a";`, server: ServerOptions{ReadyDelay: 10 * time.Second},
		behind: map[string]http.Handler{"a": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				<-release
			}
			io.WriteString(w, "whole")
		})},
	}, func(t *testing.T, h *house) {
		release = make(chan bool)
		answer := sync.OnceFunc(func() { close(release) })
		defer answer()
		h.rawServer("ws", switches)
		require.NoError(t, h.gw.Apply(parsed(t, `a: * -> "http://a"; ws: Path("/ws") -> "http://ws";`)))
		ws := h.dial().send(strings.Replace(asksForEcho, "/", "/ws", 1))
		ws.until("early;")
		slow := h.dial().send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
		start := time.Now()
		down := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			down <- h.server.Shutdown(ctx)
		}()
		synctest.Wait()
		require.True(t, h.gw.draining.Load(), "RULE C4: readiness turns false first")
		time.Sleep(9 * time.Second)
		late, err := h.client.Get("http://front.example/late")
		require.NoError(t, err, "RULE C4: connections are taken until those in front have noticed")
		late.Body.Close()
		h.client.CloseIdleConnections()
		time.Sleep(2 * time.Second)
		_, err = h.front.Dial(context.Background())
		require.Error(t, err, "RULE C4: no connections after the delay")
		time.Sleep(5 * time.Second)
		answer()
		res, body := slow.answer("GET")
		require.Equal(t, "whole", body, "RULE C4: a request that was under way was dropped")
		require.True(t, res.Close, "the client is told to go elsewhere")
		slow.Close()
		time.Sleep(5 * time.Second)
		io.WriteString(ws.Conn, "hello;")
		require.Equal(t, "HELLO;", ws.until(";"), "RULE C4: an upgraded connection was cut before the deadline")
		select {
		case err := <-down:
			t.Fatalf("RULE C4: down after %v, %v, with a connection open", time.Since(start), err)
		default:
		}
		require.Empty(t, ws.rest())
		require.ErrorIs(t, <-down, context.DeadlineExceeded)
		require.Equal(t, time.Minute, time.Since(start), "RULE C4: the deadline cuts what is left")
		ws.Close()
		h.cut = true
	})
}

func TestProxyHeaderSaysWhoTheClientIs(t *testing.T) {
	v2 := func(rest string) string { return "\r\n\r\n\x00\r\nQUIT\n" + rest }
	trusted := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	for name, c := range map[string]struct{ header, client string }{
		"version 1":      {"PROXY TCP4 203.0.113.5 198.51.100.7 56324 443\r\n", "203.0.113.5"},
		"version 1, v6":  {"PROXY TCP6 2001:db8::5 2001:db8::7 56324 443\r\n", "2001:db8::5"},
		"unknown":        {"PROXY UNKNOWN what ever\r\n", "192.0.2.1"},
		"version 2":      {v2("\x21\x11\x00\x0c\xcb\x00\x71\x05\xc6\x33\x64\x07\xdc\x04\x01\xbb"), "203.0.113.5"},
		"with TLVs":      {v2("\x21\x11\x00\x0f\xcb\x00\x71\x05\xc6\x33\x64\x07\xdc\x04\x01\xbb\x04\x00\x00"), "203.0.113.5"},
		"version 2, v6":  {v2("\x21\x21\x00\x24" + "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05" + strings.Repeat("\x00", 16) + "\xdc\x04\x01\xbb"), "2001:db8::5"},
		"local":          {v2("\x20\x00\x00\x00"), "192.0.2.1"},
		"none":           {"", ""},
		"wrong family":   {"PROXY TCP4 2001:db8::5 198.51.100.7 56324 443\r\n", ""},
		"no port":        {"PROXY TCP4 203.0.113.5 198.51.100.7 563240 443\r\n", ""},
		"endless":        {"PROXY " + strings.Repeat("x", 200), ""},
		"LF":             {"PROXY TCP4 203.0.113.5 198.51.100.7 56324 443\n", ""},
		"short":          {v2("\x21\x11\x00\x04\xcb\x00\x71\x05"), ""},
		"version 3":      {v2("\x31\x11\x00\x00"), ""},
		"signature only": {"\r\n\r\n\x00\r\nQUIT\t", ""},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, plan{routes: `a: * -> "http://a";`, server: ServerOptions{ProxyProtocol: trusted, HeaderTimeout: time.Second},
				behind: map[string]http.Handler{"a": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					io.WriteString(w, r.Header.Get("X-Forwarded-For"))
				})}}, func(t *testing.T, h *house) {
				w := h.dial().send(c.header + "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
				defer w.Close()
				if c.client == "" {
					require.Empty(t, w.rest(), "RULE F6: a connection without a header was taken")
					return
				}
				_, body := w.answer("GET")
				require.Equal(t, c.client, body, "RULE F6: the client behind a PROXY header")
			})
		})
	}
	t.Run("stranger", func(t *testing.T) {
		inHouse(t, plan{routes: `a: * -> <shunt>;`, server: ServerOptions{ProxyProtocol: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}, func(t *testing.T, h *house) {
			w := h.dial().send("PROXY TCP4 10.0.0.1 198.51.100.7 56324 443\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
			require.Contains(t, w.rest(), "400 Bad Request", "RULE F6: a stranger's PROXY header was believed")
			w.Close()
		})
	})
}

// A zone says by which interface a neighbour is met, not who it is.
func TestProxyHeaderOfANeighbourWithAZoneIsRead(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	go io.WriteString(client, "PROXY TCP4 203.0.113.5 198.51.100.7 56324 443\r\n")
	neighbour := &proxiedConn{Conn: server, remote: &net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 1, Zone: "eth0"}}
	conn, err := behindProxy(neighbour, []netip.Prefix{netip.MustParsePrefix("fe80::/10")})
	require.NoError(t, err)
	require.Equal(t, "203.0.113.5:56324", conn.RemoteAddr().String(), "RULE F6: a trusted proxy's header is not read, and its client's request is none")
}

func TestConnectionWithoutAProxyHeaderHoldsUpNobody(t *testing.T) {
	inHouse(t, plan{routes: `a: * -> <shunt>;`, server: ServerOptions{ProxyProtocol: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}}, func(t *testing.T, h *house) {
		silent := h.dial()
		start := time.Now()
		w := h.dial().send("PROXY UNKNOWN\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		res, _ := w.answer("GET")
		require.Equal(t, 404, res.StatusCode)
		require.Zero(t, time.Since(start))
		require.Empty(t, silent.rest())
		require.Equal(t, 10*time.Second, time.Since(start))
		silent.Close()
		w.Close()
	})
}

func TestH2CByPriorKnowledge(t *testing.T) {
	inHouse(t, plan{routes: `a: * -> "http://a";`, server: ServerOptions{H2C: true}, behind: map[string]http.Handler{"a": says("a")}}, func(t *testing.T, h *house) {
		tr := h.client.Transport.(*http.Transport)
		tr.Protocols = new(http.Protocols)
		tr.Protocols.SetUnencryptedHTTP2(true)
		res, body := h.get("/")
		require.Equal(t, "HTTP/2.0 a", res.Proto+" "+body)

		w := h.dial().send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		res, body = w.answer("GET")
		require.Equal(t, "HTTP/1.1 a", res.Proto+" "+body)
		w.Close()
		w = h.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
		require.Equal(t, 1, strings.Count(w.rest(), "HTTP/1.1 200"), "RULE P2: HTTP/2 begins in the middle of HTTP/1")
		w.Close()
		start := time.Now()
		w = h.dial()
		require.Empty(t, w.rest())
		require.Equal(t, 10*time.Second, time.Since(start), "RULE P8: a silent client holds a connection")
		w.Close()
	})
}
