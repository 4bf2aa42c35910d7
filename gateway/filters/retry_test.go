package filters_test

import (
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
	"github.com/flagship-go/flagship/gateway/filters/filtertest"
)

func TestRetrySendsTheSameAgain(t *testing.T) {
	w := &filtertest.World{}
	f := in(t, w, "retry", 3)
	var g got
	x := request("PUT", "http://h/a?b", "the body", "X", "y")
	filtertest.Run(x, g.upstream(503, 502, 504, 200), f)
	require.Equal(t, 200, x.Response().StatusCode)
	require.Equal(t, []string{"the body", "the body", "the body", "the body"}, g.bodies, "RULE F4: another body")
	for i, r := range g.requests {
		require.Equal(t, "PUT /a?b y 8", fmt.Sprint(r.Method, " ", r.URL.RequestURI(), " ", r.Header.Get("X"), " ", r.ContentLength))
		for _, other := range g.requests[:i] {
			require.NotSame(t, other, r, "a transport may still hold the one before")
			require.NotSame(t, other.URL, r.URL, "a transport may still hold the one before")
		}
	}
	require.Equal(t, []time.Duration{12500 * time.Microsecond, 25 * time.Millisecond, 50 * time.Millisecond}, w.Slept())
	require.Equal(t, filters.Count{Name: "retries", N: 3}, f.(filters.Reporter).Report().Counts[0])
}

// F4, pitfall 11.
func TestOnlyWhatCanBeRepeatedIsRepeated(t *testing.T) {
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	large := strings.Repeat("x", 1<<20)
	begun := func(n int) filtertest.UpstreamFunc { // has read a part of the body
		return func(c filters.FilterContext) (*http.Response, error) {
			io.CopyN(io.Discard, c.Request().Body, int64(n))
			c.Request().Body.Close()
			return nil, errDial
		}
	}
	for _, c := range []struct {
		why    string
		x      *filtertest.Context
		to     filtertest.UpstreamFunc
		repeat bool
	}{
		{"GET", request("GET", "http://h/", ""), failing(errDial), true},
		{"HEAD and 503", request("HEAD", "http://h/", ""), filtertest.Upstream(503, ""), true},
		{"a short body that was read", request("PUT", "http://h/", "x"), begun(1), true},
		{"a long body that nobody has begun", request("PUT", "http://h/", large), begun(0), true},
		{"a long body that was begun", request("PUT", "http://h/", large), begun(1), false},
		{"a GET that became a call", called(request("GET", "http://h/", "")), filtertest.Upstream(200, "", "Grpc-Status", "14"), true},
		{"a POST that became a call", called(request("POST", "http://h/", "")), filtertest.Upstream(200, "", "Grpc-Status", "14"), false},
		{"a call that found nothing", called(request("GET", "http://h/", "")), filtertest.Upstream(200, "", "Grpc-Status", "5"), false},
		{"POST", request("POST", "http://h/", ""), failing(errDial), false},
		{"PATCH", request("PATCH", "http://h/", "x"), failing(errDial), false},
		{"POST and 503", request("POST", "http://h/", "x"), filtertest.Upstream(503, ""), false},
		{"500", request("GET", "http://h/", ""), filtertest.Upstream(500, ""), false},
		{"404", request("GET", "http://h/", ""), filtertest.Upstream(404, ""), false},
		{"503 that says when", request("GET", "http://h/", ""), filtertest.Upstream(503, "", "Retry-After", "5"), false},
		{"a breaker that is open", request("GET", "http://h/", ""), failing(&filters.Error{Status: 503, Local: true}), false},
		{"a client that has gone", filtertest.Of(request("GET", "http://h/", "").OriginalRequest().WithContext(gone)), failing(errDial), false},
	} {
		n := 0
		filtertest.Run(c.x, filtertest.UpstreamFunc(func(f filters.FilterContext) (*http.Response, error) {
			n++
			return c.to(f)
		}), filter(t, "retry", 1))
		require.Equal(t, c.repeat, n == 2, "RULE F4: %s", c.why)
	}
}

