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
)

func TestStreamsPassAtOnce(t *testing.T) {
	for name, header := range map[string][2]string{
		"unknown length": {"X-Any", "1"},
		"events":         {"Content-Type", "text/event-stream; charset=utf-8"},
		"grpc":           {"Content-Type", "application/grpc+proto"},
	} {
		t.Run(name, func(t *testing.T) {
			next := make(chan string)
			stream := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set(header[0], header[1])
				if name != "unknown length" {
					w.Header().Set("Content-Length", "6") // as if it were known: what counts is what it is
				}
				http.NewResponseController(w).Flush()
				for piece := range next {
					io.WriteString(w, piece)
					http.NewResponseController(w).Flush()
				}
			})
			inHouse(t, plan{routes: `a: * -> "http://a";`, behind: map[string]http.Handler{"a": stream}}, func(t *testing.T, h *house) {
				next = make(chan string) // of this bubble
				defer close(next)
				w := h.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				defer w.Close()
				synctest.Wait()
				require.Positive(t, len(w.received()), "RULE P3: the header waits for the first piece")
				res, err := http.ReadResponse(w.r, &http.Request{Method: "GET"})
				require.NoError(t, err)
				for _, piece := range []string{"one", "two"} {
					next <- piece
					synctest.Wait()
					got := make([]byte, 3)
					w.SetReadDeadline(time.Now().Add(time.Millisecond)) // what is not there now is late
					_, err = io.ReadFull(res.Body, got)
					require.NoError(t, err, "RULE P3: a piece of a stream was held back")
					require.Equal(t, piece, string(got))
				}
			})
		})
	}
}

// received is what has come and was not read yet.
func (w *wire) received() []byte {
	in := w.Conn.(*memoryConn).in
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.buf
}

func TestBrokenAnswerIsSeenAsBroken(t *testing.T) {
	for name, sent := range map[string]string{
		"length": "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
		"chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, plan{routes: `a: * -> "http://a";`}, func(t *testing.T, h *house) {
				h.rawServer("a", func(_ *http.Request, _ *bufio.Reader, c net.Conn) {
					io.WriteString(c, sent)
					c.Close()
				})
				res, err := h.client.Get("http://front.example/")
				if err == nil {
					_, err = io.ReadAll(res.Body)
					res.Body.Close()
				}
				require.Error(t, err, "RULE P7: half an answer was taken for a whole one")
				require.EqualValues(t, 1, h.gw.pools.Status()[0].Failures, "an answer that breaks off is a failure of the upstream")
			})
		})
	}
}

func TestClientWhoGoesAwayTakesItsUpstreamRequestWithIt(t *testing.T) {
	for name, begun := range map[string]bool{"before the answer": false, "during the answer": true} {
		t.Run(name, func(t *testing.T) {
			ended := false
			slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if begun {
					http.NewResponseController(w).Flush()
				}
				<-r.Context().Done()
				ended = true
			})
			inHouse(t, plan{routes: `a: * -> "http://a";`, behind: map[string]http.Handler{"a": slow}}, func(t *testing.T, h *house) {
				w := h.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				synctest.Wait()
				require.False(t, ended)
				w.Close()
				synctest.Wait()
				require.True(t, ended, "RULE P4: the upstream goes on working for nobody")
				require.Zero(t, h.gw.pools.Status()[0].Failures, "RULE P4: that a client went away is no failure of the upstream")
				require.Zero(t, h.gw.inFlight.Load())
			})
		})
	}
}

func TestHalfClosedClientGetsNoEmptyAnswer(t *testing.T) {
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	inHouse(t, plan{routes: `a: * -> "http://a";`, behind: map[string]http.Handler{"a": slow}}, func(t *testing.T, h *house) {
		w := h.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		defer w.Close()
		w.Conn.(*memoryConn).CloseWrite()
		require.Empty(t, w.rest(), "RULE P7: an answer that nobody gave")
	})
}

func TestExpectContinueWaitsForTheUpstream(t *testing.T) {
	for name, reads := range map[string]bool{"wanted": true, "refused": false} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, plan{routes: `a: * -> "http://a";`, behind: map[string]http.Handler{"a": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !reads {
					w.WriteHeader(http.StatusRequestEntityTooLarge)
					return
				}
				w.Header().Set("Link", "x")
				w.WriteHeader(http.StatusEarlyHints)
				io.Copy(w, r.Body)
			})}}, func(t *testing.T, h *house) {
				w := h.dial().send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
				defer w.Close()
				if !reads {
					res, _ := w.answer("POST")
					require.Equal(t, http.StatusRequestEntityTooLarge, res.StatusCode, "RULE P3: the client was told to send what nobody wants")
					return
				}
				for _, want := range []int{100, 103} {
					res, _ := w.answer("POST")
					require.Equal(t, want, res.StatusCode)
				}
				w.send("body")
				for {
					if res, body := w.answer("POST"); res.StatusCode != 100 {
						require.Equal(t, "200 body", res.Status[:3]+" "+body)
						return
					}
				}
			})
		})
	}
}

