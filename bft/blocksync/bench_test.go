package blocksync

import (
	"fmt"
	"testing"

	"github.com/flagship-go/flagship/bft/internal/chaintest"
	"github.com/flagship-go/flagship/bft/p2p"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

// BenchmarkSync is a node that fetches, verifies and executes blocks from three peers, over links in memory, encrypted. An
// operation is 299 blocks; the peers are in the same process.
func BenchmarkSync(b *testing.B) {
	for _, x := range []struct{ validators, txs int }{{4, 0}, {4, 100}, {100, 0}} {
		b.Run(fmt.Sprintf("validators=%d/txs=%d", x.validators, x.txs), func(b *testing.B) {
			c := chaintest.New(b, x.validators).Begin()
			for h := range 300 {
				var txs []string
				for i := range x.txs {
					txs = append(txs, fmt.Sprintf("key%d-%d=%0230d", h, i, i))
				}
				c.Add(txs...)
			}
			blocks := 0
			for b.Loop() {
				b.StopTimer()
				var m p2p.Memory
				f := newFollower(b, &m, c, nil)
				servers := []*p2p.Switch{newServer(b, &m, 1, c.Store), newServer(b, &m, 2, c.Store), newServer(b, &m, 3, c.Store)}
				b.StartTimer()
				f.dial(b, servers...)
				f.run(b)
				b.StopTimer()
				require.Equal(b, types.Height(299), f.state.LastHeight)
				blocks += 299
				for _, s := range append(servers, f.Switch) {
					s.Close()
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(blocks)/b.Elapsed().Seconds(), "blocks/s")
		})
	}
}
