package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
	"weak"

	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/stretchr/testify/require"
)

func TestGatewayWithoutRoutesAnswers404(t *testing.T) {
	w := newWorld(t, Options{})
	require.Equal(t, "404", w.get("/")[:3])
	require.Error(t, w.Ready())
	w.apply(`a: * -> <shunt>`)
	require.NoError(t, w.Ready())
}

// TestConfigurationIsAppliedWholeOrNotAtAll: C1. Every way to be wrong, beside changes that are right.
func TestConfigurationIsAppliedWholeOrNotAtAll(t *testing.T) {
	const good = "a: Path(\"/a\") -> probe(\"a\") -> say(201) -> <shunt>;\nb: Path(\"/b\") -> say(202) -> <shunt>;\n"
	for name, c := range map[string]struct{ bad, place, message string }{
		"unknown filter":    {`c: Path("/c") -> statuss(203) -> <shunt>;`, "3:18", "did you mean status?"},
		"filter's argument": {`c: Path("/c") -> probe(1) -> <shunt>;`, "3:18", "expected a name"},
		"unknown predicate": {`c: Paht("/c") -> <shunt>;`, "3:4", "did you mean Path?"},
		"algorithm":         {`c: Path("/c") -> <bestOne, "http://a", "http://b">;`, "3:18", "bestOne"},
		"the same id twice": {`a: Path("/c") -> <shunt>;`, "3:1", "routes.eskip:1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Options{})
			w.apply(good)
			changed := strings.NewReplacer("201", "301", "202", "302", `probe("a")`, `probe("new")`).Replace(good)

			err := w.Apply(parsed(t, changed+c.bad))
			require.Error(t, err, "RULE C1: a wrong configuration was applied")
			var list eskip.ErrorList
			require.ErrorAs(t, err, &list)
			require.Len(t, list, 1)
			require.Contains(t, err.Error(), "routes.eskip:"+c.place+": ", "RULE F3: an error without its place")
			require.Contains(t, err.Error(), c.message, "RULE F3: an error without a remedy")

			require.Equal(t, "201 ", w.get("/a"), "RULE C1: part of a wrong configuration is in force")
			require.Equal(t, "202 ", w.get("/b"), "RULE C1: part of a wrong configuration is in force")
			require.Equal(t, w.made["new"], w.closed["new"], "RULE C1: what was made for a wrong configuration is left open")
			require.Zero(t, w.closed["a"], "RULE C1: what is in force was closed")
			require.Equal(t, err.Error(), w.Metrics().Config.Err)

			w.apply(changed)
			require.Equal(t, "301 ", w.get("/a"), "a right configuration after a wrong one")
			require.Empty(t, w.Metrics().Config.Err)
		})
	}
}

func TestUpdateIsAppliedWholeOrNotAtAll(t *testing.T) {
	w := newWorld(t, Options{})
	w.apply(`a: Path("/a") -> say(201) -> <shunt>; b: Path("/b") -> say(202) -> <shunt>`)
	err := w.Update(parsed(t, `a: Path("/a") -> probe("x") -> say(301) -> <shunt>; c: Path("/c") -> nothing() -> <shunt>`), []string{"b"})
	require.Error(t, err)
	require.Equal(t, []string{"201 ", "202 "}, []string{w.get("/a"), w.get("/b")}, "RULE C1: part of a wrong update is in force")
	require.Equal(t, 1, w.closed["x"], "RULE C1: what was made for a wrong update is left open")

	require.NoError(t, w.Update(parsed(t, `a: Path("/a") -> say(301) -> <shunt>; c: Path("/c") -> say(203) -> <shunt>`), []string{"b", "unknown"}))
	require.Equal(t, []string{"301 ", "404", "203 "}, []string{w.get("/a"), w.get("/b")[:3], w.get("/c")})

	err = w.Update(parsed(t, `d: Path("/d") -> <shunt>; d: Path("/e") -> <shunt>`), nil)
	require.ErrorContains(t, err, "routes.eskip:1:27: there is a route d already, at routes.eskip:1:1")
	require.Equal(t, "404", w.get("/d")[:3])
}

