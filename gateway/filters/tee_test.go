package filters_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/filters/filtertest"
	"github.com/flagship-go/flagship/internal/tries"
)

// shadow is a shadow backend: it notes what it gets, and answers when it is let.
type shadow struct {
	mu     sync.Mutex
	got    []string
	bodies []int
	let    chan struct{} // nil: at once
}

func (s *shadow) upstream() filtertest.UpstreamFunc {
	return func(c filters.FilterContext) (*http.Response, error) {
		r := c.Request()
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.got = append(s.got, r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("X")+" "+string(body[:min(len(body), 20)]))
		s.bodies = append(s.bodies, len(body))
		s.mu.Unlock()
		if s.let != nil {
			select {
			case <-s.let:
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}
		return filtertest.Response(r, 500, "nobody reads this"), nil
	}
}

func count(f filters.Filter, name string) uint64 {
	for _, c := range f.(filters.Reporter).Report().Counts {
		if c.Name == name {
			return c.N
		}
	}
	return 0
}

func TestTeeSendsACopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s shadow
		w := &filtertest.World{Upstreams: map[string]filtertest.UpstreamFunc{"http://shadow:80": s.upstream()}}
		f := in(t, w, "tee", "http://shadow:80/", "^/v1", "/v2")
		for _, body := range []string{"", "hello"} {
			var g got
			x := request("POST", "http://h/v1/a?b=c", body, "X", "y", "Expect", "100-continue")
			x.ID = "alice"
			filtertest.Run(x, g.upstream(200), f)
			require.Equal(t, []string{body}, g.bodies)
			require.Equal(t, "/v1/a", g.requests[0].URL.Path, "the request itself was changed")
			require.Equal(t, 200, x.Response().StatusCode)
		}
		x := request("POST", "http://h/v1/a", "unknown", "X", "y") // chunked
		x.Request().ContentLength = -1
		filtertest.Run(x, filtertest.Upstream(200, ""), f)
		x = request("GET", "http://h/v1/ws", "", "Upgrade", "websocket")
		filtertest.Run(x, filtertest.Upstream(200, ""), f)
		synctest.Wait()
		require.ElementsMatch(t, []string{"POST /v2/a?b=c y ", "POST /v2/a?b=c y hello", "POST /v2/a y unknown"}, s.got)
		require.EqualValues(t, 3, count(f, "sent"))
	})
}

// F5, pitfall 25: a slow shadow slows down nobody, and holds no more than its slots.
func TestTeeIsNeverWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shadow{let: make(chan struct{})}
		w := &filtertest.World{Upstreams: map[string]filtertest.UpstreamFunc{"http://shadow": s.upstream()}}
		f := in(t, w, "teenf", "http://shadow")
		start := time.Now()
		for range 100 {
			x := request("POST", "http://h/", "body")
			filtertest.Run(x, filtertest.Upstream(200, ""), f)
			require.Equal(t, 200, x.Response().StatusCode)
		}
		require.Zero(t, time.Since(start), "RULE F5: a request has waited for its shadow")
		synctest.Wait()
		require.Len(t, s.got, 64, "RULE F5: more shadow requests than there are slots")
		require.EqualValues(t, 36, count(f, "dropped"))
		close(s.let)
		synctest.Wait()
		filtertest.Run(request("GET", "http://h/", ""), filtertest.Upstream(200, ""), f)
		synctest.Wait()
		require.Len(t, s.got, 65, "RULE F5: a slot was not given back")
	})
}

// F5: what is kept of a body is bounded, whatever it says its length is.
func TestTeeKeepsNoLongBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s shadow
		w := &filtertest.World{Upstreams: map[string]filtertest.UpstreamFunc{"http://shadow": s.upstream()}}
		f := in(t, w, "tee", "http://shadow")
		sizes := []int{1 << 20, 1<<20 + 1, 2 << 20}[:tries.Of(3, 2)]
		for _, size := range sizes {
			for _, length := range []int64{int64(size), -1} {
				x := request("POST", "http://h/", strings.Repeat("x", size))
				x.Request().ContentLength = length
				var g got
				filtertest.Run(x, g.upstream(200), f)
				require.Len(t, g.bodies[0], size, "the request itself was cut")
			}
		}
		// One that broke off is none, and one that was not read to its end.
		x := request("POST", "http://h/", "half")
		x.Request().Body = io.NopCloser(io.MultiReader(strings.NewReader("half"), errReader{}))
		filtertest.Run(x, filtertest.Upstream(200, ""), f)
		x = request("POST", "http://h/", "not read")
		filtertest.Run(x, filtertest.UpstreamFunc(func(c filters.FilterContext) (*http.Response, error) {
			c.Request().Body.Close()
			return filtertest.Response(c.Request(), 413, ""), nil
		}), f)
		// One whose length is known, and whose end nobody has looked for.
		x = request("POST", "http://h/", "12345")
		filtertest.Run(x, filtertest.UpstreamFunc(func(c filters.FilterContext) (*http.Response, error) {
			io.ReadFull(c.Request().Body, make([]byte, 5))
			c.Request().Body.Close()
			return filtertest.Response(c.Request(), 200, ""), nil
		}), f)
		synctest.Wait()
		require.ElementsMatch(t, []int{1 << 20, 1 << 20, 5}, s.bodies, "RULE F5: a body that is too long was kept")
		dropped := 2*(len(sizes)-1) + 2
		require.EqualValues(t, dropped, count(f, "dropped"))
		s.let = make(chan struct{})
		for range 64 { // all slots are free, and none of these is given back meanwhile
			filtertest.Run(request("GET", "http://h/", ""), filtertest.Upstream(200, ""), f)
		}
		require.EqualValues(t, dropped, count(f, "dropped"), "RULE F5: a slot was not given back")
		close(s.let)
		synctest.Wait()
	})
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("broken off") }

func TestTeeEndsWithItsFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shadow{let: make(chan struct{})}
		w := &filtertest.World{Upstreams: map[string]filtertest.UpstreamFunc{
			"http://shadow": s.upstream(),
			"http://panics": func(filters.FilterContext) (*http.Response, error) { panic("F2") },
		}}
		f, err := spec(t, w, "tee").CreateFilter([]any{"http://shadow"})
		require.NoError(t, err)
		filtertest.Run(request("GET", "http://h/", ""), filtertest.Upstream(200, ""), f)
		require.NoError(t, f.(io.Closer).Close()) // does not wait for the shadow, which waits for ever
		require.Zero(t, w.Open())
		filtertest.Run(request("GET", "http://h/", ""), filtertest.Upstream(200, ""), f)
		require.EqualValues(t, 1, count(f, "failed"))

		// A shadow that hangs is given up.
		f = in(t, w, "tee", "http://shadow")
		filtertest.Run(request("GET", "http://h/", ""), filtertest.Upstream(200, ""), f)
		time.Sleep(31 * time.Second)
		require.EqualValues(t, 1, count(f, "failed"), "RULE F5: a shadow that hangs keeps its slot")

		f = in(t, w, "tee", "http://panics")
		filtertest.Run(request("GET", "http://h/", ""), filtertest.Upstream(200, ""), f)
		synctest.Wait()
		require.EqualValues(t, 1, count(f, "failed"))
	})
}