// called is a request that transcoding has turned into a gRPC call.
func called(x *filtertest.Context) *filtertest.Context {
	r := *x.Request()
	r.Method = http.MethodPost
	x.SetRequest(&r)
	return x
}

// Whatever happens, retries stay below their share of the requests.
func TestRetriesHaveABudget(t *testing.T) {
	f := filter(t, "retry", 5, 0.25, 0)
	calls, requests := 0, 400
	down := filtertest.UpstreamFunc(func(filters.FilterContext) (*http.Response, error) { calls++; return nil, errDial })
	for i := range requests {
		x := run("GET", down, f)
		require.LessOrEqual(t, calls-i-1, (i+1)/4+10, "RULE F4: more retries than the budget has, at request %d", i)
		require.Equal(t, 502, x.Response().StatusCode)
	}
	require.GreaterOrEqual(t, calls-requests, requests/4)
	// Good times do not save up for ever.
	x, call := request("GET", "http://h/", ""), filtertest.Wrap(f)
	x.SetUpstream(filtertest.Upstream(200, ""))
	for range 2000 {
		_, err := call(x)
		require.NoError(t, err)
	}
	calls = 0
	for range 50 {
		run("GET", down, f)
	}
	require.LessOrEqual(t, calls-50, 100+50/4+1, "RULE F4: all the retries of the last hour at once")
}

func TestAnswersThatNobodyGetsAreClosed(t *testing.T) {
	var bodies []*closing
	run("GET", filtertest.UpstreamFunc(func(c filters.FilterContext) (*http.Response, error) {
		r := filtertest.Response(c.Request(), 503, "busy")
		b := &closing{Reader: strings.NewReader("busy")}
		bodies, r.Body = append(bodies, b), b
		return r, nil
	}), filter(t, "retry", 2))
	require.Len(t, bodies, 3)
	require.Equal(t, [3]int{1, 1, 0}, [3]int{bodies[0].n, bodies[1].n, bodies[2].n}, "RULE P6: a body was not closed")
}

// What was given up gets nothing more of a body that the next attempt reads, and the body is closed once at the end.
func TestAttemptThatWasGivenUpReadsNothing(t *testing.T) {
	body := &slow{}
	body.WriteString(strings.Repeat("x", 1<<20))
	x := request("PUT", "http://h/", "x")
	x.Request().Body, x.Request().ContentLength = body, 1<<20
	var late io.Reader
	filtertest.Run(x, filtertest.UpstreamFunc(func(c filters.FilterContext) (*http.Response, error) {
		if late == nil {
			late = c.Request().Body
			c.Request().Body.Close()
			return nil, errDial
		}
		n, err := late.Read(make([]byte, 10))
		require.Zero(t, n, "RULE F4: two attempts share a body")
		require.Error(t, err)
		text, err := io.ReadAll(c.Request().Body)
		require.NoError(t, err)
		require.Len(t, text, 1<<20)
		c.Request().Body.Close()
		return filtertest.Response(c.Request(), 200, ""), nil
	}), filter(t, "retry", 1))
	require.Equal(t, 200, x.Response().StatusCode)
	require.Equal(t, 1, body.closed)

	body = &slow{}
	x = request("PUT", "http://h/", "x")
	x.Request().Body, x.Request().ContentLength = body, -1
	filtertest.Run(x, filtertest.UpstreamFunc(func(c filters.FilterContext) (*http.Response, error) {
		c.Request().Body.Close()
		return nil, errDial
	}), filter(t, "retry", 2))
	require.Equal(t, 1, body.closed, "RULE P6: a body was not closed")
}

func TestBodyThatBreaksOffWhileItIsKept(t *testing.T) {
	x := request("PUT", "http://h/", "half")
	x.Request().ContentLength = 8
	filtertest.Run(x, filtertest.Upstream(200, ""), filter(t, "retry", 1))
	require.Equal(t, 400, x.Response().StatusCode)
}