func TestAllErrorsOfAConfigurationAreToldUpToTen(t *testing.T) {
	w := newWorld(t, Options{})
	text := strings.Builder{}
	for _, id := range strings.Split("abcdefghijkl", "") {
		text.WriteString(id + ": Path(\"/" + id + "\") -> nothing() -> nowhere() -> <shunt>;\n")
	}
	var list eskip.ErrorList
	require.ErrorAs(t, w.Apply(parsed(t, text.String())), &list)
	require.Len(t, list, 10)
	require.Equal(t, eskip.Pos{Line: 5, Column: 31}, list[9].Pos)
}

func TestEmptyConfigurationIsRefusedUnlessItIsAllowed(t *testing.T) {
	w := newWorld(t, Options{})
	w.apply(`a: * -> say(201) -> <shunt>`)
	require.ErrorIs(t, w.Apply(nil), ErrEmpty, "RULE C1: a truncated file took all routes away")
	require.Equal(t, "201 ", w.get("/"), "RULE C1: a truncated file took all routes away")

	w = newWorld(t, Options{AllowEmpty: true})
	w.apply(`a: * -> say(201) -> <shunt>`)
	require.NoError(t, w.Apply(nil))
	require.Equal(t, "404", w.get("/")[:3])
}

// TestRequestSeesOneTable: C2. Between its first route and the one it loops back to, the configuration changes.
func TestRequestSeesOneTable(t *testing.T) {
	w := newWorld(t, Options{})
	w.apply(`a: Path("/a") -> probe("change") -> setPath("/b") -> <loopback>; b: Path("/b") -> say(201) -> <shunt>`)
	w.onProbe = func(string) {
		w.apply(`a: Path("/a") -> setPath("/b") -> <loopback>; b: Path("/b") -> say(501) -> <shunt>`)
	}
	require.Equal(t, "201 ", w.get("/a"), "RULE C2: a request saw two tables")
	require.Equal(t, "501 ", w.get("/a"), "the next request sees the new one")
}

// TestUnchangedRouteIsKept: C3. State lives in filters and pools, so these must be the same ones.
func TestUnchangedRouteIsKept(t *testing.T) {
	w := newWorld(t, Options{})
	w.apply("a: Path(\"/a\") -> probe(\"a\") -> \"http://a\"; b: Path(\"/b\") -> probe(\"b\") -> <shunt>")
	before := w.table.Load().Get("a")
	w.get("/a")
	for range 3 { // written elsewhere and otherwise, meaning the same; b changes each time
		w.apply("// a comment\n\na:\n  Path(\"/a\")\n  -> probe(\"a\")\n  -> \"http://a\";\nb: Path(\"/b\") -> say(201) -> <shunt>")
		w.apply("b: Path(\"/b\") -> <shunt>;a: Path(`/a`) -> probe(`a`) -> \"http://a\"")
	}
	require.Same(t, before, w.table.Load().Get("a"), "RULE C3: a route that did not change was built again")
	require.Equal(t, []int{1, 0}, []int{w.made["a"], w.closed["a"]}, "RULE C3: a filter that did not change was built again")
	require.Equal(t, uint64(1), w.Metrics().Routes[0].Requests())
	require.Equal(t, 1, w.closed["b"], "RULE C3: a filter that is gone was left open")
}

// TestChangedRouteKeepsFiltersThatAreWrittenAsBefore: C3. A breaker is not closed because a header changes.
func TestChangedRouteKeepsFiltersThatAreWrittenAsBefore(t *testing.T) {
	w := newWorld(t, Options{})
	w.apply(`a: Path("/a") -> probe("x") -> probe("y") -> probe("x") -> say(201) -> <shunt>`)
	first, second := w.table.Load().Get("a").Payload.(*compiled).filters[0], w.table.Load().Get("a").Payload.(*compiled).filters[2]
	w.apply(`a: Path("/a") -> probe("z") -> probe("x") -> say(202) -> probe("x") -> <shunt>`)
	now := w.table.Load().Get("a").Payload.(*compiled).filters
	require.Same(t, first, now[1], "RULE C3: a filter that did not change was built again")
	require.Same(t, second, now[3], "RULE C3: a filter that did not change was built again")
	require.Equal(t, []int{2, 1, 1}, []int{w.made["x"], w.made["y"], w.made["z"]})
	require.Equal(t, []int{0, 1, 0}, []int{w.closed["x"], w.closed["y"], w.closed["z"]}, "RULE C3: what is gone is closed, and nothing else")

	w.apply(`a: Path("/a") -> probe("x") -> <shunt>`)
	require.Equal(t, []int{1, 1, 1}, []int{w.closed["x"], w.closed["y"], w.closed["z"]}, "RULE C3: what is gone is closed, and nothing else")
	require.Error(t, w.Apply(parsed(t, `a: Path("/a") -> probe("x") -> nothing() -> <shunt>`)))
	require.Equal(t, 1, w.closed["x"], "RULE C1: what is in force was closed")
	require.NoError(t, w.Close())
	require.Equal(t, []int{2, 1, 1}, []int{w.closed["x"], w.closed["y"], w.closed["z"]}, "RULE C3: Close leaves something open")
}

