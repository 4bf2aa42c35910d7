package gateway

import (
	"fmt"
	"strings"
	"testing"

	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/stretchr/testify/require"
)

// manyRoutes are n routes of the usual kind; other ones if variant is another.
func manyRoutes(t testing.TB, n, variant int) []*eskip.Route {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "r%d: Path(\"/svc%d/items%d/:id\") && Method(\"GET\") -> setRequestHeader(\"X-Variant\", \"%d\") -> \"http://10.0.%d.1:8080\";\n",
			i, i%100, i, variant, i%50)
	}
	return parsed(t, text.String())
}

// BenchmarkApply is from parsed routes to the swap, when all, one or none of them are other ones.
func BenchmarkApply(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		x, y := manyRoutes(b, n, 1), manyRoutes(b, n, 2)
		one := append([]*eskip.Route{y[0]}, x[1:]...)
		for name, pair := range map[string][2][]*eskip.Route{"all": {x, y}, "one": {x, one}, "none": {x, x}} {
			b.Run(fmt.Sprintf("routes=%d/changed=%s", n, name), func(b *testing.B) {
				g, err := New(Options{})
				require.NoError(b, err)
				defer g.Close()
				require.NoError(b, g.Apply(pair[1]))
				for i := 0; b.Loop(); i++ {
					if err := g.Apply(pair[i%2]); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkUpdate is one route of many.
func BenchmarkUpdate(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("routes=%d", n), func(b *testing.B) {
			pair := [2][]*eskip.Route{manyRoutes(b, n, 1), manyRoutes(b, 100, 2)}
			g, err := New(Options{})
			require.NoError(b, err)
			defer g.Close()
			require.NoError(b, g.Apply(pair[0]))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := g.Update(pair[1-i%2][i/2%100:][:1], nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
