package app_test

import (
	"fmt"
	"testing"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/app"
	"github.com/flagship-go/flagship/bft/app/apptest"
	"github.com/flagship-go/flagship/bft/app/store"
)

// BenchmarkTransfers executes and commits blocks of 1,000 transfers among 10,000 accounts, with fees. known: CheckTx has
// verified the signatures before, as in a node that has the transactions in its mempool.
func BenchmarkTransfers(b *testing.B) {
	const block, accounts = 1000, 10_000
	for _, known := range []bool{true, false} {
		for _, where := range []string{"memory", "disk"} {
			b.Run(fmt.Sprintf("block=%d/known=%v/on=%s", block, known, where), func(b *testing.B) {
				opts := app.Options{}
				if where == "disk" {
					opts.Store = store.Options{Dir: b.TempDir()}
				}
				people := make([]*apptest.Account, accounts)
				for i := range people {
					people[i] = apptest.NewAccount(fmt.Sprint(i))
				}
				n := apptest.NewNet(b, opts)
				c := n.Start(b, n.Genesis(b, 1<<40, 0, nil, people...))
				c.Block()
				at := 0
				b.ReportAllocs()
				b.ResetTimer()
				for b.Loop() {
					b.StopTimer()
					txs := make([][]byte, block)
					for i := range txs {
						from, to := people[at%accounts], people[(at*7+1)%accounts]
						at++
						txs[i] = from.TxWith(apptest.Gas, gold(1), send(from, to, 1))
						if known {
							c.Check(txs[i])
						}
					}
					b.StartTimer()
					for _, r := range c.Block(txs...).TxResults {
						if r.Code != 0 {
							b.Fatal(r.Log)
						}
					}
				}
				b.ReportMetric(float64(b.N)*block/b.Elapsed().Seconds(), "tx/s")
			})
		}
	}
}

// BenchmarkCheckTx is what the mempool asks of a transfer: a signature and the ante steps.
func BenchmarkCheckTx(b *testing.B) {
	c, alice, bob, _, _ := cast(b, app.Options{})
	c.Block()
	txs := make([][]byte, 1000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%len(txs) == 0 {
			b.StopTimer()
			for j := range txs {
				txs[j] = alice.Tx(send(alice, bob, 1))
			}
			b.StartTimer()
		}
		res, err := c.App.CheckTx(ctx, &abci.CheckTxRequest{Tx: txs[i%len(txs)]})
		if err != nil || res.Code != 0 {
			b.Fatal(res.Log, err)
		}
	}
}
