package gateway

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// smuggled are requests whose end two parsers could see in different places, by class.
var smuggled = map[string]string{
	"both lengths":                   "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"both lengths, reversed":         "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
	"tab before chunked":             "Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n",
	"chunked twice":                  "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
	"chunked in two fields":          "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"chunked and another":            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
	"another coding":                 "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
	"chunked in quotes":              "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
	"vertical tab before chunked":    "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n",
	"space before the colon":         "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
	"folded coding":                  "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
	"folded field":                   "X-A: 1\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"first line of a header folded":  " X-A: 1\r\n\r\n",
	"hidden behind a LF":             "X-A: 1\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"LF after chunked":               "Transfer-Encoding: chunked\n\r\n0\r\n\r\n",
	"LF ends the header":             "Content-Length: 4\r\n\n0\r\n\r\n",
	"CR in a value":                  "X-A: 1\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"NUL in a value":                 "X-A: 1\x00\r\n\r\n",
	"NUL in a name":                  "X-A\x00: 1\r\n\r\n",
	"no colon":                       "Transfer-Encoding chunked\r\n\r\n",
	"underscore":                     "Transfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
	"underscore in the length":       "Content_Length: 5\r\n\r\n0\r\n\r\n",
	"empty length":                   "Content-Length: \r\n\r\n0\r\n\r\n",
	"signed length":                  "Content-Length: +5\r\n\r\n0\r\n\r\n",
	"negative length":                "Content-Length: -5\r\n\r\n0\r\n\r\n",
	"hexadecimal length":             "Content-Length: 0x5\r\n\r\n0\r\n\r\n",
	"list of lengths":                "Content-Length: 5, 5\r\n\r\n0\r\n\r\n",
	"two lengths":                    "Content-Length: 5\r\nContent-Length: 6\r\n\r\n0\r\n\r\n",
	"a length twice":                 "Content-Length: 5\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
	"huge length":                    "Content-Length: 99999999999999999999\r\n\r\n0\r\n\r\n",
	"signed chunk size":              "Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n",
	"chunk size with 0x":             "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
	"chunk size with an underscore":  "Transfer-Encoding: chunked\r\n\r\n0_5\r\nhello\r\n0\r\n\r\n",
	"empty chunk size":               "Transfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n",
	"extension without a chunk size": "Transfer-Encoding: chunked\r\n\r\n;a=b\r\nhello\r\n0\r\n\r\n",
	"space before the chunk size":    "Transfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n",
	"huge chunk size":                "Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n",
	"LF after a chunk size":          "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
	"LF in a chunk extension":        "Transfer-Encoding: chunked\r\n\r\n5;\nhello\r\n0\r\n\r\n",
	"CR in a chunk extension":        "Transfer-Encoding: chunked\r\n\r\n5;\rx\r\nhello\r\n0\r\n\r\n",
	"no CRLF after a chunk":          "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n",
	"LF after the last chunk":        "Transfer-Encoding: chunked\r\n\r\n0\n\r\n",
	"folded trailer":                 "Transfer-Encoding: chunked\r\n\r\n0\r\nX: 1\r\n y\r\n\r\n",
}

// next would be smuggled in: what one parser takes for the body of the request before.
const next = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

func TestSmuggledRequestsAreRefused(t *testing.T) {
	payloads := map[string]string{"chunked in HTTP/1.0": "POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"two hosts": "POST / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "no host": "GET / HTTP/1.1\r\n\r\n", "half of HTTP/2": "PRI * HTTP/2.0\r\n\r\n"}
	for class, rest := range smuggled {
		payloads[class] = "POST / HTTP/1.1\r\nHost: a\r\n" + rest
	}
	for class, payload := range payloads {
		t.Run(class, func(t *testing.T) {
			var whole []string
			inHouse(t, plan{routes: `a: * -> "http://a";`, behind: map[string]http.Handler{"a": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if _, err := io.Copy(io.Discard, r.Body); err == nil {
					whole = append(whole, r.Method+" "+r.URL.Path)
				}
			})}}, func(t *testing.T, h *house) {
				w := h.dial().send(payload + next)
				defer w.Close()
				got := w.rest() // ends: the connection is closed
				require.Regexp(t, "^HTTP/1.1 (400|501) ", got, "RULE P2: %s was not refused", class)
				require.Equal(t, 1, strings.Count(got, "HTTP/1.1 "), "RULE P2: what came after %s was answered", class)
				require.Empty(t, whole, "RULE P2: the upstream got what two parsers read differently (%s)", class)
			})
		})
	}
}

