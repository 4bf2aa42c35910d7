package oracle

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/flagship-go/flagship/mvcc/clock"
)

func BenchmarkNow(b *testing.B) {
	for _, store := range []bool{false, true} {
		b.Run(fmt.Sprintf("store=%v", store), func(b *testing.B) {
			o := &Options{}
			if store {
				f, err := clock.OpenFile(nil, filepath.Join(b.TempDir(), "oracle"))
				if err != nil {
					b.Fatal(err)
				}
				defer f.Close()
				o.Store = f
			}
			or, err := New(o)
			if err != nil {
				b.Fatal(err)
			}
			defer or.Close()
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := or.Now(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkBatch has a wire of no length: what is left is the sharing.
func BenchmarkBatch(b *testing.B) {
	for _, clients := range []int{1, 64} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			or, err := New(nil)
			if err != nil {
				b.Fatal(err)
			}
			defer or.Close()
			batch := NewBatch(or.Allocate)
			defer batch.Close()
			ctx := b.Context()
			b.ReportAllocs()
			b.SetParallelism(clients)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := batch.Now(ctx); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
