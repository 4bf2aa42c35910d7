package hlc

import (
	"fmt"
	"testing"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/mvcc/clock"
)

func BenchmarkNow(b *testing.B) {
	for _, store := range []bool{false, true} {
		b.Run(fmt.Sprintf("store=%v", store), func(b *testing.B) {
			o := &Options{}
			if store {
				f, err := clock.OpenFile(vfs.NewMem(), "hlc")
				if err != nil {
					b.Fatal(err)
				}
				defer f.Close()
				o.Store = f
			}
			c := New(o)
			defer c.Close()
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Now(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkNowParallel(b *testing.B) {
	c := New(nil)
	ctx := b.Context()
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c.Now(ctx)
		}
	})
}

func BenchmarkObserve(b *testing.B) {
	c := New(nil)
	ts, _ := c.Now(b.Context())
	b.Run("ts=behind", func(b *testing.B) {
		for b.Loop() {
			c.Observe(ts)
		}
	})
	b.Run("ts=ahead", func(b *testing.B) {
		for b.Loop() {
			ts++
			c.Observe(ts)
		}
	})
}
