package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
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

func TestRequestIsSentUpstreamAndAnswered(t *testing.T) {
	inHouse(t, plan{
		routes: `shop: Path("/shop/:item") -> "http://shop"; rest: * -> <shunt>;`,
		behind: map[string]http.Handler{"shop": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("X-Seen", r.Method+" "+r.RequestURI+" "+r.Host)
			w.WriteHeader(http.StatusCreated)
			io.WriteString(w, "got "+string(body))
		})},
	}, func(t *testing.T, h *house) {
		res, body := h.do("POST", "/shop/a%2Fb?x=1&y=%20", strings.NewReader("an order"))
		require.Equal(t, http.StatusCreated, res.StatusCode)
		require.Equal(t, "got an order", body)
		require.Equal(t, "POST /shop/a%2Fb?x=1&y=%20 shop:80", res.Header.Get("X-Seen"), "RULE M2: what is matched is what is forwarded")

		res, body = h.get("/elsewhere")
		require.Equal(t, http.StatusNotFound, res.StatusCode)
		require.Equal(t, "404 Not Found: route rest: no filter has answered\n", body)
	})
}

func TestPathIsForwardedAsItWasMatched(t *testing.T) {
	inHouse(t, plan{
		routes: `open: PathSubtree("/open") -> "http://a"; secret: PathSubtree("/secret") -> <shunt>;`,
		behind: map[string]http.Handler{"a": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.RequestURI) })},
	}, func(t *testing.T, h *house) {
		for sent, seen := range map[string]string{"/open/./x": "/open/x", "/open//x": "/open/x", "/open/a%2Fb": "/open/a%2Fb"} {
			_, body := h.get(sent)
			require.Equal(t, seen, body, "RULE M2: %s", sent)
		}
		for _, sent := range []string{"/open/../secret", "/open/%2e%2e/secret"} {
			w := h.dial().send("GET " + sent + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
			res, body := w.answer("GET")
			require.Equal(t, 404, res.StatusCode)
			require.Contains(t, body, "route secret", "RULE M2: %s", sent)
			w.Close()
		}
		for _, sent := range []string{"/open/%00", `/open/\x`, "/open/%5c"} {
			w := h.dial().send("GET " + sent + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
			res, _ := w.answer("GET")
			require.Equal(t, 400, res.StatusCode, "RULE M2: %s", sent)
			w.Close()
		}
	})
}

// tracer writes down what it sees, in and out.
func tracer(name string, log *[]string) step {
	return step{name: name,
		request:  func(c filters.FilterContext) { *log = append(*log, name+">"+c.RouteID()) },
		response: func(c filters.FilterContext) { *log = append(*log, name+"<"+c.RouteID()) },
	}
}

func TestAnswersPassFiltersInReverseAndOnlyThoseEntered(t *testing.T) {
	var log []string
	answers := step{name: "answers", request: func(c filters.FilterContext) { c.Serve(&http.Response{StatusCode: 201}) }}
	answers.response = func(filters.FilterContext) { log = append(log, "answers<") }
	inHouse(t, plan{
		routes: `all: Path("/all") -> one() -> two() -> three() -> "http://a";
		         short: Path("/short") -> one() -> answers() -> two() -> "http://a";
		         again: Path("/again") -> one() -> move() -> <loopback>;
		         fails: Path("/fails") -> one() -> two() -> "http://nowhere";`,
		behind: map[string]http.Handler{"a": says("a")},
		filters: []filters.Spec{tracer("one", &log), tracer("two", &log), tracer("three", &log), answers,
			step{name: "move", request: func(c filters.FilterContext) { c.Request().URL.Path = "/all" }}},
	}, func(t *testing.T, h *house) {
		for _, c := range []struct {
			path   string
			status int
			want   string
		}{
			{"/all", 200, "one>all two>all three>all three<all two<all one<all"},
			{"/short", 201, "one>short answers< one<short"},
			{"/again", 200, "one>again one>all two>all three>all three<all two<all one<all one<again"},
			{"/fails", 502, "one>fails two>fails two<fails one<fails"},
		} {
			log = nil
			res, _ := h.get(c.path)
			require.Equal(t, c.status, res.StatusCode)
			require.Equal(t, c.want, strings.Join(log, " "), "RULE F1: filters of %s", c.path)
		}
	})
}

