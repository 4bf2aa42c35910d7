package ranges

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/raft"
)

var bankEvents = flag.Int("events", 6, "how much happens to the cluster in TestBankTotalsNeverChange")

const (
	accounts = 64
	balance  = 100
)

func account(i int) []byte { return fmt.Appendf(nil, "acct%04d", i) }

func amount(v []byte) int64 { return int64(binary.BigEndian.Uint64(v)) }

func money(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// Money moves between accounts while nodes die and come back, ranges split and leaders
// move: every snapshot has the same total, and what an acknowledged transfer has
// written down beside the accounts is there at the end.
func TestBankTotalsNeverChange(t *testing.T) {
	forClocks(t, func(t *testing.T, o Options) {
		o.SnapshotEvery, o.KeepEntries = 50, 5 // nodes that were away get snapshots
		w := start(t, o)
		b := &bank{w: w, ctx: within(t, 3*time.Minute)}
		w.run(func(_ context.Context, t *mvcc.Txn) error {
			for i := range accounts {
				if err := t.Put(account(i), money(balance)); err != nil {
					return err
				}
			}
			return nil
		})
		stop := make(chan struct{})
		var clients sync.WaitGroup
		modes := []mvcc.Mode{mvcc.SnapshotIsolation, mvcc.Serializable, mvcc.Pessimistic, mvcc.SnapshotIsolation}
		for i, mode := range modes {
			clients.Go(func() { b.transfers(i, mode, stop) })
		}
		clients.Go(func() { b.audits(stop) })
		b.events(rand.New(rand.NewPCG(7, uint64(len(o.Clock)))))
		close(stop)
		clients.Wait()
		b.audit()
		b.receipts()
		w.agree(b.ctx)
		if !t.Failed() {
			t.Logf("%d transfers acknowledged, %d audits, %d ranges", b.moved.Load(), b.audited.Load(), len(w.Status(b.ctx).Ranges))
		}
	})
}

type bank struct {
	w              *world
	ctx            context.Context
	moved, audited atomic.Int64
	mu             sync.Mutex
	acked          []string
}

func (b *bank) transfers(client int, mode mvcc.Mode, stop chan struct{}) {
	rng := rand.New(rand.NewPCG(uint64(client), 1))
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		from, to := rng.IntN(accounts), rng.IntN(accounts)
		if from == to {
			continue
		}
		receipt := fmt.Sprintf("receipt/%d/%d", client, n)
		err := b.w.db.Run(b.ctx, mvcc.TxnOptions{Mode: mode}, func(t *mvcc.Txn) error { return b.transfer(t, from, to, receipt) })
		switch {
		case err == nil:
			b.moved.Add(1)
			b.mu.Lock()
			b.acked = append(b.acked, receipt)
			b.mu.Unlock()
		case !errors.Is(err, mvcc.ErrUndetermined):
			b.w.t.Errorf("client %d, %v: %v", client, mode, err)
			return
		}
	}
}

func (b *bank) transfer(t *mvcc.Txn, from, to int, receipt string) error {
	read := t.BatchGet
	if t.Mode() == mvcc.Pessimistic {
		read = t.GetForUpdate
	}
	v, err := read(b.ctx, account(from), account(to))
	if err != nil {
		return err
	}
	return errors.Join(
		t.Put(account(from), money(amount(v[0])-1)),
		t.Put(account(to), money(amount(v[1])+1)),
		t.Put([]byte(receipt), []byte("paid")))
}

func (b *bank) audits(stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
			b.audit()
		}
	}
}

func (b *bank) audit() {
	var total, n int64
	err := b.w.db.Run(b.ctx, mvcc.TxnOptions{Mode: mvcc.ReadOnly}, func(t *mvcc.Txn) error {
		total, n = 0, 0
		for kv, err := range t.Scan(b.ctx, []byte("acct"), []byte("accu"), mvcc.ScanOptions{}) {
			if err != nil {
				return err
			}
			total += amount(kv.Value)
			n++
		}
		return nil
	})
	switch {
	case err != nil:
		b.w.t.Errorf("audit: %v", err)
	case n != accounts || total != accounts*balance:
		b.w.t.Errorf("RULE T3: %d accounts with %d, of %d with %d", n, total, accounts, accounts*balance)
	}
	b.audited.Add(1)
}

// receipts looks for what was acknowledged.
func (b *bank) receipts() {
	there := map[string]bool{}
	b.w.run(func(ctx context.Context, t *mvcc.Txn) error {
		for kv, err := range t.Scan(ctx, []byte("receipt/"), []byte("receipt0"), mvcc.ScanOptions{KeysOnly: true}) {
			if err != nil {
				return err
			}
			there[string(kv.Key)] = true
		}
		return nil
	})
	for _, r := range b.acked {
		rule(b.w.t, "T1", there[r], "%s was acknowledged, and is not there", r)
	}
}

// events are what happens to the cluster; each waits until clients have got on since the
// one before.
func (b *bank) events(rng *rand.Rand) {
	w := b.w
	for e := range *bankEvents {
		before := b.moved.Load()
		for b.moved.Load() < before+10 && !w.t.Failed() {
			require.NoError(w.t, pause(b.ctx, 5*time.Millisecond), "clients do not get on; event %d", e)
		}
		id := raft.NodeID(1 + rng.IntN(3))
		switch e % 3 {
		case 0:
			require.NoError(w.t, w.Split(b.ctx, account(rng.IntN(accounts))))
		case 1:
			require.NoError(w.t, w.Stop(id))
			before := b.moved.Load()
			for b.moved.Load() < before+5 && !w.t.Failed() {
				require.NoError(w.t, pause(b.ctx, 5*time.Millisecond), "clients do not get on without %v", id)
			}
			require.NoError(w.t, w.Cluster.Start(id))
		default:
			rangeID, _ := w.holder(string(account(rng.IntN(accounts))))
			if err := w.Move(b.ctx, rangeID, id); err != nil {
				require.ErrorIs(w.t, err, raft.ErrDropped) // the node was just started, and is behind
			}
		}
	}
}
