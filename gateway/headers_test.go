package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// seen is an upstream that answers with the header it got, a field a line, sorted.
func seen(w http.ResponseWriter, r *http.Request) { r.Header.Write(w) }

func TestHopByHopFieldsOfARequestStopHere(t *testing.T) {
	inHouse(t, plan{routes: `a: * -> "http://a";`, behind: map[string]http.Handler{"a": http.HandlerFunc(seen)}}, func(t *testing.T, h *house) {
		w := h.dial().send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Hop, x-forwarded-for\r\nConnection: X-Other\r\n" +
			"X-Hop: 1\r\nX-Other: 2\r\nX-End: 3\r\nKeep-Alive: 4\r\nProxy-Connection: 5\r\nProxy-Authorization: 6\r\nProxy-Authenticate: 7\r\n" +
			"TE: trailers;q=0.5, gzip\r\nTrailer: X-T\r\nHTTP2-Settings: 8\r\nX-Forwarded-For: 203.0.113.9\r\nForwarded: for=203.0.113.9\r\nX-Real-Ip: 203.0.113.9\r\n\r\n")
		defer w.Close()
		_, body := w.answer("GET")
		require.Equal(t, "Te: trailers\r\nX-End: 3\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Host: a\r\nX-Forwarded-Port: 80\r\nX-Forwarded-Proto: http\r\n",
			body, "RULE P1: fields between neighbours were passed on, or what the gateway says was taken away")
	})
}

func TestHopByHopFieldsOfAnAnswerStopHere(t *testing.T) {
	inHouse(t, plan{routes: `a: * -> "http://a";`}, func(t *testing.T, h *house) {
		h.rawServer("a", func(_ *http.Request, _ *bufio.Reader, c net.Conn) {
			io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 2\r\nUpgrade: x\r\nLink: </a.css>\r\n\r\n"+
				"HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 2\r\nProxy-Authenticate: 3\r\nUpgrade: h2c\r\nX-End: 4\r\nContent-Length: 2\r\n\r\nok")
		})
		w := h.dial().send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		defer w.Close()
		early, _ := w.answer("GET")
		require.Equal(t, 103, early.StatusCode, "RULE P3: 1xx answers are passed on")
		require.Equal(t, http.Header{"Link": {"</a.css>"}}, early.Header, "RULE P1: fields between neighbours in a 1xx answer")
		res, body := w.answer("GET")
		require.Equal(t, "ok", body)
		res.Header.Del("Date")
		require.Equal(t, http.Header{"X-End": {"4"}, "Content-Length": {"2"}}, res.Header, "RULE P1: fields between neighbours in an answer")
	})
}

func TestInformationalAnswersTakeNothingFromTheFinalOne(t *testing.T) {
	inHouse(t, plan{routes: `a: * -> "http://a";`, behind: map[string]http.Handler{"a": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a.css>")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
	})}}, func(t *testing.T, h *house) {
		h.server.http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // a gateway is a handler, and something may be around it
			w.Header().Set("Strict-Transport-Security", "max-age=1")
			h.gw.ServeHTTP(w, r)
		})
		w := h.dial().send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		defer w.Close()
		early, _ := w.answer("GET")
		require.Equal(t, "</a.css>", early.Header.Get("Link"))
		res, _ := w.answer("GET")
		require.Equal(t, "max-age=1", res.Header.Get("Strict-Transport-Security"), "RULE P3: a 1xx answer takes away what was set for the final one")
		require.Empty(t, res.Header.Get("Link"), "RULE P3: what a 1xx answer said is said again")
	})
}

func TestTrailersPassBothWays(t *testing.T) {
	inHouse(t, plan{routes: `a: * -> "http://a";`, behind: map[string]http.Handler{"a": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Said")
		io.Copy(w, r.Body)
		w.Header().Set("X-Said", fmt.Sprint(r.Trailer))
		w.Header().Set(http.TrailerPrefix+"X-Unsaid", "2")
		w.Header().Set(http.TrailerPrefix+"Connection", "X-Said")
	})}}, func(t *testing.T, h *house) {
		w := h.dial().send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-A\r\nConnection: close\r\n\r\n" +
			"5\r\nhello\r\n0\r\nX-A: 1\r\nX-B: 2\r\nTransfer-Encoding: chunked\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: X-A\r\n\r\n")
		defer w.Close()
		res, body := w.answer("POST")
		require.Equal(t, "hello", body)
		require.Equal(t, http.Header{"X-Said": {"map[X-A:[1] X-B:[2]]"}, "X-Unsaid": {"2"}}, res.Trailer, "RULE P3: trailers")
	})
}

func TestForwardedFieldsOfTrustedProxiesStay(t *testing.T) {
	inHouse(t, plan{
		routes: `a: * -> "http://a";`, behind: map[string]http.Handler{"a": http.HandlerFunc(seen)},
		gateway: Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}},
	}, func(t *testing.T, h *house) {
		_, body := h.get("/", "X-Forwarded-For", "203.0.113.9", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "shop.example", "User-Agent", "")
		require.Contains(t, body, "X-Forwarded-For: 203.0.113.9, 192.0.2.1\r\n")
		require.Contains(t, body, "X-Forwarded-Proto: https\r\n")
		require.Contains(t, body, "X-Forwarded-Host: shop.example\r\n")
		require.NotContains(t, body, "User-Agent", "the gateway has added a name of its own")
	})
}

func TestClientIsWhoTrustedProxiesSay(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, c := range []struct{ remote, forwarded, client string }{
		{"203.0.113.5:1", "", "203.0.113.5"},
		{"203.0.113.5:1", "6.6.6.6", "203.0.113.5"},                   // anybody can write that
		{"10.0.0.1:1", "6.6.6.6, 203.0.113.5", "203.0.113.5"},         // nor what stands before
		{"10.0.0.1:1", "203.0.113.5, 10.0.0.2", "203.0.113.5"},        // two proxies
		{"10.0.0.1:1", "6.6.6.6|203.0.113.5,10.0.0.3", "203.0.113.5"}, // two fields
		{"10.0.0.1:1", "10.0.0.9, 10.0.0.2", "10.0.0.9"},              // all are trusted
		{"10.0.0.1:1", "203.0.113.5, unknown", "10.0.0.1"},            // who is before whom nobody knows is unknown
		{"[fd00::1]:1", "[2001:db8::5]:443", "2001:db8::5"},
		{"[::ffff:10.0.0.1]:1", "203.0.113.5:99", "203.0.113.5"},
		{"[fd00::1%eth0]:1", "203.0.113.5", "203.0.113.5"},
		{"@", "203.0.113.5", ""},
	} {
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{}}
		if c.forwarded != "" {
			r.Header["X-Forwarded-For"] = strings.Split(c.forwarded, "|")
		}
		want, _ := netip.ParseAddr(c.client)
		require.Equal(t, want, peerOf(r, trusted).client, "RULE F6: from %s, which says %q", c.remote, c.forwarded)
	}
}

func TestHostIsTheUpstreamsUnlessItIsPreserved(t *testing.T) {
	host := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) })
	for preserve, want := range map[bool]string{false: "a:80", true: "front.example"} {
		inHouse(t, plan{routes: `a: * -> "http://a";`, behind: map[string]http.Handler{"a": host}, gateway: Options{PreserveHost: preserve}}, func(t *testing.T, h *house) {
			_, body := h.get("/")
			require.Equal(t, want, body)
		})
	}
}