// TestRequestUnderWayOutlivesItsRoute: C3. The route goes away before the request has chosen an endpoint, and again while it waits for the answer.
func TestRequestUnderWayOutlivesItsRoute(t *testing.T) {
	w := newWorld(t, Options{})
	const routes, others = `a: Path("/a") -> probe("a") -> "http://a"; b: Path("/b") -> <shunt>`, `b: Path("/b") -> <shunt>`
	w.apply(routes)
	w.onProbe = func(string) { w.apply(others) }
	require.Equal(t, "200 upstream", w.get("/a"), "RULE C3: a reload dropped a request")

	w.onProbe = nil
	w.apply(routes)
	w.upstream = func(*http.Request) (*http.Response, error) {
		w.apply(others)
		return answer(200, "late"), nil
	}
	require.Equal(t, "200 late", w.get("/a"), "RULE C3: a reload dropped a request")
	require.Equal(t, "404", w.get("/a")[:3])
}

// TestWhatIsReplacedIsClosedAfterTheSwap: C3. A filter that hears of its end must be out of the table.
func TestWhatIsReplacedIsClosedAfterTheSwap(t *testing.T) {
	w := newWorld(t, Options{})
	w.apply(`a: Path("/a") -> probe("old") -> say(201) -> <shunt>`)
	seen := ""
	w.onClose = func(string) { seen = w.get("/a") }
	w.apply(`a: Path("/a") -> say(202) -> <shunt>`)
	require.Equal(t, "202 ", seen, "RULE C3: a filter was closed while new requests could still find it")
}

// TestReplacedPoolsLeaveNothing: C3, pitfall 21. Endpoints and their checks go with the last pool.
func TestReplacedPoolsLeaveNothing(t *testing.T) {
	w := newWorld(t, Options{})
	for range 20 {
		w.apply(`a: * -> <roundRobin, "http://a", "http://b">`)
		w.apply(`a: * -> <random, "http://b", "http://c">`)
	}
	var addresses []string
	for _, e := range w.Metrics().Endpoints {
		addresses = append(addresses, e.Address)
	}
	require.Equal(t, []string{"http://b:80", "http://c:80"}, addresses, "RULE C3: an upstream outlived its last route")
	require.NoError(t, w.Update(nil, []string{"a"}))
	require.Empty(t, w.Metrics().Endpoints, "RULE C3: an upstream outlived its last route")
}

// TestReloadsLeaveNoCheckers: C3, pitfall 21. Active checks are what runs beside requests: a goroutine for each endpoint.
func TestReloadsLeaveNoCheckers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{})
		for n := range 20 {
			w.apply(fmt.Sprintf(`a: * -> healthCheck("/health", "%ds") -> <random, "http://a%d", "http://b">`, 1+n, n%3))
			require.Error(t, w.Apply(parsed(t, `a: * -> healthCheck("/other") -> nothing() -> "http://c"`)))
			require.Error(t, w.Update(parsed(t, `b: * -> healthCheck("/other") -> "http://c"; c: * -> nothing() -> <shunt>`), nil))
			time.Sleep(time.Minute)
			require.Equal(t, 2, checkers(), "RULE C3: checkers after %d reloads", n)
		}
		require.NoError(t, w.Close())
		require.Zero(t, checkers(), "RULE C3: checkers of a gateway that is closed")
	})
}

// checkers is how many goroutines check endpoints.
func checkers() int {
	stacks := make([]byte, 1<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "upstream.(*checker).run(")
}

