package store_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/memory"
	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/store"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

// BenchmarkEmptyBlock is the time from one empty block to the next: n validators in one process, on one disk that syncs (or in
// memory), with a hub between them.
func BenchmarkEmptyBlock(b *testing.B) {
	for _, disk := range []bool{false, true} {
		for _, n := range []int{1, 4} {
			b.Run(fmt.Sprintf("disk=%v/validators=%d", disk, n), func(b *testing.B) { benchmarkEmptyBlock(b, n, disk) })
		}
	}
}

func benchmarkEmptyBlock(b *testing.B, n int, disk bool) {
	hub := memory.NewHub()
	g := &types.Genesis{ChainID: "bench", Time: time.Now()}
	options := make([]bft.Options, n)
	for i := range options {
		o := &options[i]
		*o = bft.Options{Genesis: g, CreateEmptyBlocks: true, Signer: privval.NewMemSigner(fmt.Sprint(i))}
		if disk {
			dir := b.TempDir()
			signer, err := privval.OpenFileSigner(nil, filepath.Join(dir, "signer"))
			require.NoError(b, err)
			defer signer.Close()
			s, err := store.Open(filepath.Join(dir, "chain"), nil)
			require.NoError(b, err)
			defer s.Close()
			o.Signer, o.Store, o.WALDir = signer, s, filepath.Join(dir, "wal")
		}
		g.Validators = append(g.Validators, types.Validator{PubKey: o.Signer.PubKey(), Power: 10})
	}
	var first *bft.Node
	for i := range options {
		link := hub.Join(fmt.Sprint(i))
		options[i].Network = link
		node, err := bft.NewNode(options[i])
		require.NoError(b, err)
		defer node.Close()
		link.Attach(node.Deliver)
		defer link.Close()
		first = node
	}
	h := types.Height(10)
	require.NoError(b, first.Wait(b.Context(), h))
	for b.Loop() {
		h++
		require.NoError(b, first.Wait(b.Context(), h))
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(first.Status().LastHeight-10), "ms/block")
}
