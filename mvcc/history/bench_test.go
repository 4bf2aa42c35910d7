package history

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// big is a serial history of n transactions of four operations. Lists end at 16 elements,
// and another key follows.
func big(n int, lists bool) *History {
	const keys, most = 1000, 16
	rng := rand.New(rand.NewPCG(1, 1))
	h := &History{Txns: make([]Txn, n)}
	state := make([][]int, keys)
	key := make([]int, keys)
	for k := range key {
		key[k] = k
	}
	next, value := keys, 0
	for t := range h.Txns {
		txn := &h.Txns[t]
		txn.Start, txn.End = 10*t, 10*t+rng.IntN(600)
		txn.Ops = make([]Op, 4)
		for i := range txn.Ops {
			k := rng.IntN(keys)
			op := &txn.Ops[i]
			op.Key = key[k]
			write := rng.IntN(2) == 0
			switch {
			case lists && write:
				value++
				op.Kind, op.Value = Append, value
				state[k] = append(state[k], value) // what was read stays as it was
				if len(state[k]) == most {
					state[k], key[k] = nil, next
					next++
				}
			case lists:
				op.List = state[k]
			case write:
				value++
				op.Kind, op.Value = Write, value
				state[k] = []int{value}
			case len(state[k]) > 0:
				op.Value = state[k][0]
			}
		}
	}
	return h
}

func BenchmarkCheck(b *testing.B) {
	for _, lists := range []bool{true, false} {
		for _, real := range []bool{false, true} {
			for _, n := range []int{10_000, 100_000, 1_000_000} {
				b.Run(fmt.Sprintf("lists=%v/realtime=%v/txns=%d", lists, real, n), func(b *testing.B) {
					h := big(n, lists)
					b.ReportAllocs()
					b.ResetTimer()
					for range b.N {
						r, err := Check(h, &Options{RealTime: real})
						if err != nil || len(r.Anomalies) > 0 {
							b.Fatal(r.Anomalies, err)
						}
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/txn")
				})
			}
		}
	}
}
