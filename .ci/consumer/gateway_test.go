package consumer

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/flagship-go/flagship/gateway"
	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/filters/filtertest"
	"github.com/flagship-go/flagship/gateway/route"
)

// Plugins of a stranger: a predicate and a filter.
var (
	_ route.PredicateSpec = tester{}
	_ route.Predicate     = tester{}
	_ filters.Spec        = shout{}
	_ filters.Filter      = shout{}
	_ filters.Wrapper     = shout{}
)

type tester struct{}

func (tester) Name() string                          { return "Tester" }
func (tester) Create([]any) (route.Predicate, error) { return tester{}, nil }
func (tester) Match(r *http.Request) bool            { return r.Header.Get("X-Tester") != "" }

type shout struct{}

func (shout) Name() string { return "shout" }

func (shout) CreateFilter(args []any) (filters.Filter, error) {
	if len(args) > 0 {
		return nil, errors.New("expected no argument")
	}
	return shout{}, nil
}

func (shout) Request(c filters.FilterContext) {
	c.Request().URL.Path = strings.ToUpper(c.Request().URL.Path)
}
func (shout) Response(c filters.FilterContext)              { c.Response().Header.Set("X-Shout", c.RouteID()) }
func (shout) Wrap(next filters.RoundTrip) filters.RoundTrip { return next }

func TestPluginsOfAStranger(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(r.URL.Path)) }))
	defer up.Close()
	registry := gateway.NewRegistry(filters.Env{})
	if err := errors.Join(registry.AddPredicate(tester{}), registry.AddFilter(shout{})); err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(gateway.Options{Registry: registry})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	routes, err := eskip.Parse("stranger.eskip", `loud: PathSubtree("/") && Tester() -> shout() -> "`+up.URL+`";`)
	if err == nil {
		err = g.Apply(routes)
	}
	if err != nil {
		t.Fatal(err)
	}
	for tester, want := range map[string]int{"": 404, "1": 200} {
		r := httptest.NewRequest("GET", "/hello", nil)
		if tester != "" {
			r.Header.Set("X-Tester", tester)
		}
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		if w.Code != want || want == 200 && (w.Body.String() != "/HELLO" || w.Header().Get("X-Shout") != "loud") {
			t.Errorf("tester %q: %d %q %v", tester, w.Code, w.Body, w.Header())
		}
	}
	x := filtertest.Of(httptest.NewRequest("GET", "http://h/a", nil))
	filtertest.Run(x, filtertest.Upstream(204, ""), shout{})
	if x.Response().StatusCode != 204 || x.Request().URL.Path != "/A" {
		t.Errorf("alone: %d %s", x.Response().StatusCode, x.Request().URL.Path)
	}
}
