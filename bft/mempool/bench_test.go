package mempool

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/p2p"
	"github.com/stretchr/testify/require"
)

// number is a transaction of a size.
func number(i, size int) []byte {
	tx := make([]byte, size)
	binary.BigEndian.PutUint64(tx, uint64(i))
	return tx
}

// BenchmarkCheckTx adds transactions, by one caller and by many. The application does nothing.
func BenchmarkCheckTx(b *testing.B) {
	for _, callers := range []int{1, 16} {
		b.Run(fmt.Sprintf("size=250/callers=%d", callers), func(b *testing.B) {
			p, err := New(abci.BaseApplication{}, Options{MaxTxs: 1 << 30, MaxBytes: 1 << 50})
			require.NoError(b, err)
			txs := make([][]byte, b.N)
			for i := range txs {
				txs[i] = number(i, 250)
			}
			b.ReportAllocs()
			b.ResetTimer()
			var all sync.WaitGroup
			for k := range callers {
				all.Go(func() {
					for i := k; i < b.N; i += callers {
						if _, err := p.CheckTx(context.Background(), txs[i]); err != nil {
							b.Error(err)
						}
					}
				})
			}
			all.Wait()
		})
	}
}

// BenchmarkGossip is four nodes that all know each other, over TCP on loopback, in one process: an operation is a transaction
// of 250 bytes, handed to one of them, that has reached all four. Blocks of 5,000 are committed meanwhile.
func BenchmarkGossip(b *testing.B) {
	const nodes, block = 4, 5_000
	var pools [nodes]*Pool
	var switches [nodes]*p2p.Switch
	for i := range pools {
		seed := make([]byte, ed25519.SeedSize)
		seed[0] = byte(i)
		var err error
		switches[i], err = p2p.New(p2p.Options{Key: ed25519.NewKeyFromSeed(seed), Network: "bench", Listen: "127.0.0.1:0"})
		require.NoError(b, err)
		defer switches[i].Close()
		pools[i], err = New(abci.BaseApplication{}, Options{Switch: switches[i], MaxTxs: 4 * block, CacheSize: 4 * block, Inbox: 64 << 20})
		require.NoError(b, err)
		require.NoError(b, switches[i].Start())
		for k := range i {
			_, err := switches[i].Dial(b.Context(), switches[k].Address())
			require.NoError(b, err)
		}
	}
	b.ResetTimer()
	for done := 0; done < b.N; done += block {
		n := min(block, b.N-done)
		var all sync.WaitGroup
		for k, p := range pools {
			all.Go(func() {
				for i := k; i < n; i += nodes {
					if _, err := p.CheckTx(context.Background(), number(done+i, 250)); err != nil {
						b.Error(err)
					}
				}
				for p.Metrics().Txs < n {
					<-p.Available()
				}
			})
		}
		all.Wait()
		txs := pools[0].Reap(-1, -1)
		for _, p := range pools {
			p.Lock()
			require.NoError(b, p.Update(context.Background(), 1, txs, make([]uint32, len(txs))))
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tx/s")
	var seen, sent, batches uint64
	for _, p := range pools {
		m := p.Metrics()
		seen, sent, batches = seen+m.Seen, sent+m.Sent, batches+m.Batches
	}
	b.ReportMetric(float64(sent)/float64(b.N), "sent/tx")
	b.ReportMetric(float64(seen)/float64(b.N), "seen/tx")
	b.ReportMetric(float64(sent)/float64(batches), "tx/message")
}