func TestAnswersWithoutABody(t *testing.T) {
	inHouse(t, plan{routes: `a: * -> "http://a";`, behind: map[string]http.Handler{"a": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", "x")
		switch r.URL.Path {
		case "/204":
			w.WriteHeader(204)
		case "/304":
			w.WriteHeader(304)
		default:
			w.Header().Set("Content-Length", "5")
			io.WriteString(w, "hello")
		}
	})}}, func(t *testing.T, h *house) {
		w := h.dial()
		defer w.Close()
		for range 2 { // what is left over would be taken for the next answer
			for _, c := range []struct {
				method, path string
				status       int
				length       int64
			}{{"HEAD", "/", 200, 5}, {"GET", "/204", 204, 0}, {"GET", "/304", 304, 0}, {"GET", "/", 200, 5}} {
				res, body := w.send(c.method + " " + c.path + " HTTP/1.1\r\nHost: a\r\n\r\n").answer(c.method)
				require.Equal(t, c.status, res.StatusCode)
				require.Equal(t, c.length, res.ContentLength)
				require.Equal(t, c.method == "GET" && c.status == 200, body == "hello")
				require.Equal(t, "x", res.Header.Get("ETag"))
			}
		}
	})
}

func TestBodiesGoThroughUnbuffered(t *testing.T) {
	got := make(chan string, 1)
	inHouse(t, plan{routes: `a: * -> "http://a";`, behind: map[string]http.Handler{"a": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		piece := make([]byte, 5)
		io.ReadFull(r.Body, piece)
		got <- string(piece)
		io.Copy(w, r.Body)
	})}}, func(t *testing.T, h *house) {
		got = make(chan string, 1)
		w := h.dial().send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
		defer w.Close()
		require.Equal(t, "first", <-got, "RULE P3: a piece of a request was held back")
		_, body := w.send("6\r\nsecond\r\n0\r\n\r\n").answer("POST")
		require.Equal(t, "second", body)
	})
}

func TestEarlyAnswerDoesNotWaitForTheBody(t *testing.T) {
	inHouse(t, plan{routes: `a: * -> "http://a";`}, func(t *testing.T, h *house) {
		h.rawServer("a", func(_ *http.Request, _ *bufio.Reader, c net.Conn) {
			io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
		})
		w := h.dial().send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
		start := time.Now()
		res, _ := w.answer("POST")
		require.Equal(t, http.StatusForbidden, res.StatusCode)
		require.Less(t, time.Since(start), time.Second, "RULE P3: the answer waited for the rest of the body")
		w.Close()
	})
}

func TestBodyThatBreaksOffIsNoFailureOfTheUpstream(t *testing.T) {
	inHouse(t, plan{routes: `a: * -> "http://a";`, behind: map[string]http.Handler{"a": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
	})}}, func(t *testing.T, h *house) {
		w := h.dial().send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n+5\r\n")
		defer w.Close()
		got := w.rest()
		require.True(t, strings.HasPrefix(got, "HTTP/1.1 400 "), "RULE P2: %q", got)
		require.Contains(t, got, "Connection: close\r\n")
		require.Contains(t, got, "route a: the request's body is broken")
		require.Zero(t, h.gw.pools.Status()[0].Failures, "RULE U3: a client's broken body")
	})
}

func TestEndpointIsBlamedForItsOwnFailuresOnly(t *testing.T) {
	for _, protocol := range []string{"http1", "h2c"} {
		inHouse(t, plan{
			routes: `limit: Path("/limit") -> requestBodyLimit(5) -> consecutiveBreaker(1) -> backendProtocol("PROTOCOL") -> "http://a";
			         hangs: Path("/hangs") -> backendTimeout("5s") -> consecutiveBreaker(1) -> backendProtocol("PROTOCOL") -> "http://b";`,
			behind: map[string]http.Handler{
				"a": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }),
				"b": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
			},
		}.with("PROTOCOL", protocol), func(t *testing.T, h *house) {
			for range 2 {
				res, body := h.do("POST", "/limit", io.MultiReader(strings.NewReader("hello, world")))
				require.Equal(t, 413, res.StatusCode, "RULE U3: a client that sent too much opened the breaker: %s", body)
			}
			res, _ := h.get("/hangs")
			require.Equal(t, 504, res.StatusCode)
			res, _ = h.get("/hangs")
			require.Equal(t, 503, res.StatusCode, "RULE U3: %s: an endpoint that hangs has not failed for the breaker", protocol)
			for _, s := range h.gw.pools.Status() {
				if s.Address == "http://a:80" {
					require.Zero(t, s.Failures, "RULE U3: %s: a client sent too much, and the endpoint is to blame", protocol)
				} else {
					require.EqualValues(t, 1, s.Failures, "RULE U3: %s: an endpoint that hangs has not failed", protocol)
				}
			}
		})
	}
}

