package store_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/flagship-go/flagship/bft/app/store"
)

func tree(n int) (store.Tree, [][]byte) {
	b := store.Tree{}.Branch()
	keys := make([][]byte, n)
	for i := range n {
		keys[i] = fmt.Appendf(nil, "bank/b/%020d/coin", uint64(i)*0x9e3779b97f4a7c15)
		_ = b.Set(keys[i], binary.BigEndian.AppendUint64(nil, uint64(i)))
	}
	t := b.Tree()
	t.Root()
	return t, keys
}

// BenchmarkCommit changes 10,000 keys of a state, hashes it, and makes it durable.
func BenchmarkCommit(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		for _, where := range []string{"memory", "disk"} {
			b.Run(fmt.Sprintf("state=%d/changed=10000/on=%s", n, where), func(b *testing.B) {
				if n > 100_000 && testing.Short() {
					b.Skip("a big state")
				}
				opts := store.Options{Keep: 2, Rewrite: 1 << 30}
				if where == "disk" {
					opts.Dir = b.TempDir()
				}
				db, err := store.Open(opts)
				if err != nil {
					b.Fatal(err)
				}
				defer db.Close()
				t, keys := tree(n)
				height := int64(1)
				if _, err := db.Commit(height, t); err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				for b.Loop() {
					branch := db.Last().Tree.Branch()
					height++
					for i := range 10_000 {
						_ = branch.Set(keys[(i*97)%n], binary.BigEndian.AppendUint64(nil, uint64(height)))
					}
					if _, err := db.Commit(height, branch.Tree()); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10_000, "ns/key")
			})
		}
	}
}

// BenchmarkProof makes and verifies a proof of one of 10,000 keys.
func BenchmarkProof(b *testing.B) {
	t, keys := tree(10_000)
	root := t.Root()
	value := t.Get(keys[77])
	p := t.Prove(keys[77])
	b.Run("prove", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p = t.Prove(keys[77])
		}
		b.ReportMetric(float64(len(p.Append(nil))), "bytes")
	})
	b.Run("verify", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := p.VerifyMember(root, keys[77], value); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkGet(b *testing.B) {
	t, keys := tree(10_000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if t.Get(keys[i%len(keys)]) == nil {
			b.Fatal("not there")
		}
	}
}
