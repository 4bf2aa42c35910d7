package mvcc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc/region"
)

// A transfer over three regions in which one request, any of them, is lost, loses its
// answer, comes twice, comes late, or is the last one of its client. Whatever Commit
// says is true; nothing is half there; nobody is locked out.
func TestAnyRequestMayFail(t *testing.T) {
	phases := []struct {
		name   string
		change func(*Options)
	}{{"default", func(*Options) {}}, {"async", clientAsync}, {"2pc", clientTwoPhase}}
	for _, mode := range []Mode{SnapshotIsolation, Serializable, Pessimistic} {
		for _, phase := range phases {
			for _, where := range []string{"three regions", "one region"} {
				for fault := clientLost; fault < clientNumFaults; fault++ {
					for at := 0; ; at++ {
						name := fmt.Sprintf("%v, %s, %s, request %d %v", mode, phase.name, where, at, fault)
						if !clientFaultyTransfer(t, name, mode, phase.change, where, fault, at) {
							break
						}
					}
				}
			}
		}
	}
}

// clientFaultyTransfer reports whether there was a request of that number.
func clientFaultyTransfer(t *testing.T, name string, mode Mode, change func(*Options), where string, fault clientFault, at int) bool {
	ctx := context.Background()
	var splits []string
	if where == "three regions" {
		splits = []string{"m", "t"}
	}
	w := newClientWorld(t, region.Options{}, splits...)
	sound, _ := w.client()
	w.put(sound, "a=5", "m=5", "z=5")
	db, wire := w.client(change)
	happened := false
	var what string
	wire.fault = func(n int, q region.Request) clientFault {
		if n == at {
			happened, what = true, clientName(q)
			return fault
		}
		return clientFine
	}
	err := func() error {
		tx := clientBegin(t, db, mode)
		defer func() { _ = tx.Rollback(ctx) }()
		var err error
		if mode == Pessimistic {
			_, err = tx.GetForUpdate(ctx, []byte("a"), []byte("m"), []byte("z"))
		} else {
			_, err = tx.BatchGet(ctx, []byte("a"), []byte("z"))
		}
		if err == nil {
			// Absent, and part of the read set.
			if _, err = tx.Get(ctx, []byte("b")); errors.Is(err, ErrNotFound) {
				err = nil
			}
		}
		if err != nil {
			return err
		}
		clientWrite(t, tx, "a=4", "m=6", "z")
		require.NoError(t, tx.Insert([]byte("zz"), []byte("5")))
		return tx.Commit(ctx)
	}()
	if !happened {
		require.NoError(t, err)
		return false
	}
	name += ", " + what
	wire.flush()
	const before, after = "a=5 m=5 z=5", "a=4 m=6 zz=5"
	w.clock.pass(time.Minute)
	got := w.state(sound)
	switch {
	case got != before && got != after:
		t.Fatalf("RULE V5: %s: half of it: %s; Commit said %v", name, got, err)
	case err == nil && got != after:
		t.Fatalf("RULE V15: %s: Commit said that it was done, and there is %s", name, got)
	case err != nil && !errors.Is(err, ErrUndetermined) && got != before:
		t.Fatalf("RULE V15: %s: Commit said %v, and there is %s", name, err, got)
	case fault != clientGone && err != nil:
		t.Fatalf("RULE V3: %s: one fault is enough to fail it: %v", name, err)
	}
	// Everybody gets on: all keys can be written, and are free afterwards.
	tx := clientBegin(t, sound, SnapshotIsolation)
	clientWrite(t, tx, "a=1", "m=1", "z=1", "zz")
	if err := tx.Commit(ctx); err != nil {
		t.Fatalf("RULE V5: %s: it is in the way for ever: %v", name, err)
	}
	wire.flush()
	require.Equal(t, "a=1 m=1 z=1", w.state(sound), "RULE V3: "+name+": something came late")
	w.settled("V5")
	return true
}

// Many transfers by clients that fail at random, in all modes on one store: the total is
// the same at every snapshot, also of the past, and with regions being split.
func TestBankWithFaults(t *testing.T) {
	ctx := context.Background()
	const accounts = 8
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 5))
		hybrid := seed%3 == 0
		w := newClientWorld(t, region.Options{Hybrid: hybrid}, "acc3", "acc6")
		if hybrid {
			w.clock.offset = 50 * time.Millisecond
		}
		sound, _ := w.client()
		var all []string
		for i := range accounts {
			all = append(all, fmt.Sprintf("acc%d=100", i))
		}
		w.put(sound, all...)
		changes := []func(*Options){func(*Options) {}, clientAsync, clientTwoPhase}
		var past []TS
		for step := range 120 {
			db, wire := w.client(changes[r.IntN(len(changes))])
			rate := 4 + r.IntN(30)
			wire.fault = func(n int, q region.Request) clientFault {
				if r.IntN(rate) == 0 {
					return clientFault(1 + r.IntN(int(clientNumFaults)-1))
				}
				return clientFine
			}
			mode := Mode(r.IntN(3))
			from, to, amount := r.IntN(accounts), r.IntN(accounts), r.IntN(20)
			_ = clientMove(ctx, db, mode, from, to, amount)
			wire.flush()
			w.clock.pass(time.Duration(r.IntN(2000)) * time.Millisecond)
			if step%40 == 20 {
				_ = w.local.Split(fmt.Appendf(nil, "acc%d5", r.IntN(accounts)))
			}
			now, err := w.clock.Now(ctx)
			require.NoError(t, err)
			past = append(past, now)
			for _, at := range []TS{now, past[r.IntN(len(past))]} {
				tx, err := sound.Begin(ctx, TxnOptions{Mode: ReadOnly, ReadTS: at})
				require.NoError(t, err)
				total := 0
				for kv, err := range tx.Scan(ctx, nil, nil, ScanOptions{Reverse: step%2 == 0}) {
					require.NoError(t, err)
					var n int
					_, err = fmt.Sscan(string(kv.Value), &n)
					require.NoError(t, err)
					total += n
				}
				require.NoError(t, tx.Rollback(ctx))
				if total != 100*accounts {
					t.Fatalf("RULE V5: seed %d, step %d: the total is %d at %v", seed, step, total, at)
				}
			}
		}
		w.clock.pass(time.Minute)
		c, err := sound.Collect(ctx, w.clock.peek())
		require.NoError(t, err)
		require.Positive(t, c.Removed)
		w.settled("V16")
	}
}

func clientMove(ctx context.Context, db *DB, mode Mode, from, to, amount int) error {
	if from == to {
		return nil
	}
	a, b := fmt.Appendf(nil, "acc%d", from), fmt.Appendf(nil, "acc%d", to)
	tx, err := db.Begin(ctx, TxnOptions{Mode: mode})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	var values [][]byte
	if mode == Pessimistic {
		values, err = tx.GetForUpdate(ctx, a, b)
	} else {
		values, err = tx.BatchGet(ctx, a, b)
	}
	if err != nil {
		return err
	}
	var x, y int
	if _, err := fmt.Sscan(string(values[0])+" "+string(values[1]), &x, &y); err != nil {
		return err
	}
	if err := errors.Join(tx.Put(a, fmt.Append(nil, x-amount)), tx.Put(b, fmt.Append(nil, y+amount))); err != nil {
		return err
	}
	return tx.Commit(ctx)
}
