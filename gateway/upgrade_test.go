package gateway

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/filters"
)

const asksForEcho = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, X-Hop\r\nUpgrade: echo\r\nX-Hop: 1\r\n\r\n"

// switches is an upstream that switches to a protocol, says a word at once, and sends back what it gets in capitals.
func switches(r *http.Request, br *bufio.Reader, c net.Conn) {
	io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade, X-Hop\r\nX-Hop: 1\r\nUpgrade: "+r.Header.Get("Upgrade")+"\r\nX-End: "+r.Header.Get("X-Hop")+"\r\n\r\nearly;")
	for {
		line, err := br.ReadString(';')
		if err != nil || line == "bye;" {
			c.Close()
			return
		}
		io.WriteString(c, strings.ToUpper(line))
	}
}

func TestUpgradePassesBytesBothWaysAndAlsoEarlyOnes(t *testing.T) {
	inHouse(t, plan{routes: `a: * -> "http://a";`}, func(t *testing.T, h *house) {
		h.rawServer("a", switches)
		w := h.dial().send(asksForEcho + "before the answer;")
		defer w.Close()
		require.Equal(t, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX-End: \r\n\r\n", w.until("\r\n\r\n"),
			"RULE P1: fields between neighbours in a 101")
		require.Equal(t, "early;", w.until(";"), "RULE P5: what the upstream said at once")
		require.Equal(t, "BEFORE THE ANSWER;", w.until(";"), "RULE P5: what the client said at once")
		w.send("GET / HTTP/1.1\n\x00;")
		require.Equal(t, "GET / HTTP/1.1\n\x00;", w.until(";"), "RULE P5: bytes are passed as they are")
		time.Sleep(time.Hour)
		w.send("still there;")
		require.Equal(t, "STILL THERE;", w.until(";"), "RULE P5: a connection that was upgraded has no time limit")
	})
}

func TestUpgradedConnectionsEndTogether(t *testing.T) {
	for name, end := range map[string]func(w *wire){
		"client":   func(w *wire) { w.Close() },
		"upstream": func(w *wire) { w.send("bye;"); w.rest(); w.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, plan{routes: `a: * -> "http://a";`}, func(t *testing.T, h *house) {
				h.rawServer("a", switches)
				w := h.dial().send(asksForEcho)
				w.until("early;")
				require.EqualValues(t, 1, h.gw.pools.Status()[0].InFlight)
				end(w)
				synctest.Wait()
				require.Zero(t, h.front.open.Load(), "RULE P5: the client's connection was left open")
				require.Zero(t, h.behind["a:80"].open.Load(), "RULE P5: the upstream's connection was left open")
				require.Zero(t, h.gw.pools.Status()[0].InFlight, "RULE U1: not given back after an upgrade")
				require.Zero(t, h.gw.pools.Status()[0].Failures)
			})
		})
	}
}

// A client that does not take the 101 is neither forgotten on the way down nor waited for without end.
func TestUpgradeThatIsNotTakenEnds(t *testing.T) {
	begin := func(h *house) *wire {
		h.rawServer("a", switches)
		w := h.dial()
		in := w.Conn.(*memoryConn).in
		in.mu.Lock()
		in.buf = make([]byte, streamSize) // there is no room for anything
		in.mu.Unlock()
		w.send(asksForEcho)
		synctest.Wait()
		return w
	}
	inHouse(t, plan{routes: `a: * -> "http://a";`}, func(t *testing.T, h *house) {
		defer begin(h).Close()
		h.cut = true
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		require.ErrorIs(t, h.server.Shutdown(ctx), context.DeadlineExceeded, "RULE C4: down, with an upgrade under way")
		synctest.Wait()
		require.Zero(t, h.gw.inFlight.Load(), "RULE C4: the deadline cuts what is left")
	})
	inHouse(t, plan{routes: `a: * -> "http://a";`, server: ServerOptions{WriteTimeout: 7 * time.Second}}, func(t *testing.T, h *house) {
		defer begin(h).Close()
		time.Sleep(8 * time.Second)
		synctest.Wait()
		require.Zero(t, h.gw.inFlight.Load(), "RULE P8: a client that does not take its 101 holds an upstream")
	})
}

func TestFailedUpgradeLeavesNothingOpen(t *testing.T) {
	answers := map[string]string{
		"another protocol": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n",
		"no":               "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
		"broken":           "HTTP/1.1 101 Swi",
	}
	for name, status := range map[string]string{"another protocol": "502", "no": "403", "broken": "502"} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, plan{routes: `a: * -> "http://a";`}, func(t *testing.T, h *house) {
				h.rawServer("a", func(_ *http.Request, _ *bufio.Reader, c net.Conn) {
					io.WriteString(c, answers[name])
					if name == "broken" {
						c.Close()
					}
				})
				w := h.dial().send(asksForEcho + "GET /smuggled HTTP/1.1\nHost: a\r\n\r\n")
				got := w.rest()
				require.Equal(t, status, got[9:12])
				require.Equal(t, 1, strings.Count(got, "HTTP/1.1 "), "RULE P2: what came after an upgrade that failed was read as a request")
				w.Close()
				h.gw.path.closeIdle()
				require.NoError(t, h.gw.Close())
				synctest.Wait()
				require.Zero(t, h.behind["a:80"].open.Load(), "RULE P5: the upstream's connection was left open")
				require.Zero(t, h.front.open.Load())
			})
		})
	}
}

