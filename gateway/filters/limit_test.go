package filters_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/filters/filtertest"
)

func TestRatelimit(t *testing.T) {
	w := &filtertest.World{}
	f := in(t, w, "ratelimit", 2, "1s", 503)
	status := func() int {
		x := request("GET", "http://h/", "")
		filtertest.Run(x, filtertest.Upstream(200, ""), f)
		if x.Response().StatusCode == 503 {
			require.Equal(t, "1", x.Response().Header.Get("Retry-After"))
		}
		return x.Response().StatusCode
	}
	require.Equal(t, [3]int{200, 200, 503}, [3]int{status(), status(), status()})
	w.Advance(500 * time.Millisecond)
	require.Equal(t, [2]int{200, 503}, [2]int{status(), status()})
	require.Equal(t, filters.Report{Kind: "limit", Counts: []filters.Count{{Name: "allowed", N: 3}, {Name: "rejected", N: 2}}}, f.(filters.Reporter).Report())
}

// Pitfall 17 and F6: X-Forwarded-For, which anybody can write, gives nobody a fresh bucket.
func TestClientRatelimitIsByWhoTheClientIs(t *testing.T) {
	limited := func(x *filtertest.Context, f filters.Filter) bool {
		filtertest.Run(x, filtertest.Upstream(200, ""), f)
		return x.Response().StatusCode == 429
	}
	f := filter(t, "clientRatelimit", 1, "1m")
	x := request("GET", "http://h/", "")
	require.False(t, limited(x, f))
	x = request("GET", "http://h/", "", "X-Forwarded-For", "198.51.100.7")
	require.True(t, limited(x, f), "RULE F6: a header gives a client a fresh bucket")
	require.Equal(t, "60", x.Response().Header.Get("Retry-After"))
	x = request("GET", "http://h/", "")
	x.Addr = netip.MustParseAddr("192.0.2.2")
	require.False(t, limited(x, f))
	for i, id := range []string{"alice", "bob", "alice"} { // from one address
		x = request("GET", "http://h/", "")
		x.ID = id
		require.Equal(t, i == 2, limited(x, f), "RULE F6: the limit is not the identity's")
	}

	f = filter(t, "clientRatelimit", 1, "1m", "Authorization, X-Tenant")
	for i, header := range [][]string{
		{"Authorization", "a"}, {"Authorization", "b"}, {"Authorization", "a", "X-Tenant", "a"}, {"X-Tenant", "a"}, {"Authorization", "a"},
	} {
		require.Equal(t, i == 4, limited(request("GET", "http://h/", "", header...), f), i)
	}
	require.False(t, limited(request("GET", "http://h/", ""), f))
	require.True(t, limited(request("GET", "http://h/", ""), f), "without the header it is the address")

	// As a header that a route names, it stands for the address.
	for _, names := range []string{"X-Forwarded-For", "x-forwarded-for, Authorization"} {
		f = filter(t, "clientRatelimit", 1, "1m", names)
		for i, forwarded := range []string{"198.51.100.7", "198.51.100.8"} {
			x := request("GET", "http://h/", "", "X-Forwarded-For", forwarded, "Authorization", "a")
			x.ID = forwarded
			require.Equal(t, i == 1, limited(x, f), "RULE F6: a header gives a client a fresh bucket")
		}
	}
}

var errDial = errors.New("connection refused")

func failing(err error) filtertest.UpstreamFunc {
	return func(filters.FilterContext) (*http.Response, error) { return nil, err }
}

func run(method string, to filters.Upstream, chain ...filters.Filter) *filtertest.Context {
	x := request(method, "http://h/", "")
	filtertest.Run(x, to, chain...)
	return x
}

func TestConsecutiveBreaker(t *testing.T) {
	w := &filtertest.World{}
	f := in(t, w, "consecutiveBreaker", 3, "1s", 1, "1h")
	for _, to := range []filters.Upstream{failing(errDial), filtertest.Upstream(500, ""), filtertest.Upstream(404, ""), filtertest.Upstream(502, ""),
		failing(errDial), failing(&filters.Error{Status: 504})} {
		run("GET", to, f)
	}
	reached := false
	to := filtertest.UpstreamFunc(func(c filters.FilterContext) (*http.Response, error) {
		reached = true
		return filtertest.Response(c.Request(), 200, ""), nil
	})
	x := run("GET", to, f)
	require.Equal(t, 503, x.Response().StatusCode, "RULE B1: three failures in a row did not open it")
	require.Equal(t, []string{"breaker rejected"}, x.Events)
	require.False(t, reached)
	require.Equal(t, "open", f.(filters.Reporter).Report().State)
	w.Advance(time.Second)
	require.Equal(t, 200, run("GET", to, f).Response().StatusCode)
	require.Equal(t, "closed", f.(filters.Reporter).Report().State)
}

