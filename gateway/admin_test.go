package gateway

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files of the admin tests anew")

const shopRoutes = `
// What the golden files are about.
beta:     Path("/shop/:item") && Header("X-Test", "b") -> shows("breaker") -> "http://10.0.0.2:8080";
checkout: Path("/shop/:item") -> shows("split") -> shows("limit") -> shows("limit")
  -> <powerOfRandomNChoices, "http://10.0.0.1:8080", "http://10.0.0.2:8080">;
quoted:   Path("/a\"b") -> <shunt>;
same:     Path("/shop/:item") -> <shunt>;
`

// shop is a gateway on which time stands still, after some requests.
func shop(t *testing.T) *world {
	noon := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	r := NewRegistry(filters.Env{
		Now: func() time.Time { return noon }, Elapsed: func() time.Duration { return time.Minute }, Rand: func() float64 { return 0.25 },
	})
	require.NoError(t, r.AddFilter(showsSpec{}))
	w := newWorld(t, Options{Registry: r})
	w.apply(shopRoutes)
	require.Error(t, w.Apply(parsed(t, `a: * -> setPht("/x") -> <shunt>`)))
	for i, took := range []time.Duration{300 * time.Microsecond, time.Millisecond, 3 * time.Millisecond, 20 * time.Second} {
		w.finish(&served{route: payload(w.table.Load().Get("checkout")), status: 200 + 303*(i/3), bytes: 100, took: took})
	}
	w.finish(&served{status: 404, took: time.Millisecond})
	payload(w.table.Load().Get("beta")).stats.events.add("retry", "sent")
	payload(w.table.Load().Get("beta")).stats.events.add("retry", "sent")
	return w
}

// shows("kind") has a report that is always the same.
type showsSpec struct{}

func (showsSpec) Name() string { return "shows" }

func (showsSpec) CreateFilter(args []any) (filters.Filter, error) {
	r := filters.Report{Kind: args[0].(string)}
	switch r.Kind {
	case "breaker":
		r.State = "open"
		r.Counts = []filters.Count{{Name: "requests", N: 10}, {Name: "rejected", N: 3}, {Name: "success", N: 2}, {Name: "failure", N: 5}}
	case "limit":
		r.Counts = []filters.Count{{Name: "allowed", N: 7}, {Name: "rejected", N: 1}}
	case "split":
		r.Shares = []filters.Share{{Share: 0.95, N: 19}, {Target: "canary", Share: 0.05, N: 1}}
	}
	return shows(r), nil
}

type shows filters.Report

func (s shows) Request(filters.FilterContext)  {}
func (s shows) Response(filters.FilterContext) {}
func (s shows) Report() filters.Report         { return filters.Report(s) }

func adminGet(g *Gateway, path string) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	g.Admin().ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
	return rec
}

// TestAdminAnswersAsInTheGoldenFiles: what is in testdata/admin is what a program that reads these addresses relies on.
func TestAdminAnswersAsInTheGoldenFiles(t *testing.T) {
	w := shop(t)
	for name, path := range map[string]string{
		"metrics.txt":     "/metrics",
		"overview.json":   "/api/overview",
		"routes.json":     "/api/routes",
		"search.json":     "/api/routes?q=X-Test",
		"explain.json":    "/api/explain?method=POST&url=http://shop.example.org/shop/7&header=X-Test:a&client=10.1.2.3",
		"report.json":     "/api/report",
		"explain-bad.txt": "/api/explain?url=shop",
	} {
		t.Run(name, func(t *testing.T) {
			got := adminGet(w.Gateway, path).Body.String()
			golden := filepath.Join("testdata", "admin", name)
			if *update {
				require.NoError(t, os.MkdirAll(filepath.Dir(golden), 0o755))
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, strings.ReplaceAll(string(want), "\r\n", "\n"), got)
		})
	}
}

// TestMetricsAreWellFormed: each line is of the format, each sample is below the header of its family, and no sample comes twice.
func TestMetricsAreWellFormed(t *testing.T) {
	rec := adminGet(shop(t).Gateway, "/metrics")
	require.Equal(t, "text/plain; version=0.0.4; charset=utf-8", rec.Header().Get("Content-Type"))
	wellFormed(t, rec.Body.String())
}

// wellFormed returns all samples: values by names and labels.
func wellFormed(t *testing.T, text string) map[string]string {
	sample := regexp.MustCompile(`^([a-z_]+)(\{(?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)+\})? (\S+)$`)
	family, kind, all := "", "", map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if _, err := fmt.Sscanf(line, "# TYPE %s %s", &family, &kind); err == nil || strings.HasPrefix(line, "# HELP ") {
			continue
		}
		m := sample.FindStringSubmatch(line)
		require.NotNil(t, m, line)
		name := m[1]
		if kind == "histogram" {
			name = regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		}
		require.Equal(t, family, name, line)
		require.NotContains(t, all, m[1]+m[2], "a sample comes twice")
		all[m[1]+m[2]] = m[3]
	}
	return all
}