// TestReloadLeavesNothingOfItsText: C3. A routes file of a megabyte that changes one route each time must not stay in memory
// once for each of them.
func TestReloadLeavesNothingOfItsText(t *testing.T) {
	w := newWorld(t, Options{})
	text := []byte(`a: Path("/a/:x") && Method("GET") -> say(201) -> probe("p") -> <random, "http://a", "http://b">; b: * -> <shunt>`)
	kept := weak.Make(&text[0])
	w.apply(unsafe.String(&text[0], len(text)))
	w.get("/a/b")
	runtime.GC()
	require.Nil(t, kept.Value(), "RULE C3: a reload leaves its text behind")
	require.Equal(t, "201 ", w.get("/a/b")[:4])
}

func TestConfigurersAndWrappersAreAppliedInTheOrderWritten(t *testing.T) {
	var order []string
	r := NewRegistry(filters.Env{})
	require.NoError(t, r.AddFilter(aroundSpec{&order}))
	w := newWorld(t, Options{Registry: r})
	w.apply(`a: * -> around("outer") -> around("inner") -> "http://a"`)
	require.Equal(t, "200 upstream", w.get("/"))
	require.Equal(t, []string{"outer", "inner", "/inner", "/outer"}, order)
}

// around("name") stands around the call.
type aroundSpec struct{ order *[]string }

func (s aroundSpec) Name() string { return "around" }
func (s aroundSpec) CreateFilter(args []any) (filters.Filter, error) {
	return around{s.order, args[0].(string)}, nil
}

type around struct {
	order *[]string
	name  string
}

func (a around) Request(filters.FilterContext)  {}
func (a around) Response(filters.FilterContext) {}
func (a around) Wrap(next filters.RoundTrip) filters.RoundTrip {
	return func(c filters.FilterContext) (*http.Response, error) {
		*a.order = append(*a.order, a.name)
		defer func() { *a.order = append(*a.order, "/"+a.name) }()
		return next(c)
	}
}

func TestRegistryKnowsANameOnce(t *testing.T) {
	r := NewRegistry(filters.Env{})
	require.ErrorContains(t, r.AddFilter(aliased{"status"}), "there is a filter status already")
	require.NoError(t, r.AddFilter(aliased{"myStatus"}))
	require.ErrorContains(t, r.AddFilter(aliased{"myStatus"}), "myStatus")

	_, err := New(Options{Registry: r})
	require.NoError(t, err)
	_, err = New(Options{Registry: r})
	require.ErrorContains(t, err, "another gateway's")
}

type aliased struct{ name string }

func (a aliased) Name() string                               { return a.name }
func (a aliased) CreateFilter([]any) (filters.Filter, error) { return nil, errors.New("never") }

func TestClosedGatewayAnswers404AndTakesNoConfiguration(t *testing.T) {
	w := newWorld(t, Options{})
	w.apply(`a: * -> say(201) -> <shunt>`)
	require.NoError(t, w.Close())
	require.NoError(t, w.Close())
	require.Equal(t, "404", w.get("/")[:3])
	require.ErrorIs(t, w.Apply(parsed(t, `a: * -> <shunt>`)), ErrClosed)
	require.Error(t, w.Ready())
}

func TestVersionsTellWhatWasAppliedAndWhatWasRefused(t *testing.T) {
	w := newWorld(t, Options{})
	w.apply(`a: * -> <shunt>; b: Path("/b") -> <shunt>`)
	require.Error(t, w.Apply(parsed(t, `a: * -> nothing() -> <shunt>`)))
	require.NoError(t, w.Update(nil, []string{"b"}))
	v := w.Versions()
	require.Equal(t, []int{3, 2, 1}, []int{v[0].Number, v[1].Number, v[2].Number})
	require.Equal(t, []int{0, 1}, []int{v[0].Set, v[0].Removed})
	require.Contains(t, v[1].Err, "there is no filter nothing")
	require.Equal(t, 2, v[2].Set)
	for range 2 * keptVersions {
		require.NoError(t, w.Update(nil, nil))
	}
	require.Len(t, w.Versions(), keptVersions)
	require.True(t, slices.IsSortedFunc(w.Versions(), func(a, b Version) int { return b.Number - a.Number }))
}
