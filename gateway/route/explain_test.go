package route_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/route"
)

func TestAnExplanationNamesWhatWasTriedAndWhatFailed(t *testing.T) {
	table := build(t, `
		beta:     Path("/shop/:item") && Method("POST") && Header("X-Test", "b") -> <shunt>;
		checkout: Path("/shop/:item") && Method("POST") -> <shunt>;
		items:    Path("/shop/:item") -> <shunt>;
		shop:     PathSubtree("/shop") && Method("PUT") && Header("X-Test", "c") -> <shunt>;
		any:      Weight(2) -> <shunt>;
	`)
	explain := func(text string) string { return table.Explain(request(t, text), new(route.Lookup)).String() }
	for _, c := range []struct{ request, want string }{
		{"POST /shop/a%2Fb", `POST shop.example.org/shop/a%2Fb
  1. beta      Path("/shop/:item")  weight 2  no: Header("X-Test", "b")
  2. checkout  Path("/shop/:item")  weight 1  yes: item = "a/b"
`},
		{"GET /shop/7/x", `GET shop.example.org/shop/7/x
  1. shop  PathSubtree("/shop")  weight 2  no: Method("PUT"), Header("X-Test", "c")
  2. any   any path              weight 2  yes
`},
	} {
		if got := explain(c.request); got != c.want {
			t.Errorf("RULE M6: %s is explained as\n%swant\n%s", c.request, got, c.want)
		}
	}
	table = build(t, `a: Path("/a") && Method("PUT") -> <shunt>;`)
	require.Contains(t, explain("GET /b"), "no route: none has a path that fits")
	require.Contains(t, explain("GET /a"), "no route: no predicates of those whose path fits hold")
	e := table.Explain(request(t, "PUT /a"), new(route.Lookup))
	require.Equal(t, route.Attempt{Route: "a", File: "test.eskip", Pos: table.Get("a").Def.Pos, Path: `Path("/a")`, Weight: 1}, e.Tried[0])
}
