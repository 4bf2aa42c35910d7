package gateway

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/pprof"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flagship-go/flagship/gateway/push"
	"github.com/flagship-go/flagship/gateway/upstream"
)

// Admin is what one can see of a gateway: a page for people, the same as JSON, metrics
// for Prometheus, and profiles. It changes nothing, but it shows everything: it belongs on
// an address that clients cannot reach.
//
//	GET /                 the page
//	GET /api/overview     state, filters, endpoints, versions
//	GET /api/routes       ?q=text&limit=100: routes with their counters, the busiest first
//	GET /api/explain      ?method=GET&url=http://host/path&header=Name:value&client=1.2.3.4: why which route
//	GET /api/report       routes that can never win, and ties
//	GET /metrics          Prometheus text
//	GET /healthz          200 while the process serves
//	GET /readyz           200 if new requests are welcome: a configuration is in force, and no drain has begun (C4)
//	GET /debug/pprof/     profiles
func (g *Gateway) Admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", servePage)
	mux.HandleFunc("GET /api/overview", answerJSON(func(*http.Request) (any, error) { return g.overview(), nil }))
	mux.HandleFunc("GET /api/routes", answerJSON(g.listRoutes))
	mux.HandleFunc("GET /api/explain", answerJSON(g.explainQuery))
	mux.HandleFunc("GET /api/report", answerJSON(g.reportTable))
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_ = g.Metrics().WritePrometheus(w) // the scraper has gone: nobody is left to tell
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", g.serveReady)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// Ready says why new requests are not welcome, or nil if they are.
func (g *Gateway) Ready() error {
	switch {
	case g.draining.Load():
		return fmt.Errorf("the gateway is draining")
	case !g.ready.Load():
		return fmt.Errorf("no configuration is in force yet")
	}
	return nil
}

func (g *Gateway) serveReady(w http.ResponseWriter, _ *http.Request) {
	if err := g.Ready(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
}

//go:embed admin.html
var page []byte

func servePage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	// The page has all it needs in itself, and what it shows is text, never markup.
	w.Header().Set("Content-Security-Policy",
		"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:; frame-ancestors 'none'")
	_, _ = w.Write(page)
}

// answerJSON makes a handler of a question. An error is the asker's: 400.
func answerJSON(ask func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer, err := ask(r)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			answer = map[string]string{"error": err.Error()}
		}
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false) // it is never part of a page
		_ = e.Encode(answer)   // the asker has gone
	}
}

// maxRows keeps the page small, however many routes there are. Metrics have all.
const maxRows = 200

// overview is what the page asks for every two seconds.
type overview struct {
	Now       time.Time         `json:"now"`
	State     string            `json:"state"` // "ready", or why not
	InFlight  int64             `json:"inFlight"`
	Requests  uint64            `json:"requests"`
	Failures  uint64            `json:"failures"`
	Config    ConfigMetrics     `json:"config"`
	Filters   []FilterReport    `json:"filters"`   // at most maxRows, breakers that are not closed first
	Endpoints []upstream.Status `json:"endpoints"` // at most maxRows, those that are not up first
	Versions  []Version         `json:"versions"`
	// Push and Subscribers are of Options.Publisher; those who have refused a version first, at most maxRows.
	Push        *push.Metrics `json:"push,omitempty"`
	Subscribers []push.Status `json:"subscribers,omitempty"`
}

func (g *Gateway) overview() overview {
	m := g.Metrics()
	o := overview{
		Now: g.env.Now(), State: "ready", InFlight: m.InFlight, Config: m.Config,
		Filters: m.Filters, Endpoints: m.Endpoints, Versions: g.Versions(), Push: m.Push,
	}
	if err := g.Ready(); err != nil {
		o.State = err.Error()
	}
	for _, r := range append(m.Routes, m.Unrouted) {
		o.Requests += r.Requests()
		o.Failures += r.Failures()
	}
	o.Filters = first(o.Filters, func(f FilterReport) bool { return f.State != "" && f.State != "closed" })
	if g.opts.Publisher != nil {
		o.Subscribers = first(g.opts.Publisher.Status(), func(s push.Status) bool { return s.Nacked > 0 })
	}
	o.Endpoints = first(o.Endpoints, func(s upstream.Status) bool { return s.State != "up" })
	return o
}

// first are at most maxRows, beginning with those in trouble.
func first[T any](all []T, trouble func(T) bool) []T {
	rank := func(x T) int {
		if trouble(x) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(all, func(a, b T) int { return cmp.Compare(rank(a), rank(b)) })
	return all[:min(len(all), maxRows)]
}

// routeRow is one route of the page.
type routeRow struct {
	ID       string  `json:"id"`
	Place    string  `json:"place,omitempty"` // file:line:column
	Text     string  `json:"text"`            // as eskip prints it
	Requests uint64  `json:"requests"`
	Failures uint64  `json:"failures"`
	P50      float64 `json:"p50ms"` // upper ends of histogram buckets
	P99      float64 `json:"p99ms"`
	Bytes    uint64  `json:"bytes"`
}

// routeRows are the busiest of those that were asked for.
type routeRows struct {
	Total   int        `json:"total"`
	Matched int        `json:"matched"`
	Routes  []routeRow `json:"routes"`
}

// listRoutes finds routes by a piece of their text.
func (g *Gateway) listRoutes(r *http.Request) (any, error) {
	limit, wanted := 100, r.FormValue("q")
	if text := r.FormValue("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("limit=%q: expected a number from 1", text)
		}
		limit = n
	}
	all := routeRows{Routes: []routeRow{}}
	for route := range g.table.Load().Routes() {
		all.Total++
		text := route.Def.String()
		if wanted != "" && !strings.Contains(text, wanted) && !strings.Contains(route.Def.ID, wanted) {
			continue
		}
		all.Matched++
		m := payload(route).stats.metrics(route.Def.ID)
		row := routeRow{
			ID: route.Def.ID, Place: place(route.Def.File, route.Def.Pos), Text: text, Requests: m.Requests(), Failures: m.Failures(), Bytes: m.Bytes,
			P50: m.Quantile(0.5).Seconds() * 1000, P99: m.Quantile(0.99).Seconds() * 1000,
		}
		all.Routes = append(all.Routes, row)
	}
	slices.SortFunc(all.Routes, func(a, b routeRow) int {
		return cmp.Or(cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.ID, b.ID))
	})
	all.Routes = all.Routes[:min(len(all.Routes), limit)]
	return all, nil
}
