package gateway

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestEndpointIsGivenBackWhateverHappens(t *testing.T) {
	for name, c := range map[string]struct {
		call     func(*http.Request) (*http.Response, error)
		status   int
		failures uint64
	}{
		"answer":        {func(*http.Request) (*http.Response, error) { return answer(200, "x"), nil }, 200, 0},
		"no body":       {func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 200}, nil }, 200, 0},
		"not available": {func(*http.Request) (*http.Response, error) { return answer(503, "x"), nil }, 503, 1},
		"error":         {func(*http.Request) (*http.Response, error) { return nil, errors.New("no route to host") }, 502, 1},
		"panic":         {func(*http.Request) (*http.Response, error) { panic("in a transport") }, 500, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Options{})
			w.upstream = c.call
			w.apply(`a: * -> "http://a";`)
			rec := httptest.NewRecorder()
			w.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
			require.Equal(t, c.status, rec.Code)
			s := w.pools.Status()[0]
			require.Zero(t, s.InFlight, "RULE U1: the endpoint was not given back")
			require.Equal(t, c.failures, s.Failures, "RULE U3: who is to blame")
		})
	}
}

func TestFullUpstreamIsToldToTheClient(t *testing.T) {
	release := make(chan bool)
	inHouse(t, plan{routes: `a: * -> maxConcurrent(1) -> "http://a";`, behind: map[string]http.Handler{"a": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-release
	})}}, func(t *testing.T, h *house) {
		release = make(chan bool)
		first := h.dial().send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		synctest.Wait()
		res, body := h.get("/")
		close(release)
		require.Equal(t, "503 Service Unavailable: route a: the upstream takes no requests now\n", body)
		require.Equal(t, 503, res.StatusCode)
		require.Zero(t, h.gw.pools.Status()[0].Failures, "RULE U3: what was never sent has failed")
		first.answer("GET")
		first.Close()
	})
}
