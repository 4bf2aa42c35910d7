package breaker

import (
	"fmt"
	"testing"
)

// Allow and Done, with the real clock. Closed is what all calls pay; open is what a rejected one costs.
func BenchmarkBreaker(b *testing.B) {
	for _, bench := range []struct {
		kind string
		make func() Breaker
	}{
		{"consecutive", func() Breaker { return must(NewConsecutive(ConsecutiveOptions{})) }},
		{"rate", func() Breaker { return must(NewRate(RateOptions{})) }},
		{"adaptive", func() Breaker { return must(NewAdaptive(AdaptiveOptions{})) }},
	} {
		for _, state := range []string{"closed", "failing", "open"} {
			breaker := bench.make()
			ok := func(i int) bool { return state == "closed" || state == "failing" && i%20 != 0 }
			for range 1000 {
				do(breaker, ok(1))
			}
			b.Run(fmt.Sprintf("kind=%s/state=%s", bench.kind, state), func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					do(breaker, ok(i))
				}
			})
			b.Run(fmt.Sprintf("kind=%s/state=%s/parallel", bench.kind, state), func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for i := 0; pb.Next(); i++ {
						do(breaker, ok(i))
					}
				})
			})
		}
	}
}

func do(b Breaker, ok bool) {
	if ticket, err := b.Allow(); err == nil {
		ticket.Done(ok)
	}
}
