package disk

import (
	"fmt"
	"testing"

	"github.com/flagship-go/flagship/raft"
	"github.com/stretchr/testify/require"
)

func BenchmarkSave(b *testing.B) {
	for _, size := range []int{64, 1024} {
		for _, batch := range []int{1, 64} {
			for _, sync := range []bool{true, false} {
				b.Run(fmt.Sprintf("size=%d/batch=%d/sync=%v", size, batch, sync), func(b *testing.B) {
					s, err := Open(b.TempDir(), nil)
					require.NoError(b, err)
					defer s.Close()
					es := make([]raft.Entry, batch)
					for i := range es {
						es[i] = raft.Entry{Index: uint64(i + 1), Term: 1, Data: make([]byte, size)}
					}
					b.SetBytes(int64(size * batch))
					b.ReportAllocs()
					for b.Loop() {
						if err := s.Save(raft.HardState{Term: 1}, es, sync); err != nil {
							b.Fatal(err)
						}
						for i := range es {
							es[i].Index += uint64(batch)
						}
					}
				})
			}
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	s, err := Open(dir, nil)
	require.NoError(b, err)
	const n = 100_000
	for i := uint64(1); i <= n; i += 100 {
		require.NoError(b, s.Save(raft.HardState{Term: 1}, entries(i, i+99, 1), false))
	}
	require.NoError(b, s.Close())
	b.Run(fmt.Sprintf("size=100/entries=%d", n), func(b *testing.B) {
		b.SetBytes(100 * n)
		b.ReportAllocs()
		for b.Loop() {
			s, err := Open(dir, nil)
			if err != nil {
				b.Fatal(err)
			}
			s.Close()
		}
	})
}
