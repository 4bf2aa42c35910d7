package filters_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/filters/filtertest"
)

// spec is a filter's spec in a world of its own, or in the one that is given.
func spec(t testing.TB, w *filtertest.World, name string) filters.Spec {
	t.Helper()
	for _, s := range filters.All(w.Env()) {
		if s.Name() == name {
			return s
		}
	}
	t.Fatalf("there is no filter %s", name)
	return nil
}

func in(t testing.TB, w *filtertest.World, name string, args ...any) filters.Filter {
	t.Helper()
	for i, a := range args {
		if n, is := a.(int); is {
			args[i] = float64(n)
		}
	}
	if w.Open() == 0 { // the first one: this runs when all are closed
		t.Cleanup(func() { require.Zero(t, w.Open(), "an upstream is still open") })
	}
	f, err := spec(t, w, name).CreateFilter(args)
	require.NoError(t, err)
	if c, is := f.(io.Closer); is {
		t.Cleanup(func() { require.NoError(t, c.Close()) })
	}
	return f
}

// filter makes one that needs nothing of the world.
func filter(t testing.TB, name string, args ...any) filters.Filter {
	t.Helper()
	return in(t, &filtertest.World{}, name, args...)
}

// refused is the error of arguments.
func refused(t testing.TB, w *filtertest.World, name string, args ...any) string {
	t.Helper()
	for i, a := range args {
		if n, is := a.(int); is {
			args[i] = float64(n)
		}
	}
	f, err := spec(t, w, name).CreateFilter(args)
	require.Error(t, err, "RULE F3: %s%v was taken", name, args)
	require.Nil(t, f)
	require.Zero(t, w.Open(), "an upstream is still open")
	return err.Error()
}

func request(method, url, body string, header ...string) *filtertest.Context {
	var r *http.Request
	if body == "" {
		r = httptest.NewRequest(method, url, nil)
	} else {
		r = httptest.NewRequest(method, url, strings.NewReader(body))
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return filtertest.Of(r)
}

// got is the upstream's view: the request that came, and its body.
type got struct {
	requests []*http.Request
	bodies   []string
}

func (g *got) upstream(statuses ...int) filtertest.UpstreamFunc {
	return func(c filters.FilterContext) (*http.Response, error) {
		r, body := c.Request(), ""
		if r.Body != nil {
			data, err := io.ReadAll(r.Body)
			r.Body.Close()
			if err != nil {
				return nil, err
			}
			body = string(data)
		}
		g.requests, g.bodies = append(g.requests, r), append(g.bodies, body)
		status := statuses[min(len(g.requests), len(statuses))-1]
		return filtertest.Response(r, status, http.StatusText(status)), nil
	}
}
