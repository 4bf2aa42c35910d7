package gateway

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The limits of a server are for each piece; those of a route are for all of them, and hold beside them.
func TestTimeoutsOfARouteHoldBesideThoseOfPieces(t *testing.T) {
	try := func(routes string, test func(t *testing.T, h *house)) {
		inHouse(t, plan{routes: routes, behind: map[string]http.Handler{"a": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			time.Sleep(2 * time.Second)
			io.WriteString(w, strings.Repeat("x", 10*streamSize))
		})}}, func(t *testing.T, h *house) {
			defer time.Sleep(time.Minute) // until all have ended
			test(t, h)
		})
	}
	try(`a: * -> readTimeout("5s") -> "http://a";`, func(t *testing.T, h *house) {
		start, w := time.Now(), h.dial().send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n")
		defer w.Close()
		go func() {
			for range 9 {
				time.Sleep(time.Second)
				io.WriteString(w.Conn, "x")
			}
		}()
		require.Contains(t, w.rest(), "408 Request Timeout")
		require.Equal(t, 5*time.Second, time.Since(start), "RULE P8: a body that comes by pieces, under readTimeout")
	})
	try(`a: * -> readTimeout("1s") -> "http://a";`, func(t *testing.T, h *house) {
		w := h.dial().send("GET / HTTP/1.0\r\nHost: a\r\n\r\n")
		defer w.Close()
		require.Contains(t, w.rest(), "200 OK", "RULE P4: readTimeout of a request that has no body is taken for a client that left")
	})
	try(`a: * -> writeTimeout("5s") -> "http://a";`, func(t *testing.T, h *house) {
		start, w := time.Now(), h.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		defer w.Close()
		for n, piece := 0, make([]byte, streamSize/4); ; time.Sleep(time.Second) {
			m, err := w.r.Read(piece)
			if n += m; err != nil {
				require.Less(t, n, 10*streamSize)
				break
			}
		}
		require.Less(t, time.Since(start), 20*time.Second, "RULE P8: a client that takes an answer by pieces, under writeTimeout")
	})
}

func TestReadTimeoutHoldsInHTTP2(t *testing.T) {
	inHouse(t, plan{routes: `a: * -> readTimeout("5s") -> "http://a";`, server: ServerOptions{H2C: true}, behind: map[string]http.Handler{
		"a": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }),
	}}, func(t *testing.T, h *house) {
		defer time.Sleep(time.Minute) // until all have ended
		tr := h.client.Transport.(*http.Transport)
		tr.Protocols = new(http.Protocols)
		tr.Protocols.SetUnencryptedHTTP2(true)
		body, pieces := io.Pipe()
		defer body.Close()
		go func() {
			for range 9 {
				if _, err := io.WriteString(pieces, "x"); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
			pieces.Close()
		}()
		start := time.Now()
		res, err := h.client.Post("http://front.example/", "text/plain", body)
		if err == nil {
			res.Body.Close()
			require.Equal(t, 408, res.StatusCode, "RULE P8: a body of HTTP/2 that comes by pieces, under readTimeout")
		}
		require.Equal(t, 5*time.Second, time.Since(start), "RULE P8: a body of HTTP/2 that comes by pieces, under readTimeout")
	})
}