func TestPanicOfAFilterCostsOneRequest(t *testing.T) {
	var log []string
	boom := func(filters.FilterContext) { panic("boom at 10.0.0.1") }
	inHouse(t, plan{
		routes: `in: Path("/in") -> one() -> panicsIn() -> two() -> "http://a";
		         out: Path("/out") -> one() -> panicsOut() -> "http://a";
		         around: Path("/around") -> one() -> panicsAround() -> "http://a";
		         body: Path("/body") -> panicsInBody() -> "http://a";
		         fine: Path("/fine") -> "http://a";`,
		behind: map[string]http.Handler{"a": says("a")},
		filters: []filters.Spec{tracer("one", &log), tracer("two", &log),
			step{name: "panicsIn", request: boom}, step{name: "panicsOut", response: boom},
			step{name: "panicsAround", wrap: func(next filters.RoundTrip) filters.RoundTrip {
				return func(c filters.FilterContext) (*http.Response, error) { next(c); panic("around") }
			}},
			step{name: "panicsInBody", response: func(c filters.FilterContext) { c.Response().Body = panicReader{} }},
		},
	}, func(t *testing.T, h *house) {
		w := h.dial()
		defer w.Close()
		for _, path := range []string{"in", "out", "around"} {
			log = nil
			res, body := w.send("GET /"+path+" HTTP/1.1\r\nHost: a\r\n\r\n").answer("GET", "RULE F2: more than the request was lost")
			require.Equal(t, 500, res.StatusCode, "RULE F2: a filter panicked (%s)", path)
			require.Equal(t, "500 Internal Server Error: route "+path+": a filter failed\n", body)
			require.Equal(t, "one>"+path+" one<"+path, strings.Join(log, " "), "RULE F2: the other filters see the answer (%s)", path)
		}
		res, body := w.send("GET /fine HTTP/1.1\r\nHost: a\r\n\r\n").answer("GET")
		require.Equal(t, "200 a", res.Status[:3]+" "+body, "RULE F2: the connection goes on")
		require.Equal(t, 3, strings.Count(h.log.String(), "a filter panicked"))

		w.send("GET /body HTTP/1.1\r\nHost: a\r\n\r\n")
		require.NotContains(t, w.rest(), "0\r\n\r\n", "RULE P7: an answer that broke off looks whole")
	})
}

type panicReader struct{}

func (panicReader) Read([]byte) (int, error) { panic("in the body") }
func (panicReader) Close() error             { return nil }

func TestLoopbackIsBounded(t *testing.T) {
	inHouse(t, plan{routes: `all: * -> <loopback>;`, gateway: Options{MaxLoopbacks: 3}}, func(t *testing.T, h *house) {
		res, body := h.get("/")
		require.Equal(t, http.StatusLoopDetected, res.StatusCode)
		require.Equal(t, "508 Loop Detected: route all: too many rounds of <loopback>\n", body)
	})
}

func TestDynamicBackendIsWhereAFilterSays(t *testing.T) {
	to := func(f func(filters.FilterContext)) step { return step{name: "to", request: f} }
	for name, f := range map[string]func(filters.FilterContext){
		"url":   func(c filters.FilterContext) { c.StateBag()[filters.DynamicURL] = "http://b" },
		"parts": func(c filters.FilterContext) { c.StateBag()[filters.DynamicHost] = "b" },
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, plan{
				routes: `to: Path("/to") -> to() -> <dynamic>; not: Path("/not") -> <dynamic>;`,
				behind: map[string]http.Handler{"b": says("b")}, filters: []filters.Spec{to(f)},
			}, func(t *testing.T, h *house) {
				_, body := h.get("/to")
				require.Equal(t, "b", body)
				res, body := h.get("/not")
				require.Equal(t, "502 Bad Gateway: route not: no filter says where to go\n", body)
				require.Equal(t, 502, res.StatusCode)
				w := h.dial().send("GET http://b/not HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n")
				res, _ = w.answer("GET")
				require.Equal(t, 502, res.StatusCode, "RULE M2: a client has chosen the backend")
				w.Close()
			})
		})
	}
}

func TestErrorsSayWhoseFaultItIsAndNoAddress(t *testing.T) {
	failing := func(name string, err error) step {
		return step{name: name, wrap: func(filters.RoundTrip) filters.RoundTrip {
			return func(filters.FilterContext) (*http.Response, error) { return nil, err }
		}}
	}
	inHouse(t, plan{
		routes: `dead: Path("/dead") -> "http://10.0.0.7";
		         slow: Path("/slow") -> late() -> "http://10.0.0.7";
		         open: Path("/open") -> breaker() -> "http://10.0.0.7";`,
		filters: []filters.Spec{failing("late", context.DeadlineExceeded),
			failing("breaker", &filters.Error{Status: 503, Reason: "10.0.0.7 is open", Local: true, RetryAfter: 1500 * time.Millisecond, Err: errors.New("x")})},
	}, func(t *testing.T, h *house) {
		for path, want := range map[string]string{
			"/dead": "502 Bad Gateway: route dead: the upstream gave no answer\n",
			"/slow": "504 Gateway Timeout: route slow: the upstream took too long\n",
			"/open": "503 Service Unavailable: route open: the upstream takes no requests now\n",
			"/none": "404 Not Found: no route\n",
		} {
			res, body := h.get(path)
			require.Equal(t, want, body)
			require.Equal(t, want[:3], res.Status[:3])
			if path == "/open" {
				require.Equal(t, "2", res.Header.Get("Retry-After"))
			}
		}
	})
}

