package limit

import (
	"fmt"
	"testing"
	"time"
)

// The clock is the real one: reading it is half of what a call costs.
func BenchmarkBucket(b *testing.B) {
	for _, bench := range []struct {
		answer string
		rate   float64
		burst  int
	}{{"allow", 1e9, 1 << 30}, {"deny", 1e-3, 1}} {
		bucket, err := NewBucket(bench.rate, bench.burst, nil)
		if err != nil {
			b.Fatal(err)
		}
		bucket.Allow()
		b.Run("answer="+bench.answer, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bucket.Allow()
			}
		})
		b.Run("answer="+bench.answer+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					bucket.Allow()
				}
			})
		})
	}
}

func BenchmarkKeyed(b *testing.B) {
	for _, clients := range []int{1, 1000, 200_000} { // the last are more than are kept
		k, err := NewKeyed[string](KeyedOptions{Rate: 1e9, Burst: 1000})
		if err != nil {
			b.Fatal(err)
		}
		keys := make([]string, clients)
		for i := range keys {
			keys[i] = fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)
			k.Allow(keys[i])
		}
		b.Run(fmt.Sprintf("clients=%d/parallel", clients), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				i := int(time.Now().UnixNano())
				for pb.Next() {
					i++
					k.Allow(keys[i%clients])
				}
			})
		})
	}
}
