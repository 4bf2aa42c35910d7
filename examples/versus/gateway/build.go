package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	julien "github.com/julienschmidt/httprouter"

	"github.com/flagship-go/flagship/examples/versus/gateway/internal/peer"
	"github.com/flagship-go/flagship/gateway"
	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/route"
	"github.com/flagship-go/flagship/internal/versus"
)

// From text to routes (parse), from routes to a table (build), and a change of one (update).

// once is a contender of one client whose operation is a function.
type once func() error

func (op once) Run(_ context.Context, w *versus.Work) error {
	for c := w.NewClient(); c.Next(); {
		if err := op(); err != nil {
			return err
		}
	}
	return nil
}

func (op once) Close() error { return nil }

// ops makes a contender of what makes an operation for so many routes.
func ops(name, module string, make func(routes int) (once, error)) versus.Contender {
	return versus.Contender{Name: name, Module: module, Setup: func(_ context.Context, cell versus.Cell) (versus.Runner, error) {
		return make(cell.Int("routes", 1))
	}}
}

// buildTable is a whole table. Ours compares each route with the others, as ServeMux does; the rest do so only where they
// cannot have both.
func buildTable(*session) *table {
	t := &table{Table: versus.Table{
		Name: "build", Title: "A table of many routes; ours with its report of shadowed and conflicting ones", Ours: ours, Stretch: 2,
		Cells: []versus.Cell{"routes=10000", "routes=100000"}, Quick: []versus.Cell{"routes=100"},
		Contenders: []versus.Contender{
			ops(ours, oursModule, buildOurs),
			ops(httprouter, "github.com/julienschmidt/httprouter", func(n int) (once, error) {
				patterns := handlerPatterns(n, ":id")
				return func() error {
					buildHttprouter(patterns, func(http.ResponseWriter, *http.Request, julien.Params) {})
					return nil
				}, nil
			}),
			ops(chiName, "github.com/go-chi/chi/v5", func(n int) (once, error) {
				patterns := handlerPatterns(n, "{id}")
				return func() error { buildChi(patterns, http.NotFound); return nil }, nil
			}),
			ops(muxName, "", func(n int) (once, error) {
				patterns := handlerPatterns(n, "{id}")
				return func() error { buildServeMux(patterns, http.NotFound); return nil }, nil
			}),
		},
	}}
	for i, atMost := range []float64{38, 500} {
		t.limits = append(t.limits, bound{text: "ms at " + string(t.Cells[i]), figure: milliseconds(t.Cells[i], ours), atMost: atMost})
	}
	return t
}

// buildOurs begins with routes as they are parsed.
func buildOurs(n int) (once, error) {
	defs, err := definitions(n)
	if err != nil {
		return nil, err
	}
	return func() error {
		routes, err := compileAll(defs)
		if err != nil {
			return err
		}
		table, err := route.Build(routes)
		if err != nil {
			return err
		}
		if r := table.Report(); len(r.Shadowed)+len(r.Ties) > 0 {
			return fmt.Errorf("none of these routes is in another's way: %v", r)
		}
		return nil
	}, nil
}

const oursGateway = "flagship-gateway"

// updateTable is one route of many that becomes another: in a table, and in a gateway, which compiles it and its filters.
func updateTable(*session) *table {
	t := &table{Table: versus.Table{
		Name: "update", Title: "One route of many changes", Ours: ours,
		Cells: []versus.Cell{"routes=10000", "routes=100000"}, Quick: []versus.Cell{"routes=100"},
		Contenders: []versus.Contender{ops(ours, oursModule, changeTable), ops(oursGateway, oursModule, changeGateway)},
	}}
	for _, who := range []string{ours, oursGateway} {
		t.limits = append(t.limits, bound{text: "ms in " + who + " at " + string(t.Cells[1]), figure: milliseconds(t.Cells[1], who), atMost: 1})
	}
	return t
}

// changeTable takes the method from a route's predicates, or gives it back.
func changeTable(n int) (once, error) {
	var versions [2][]*route.Route
	for i := range versions {
		defs, err := definitions(n)
		if err != nil {
			return nil, err
		}
		if i == 1 {
			defs = defs[:100]
			for _, def := range defs {
				def.Predicates = def.Predicates[:len(def.Predicates)-1]
			}
		}
		if versions[i], err = compileAll(defs); err != nil {
			return nil, err
		}
	}
	table, err := route.Build(versions[0])
	i := 0
	return func() error {
		i++
		table, err = table.Update(versions[i%2][i/2%100:][:1], nil)
		return err
	}, err
}

// changeGateway changes what a filter is told.
func changeGateway(n int) (once, error) {
	var versions [2][]*eskip.Route
	for i := range versions {
		var err error
		if versions[i], err = eskip.Parse("", usual(n, i)); err != nil {
			return nil, err
		}
	}
	gw, err := gateway.New(gateway.Options{})
	if err != nil {
		return nil, err
	}
	if err := gw.Apply(versions[0]); err != nil {
		return nil, err
	}
	i := 0
	return func() error {
		i++
		return gw.Update(versions[i%2][i/2%100:][:1], nil)
	}, nil
}

// usual is a text of routes as there are many: some 120 bytes each.
func usual(n, variant int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "r%05d: Path(%q) && Method(\"GET\")\n  -> setRequestHeader(\"X-Route\", \"r%05d-%d\")\n  -> \"http://10.0.%d.%d:8080\";\n",
			i, peer.Path(i, ":id"), i, variant, i/250%250, i%250)
	}
	return b.String()
}

func parseTable(*session) *table {
	t := &table{Table: versus.Table{
		Name: "parse", Title: "From text to routes", Ours: ours,
		Cells: []versus.Cell{"routes=1000", "routes=10000"}, Quick: []versus.Cell{"routes=1000"},
		Contenders: []versus.Contender{ops(ours, oursModule, func(n int) (once, error) {
			text := usual(n, 0)
			return func() error {
				_, err := eskip.Parse("", text)
				return err
			}, nil
		})},
	}}
	for _, cell := range t.Cells {
		n := cell.Int("routes", 1)
		t.limits = append(t.limits,
			bound{text: "MB/s at " + string(cell), figure: scaled(cell, ours, versus.OpsPerSec, float64(len(usual(n, 0)))/1e6), atLeast: 110},
			bound{text: "allocations a route at " + string(cell), figure: scaled(cell, ours, versus.AllocsPerOp, 1/float64(n)), atMost: 9})
	}
	return t
}
