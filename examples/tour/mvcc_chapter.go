package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/flagship-go/flagship/examples/txnkv/ranges"
	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/raft"
)

const (
	mvccAccounts = 10_000
	mvccBalance  = 1000 // of each, at first
	mvccRanges   = 8
	mvccClients  = 64
	mvccNodes    = 3
	// mvccRows is how many lines of code become rows, if there are as many.
	mvccRows = 1_000_000
)

// mvccChapter is about transactions over many keys: a bank whose total never changes,
// and questions about a million rows.
var mvccChapter = Chapter{
	Name:  "mvcc",
	Title: "transactions across ranges, whatever happens to the nodes",
	Run: func(ctx context.Context, s *Stage) error {
		rows := mvccRows
		if s.Short {
			rows /= 10
		}
		return playMVCC(ctx, s, mvccAccounts, rows)
	},
}

// mvccActs is the chapter while it runs.
type mvccActs struct {
	*Stage
	ctx      context.Context
	accounts int
	rows     int
	cluster  *ranges.Cluster
	db       *mvcc.DB
}

func playMVCC(ctx context.Context, s *Stage, accounts, rows int) (err error) {
	a := &mvccActs{Stage: s, ctx: ctx, accounts: accounts, rows: rows}
	a.cluster, err = ranges.Open(ctx, ranges.Options{Dir: s.Dir, Nodes: mvccNodes, MaxRangeBytes: -1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.cluster.Close()) }()
	a.db, err = mvcc.Open(&mvcc.Options{Transport: a.cluster, Clock: a.cluster.Clock(), LockTTL: time.Second})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.db.Close()) }()
	for _, act := range []func() error{a.openBank, a.bank, a.questions} {
		if err := act(); err != nil {
			return err
		}
	}
	return nil
}

func mvccAccount(i int) []byte { return fmt.Appendf(nil, "account/%06d", i) }

func money(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

func amount(v []byte) int64 { return int64(binary.BigEndian.Uint64(v)) }

// openBank makes the accounts, cuts them into ranges, and spreads these over the nodes.
func (a *mvccActs) openBank() error {
	a.Say("%d nodes keep a bank of %d accounts, in %d ranges of keys. Each range is a raft group of its own, over a store of package lsm on each node. A transaction may go across any of them.",
		mvccNodes, a.accounts, mvccRanges)
	for i := 1; i < mvccRanges; i++ {
		if err := a.cluster.Split(a.ctx, mvccAccount(i*a.accounts/mvccRanges)); err != nil {
			return err
		}
	}
	const batch = 500
	for from := 0; from < a.accounts; from += batch {
		err := a.db.Run(a.ctx, mvcc.TxnOptions{}, func(t *mvcc.Txn) error {
			for i := from; i < min(from+batch, a.accounts); i++ {
				if err := t.Put(mvccAccount(i), money(mvccBalance)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		a.Progress("accounts opened", min(from+batch, a.accounts), a.accounts)
	}
	for i := range mvccRanges {
		info, err := a.cluster.Region(a.ctx, mvccAccount(i*a.accounts/mvccRanges))
		if err != nil {
			return err
		}
		if err := a.move(info.ID, raft.NodeID(1+i%mvccNodes)); err != nil {
			return err
		}
	}
	return a.showRanges()
}

// move makes a node a range's leader. One that has just come may be too far behind.
func (a *mvccActs) move(id uint64, to raft.NodeID) error {
	for {
		err := a.cluster.Move(a.ctx, id, to)
		if !errors.Is(err, raft.ErrDropped) {
			return err
		}
	}
}

// showRanges draws who serves what.
func (a *mvccActs) showRanges() error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%-8s %-16s %-6s", "range", "from", "epoch")
	for n := range mvccNodes {
		fmt.Fprintf(&b, " node %d  ", n+1)
	}
	st := a.cluster.Status(a.ctx)
	for _, r := range st.Ranges {
		fmt.Fprintf(&b, "\n%-8d %-16.16q %-6d", r.ID, r.Start, r.Epoch)
		for _, n := range st.Nodes {
			role := "follows"
			switch {
			case !n.Running:
				role = "down"
			case r.Served && r.Lease.Holder == n.ID:
				role = "LEASE"
			}
			fmt.Fprintf(&b, " %-8s", role)
		}
	}
	a.Picture(b.String())
	return a.ctx.Err()
}
