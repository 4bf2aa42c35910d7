package split

import (
	"fmt"
	"testing"
	"time"
)

func BenchmarkHash(b *testing.B) {
	for _, n := range []int{8, 16, 36} {
		key := fmt.Sprintf("%0*d", n, 7)
		b.Run(fmt.Sprintf("key=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Hash("canary", key)
			}
		})
	}
}

func BenchmarkPick(b *testing.B) {
	for _, n := range []int{2, 3, 10} {
		ways := make([]Way, n)
		for i := range ways {
			ways[i] = Way{fmt.Sprint("way", i), float64(1 + i)}
		}
		w, err := NewWeighted(ways...)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("ways=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			h := uint64(1)
			for b.Loop() {
				h += uint64(w.Pick(h)) + 0x9e3779b97f4a7c15
			}
		})
	}
}

func BenchmarkRamp(b *testing.B) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r, now := Ramp{Start: start, Duration: time.Hour}, start.Add(20*time.Minute)
	b.ReportAllocs()
	for b.Loop() {
		r.At(now).Has(1 << 40)
	}
}
