package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/raft"
)

// mvccBank is the clients of the bank, and those who look at its books.
type mvccBank struct {
	*mvccActs
	moved, unknown atomic.Int64
	audits, wrong  atomic.Int64
	failed         atomic.Pointer[error]
	stop           context.CancelFunc
	running        context.Context
	everybody      sync.WaitGroup
	last           string // what an auditor found wrong
	mu             sync.Mutex
}

// bank moves money while a node dies, a range splits, and a leader moves.
func (a *mvccActs) bank() error {
	opening, err := a.db.Begin(a.ctx, mvcc.TxnOptions{Mode: mvcc.ReadOnly})
	if err != nil {
		return err
	}
	defer opening.Rollback(a.ctx)
	b := &mvccBank{mvccActs: a}
	b.running, b.stop = context.WithCancel(a.ctx)
	a.Say("%d clients move money between accounts that they pick at random, in whatever ranges they are, and two auditors add up all accounts, again and again, each time at one snapshot.", mvccClients)
	for i := range mvccClients {
		b.everybody.Go(func() { b.client(uint64(i)) })
	}
	for range 2 {
		b.everybody.Go(b.auditor)
	}
	err = b.events()
	b.stop()
	b.everybody.Wait()
	if failed := b.failed.Load(); failed != nil {
		err = errors.Join(err, *failed)
	}
	if err != nil {
		return err
	}
	m := a.db.Metrics()
	a.Event("", fmt.Sprintf("%d transfers were committed: %d in one phase, %d in one round of prewrites, %d in two phases; %d were run again after a conflict, and %d requests were sent again",
		b.moved.Load(), m.OnePhase, m.Async, m.TwoPhase, m.Retries, m.Resent), nil)
	a.Claim(b.wrong.Load() == 0, "the total was the same at each of %d snapshots%s", b.audits.Load(), b.last)
	total, err := a.total(opening)
	if err != nil {
		return err
	}
	a.Claim(total == b.sum() && a.untouched(opening) == nil, "a snapshot from before all this still shows every account with %d", mvccBalance)
	return a.showRanges()
}

func (a *mvccActs) sum() int64 { return int64(a.accounts) * mvccBalance }

// events waits, before each thing that happens, until the clients have got on.
func (b *mvccBank) events() error {
	if err := b.getOn(); err != nil {
		return err
	}
	first := mvccAccount(0)
	info, err := b.cluster.Region(b.ctx, first)
	if err != nil {
		return err
	}
	holder := b.leader(info.ID)
	b.Event(fmt.Sprintf("node %d", holder), "is stopped, in the midst of what it does", nil)
	died := time.Now()
	if err := b.cluster.Stop(holder); err != nil {
		return err
	}
	if err := b.reach(first); err != nil {
		return err
	}
	b.Claim(true, "the others serve what it did after %v", time.Since(died).Round(time.Millisecond))
	if err := b.getOn(); err != nil {
		return err
	}
	at := mvccAccount(b.accounts / mvccRanges / 2)
	if err := b.cluster.Split(b.ctx, at); err != nil {
		return err
	}
	b.Event(fmt.Sprintf("range %d", info.ID), fmt.Sprintf("is split at %q, while the node is down", at), nil)
	if err := b.getOn(); err != nil {
		return err
	}
	b.Event(fmt.Sprintf("node %d", holder), "starts again, with what is on its disk", nil)
	if err := b.cluster.Start(holder); err != nil {
		return err
	}
	if err := b.getOn(); err != nil {
		return err
	}
	info, err = b.cluster.Region(b.ctx, at)
	if err != nil {
		return err
	}
	if err := b.move(info.ID, holder); err != nil {
		return err
	}
	b.Event(fmt.Sprintf("range %d", info.ID), fmt.Sprintf("is led by node %d now, at a word", holder), nil)
	return b.getOn()
}

func (a *mvccActs) leader(id uint64) raft.NodeID {
	for {
		for _, r := range a.cluster.Status(a.ctx).Ranges {
			if r.ID == id && r.Served || a.ctx.Err() != nil {
				return r.Lease.Holder
			}
		}
	}
}

// getOn waits for transfers that begin and end from now on, and for audits.
func (b *mvccBank) getOn() error {
	return b.until(func(moved, audits int64) func() bool {
		return func() bool { return b.moved.Load() >= moved+2*mvccClients && b.audits.Load() >= audits+2 }
	}(b.moved.Load(), b.audits.Load()))
}

func (b *mvccBank) until(done func() bool) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		if b.failed.Load() != nil {
			return nil // bank says why
		}
		select {
		case <-tick.C:
		case <-b.ctx.Done():
			return b.ctx.Err()
		}
	}
	return nil
}

// reach waits until a key can be written.
func (b *mvccBank) reach(key []byte) error {
	return b.db.Run(b.ctx, mvcc.TxnOptions{}, func(t *mvcc.Txn) error {
		v, err := t.Get(b.ctx, key)
		if err != nil {
			return err
		}
		return t.Put(key, v)
	})
}

func (b *mvccBank) client(seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	for b.running.Err() == nil {
		from, to := mvccAccount(rng.IntN(b.accounts)), mvccAccount(rng.IntN(b.accounts))
		if string(from) == string(to) {
			continue
		}
		err := b.db.Run(b.running, mvcc.TxnOptions{}, func(t *mvcc.Txn) error { return b.transfer(t, from, to, 1+rng.Int64N(10)) })
		switch {
		case err == nil:
			b.moved.Add(1)
		case b.running.Err() != nil:
		case errors.Is(err, mvcc.ErrUndetermined):
			b.unknown.Add(1)
		default:
			b.failed.CompareAndSwap(nil, &err)
			return
		}
	}
}

func (b *mvccBank) transfer(t *mvcc.Txn, from, to []byte, n int64) error {
	v, err := t.BatchGet(b.running, from, to)
	if err != nil {
		return err
	}
	return errors.Join(t.Put(from, money(amount(v[0])-n)), t.Put(to, money(amount(v[1])+n)))
}

func (b *mvccBank) auditor() {
	for b.running.Err() == nil {
		t, err := b.db.Begin(b.running, mvcc.TxnOptions{Mode: mvcc.ReadOnly})
		var total int64
		if err == nil {
			total, err = b.total(t)
			err = errors.Join(err, t.Rollback(b.ctx))
		}
		if b.running.Err() != nil {
			return
		}
		if err != nil {
			b.failed.CompareAndSwap(nil, &err)
			return
		}
		if total != b.sum() {
			b.wrong.Add(1)
			b.mu.Lock()
			b.last = fmt.Sprintf("; but at %v it was %d, not %d", t.ReadTS(), total, b.sum())
			b.mu.Unlock()
		}
		b.audits.Add(1)
	}
}

// total adds up all accounts at a snapshot.
func (a *mvccActs) total(t *mvcc.Txn) (total int64, err error) {
	for kv, err := range t.Scan(a.ctx, []byte("account/"), []byte("account0"), mvcc.ScanOptions{}) {
		if err != nil {
			return 0, err
		}
		total += amount(kv.Value)
	}
	return total, nil
}

// untouched looks whether every account has what it began with.
func (a *mvccActs) untouched(t *mvcc.Txn) error {
	for kv, err := range t.Scan(a.ctx, []byte("account/"), []byte("account0"), mvcc.ScanOptions{}) {
		if err != nil {
			return err
		}
		if amount(kv.Value) != mvccBalance {
			return fmt.Errorf("%s has %d", kv.Key, amount(kv.Value))
		}
	}
	return nil
}