func TestGoodRequestsPassTheGuard(t *testing.T) {
	inHouse(t, plan{routes: `a: * -> "http://a";`, behind: map[string]http.Handler{"a": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.URL.Path)
		io.Copy(w, r.Body)
	})}}, func(t *testing.T, h *house) {
		w := h.dial()
		defer w.Close()
		go w.send(goodRequests)
		for _, want := range []string{"/1", "/2hello", "/3hello", "/4hello, world", "/5", "/6"} {
			_, body := w.answer("POST")
			require.Equal(t, want, body)
		}
	})
}

const goodRequests = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n" +
	"POST /2 HTTP/1.1\r\nHost: a\r\ncontent-length:5\r\n\r\nhello" +
	"POST /3 HTTP/1.1\r\nHost: a\r\ntransfer-encoding:  Chunked\r\n\r\n5;x=\"y z\"\r\nhello\r\n0\r\n\r\n" +
	"POST /4 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nX-Long: " + long + "\r\n\r\n7\r\nhello, \r\n005\r\nworld\r\n0\r\nX-T: 1\r\n\r\n" +
	"POST /5 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nX-A:\r\n\r\nGET /6 HTTP/1.1\r\nHost: a\r\n\r\n"

const long = "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789"

// The guard sees the same whatever pieces a message comes in.
func TestGuardDoesNotDependOnPieces(t *testing.T) {
	check := func(name, text string, refusedWanted bool) {
		for size := 1; size < 40; size++ {
			c := &guardedConn{Conn: pieces{from: strings.NewReader(text), size: size}, max: 4096}
			var passed bytes.Buffer
			_, err := io.Copy(&passed, struct{ io.Reader }{c})
			require.NoError(t, err)
			require.Equal(t, refusedWanted, c.state == refused, "RULE P2: %s in pieces of %d", name, size)
			if refusedWanted {
				text := strings.TrimSuffix(passed.String(), notHTTP)
				require.True(t, strings.HasPrefix("POST / HTTP/1.1\r\nHost: a\r\n"+smuggled[name], text))
			} else {
				require.Equal(t, text, passed.String(), "pieces of %d", size)
			}
		}
	}
	check("good", goodRequests, false)
	netHTTPs := map[string]bool{ // refuses these itself
		"space before the colon": true, "CR in a value": true, "NUL in a value": true, "NUL in a name": true, "no colon": true, "no CRLF after a chunk": true,
	}
	for name, rest := range smuggled {
		if !netHTTPs[name] {
			check(name, "POST / HTTP/1.1\r\nHost: a\r\n"+rest, true)
		}
	}
}

// pieces is a connection from which only so much comes at a time.
type pieces struct {
	net.Conn
	from io.Reader
	size int
}

func (p pieces) Read(b []byte) (int, error) { return p.from.Read(b[:min(len(b), p.size)]) }

// FuzzGuard compares the guard with net/http: what both let through has the same requests in it, and what the
// guard takes for the end of a message is one.
func FuzzGuard(f *testing.F) {
	f.Add([]byte(goodRequests))
	for _, rest := range smuggled {
		f.Add([]byte("POST / HTTP/1.1\r\nHost: a\r\n" + rest + next))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &guardedConn{Conn: pieces{from: bytes.NewReader(data), size: 1 << 20}, max: 1 << 20}
		r := bufio.NewReaderSize(c, 16)
		for {
			req, err := http.ReadRequest(r)
			if err != nil || c.state == open {
				return
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				return
			}
			// All of the message is read, and r may have read on; then the guard is past it.
			if r.Buffered() == 0 && c.state != refused {
				require.Equal(t, atRequestLine, c.state, "RULE P2: the guard is in the middle of something where net/http sees an end")
			}
		}
	})
}
