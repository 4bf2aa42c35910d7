package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/flagship-go/flagship/gateway"
	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/filters"
)

// A gateway with a filter of one's own, a route that is changed while it runs, a configuration that is refused,
// and the reason why a request goes where it goes.
func Example() {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s for %s", r.URL.Path, r.Header.Get("X-Greeting"))
	}))
	defer upstream.Close()

	registry := gateway.NewRegistry(filters.Env{})
	if err := registry.AddFilter(greet{}); err != nil {
		panic(err)
	}
	g, err := gateway.New(gateway.Options{Registry: registry})
	if err != nil {
		panic(err)
	}
	defer g.Close()
	front := httptest.NewServer(g)
	defer front.Close()

	apply := func(text string) {
		routes, err := eskip.Parse("routes.eskip", text)
		if err == nil {
			err = g.Apply(routes)
		}
		if err != nil {
			fmt.Println(err)
		}
	}
	get := func(path string) {
		r, err := http.Get(front.URL + path)
		if err != nil {
			panic(err)
		}
		defer r.Body.Close()
		body, _ := io.ReadAll(r.Body)
		fmt.Println(r.StatusCode, string(body))
	}

	shop := fmt.Sprintf(`shop: Path("/shop/:item") -> greet("Ada") -> %q;`, upstream.URL)
	apply(shop)
	get("/shop/7")
	apply(shop + "\n" + `beta: Path("/shop/:item") && Header("X-Test", "b") -> gret("Bob") -> <shunt>;`)
	get("/shop/7")
	apply(shop + "\n" + `beta: Path("/shop/:item") && Header("X-Test", "b") -> status(204) -> <shunt>;`)

	why, err := g.Explain(httptest.NewRequest("GET", "http://example.org/shop/7", nil))
	if err != nil {
		panic(err)
	}
	fmt.Print(why)
	// Output:
	// 200 /shop/7 for Ada
	// routes.eskip:2:55: route beta: there is no filter gret; did you mean greet?
	// 200 /shop/7 for Ada
	// GET example.org/shop/7
	//   1. beta  Path("/shop/:item")  weight 1  no: Header("X-Test", "b")
	//   2. shop  Path("/shop/:item")  weight 0  yes: item = "7"
}

// greet("name") is the spec and, with the name, the filter.
type greet struct{ name string }

func (greet) Name() string { return "greet" }

func (greet) CreateFilter(args []any) (filters.Filter, error) {
	if len(args) == 1 {
		if name, is := args[0].(string); is {
			return greet{name}, nil
		}
	}
	return nil, fmt.Errorf(`expected a name, greet("Ada")`)
}

func (g greet) Request(c filters.FilterContext) { c.Request().Header.Set("X-Greeting", g.name) }
func (greet) Response(filters.FilterContext)    {}
