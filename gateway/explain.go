package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/route"
)

// Explain says which route a request would take, why, and why not the others (M6). The
// request is only read, and nothing is sent.
func (g *Gateway) Explain(r *http.Request) (route.Explanation, error) {
	r = r.Clone(r.Context())
	if err := route.Canonical(r.URL); err != nil {
		return route.Explanation{}, err
	}
	l := route.Lookup{Client: peerOf(r, g.opts.TrustedProxies).client, Draw: g.env.Rand(), Now: g.env.Now()}
	return g.table.Load().Explain(r, &l), nil
}

// Report names routes that can never win, and those whose order only a tie-break decides (M7).
func (g *Gateway) Report() route.Report { return g.table.Load().Report() }

// report is the table's, for the page.
type report struct {
	Routes   int         `json:"routes"`
	Shadowed []shadowed  `json:"shadowed"`
	Ties     [][2]string `json:"ties"`
	More     bool        `json:"more"` // there are more ties than are told
}

type shadowed struct {
	Route string   `json:"route"`
	By    []string `json:"by"`
}

func (g *Gateway) reportTable(*http.Request) (any, error) {
	r := g.Report()
	out := report{Routes: r.Routes, Shadowed: []shadowed{}, Ties: [][2]string{}, More: r.More}
	for _, s := range r.Shadowed {
		row := shadowed{Route: s.Route.Def.ID}
		for _, by := range s.By {
			row.By = append(row.By, by.Def.ID)
		}
		out.Shadowed = append(out.Shadowed, row)
	}
	for _, t := range r.Ties {
		out.Ties = append(out.Ties, [2]string{t.First.Def.ID, t.Second.Def.ID})
	}
	return out, nil
}

// explained is an explanation for the page.
type explained struct {
	Text   string            `json:"text"`            // for people
	Path   string            `json:"path"`            // as it is matched and forwarded (M2)
	Route  string            `json:"route,omitempty"` // the one that has won
	Params map[string]string `json:"params"`
	Tried  []tried           `json:"tried"` // in this order
}

type tried struct {
	Route  string   `json:"route"`
	Place  string   `json:"place,omitempty"` // file:line:column
	Failed []string `json:"failed"`          // predicates that do not hold
}

// explainQuery explains the request that a query describes.
func (g *Gateway) explainQuery(r *http.Request) (any, error) {
	asked, err := describedRequest(r.URL.Query())
	if err != nil {
		return nil, err
	}
	e, err := g.Explain(asked)
	if err != nil {
		return nil, err
	}
	out := explained{Text: e.String(), Path: e.Path, Route: e.Route, Params: map[string]string{}, Tried: []tried{}}
	for _, p := range e.Params {
		out.Params[p.Name] = p.Value
	}
	for _, a := range e.Tried {
		out.Tried = append(out.Tried, tried{a.Route, place(a.File, a.Pos), append([]string{}, a.Failed...)})
	}
	return out, nil
}

// place is file:line:column, or nothing for what was not parsed.
func place(file string, pos eskip.Pos) string {
	if pos.Line == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%s", file, pos)
}

// describedRequest makes a request of method, url, header (several) and client.
func describedRequest(q url.Values) (*http.Request, error) {
	u, err := url.Parse(q.Get("url"))
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	if !strings.HasPrefix(u.Path, "/") {
		return nil, fmt.Errorf("url=%q: expected a path, /a/b, or a URL, http://host/a/b", q.Get("url"))
	}
	r := &http.Request{
		Method: q.Get("method"), URL: u, Host: u.Host, Header: http.Header{}, RemoteAddr: "127.0.0.1:0",
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	for _, h := range q["header"] {
		name, value, found := strings.Cut(h, ":")
		if !found {
			return nil, fmt.Errorf("header=%q: expected Name: value", h)
		}
		r.Header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
		r.Header.Del("Host")
	}
	if client := q.Get("client"); client != "" {
		r.RemoteAddr = client
		if !strings.Contains(client, "]") && strings.Count(client, ":") != 1 {
			r.RemoteAddr = "[" + client + "]:0"
			if !strings.Contains(client, ":") {
				r.RemoteAddr = client + ":0"
			}
		}
	}
	return r, nil
}