// In the middle of a body it is not known whose the next bytes are: the request's, or the other protocol's.
func TestSwitchInTheMiddleOfABodyIsRefused(t *testing.T) {
	const asks = "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n"
	patient := func(r *http.Request, br *bufio.Reader, c net.Conn) {
		io.Copy(io.Discard, r.Body)
		switches(r, br, c)
	}
	for name, test := range map[string]struct {
		sent     string
		upstream func(*http.Request, *bufio.Reader, net.Conn)
		want     string
	}{
		"half of a body":  {"Content-Length: 12\r\n\r\nhello;", switches, "502"},
		"half of a chunk": {"Transfer-Encoding: chunked\r\n\r\nc\r\nhello;", switches, "502"},
		"whole":           {"Content-Length: 6\r\n\r\nhello;", patient, "101"},
		"whole chunks":    {"Transfer-Encoding: chunked\r\n\r\n6\r\nhello;\r\n0\r\n\r\n", patient, "101"},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, plan{routes: `a: * -> "http://a";`}, func(t *testing.T, h *house) {
				h.rawServer("a", test.upstream)
				w := h.dial().send(asks + test.sent)
				require.Equal(t, test.want, w.until("\r\n")[9:12], "RULE P5: a connection is upgraded before its request has ended")
				if test.want == "101" {
					w.until("early;")
					w.send("after;")
					require.Equal(t, "AFTER;", w.until(";"))
				}
				w.Close()
				synctest.Wait()
				require.Zero(t, h.behind["a:80"].open.Load(), "RULE P5: the upstream's connection was left open")
			})
		})
	}
}

// What the guard does not read must be the last of its connection, whoever answers.
func TestGuardIsNotLeftByRequestsThatStayHTTP(t *testing.T) {
	const twoLengths = "Host: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
	for name, sent := range map[string]string{
		"OPTIONS * with Upgrade": "OPTIONS * HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\n\r\nPOST / HTTP/1.1\r\n" + twoLengths,
		"a method like HTTP/2":   "PRI /x HTTP/1.1\r\n" + twoLengths,
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			inHouse(t, plan{routes: `a: * -> "http://a";`, server: ServerOptions{H2C: true}, behind: map[string]http.Handler{
				"a": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked++ }),
			}}, func(t *testing.T, h *house) {
				w := h.dial().send(sent + next)
				defer w.Close()
				require.Equal(t, 1, strings.Count(w.rest(), "HTTP/1.1 "), "RULE P2: the rest of the connection was read without the guard")
				require.Zero(t, asked, "RULE P2: the upstream got what was behind it") // OPTIONS * its own server answers
			})
		})
	}
}

func TestHTTPItselfIsNoProtocolToUpgradeTo(t *testing.T) {
	inHouse(t, plan{routes: `a: * -> "http://a";`, behind: map[string]http.Handler{"a": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Header.Get("Upgrade")+"|"+r.Header.Get("Connection")+"|"+r.Header.Get("Http2-Settings"))
	})}}, func(t *testing.T, h *house) {
		for _, protocol := range []string{"h2c", "H2C", "TLS/1.3, HTTP/2.0"} {
			w := h.dial().send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\nUpgrade: " + protocol + "\r\n\r\n")
			res, body := w.answer("GET")
			require.Equal(t, 200, res.StatusCode)
			require.Equal(t, "||", body, "RULE P2: a client could speak to the upstream behind the gateway's back")
			w.Close()
		}
	})
}

func TestSwitchNobodyAskedForIsRefused(t *testing.T) {
	inHouse(t, plan{routes: `a: * -> "http://a";`}, func(t *testing.T, h *house) {
		h.rawServer("a", switches)
		res, body := h.get("/")
		require.Equal(t, 502, res.StatusCode)
		require.Contains(t, body, "without being asked")
	})
}

func TestPanicAfterAnUpgradeClosesBothSides(t *testing.T) {
	inHouse(t, plan{routes: `a: * -> bad() -> "http://a";`, filters: []filters.Spec{
		step{name: "bad", response: func(c filters.FilterContext) { panic("x") }},
	}}, func(t *testing.T, h *house) {
		h.rawServer("a", switches)
		w := h.dial().send(asksForEcho)
		require.Contains(t, w.rest(), "500 Internal Server Error")
		w.Close()
		synctest.Wait()
		require.Zero(t, h.behind["a:80"].open.Load(), "RULE P6: the upstream's connection was left open")
	})
}