func TestEveryBodyIsClosed(t *testing.T) {
	another := func() *http.Response {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("x"))}
	}
	inHouse(t, plan{
		routes: `serve: Path("/serve") -> serves() -> "http://a"; swap: Path("/swap") -> swaps() -> "http://a";
		         panics: Path("/panics") -> panics() -> "http://a"; abort: Path("/abort") -> aborts() -> "http://a"; plain: * -> "http://a";`,
		behind: map[string]http.Handler{"a": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/304" {
				w.WriteHeader(304)
				return
			}
			io.WriteString(w, strings.Repeat("a", 10_000))
		})},
		filters: []filters.Spec{
			step{name: "serves", response: func(c filters.FilterContext) { c.Serve(another()) }},
			step{name: "swaps", response: func(c filters.FilterContext) { c.Response().Body = another().Body }},
			step{name: "panics", response: func(filters.FilterContext) { panic("x") }},
			step{name: "aborts", response: func(filters.FilterContext) { panic(http.ErrAbortHandler) }},
		},
	}, func(t *testing.T, h *house) {
		for _, path := range []string{"/serve", "/swap", "/panics", "/plain", "/304"} {
			h.get(path)
			require.Zero(t, h.bodies.Load(), "RULE P6: the upstream's body after %s", path)
		}
		h.do("HEAD", "/plain", nil)
		_, err := h.client.Get("http://front.example/abort")
		require.Error(t, err)
		synctest.Wait()
		require.Zero(t, h.bodies.Load(), "RULE P6: the upstream's body after an abort")
	})
}

// Whoever has put something around a request's body, as tee does, hears of its end also if nobody has read it.
func TestBodyThatIsNotSentIsClosedToo(t *testing.T) {
	shadows := 0
	inHouse(t, plan{
		routes: `a: * -> tee("http://shadow") -> retry(1) -> sometimes() -> "http://a";`,
		behind: map[string]http.Handler{"a": says("a"), "shadow": http.HandlerFunc(func(http.ResponseWriter, *http.Request) { shadows++ })},
		filters: []filters.Spec{step{name: "sometimes",
			request: func(c filters.FilterContext) {
				if c.Request().URL.Path == "/answered" {
					c.Serve(&http.Response{StatusCode: 429})
				}
			},
			wrap: func(next filters.RoundTrip) filters.RoundTrip {
				return func(c filters.FilterContext) (*http.Response, error) {
					if c.Request().URL.Path == "/rejected" {
						return nil, &filters.Error{Status: 503, Local: true}
					}
					return next(c)
				}
			},
		}},
	}, func(t *testing.T, h *house) {
		for range 64 {
			h.do("POST", "/answered", strings.NewReader("hello"))
			h.do("POST", "/rejected", strings.NewReader("hello"))
			h.do("PUT", "/rejected", io.MultiReader(strings.NewReader("hello")))
		}
		h.do("POST", "/sent", strings.NewReader("hello"))
		synctest.Wait()
		require.Equal(t, 1, shadows, "RULE P6: bodies that nobody has read were left open, and keep all places that tee has")
	})
}

func TestLengthFollowsABodyThatAFilterHasReplaced(t *testing.T) {
	replace := func(length int64) func(filters.FilterContext) {
		return func(c filters.FilterContext) {
			c.Response().Body = io.NopCloser(strings.NewReader("longer than it was"))
			if length != 0 {
				c.Response().ContentLength = length
			}
		}
	}
	inHouse(t, plan{
		routes:  `silent: Path("/silent") -> silent() -> "http://a"; says: Path("/says") -> says() -> "http://a";`,
		behind:  map[string]http.Handler{"a": says("short")},
		filters: []filters.Spec{step{name: "silent", response: replace(0)}, step{name: "says", response: replace(18)}},
	}, func(t *testing.T, h *house) {
		for _, path := range []string{"/silent", "/says"} {
			res, body := h.get(path)
			require.Equal(t, "longer than it was", body, "RULE P7: cut to a length that was another body's")
			require.EqualValues(t, 18, res.ContentLength)
		}
	})
}

func TestRetryWaitsForNoAnswerThatNobodyGets(t *testing.T) {
	inHouse(t, plan{routes: `a: * -> retry(1, 1, 0) -> <roundRobin, "http://hangs", "http://b">;`, behind: map[string]http.Handler{"b": says("b")}}, func(t *testing.T, h *house) {
		h.rawServer("hangs", func(_ *http.Request, _ *bufio.Reader, c net.Conn) {
			io.WriteString(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 10\r\n\r\nhalf")
		})
		for range 2 {
			w := h.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			start := time.Now()
			_, body := w.answer("GET", "RULE F4: a retry waits for the end of an answer that nobody gets")
			require.Equal(t, "b", body)
			require.Less(t, time.Since(start), time.Second)
			w.Close()
		}
	})
}

func TestRetryGoesToAnotherEndpoint(t *testing.T) {
	inHouse(t, plan{
		routes: `a: * -> retry(1) -> <consistentHash, "http://dead", "http://alive">;`,
		behind: map[string]http.Handler{"alive": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })},
	}, func(t *testing.T, h *house) {
		for i := range 8 { // of which some have the dead one for their first
			h.front.peer = fmt.Sprintf("192.0.2.%d:1", i)
			h.client.CloseIdleConnections()
			res, body := h.do("PUT", "/", strings.NewReader("once"))
			require.Equal(t, "200 once", res.Status[:3]+" "+body, "RULE F4: the endpoint that has failed was asked again")
		}
	})
}
