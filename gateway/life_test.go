package gateway

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/upstream"
	"github.com/stretchr/testify/require"
)

// A world is a gateway whose upstreams are a function, with two more filters: probe and say.
type world struct {
	*Gateway
	t *testing.T

	mu       sync.Mutex
	made     map[string]int // probes by argument
	closed   map[string]int
	onProbe  func(name string)                           // a request enters a probe
	onClose  func(name string)                           // a probe is closed
	upstream func(*http.Request) (*http.Response, error) // answers for all addresses
}

func newWorld(t *testing.T, o Options) *world {
	w := &world{t: t, made: map[string]int{}, closed: map[string]int{}}
	w.upstream = func(*http.Request) (*http.Response, error) { return answer(200, "upstream"), nil }
	if o.Registry == nil {
		o.Registry = NewRegistry(filters.Env{})
	}
	require.NoError(t, o.Registry.AddFilter(probeSpec{w}))
	require.NoError(t, o.Registry.AddFilter(saySpec{}))
	if o.Transport == nil {
		o.Transport = func(upstream.TransportOptions) http.RoundTripper { return roundTripper(w.roundTrip) }
	}
	g, err := New(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, g.Close()) })
	w.Gateway = g
	return w
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (w *world) roundTrip(r *http.Request) (*http.Response, error) {
	res, err := w.upstream(r)
	if res != nil {
		res.Request = r
	}
	return res, err
}

func answer(status int, body string) *http.Response {
	rec := httptest.NewRecorder()
	rec.WriteHeader(status)
	_, _ = io.WriteString(rec, body)
	return rec.Result()
}

// get is one request, answered by status and body.
func (w *world) get(path string) string {
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, httptest.NewRequest("GET", "http://gateway"+path, nil))
	return fmt.Sprintf("%d %s", rec.Code, rec.Body)
}

func (w *world) apply(text string) {
	w.t.Helper()
	require.NoError(w.t, w.Apply(parsed(w.t, text)))
}

func parsed(t testing.TB, text string) []*eskip.Route {
	t.Helper()
	routes, err := eskip.Parse("routes.eskip", text)
	require.NoError(t, err)
	return routes
}

// probe("name") does nothing but tell that it was made, entered and closed, and counts requests.
type probeSpec struct{ *world }

func (s probeSpec) Name() string { return "probe" }

func (s probeSpec) CreateFilter(args []any) (filters.Filter, error) {
	if len(args) != 1 {
		return nil, fmt.Errorf("expected a name")
	}
	name, is := args[0].(string)
	if !is {
		return nil, fmt.Errorf("expected a name, not %v", args[0])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made[name]++
	return &probe{world: s.world, name: name}, nil
}

type probe struct {
	*world
	name string
	n    uint64
}

func (p *probe) Request(filters.FilterContext) {
	p.mu.Lock()
	p.n++
	hook := p.onProbe
	p.mu.Unlock()
	if hook != nil {
		hook(p.name)
	}
}

func (p *probe) Response(filters.FilterContext) {}

func (p *probe) Close() error {
	p.mu.Lock()
	p.world.closed[p.name]++
	hook := p.onClose
	p.mu.Unlock()
	if hook != nil {
		hook(p.name)
	}
	return nil
}

func (p *probe) Report() filters.Report {
	p.mu.Lock()
	defer p.mu.Unlock()
	return filters.Report{Kind: "probe", Name: p.name, Counts: []filters.Count{{Name: "requests", N: p.n}}}
}

// say(201) answers with a status and nothing else.
type saySpec struct{}

func (saySpec) Name() string { return "say" }

func (saySpec) CreateFilter(args []any) (filters.Filter, error) { return say(args[0].(float64)), nil }

type say int

func (s say) Request(c filters.FilterContext) { c.Serve(&http.Response{StatusCode: int(s)}) }
func (s say) Response(filters.FilterContext)  {}