// U3 and P4, pitfalls 13 and 15: what says nothing about the backend does not open the breaker.
func TestWhatIsNoFailureOfTheBackendOpensNoBreaker(t *testing.T) {
	for name, call := range map[string]func(x *filtertest.Context, cancel func()) error{
		"the client has gone away": func(_ *filtertest.Context, cancel func()) error { cancel(); return context.Canceled },
		"a limit says no":          func(*filtertest.Context, func()) error { return &filters.Error{Status: 503, Local: true} },
		"the body is too large":    func(*filtertest.Context, func()) error { return &http.MaxBytesError{Limit: 1} },
	} {
		f := filter(t, "consecutiveBreaker", 1)
		for range 3 {
			ctx, cancel := context.WithCancel(context.Background())
			x := filtertest.Of(request("GET", "http://h/", "").OriginalRequest().WithContext(ctx))
			filtertest.Run(x, filtertest.UpstreamFunc(func(filters.FilterContext) (*http.Response, error) { return nil, call(x, cancel) }), f)
			cancel()
		}
		report := f.(filters.Reporter).Report()
		require.Equal(t, "closed", report.State, "RULE U3: %s, and the breaker is open", name)
		require.Contains(t, report.Counts, filters.Count{Name: "canceled", N: 3}, "RULE U3: %s", name)
	}
}

// B3, pitfall 14: a trial that panics frees its place.
func TestTrialThatPanicsEnds(t *testing.T) {
	w := &filtertest.World{}
	f := in(t, w, "consecutiveBreaker", 1, "1h")
	run("GET", failing(errDial), f)
	w.Advance(time.Hour)
	require.Panics(t, func() {
		run("GET", filtertest.UpstreamFunc(func(filters.FilterContext) (*http.Response, error) { panic("a filter") }), f)
	})
	require.Equal(t, 200, run("GET", filtertest.Upstream(200, ""), f).Response().StatusCode, "RULE B3: the place of a trial that panicked is not free")
}

func TestOtherBreakers(t *testing.T) {
	w := &filtertest.World{}
	rate := in(t, w, "rateBreaker", 2, 4)
	for _, status := range []int{500, 200, 200, 500} {
		run("GET", filtertest.Upstream(status, ""), rate)
	}
	require.Equal(t, "open", rate.(filters.Reporter).Report().State)

	adaptive := in(t, w, "adaptiveBreaker", 2, 10)
	for range 10 {
		run("GET", failing(errDial), adaptive)
	}
	require.Equal(t, 503, run("GET", filtertest.Upstream(200, ""), adaptive).Response().StatusCode)
	w.Draw(0.99)
	require.Equal(t, 200, run("GET", filtertest.Upstream(200, ""), adaptive).Response().StatusCode)
	require.Equal(t, 200, run("GET", filtertest.Upstream(200, ""), filter(t, "disableBreaker")).Response().StatusCode)
}

func TestRequestBodyLimit(t *testing.T) {
	f := filter(t, "requestBodyLimit", 5)
	for _, c := range []struct {
		body    string
		unknown bool
		status  int
	}{{"12345", false, 200}, {"12345", true, 200}, {"123456", false, 413}, {"123456", true, 413}, {strings.Repeat("x", 1<<20), true, 413}} {
		x := request("POST", "http://h/", c.body)
		if c.unknown {
			x.Request().ContentLength = -1
		}
		var g got
		filtertest.Run(x, g.upstream(200), f)
		require.Equal(t, c.status, x.Response().StatusCode, "%d bytes", len(c.body))
		if c.status == 200 {
			require.Equal(t, c.body, g.bodies[0])
		} else {
			require.Equal(t, []string{"requestBodyLimit rejected"}, x.Events)
			require.Empty(t, g.requests)
		}
	}
	// A transport may say nothing of why it failed.
	x := request("POST", "http://h/", "123456")
	x.Request().ContentLength = -1
	filtertest.Run(x, filtertest.UpstreamFunc(func(c filters.FilterContext) (*http.Response, error) {
		io.Copy(io.Discard, c.Request().Body)
		return nil, errors.New("broken pipe")
	}), f)
	require.Equal(t, 413, x.Response().StatusCode)
	require.Equal(t, 502, run("GET", failing(errDial), f).Response().StatusCode)
}

func TestFaults(t *testing.T) {
	w := &filtertest.World{}
	require.Equal(t, 200, run("GET", filtertest.Upstream(200, ""), in(t, w, "backendLatency", 3), in(t, w, "latency", "2s")).Response().StatusCode)
	require.Equal(t, []time.Duration{3 * time.Millisecond, 2 * time.Second}, w.Slept())
	w.Draw(0.29, 0.31)
	abort := in(t, w, "abort", 503, 0.3)
	require.Equal(t, 503, run("GET", filtertest.Upstream(200, ""), abort).Response().StatusCode)
	require.Equal(t, 200, run("GET", filtertest.Upstream(200, ""), abort).Response().StatusCode)
	require.Equal(t, 500, run("GET", filtertest.Upstream(200, ""), in(t, w, "abort", 500)).Response().StatusCode)
}

// slow is a body that is not closed twice, and says what is left.
type slow struct {
	bytes.Buffer
	closed int
}

func (s *slow) Close() error { s.closed++; return nil }