func TestRequestIsCanceledWithItsContext(t *testing.T) {
	inHouse(t, plan{routes: `a: * -> "http://a";`, behind: map[string]http.Handler{"a": says("a")}}, func(t *testing.T, h *house) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		req, _ := http.NewRequestWithContext(ctx, "GET", "http://front.example/", nil)
		_, err := h.client.Do(req)
		require.ErrorIs(t, err, context.Canceled)
	})
}

// What gRPC needs: HTTP/2 without TLS on both sides, messages both ways at once, a status in the trailers.
func TestGRPCGoesThrough(t *testing.T) {
	inHouse(t, plan{routes: `a: * -> backendProtocol("h2c") -> "http://a";`, server: ServerOptions{H2C: true},
		behind: map[string]http.Handler{"a": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Trailer", "Grpc-Status")
			http.NewResponseController(w).Flush()
			message := make([]byte, 4)
			for {
				if _, err := io.ReadFull(r.Body, message); err != nil {
					break
				}
				io.WriteString(w, strings.ToUpper(string(message)))
				http.NewResponseController(w).Flush()
			}
			w.Header().Set("Grpc-Status", "0")
			w.Header().Set(http.TrailerPrefix+"Grpc-Message", r.Proto+" "+r.Header.Get("Te"))
		})}}, func(t *testing.T, h *house) {
		tr := h.client.Transport.(*http.Transport)
		tr.Protocols = new(http.Protocols)
		tr.Protocols.SetUnencryptedHTTP2(true)
		messages, write := io.Pipe()
		req, err := http.NewRequest("POST", "http://front.example/pkg.Service/Method", messages)
		require.NoError(t, err)
		req.Header.Set("TE", "trailers")
		req.Header.Set("Content-Type", "application/grpc")
		res, err := h.client.Do(req)
		require.NoError(t, err, "RULE P3: a stream does not begin before its first message")
		require.Equal(t, "HTTP/2.0", res.Proto)
		got := make([]byte, 4)
		for _, message := range []string{"ping", "pong"} {
			io.WriteString(write, message)
			_, err = io.ReadFull(res.Body, got)
			require.NoError(t, err)
			require.Equal(t, strings.ToUpper(message), string(got))
		}
		write.Close()
		_, err = io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Equal(t, http.Header{"Grpc-Status": {"0"}, "Grpc-Message": {"HTTP/2.0 trailers"}}, res.Trailer, "RULE P3: a call without its status")
		res.Body.Close()
	})
}

// A call that fails at once has its status in the header, which is then the last frame: "trailers only".
func TestGRPCStatusWithoutMessagesIsInTheLastFrame(t *testing.T) {
	inHouse(t, plan{routes: `a: * -> backendProtocol("h2c") -> "http://a";`, server: ServerOptions{H2C: true},
		behind: map[string]http.Handler{"a": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Grpc-Status", "5")
			w.Header()["Content-Length"] = nil // net/http's own would say already that nothing comes
		})}}, func(t *testing.T, h *house) {
		tr := h.client.Transport.(*http.Transport)
		tr.Protocols = new(http.Protocols)
		tr.Protocols.SetUnencryptedHTTP2(true)
		res, err := h.client.Post("http://front.example/pkg.Service/Method", "application/grpc", strings.NewReader("ping"))
		require.NoError(t, err)
		defer res.Body.Close()
		require.Equal(t, "5", res.Header.Get("Grpc-Status"))
		require.Zero(t, res.ContentLength, "RULE P3: the header does not end the answer, so that it is no status to a gRPC client")
	})
}

// net/http would read the rest of a body behind an answer, and then break off at the connection's next request.
func TestConnectionOutlivesABodyThatNobodyReads(t *testing.T) {
	const post, get = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
	inHouse(t, plan{routes: `a: Method("POST") -> inlineContent("no") -> <shunt>; b: Method("PUT") -> "http://b"; c: * -> "http://c";`,
		behind: map[string]http.Handler{"c": says("next")}}, func(t *testing.T, h *house) {
		h.rawServer("b", func(_ *http.Request, _ *bufio.Reader, c net.Conn) {
			io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
		})
		w := h.dial().send(post + "hello")
		defer w.Close()
		res, body := w.answer("POST")
		require.Equal(t, "no", body)
		require.False(t, res.Close, "a short body is read away")
		_, err := io.WriteString(w.Conn, get)
		require.NoError(t, err, "RULE P6: a body that nobody has read cut the connection")
		_, body = w.answer("GET", "RULE P6: a body that nobody has read cut the connection")
		require.Equal(t, "next", body)

		for name, request := range map[string]string{
			"long":            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nhalf",
			"of no length":    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
			"half sent":       "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf",
			"not asked for":   "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
			"stopped halfway": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nha",
		} {
			w := h.dial().send(request)
			res, _ := w.answer("POST")
			require.True(t, res.Close, "RULE P6: a connection with a body left on it (%s) ends without a word", name)
			w.Close()
		}
	})
}
