package eskip

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// table is a text of n routes of about 120 bytes each.
func table(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "r%05d: Path(\"/svc%d/v%d/items%d/:id\") && Method(\"GET\")\n  -> setRequestHeader(\"X-Route\", \"r%05d\")\n  -> \"http://10.0.%d.%d:8080\";\n",
			i, i%100, i%7, i, i, i/250%250, i%250)
	}
	return b.String()
}

func BenchmarkParse(b *testing.B) {
	for _, n := range []int{1, 1_000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("routes=%d", n), func(b *testing.B) {
			text := table(n)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse("", text); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/route")
			b.ReportMetric(testing.AllocsPerRun(1, func() { _, _ = Parse("", text) })/float64(n), "allocs/route")
		})
	}
}

func BenchmarkPrint(b *testing.B) {
	text := table(10_000)
	routes, err := Parse("", text)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		_ = Print(io.Discard, routes)
	}
}

// TestARouteCostsFewAllocations: a box for each argument that was not met a moment ago, and next to nothing else.
func TestARouteCostsFewAllocations(t *testing.T) {
	const n = 1000
	text := table(n)
	perRoute := testing.AllocsPerRun(5, func() { _, _ = Parse("", text) }) / n
	if perRoute > 2.3 { // it has four arguments, of which two are those of its neighbour
		t.Errorf("RULE E5: %.2f allocations for each route", perRoute)
	}
}
