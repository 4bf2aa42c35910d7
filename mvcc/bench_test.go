package mvcc

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/cputime"
)

func clientBench(b *testing.B, o *Options) *DB {
	db, err := Open(o)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, db.Close()) })
	return db
}

func clientFill(b *testing.B, db *DB, n, size int) {
	ctx := context.Background()
	for from := 0; from < n; from += 10000 {
		require.NoError(b, db.Run(ctx, TxnOptions{}, func(tx *Txn) error {
			for i := from; i < min(n, from+10000); i++ {
				v := make([]byte, size)
				binary.LittleEndian.PutUint64(v, 1000)
				if err := tx.Put(clientAccount(i), v); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}

func clientAccount(i int) []byte { return fmt.Appendf(nil, "account%08d", i) }

// A read of the latest version, in a transaction of its own.
func BenchmarkGet(b *testing.B) {
	ctx := context.Background()
	for _, versions := range []int{1, 10, 1000} {
		for _, mid := range []bool{false, true} {
			if mid && versions == 1 {
				continue
			}
			b.Run(fmt.Sprintf("versions=%d/mid=%t", versions, mid), func(b *testing.B) {
				db := clientBench(b, nil)
				const keys = 1000
				var at TS
				for v := range versions {
					clientFill(b, db, keys, 100)
					if v == versions/2 {
						at, _ = db.clock.Now(ctx)
					}
				}
				o := TxnOptions{Mode: ReadOnly}
				if mid {
					o.ReadTS = at
				}
				var names [keys][]byte
				for i := range names {
					names[i] = clientAccount(i)
				}
				i := 0
				b.ReportAllocs()
				stop := cputime.Report(b)
				for b.Loop() {
					tx, err := db.Begin(ctx, o)
					if err != nil {
						b.Fatal(err)
					}
					if _, err := tx.Get(ctx, names[i%keys]); err != nil {
						b.Fatal(err)
					}
					_ = tx.Rollback(ctx)
					i += 7
				}
				stop()
			})
		}
	}
}

var clientPhases = map[string]func(o *Options){
	"1pc":   func(o *Options) {},
	"async": func(o *Options) { o.NoOnePC = true },
	"2pc":   func(o *Options) { o.NoOnePC, o.NoAsyncCommit = true, true },
}

// Read, change and write one key.
func BenchmarkUpdate(b *testing.B) {
	ctx := context.Background()
	for _, phases := range []string{"1pc", "async", "2pc"} {
		for _, clients := range []int{1, 16} {
			b.Run(fmt.Sprintf("commit=%s/clients=%d", phases, clients), func(b *testing.B) {
				var o Options
				clientPhases[phases](&o)
				db := clientBench(b, &o)
				const keys = 10000
				clientFill(b, db, keys, 100)
				b.ReportAllocs()
				stop := cputime.Report(b)
				clientParallel(b, clients, func(r *rand.Rand) {
					key := clientAccount(r.IntN(keys))
					err := db.Run(ctx, TxnOptions{}, func(tx *Txn) error {
						v, err := tx.Get(ctx, key)
						if err != nil {
							return err
						}
						v[0]++
						return tx.Put(key, v)
					})
					if err != nil {
						b.Error(err)
					}
				})
				stop()
			})
		}
	}
}

// clientParallel shares b.N operations among goroutines.
func clientParallel(b *testing.B, clients int, f func(r *rand.Rand)) {
	var wg sync.WaitGroup
	b.ResetTimer()
	for c := range clients {
		n := b.N / clients
		if c < b.N%clients {
			n++
		}
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(c), 1))
			for range n {
				f(r)
			}
		})
	}
	wg.Wait()
}

// Money goes from one account to another.
func BenchmarkBank(b *testing.B) {
	ctx := context.Background()
	for _, accounts := range []int{10000, 16} {
		for _, clients := range []int{1, 16, 64} {
			for _, mode := range []Mode{SnapshotIsolation, Serializable, Pessimistic} {
				for _, regions := range []int{1, 8} {
					b.Run(fmt.Sprintf("accounts=%d/clients=%d/mode=%v/regions=%d", accounts, clients, mode, regions), func(b *testing.B) {
						var o Options
						for i := 1; i < regions; i++ {
							o.SplitKeys = append(o.SplitKeys, clientAccount(accounts*i/regions))
						}
						db := clientBench(b, &o)
						clientFill(b, db, accounts, 8)
						before := db.Metrics()
						b.ReportAllocs()
						stop := cputime.Report(b)
						clientParallel(b, clients, func(r *rand.Rand) {
							from := r.IntN(accounts)
							to := (from + 1 + r.IntN(accounts-1)) % accounts
							if err := clientTransfer(ctx, db, mode, clientAccount(from), clientAccount(to)); err != nil {
								b.Error(err)
							}
						})
						stop()
						m := db.Metrics()
						b.ReportMetric(100*float64(m.Retries-before.Retries)/float64(m.Begun-before.Begun), "%aborts")
					})
				}
			}
		}
	}
}

func clientTransfer(ctx context.Context, db *DB, mode Mode, from, to []byte) error {
	return db.Run(ctx, TxnOptions{Mode: mode}, func(tx *Txn) error {
		var values [][]byte
		var err error
		if mode == Pessimistic {
			values, err = tx.GetForUpdate(ctx, from, to)
		} else {
			values, err = tx.BatchGet(ctx, from, to)
		}
		if err != nil {
			return err
		}
		a, b := binary.LittleEndian.Uint64(values[0]), binary.LittleEndian.Uint64(values[1])
		if a == 0 {
			return nil
		}
		binary.LittleEndian.PutUint64(values[0], a-1)
		binary.LittleEndian.PutUint64(values[1], b+1)
		if err := tx.Put(from, values[0]); err != nil {
			return err
		}
		return tx.Put(to, values[1])
	})
}

func BenchmarkScan(b *testing.B) {
	ctx := context.Background()
	const rows = 10000
	for _, reverse := range []bool{false, true} {
		b.Run(fmt.Sprintf("rows=%d/reverse=%t", rows, reverse), func(b *testing.B) {
			db := clientBench(b, nil)
			clientFill(b, db, rows, 100)
			b.ReportAllocs()
			stop := cputime.Report(b)
			for b.Loop() {
				tx, err := db.Begin(ctx, TxnOptions{Mode: ReadOnly})
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for _, err := range tx.Scan(ctx, nil, nil, ScanOptions{Reverse: reverse}) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				if n != rows {
					b.Fatal(n)
				}
				_ = tx.Rollback(ctx)
			}
			stop()
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
		})
	}
}

// 95 reads of one key to 5 changes of one.
func BenchmarkMixed(b *testing.B) {
	ctx := context.Background()
	for _, clients := range []int{1, 16} {
		b.Run(fmt.Sprintf("reads=95/clients=%d", clients), func(b *testing.B) {
			db := clientBench(b, nil)
			const keys = 10000
			clientFill(b, db, keys, 100)
			b.ReportAllocs()
			stop := cputime.Report(b)
			clientParallel(b, clients, func(r *rand.Rand) {
				key := clientAccount(r.IntN(keys))
				o := TxnOptions{Mode: ReadOnly}
				write := r.IntN(100) < 5
				if write {
					o.Mode = SnapshotIsolation
				}
				err := db.Run(ctx, o, func(tx *Txn) error {
					v, err := tx.Get(ctx, key)
					if err == nil && write {
						err = tx.Put(key, v)
					}
					return err
				})
				if err != nil {
					b.Error(err)
				}
			})
			stop()
		})
	}
}
