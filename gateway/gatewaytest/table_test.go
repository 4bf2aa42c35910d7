package gatewaytest_test

import (
	"cmp"
	"flag"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/gatewaytest"
	"github.com/flagship-go/flagship/gateway/predicates"
	"github.com/flagship-go/flagship/gateway/route"
	"github.com/flagship-go/flagship/internal/tries"
)

var (
	tableCount = flag.Int("tables", 0, "how many random route tables are compared with the slow one; 0: 60, and 8 with -short")
	seed       = flag.Uint64("seed", 1, "where random tables begin")
)

// ours is package route's table.
type ours struct {
	*route.Table
	specs route.Specs
}

func buildOurs(defs []*eskip.Route) (gatewaytest.Router, error) {
	specs, err := route.NewSpecs(predicates.All()...)
	if err != nil {
		return nil, err
	}
	return ours{new(route.Table), specs}.Update(defs, nil)
}

func (o ours) Update(set []*eskip.Route, remove []string) (gatewaytest.Router, error) {
	var routes []*route.Route
	for _, def := range set {
		r, err := route.Compile(def, o.specs)
		if err != nil {
			return nil, err
		}
		routes = append(routes, r)
	}
	next, err := o.Table.Update(routes, remove)
	return ours{next, o.specs}, err
}

func (o ours) Find(r *http.Request, number float64) (string, map[string]string) {
	l := &route.Lookup{Draw: number}
	won := o.Lookup(r, l)
	if won == nil {
		return "", nil
	}
	params := map[string]string{}
	for _, name := range []string{"p0", "p1", "p2", "rest", "*"} {
		params[name] = l.Param(name)
	}
	return won.Def.ID, params
}

func (o ours) Explain(r *http.Request, number float64) (tried []string) {
	for _, a := range o.Table.Explain(r, &route.Lookup{Draw: number}).Tried {
		tried = append(tried, a.Route)
	}
	return tried
}

var allOfATable = gatewaytest.TableClaims{Params: true, Segments: true, Update: true, Explain: true}

func TestTable(t *testing.T) {
	gatewaytest.Table(t, buildOurs, allOfATable, gatewaytest.Tries{Seed: *seed, Tables: cmp.Or(*tableCount, tries.Of(60, 8))})
}

// bentTable is a table with something wrong.
type bentTable struct {
	ours
	find    func(gatewaytest.Router, *http.Request, float64) (string, map[string]string)
	update  func(ours, []*eskip.Route, []string) (gatewaytest.Router, error)
	explain func([]string) []string
}

func (b bentTable) Find(r *http.Request, number float64) (string, map[string]string) {
	if b.find == nil {
		return b.ours.Find(r, number)
	}
	return b.find(b.ours, r, number)
}

func (b bentTable) Update(set []*eskip.Route, remove []string) (gatewaytest.Router, error) {
	if b.update == nil {
		return b.ours.Update(set, remove)
	}
	return b.update(b.ours, set, remove)
}

func (b bentTable) Explain(r *http.Request, number float64) []string {
	if b.explain == nil {
		return b.ours.Explain(r, number)
	}
	return b.explain(b.ours.Explain(r, number))
}

func TestEveryRuleFailsABrokenTable(t *testing.T) {
	killed := map[string]bool{}
	for name, b := range map[string]struct {
		build gatewaytest.BuildRouter
		rules string
	}{
		"first fit":   {firstFit, "agrees explain heavier most-specific order params update"},
		"no way back": {noWayBack, "agrees backtracks heavier params segments update"},
		"%2F is a slash": {finds(func(o gatewaytest.Router, r *http.Request, n float64) (string, map[string]string) {
			u := *r.URL
			u.RawPath = ""
			return o.Find(&http.Request{Method: r.Method, URL: &u, Header: r.Header}, n)
		}), "agrees decoded-once params update"},
		"not decoded": {finds(func(o gatewaytest.Router, r *http.Request, n float64) (string, map[string]string) {
			id, params := o.Find(r, n)
			for name, value := range params {
				params[name] = url.PathEscape(value)
			}
			return id, params
		}), "params"},
		"another number": {finds(func(o gatewaytest.Router, r *http.Request, n float64) (string, map[string]string) {
			return o.Find(r, n*n)
		}), "agrees params segments update"},
		"nothing is removed": {bentBy(func(o ours) gatewaytest.Router {
			return bentTable{ours: o, update: func(o ours, set []*eskip.Route, _ []string) (gatewaytest.Router, error) { return o.Update(set, nil) }}
		}), "update"},
		"only who won": {bentBy(func(o ours) gatewaytest.Router {
			return bentTable{ours: o, explain: func(tried []string) []string { return tried[max(0, len(tried)-1):] }}
		}), "explain"},
	} {
		t.Run(name, func(t *testing.T) {
			var failed []string
			for _, r := range gatewaytest.GradeTable(b.build, allOfATable, gatewaytest.Tries{Tables: tries.Of(12, 8)}) {
				if r.Err != nil {
					require.ErrorContains(t, r.Err, "RULE "+r.Rule.Of+": "+r.Rule.ID+" (")
					failed = append(failed, r.Rule.ID)
					killed[r.Rule.ID] = true
				}
			}
			slices.Sort(failed)
			require.Equal(t, b.rules, strings.Join(failed, " "))
		})
	}
	for _, r := range gatewaytest.GradeTable(buildOurs, allOfATable, gatewaytest.Tries{Tables: 1}) {
		require.True(t, killed[r.Rule.ID], "rule %s fails no broken table", r.Rule.ID)
	}
}

func bentBy(bend func(ours) gatewaytest.Router) gatewaytest.BuildRouter {
	return func(defs []*eskip.Route) (gatewaytest.Router, error) {
		r, err := buildOurs(defs)
		if err != nil {
			return nil, err
		}
		return bend(r.(ours)), nil
	}
}

func finds(find func(gatewaytest.Router, *http.Request, float64) (string, map[string]string)) gatewaytest.BuildRouter {
	return bentBy(func(o ours) gatewaytest.Router { return bentTable{ours: o, find: find} })
}

// firstFit tries the routes as they are written.
func firstFit(defs []*eskip.Route) (gatewaytest.Router, error) {
	var each []gatewaytest.Router
	for _, def := range defs {
		r, err := buildOurs([]*eskip.Route{def})
		if err != nil {
			return nil, err
		}
		each = append(each, r)
	}
	return finds(func(_ gatewaytest.Router, r *http.Request, n float64) (string, map[string]string) {
		for _, one := range each {
			if id, params := one.Find(r, n); id != "" {
				return id, params
			}
		}
		return "", nil
	})(nil)
}

// noWayBack asks only the routes of the most specific path.
func noWayBack(defs []*eskip.Route) (gatewaytest.Router, error) {
	var paths []*eskip.Route
	for _, def := range defs {
		copied := *def
		copied.Predicates = slices.DeleteFunc(slices.Clone(def.Predicates), func(c eskip.Call) bool { return !strings.HasPrefix(c.Name, "Path") })
		paths = append(paths, &copied)
	}
	plain, err := buildOurs(paths)
	if err != nil {
		return nil, err
	}
	return finds(func(o gatewaytest.Router, r *http.Request, n float64) (string, map[string]string) {
		id, params := o.Find(r, n)
		if want, _ := plain.Find(r, n); want != id {
			return "", nil
		}
		return id, params
	})(defs)
}