// waiting is an upstream that answers after a time, or when the request's context ends.
func waiting(d time.Duration, status int) filtertest.UpstreamFunc {
	return func(c filters.FilterContext) (*http.Response, error) {
		select {
		case <-time.After(d):
			return filtertest.Response(c.Request(), status, "body"), nil
		case <-c.Request().Context().Done():
			return nil, c.Request().Context().Err()
		}
	}
}

func TestBackendTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := filter(t, "backendTimeout", "1s")
		x := run("GET", waiting(2*time.Second, 200), f)
		require.Equal(t, 504, x.Response().StatusCode)

		x = run("GET", waiting(time.Second/2, 200), f)
		require.Equal(t, "body", x.Body())
		require.True(t, x.Request().Context() == x.OriginalRequest().Context(), "the timeout outlives the call")

		// The time goes on for the body, and ends with it.
		var inner context.Context
		x = run("GET", filtertest.UpstreamFunc(func(c filters.FilterContext) (*http.Response, error) {
			inner = c.Request().Context()
			return filtertest.Response(c.Request(), 200, "body"), nil
		}), f)
		require.NoError(t, inner.Err())
		time.Sleep(1001 * time.Millisecond)
		require.Error(t, inner.Err(), "the time does not count for the body")
		x.Body()

		// A connection that was upgraded has no timeout.
		x = run("GET", filtertest.UpstreamFunc(func(c filters.FilterContext) (*http.Response, error) {
			inner = c.Request().Context()
			r := filtertest.Response(c.Request(), 101, "")
			r.Body = struct{ io.ReadWriteCloser }{}
			return r, nil
		}), f)
		time.Sleep(time.Hour)
		require.NoError(t, inner.Err(), "RULE P5: a WebSocket was cut by a timeout")
		_, is := x.Response().Body.(io.ReadWriteCloser)
		require.True(t, is, "RULE P5: the connection cannot be written to")

		// It is the backend's fault, and each attempt has its own.
		b := filter(t, "consecutiveBreaker", 1)
		run("GET", waiting(time.Hour, 200), b, f)
		require.Equal(t, "open", b.(filters.Reporter).Report().State)
		x = run("GET", waiting(1500*time.Millisecond, 200), filter(t, "backendTimeout", "3s"), filter(t, "retry", 1, 1, 0), f)
		require.Equal(t, 504, x.Response().StatusCode)
		require.Equal(t, []string{"retry sent"}, x.Events)
	})
}

func TestBackendTimeoutOfAClientWhoLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		x := filtertest.Of(request("GET", "http://h/", "").OriginalRequest().WithContext(ctx))
		time.AfterFunc(time.Millisecond, cancel)
		var err error
		call := filtertest.Wrap(filter(t, "backendTimeout", "1s"))
		x.SetUpstream(waiting(time.Hour, 200))
		_, err = call(x)
		require.ErrorIs(t, err, context.Canceled)
		var e *filters.Error
		require.False(t, errors.As(err, &e), "RULE P4: the upstream is blamed for a client who left")
	})
}

type conn struct {
	http.ResponseWriter
	read, write time.Time
}

func (c *conn) SetReadDeadline(t time.Time) error  { c.read = t; return nil }
func (c *conn) SetWriteDeadline(t time.Time) error { c.write = t; return nil }

func TestDeadlinesOfTheClientsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &conn{}
		x := request("POST", "http://h/", "body")
		x.Conn = http.NewResponseController(c)
		filtertest.Run(x, filtertest.Upstream(200, ""), filter(t, "readTimeout", "1s"), filter(t, "writeTimeout", 2000))
		require.Equal(t, time.Second, time.Until(c.read))
		require.Equal(t, 2*time.Second, time.Until(c.write))
		run("GET", filtertest.Upstream(200, ""), filter(t, "readTimeout", "1s")) // no connection
	})
}

func dialError() error { return &net.OpError{Op: "dial", Err: errDial} }
