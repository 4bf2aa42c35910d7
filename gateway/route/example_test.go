package route_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/route"
)

// A predicate is a Go value with one method, and its spec checks the arguments.
type fromCountry string

func (c fromCountry) Match(r *http.Request) bool { return r.Header.Get("X-Country") == string(c) }

type countrySpec struct{}

func (countrySpec) Name() string { return "Country" }
func (countrySpec) Create(args []any) (route.Predicate, error) {
	if len(args) == 1 {
		if code, is := args[0].(string); is && len(code) == 2 {
			return fromCountry(code), nil
		}
	}
	return nil, fmt.Errorf("one country of two letters is expected, not %v", args)
}

func Example() {
	specs, err := route.NewSpecs(countrySpec{})
	if err != nil {
		panic(err)
	}
	defs, err := eskip.Parse("shop.eskip", `
		german: Path("/shop/:item") && Country("de") -> "http://10.0.0.1";
		items:  Path("/shop/:item") -> "http://10.0.0.2";
		rest:   PathSubtree("/") -> <shunt>;
		old:    Path("/shop/:id") -> <shunt>;
	`)
	if err != nil {
		panic(err)
	}
	var routes []*route.Route
	for _, def := range defs {
		r, err := route.Compile(def, specs)
		if err != nil {
			panic(err)
		}
		routes = append(routes, r)
	}
	table, err := route.Build(routes)
	if err != nil {
		panic(err)
	}
	fmt.Print(table.Report())

	r := httptest.NewRequest("GET", "http://shop.example.org/shop/./tea%2Fpot", nil)
	if err := route.Canonical(r.URL); err != nil {
		panic(err) // a gateway answers 400
	}
	var l route.Lookup
	fmt.Println(table.Lookup(r, &l).Def.ID, l.Param("item"))
	fmt.Print(table.Explain(r, &l))
	// Output:
	// old (shop.eskip:5:3) can never win: items (shop.eskip:3:3) comes before it, and asks for nothing more
	// items tea/pot
	// GET shop.example.org/shop/tea%2Fpot
	//   1. german  Path("/shop/:item")  weight 1  no: Country("de")
	//   2. items   Path("/shop/:item")  weight 0  yes: item = "tea/pot"
}