// TestFiltersAreSeenInMetrics: what the real filters report, after two requests of which the second finds the breaker open.
func TestFiltersAreSeenInMetrics(t *testing.T) {
	w := newWorld(t, Options{})
	w.upstream = func(*http.Request) (*http.Response, error) { return answer(500, ""), nil }
	w.apply(`a: Path("/a") -> ratelimit(100, "1s") -> retry(1) -> consecutiveBreaker(1) -> "http://a";
		b: Path("/b") -> canary("http://c", "percentage=5") -> split("x", "ip", 1, "http://d", 1, "http://e") -> fadeIn("1s") -> "http://a";`)
	w.get("/a")
	w.get("/a")
	w.get("/b")
	all := wellFormed(t, adminGet(w.Gateway, "/metrics").Body.String())
	for sample, want := range map[string]string{
		`circuit_breaker_state{route="a",breaker="consecutiveBreaker"}`:                                 "2",
		`circuit_breaker_requests_total{route="a",breaker="consecutiveBreaker"}`:                        "2",
		`circuit_breaker_calls_total{route="a",breaker="consecutiveBreaker",outcome="failure"}`:         "1",
		`circuit_breaker_calls_total{route="a",breaker="consecutiveBreaker",outcome="rejected"}`:        "1",
		`gateway_ratelimit_requests_total{route="a",filter="ratelimit",outcome="allowed"}`:              "2",
		`gateway_retries_total{route="a",filter="retry",outcome="retries"}`:                             "0",
		`gateway_split_share{route="b",filter="canary",way="2",target="<roundRobin, \"http://c:80\">"}`: "0.05",
		`gateway_split_share{route="b",filter="canary",way="1",target="<roundRobin, \"http://a:80\">"}`: "0.95",
		`gateway_split_share{route="b",filter="split",way="2",target="<roundRobin, \"http://e:80\">"}`:  "0.5",
		`gateway_requests_total{route="a",status="500"}`:                                                "1",
		`gateway_requests_total{route="a",status="503"}`:                                                "1",
		`gateway_endpoint_requests_total{endpoint="http://a:80",protocol="http1"}`:                      "1",
	} {
		require.Contains(t, all, sample)
		require.Equal(t, want, all[sample], sample)
	}
}

func TestMetricsEscapeWhatRoutesAreCalled(t *testing.T) {
	var out strings.Builder
	m := Metrics{Events: []EventCount{{Route: "a\"b\\c\nd", Name: "x", Outcome: "y", N: 1}}}
	require.NoError(t, m.WritePrometheus(&out))
	require.Contains(t, out.String(), `{route="a\"b\\c\nd",filter="x",outcome="y"} 1`)
}

// TestReadinessIsNotHealth: C4. A gateway that goes down is healthy, but asks for no more requests.
func TestReadinessIsNotHealth(t *testing.T) {
	w := newWorld(t, Options{})
	states := func() []int {
		return []int{adminGet(w.Gateway, "/healthz").Code, adminGet(w.Gateway, "/readyz").Code}
	}
	require.Equal(t, []int{200, 503}, states(), "RULE C4: ready without a configuration")
	w.apply(`a: * -> <shunt>`)
	require.Equal(t, []int{200, 200}, states())
	w.draining.Store(true)
	require.Equal(t, []int{200, 503}, states(), "RULE C4: ready while it drains")
}

// TestPageNeedsNothingButItself: it is opened where there is no Internet, and shows text that others have written.
func TestPageNeedsNothingButItself(t *testing.T) {
	rec := adminGet(shop(t).Gateway, "/")
	require.Equal(t, 200, rec.Code)
	require.Contains(t, rec.Header().Get("Content-Security-Policy"), "default-src 'none'")
	page := rec.Body.String()
	require.NotRegexp(t, `(?i)(src|href)="(https?:)?//|@import|url\(`, page)
	require.NotRegexp(t, `innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(`, page)
	require.Contains(t, page, "prefers-color-scheme: dark")
}

func TestAdminHasProfilesAndRefusesChanges(t *testing.T) {
	w := shop(t)
	require.Equal(t, 200, adminGet(w.Gateway, "/debug/pprof/").Code)
	require.Equal(t, 404, adminGet(w.Gateway, "/nowhere").Code)
	rec := httptest.NewRecorder()
	w.Admin().ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/api/routes", nil))
	require.Equal(t, http.StatusMethodNotAllowed, rec.Code)
}

func TestQuantileIsTheUpperEndOfABucket(t *testing.T) {
	s := new(routeStats)
	require.Zero(t, s.metrics("").Quantile(0.5))
	for range 98 {
		s.record(200, 0, 800*time.Microsecond)
	}
	s.record(200, 0, 30*time.Millisecond)
	s.record(500, 0, time.Hour)
	m := s.metrics("")
	require.Equal(t, time.Millisecond, m.Quantile(0.5))
	require.Equal(t, 50*time.Millisecond, m.Quantile(0.99))
	require.Equal(t, 10*time.Second, m.Quantile(1))
	require.Equal(t, []uint64{100, 1}, []uint64{m.Requests(), m.Failures()})
}
