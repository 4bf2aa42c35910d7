package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/flagship-go/flagship/internal/versus"
)

// Four validators in one process, each with its keys, logs and blocks in a folder of its own, all linked to each other
// over loopback TCP, with the same application: our kvstore. An operation is a block, seen at the first node; or a transaction in one.

const nodes = 4

// A cluster is four nodes that run.
type cluster interface {
	// Blocks has the number of transactions of each block that the first node has committed.
	Blocks() <-chan int
	// Submit hands a transaction to the mempool of a node. false: it is full.
	Submit(node int, tx []byte) (bool, error)
	// Close stops all nodes.
	Close() error
}

var (
	ourNodes   = start{ours, oursModule, startOurs}
	asIsNodes  = start{comet, cometModule, startComet(asIs)}
	tunedNodes = start{cometTuned, cometModule, startComet(tuned)}
	bestNodes  = start{cometBest, cometModule, startComet(fastest)}
)

// A start makes a contender's cluster in a folder.
type start struct {
	name, module string
	start        func(ctx context.Context, dir string) (cluster, error)
}

func clusters(s *versus.Session, all []start, run func(ctx context.Context, c cluster) (versus.Runner, error)) []versus.Contender {
	contender := func(n start) versus.Contender {
		return versus.Contender{Name: n.name, Module: n.module, Setup: func(ctx context.Context, _ versus.Cell) (versus.Runner, error) {
			dir, err := os.MkdirTemp(s.Dir, "")
			if err != nil {
				return nil, err
			}
			c, err := n.start(ctx, dir)
			if err != nil {
				return nil, errors.Join(err, os.RemoveAll(dir))
			}
			c = inFolder{c, dir}
			r, err := run(ctx, c)
			if err != nil {
				return nil, errors.Join(err, c.Close())
			}
			return r, nil
		}}
	}
	contenders := make([]versus.Contender, len(all))
	for i, n := range all {
		contenders[i] = contender(n)
	}
	return contenders
}

type inFolder struct {
	cluster
	dir string
}

func (c inFolder) Close() error { return errors.Join(c.cluster.Close(), os.RemoveAll(c.dir)) }

func emptyTable(s *versus.Session) table {
	return table{Table: versus.Table{
		Name: "empty", Title: "Four nodes, empty blocks: an operation is a block", Ours: ours, Reference: cometTuned,
		Cells: []versus.Cell{"nodes=4/txs=0"}, Stretch: 15,
		Contenders: clusters(s, []start{ourNodes, asIsNodes, tunedNodes}, func(ctx context.Context, c cluster) (versus.Runner, error) {
			return emptyBlocks{c}, skip(ctx, c, 5)
		}),
		Goals: []versus.Goal{
			{Metric: versus.P50, AtMost: 0.35, Of: cometTuned},
			{Metric: versus.P50, AtMost: 0.033, Of: comet},
		},
	}}
}

// skip waits for so many blocks: links are up, and files have been written to.
func skip(ctx context.Context, c cluster, blocks int) error {
	for range blocks {
		if _, err := next(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// next waits for a block.
func next(ctx context.Context, c cluster) (txs int, err error) {
	timer := time.NewTimer(time.Minute)
	defer timer.Stop()
	select {
	case txs, open := <-c.Blocks():
		if !open {
			return 0, errors.New("the first node has stopped, or nobody has read its blocks")
		}
		return txs, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-timer.C:
		return 0, errors.New("no block for a minute")
	}
}

type emptyBlocks struct{ cluster }

// Run implements [versus.Runner].
func (r emptyBlocks) Run(ctx context.Context, w *versus.Work) error {
	client := w.NewClient()
	if _, err := next(ctx, r); err != nil { // the interval under way began before the clock
		return err
	}
	for last := time.Now(); client.Next(); {
		if _, err := next(ctx, r); err != nil {
			return err
		}
		now := time.Now()
		client.Record(now.Sub(last))
		last = now
	}
	return nil
}

// saturatedTable has as many transactions waiting at any time as its cell says: what is committed is made up for by others,
// handed to the four nodes in turn, and carried to the rest by the mempools.
func saturatedTable(s *versus.Session) table {
	cell := versus.Cell(fmt.Sprintf("nodes=4/size=250/waiting=%d", waiting))
	return table{Table: versus.Table{
		Name: "saturated", Title: "Four nodes, saturated: an operation is a committed transaction", Ours: ours, Reference: cometBest,
		Cells: []versus.Cell{cell}, Stretch: 15,
		Contenders: clusters(s, []start{ourNodes, tunedNodes, bestNodes}, func(ctx context.Context, c cluster) (versus.Runner, error) {
			f := &saturated{cluster: c}
			for range 4 { // the first are small
				if _, err := f.block(ctx); err != nil {
					return nil, err
				}
			}
			return f, nil
		}),
		Goals: []versus.Goal{{Metric: versus.OpsPerSec, AtLeast: 2, Of: cometTuned}, {Metric: versus.OpsPerSec, AtLeast: 2, Of: cometBest}},
	}}
}

const waiting = 4000

type saturated struct {
	cluster
	submitted, committed int
}

// block fills the mempools up, and waits for the next block with transactions.
func (f *saturated) block(ctx context.Context) (int, error) {
	for f.submitted < f.committed+waiting {
		ok, err := f.Submit(f.submitted%nodes, transaction(f.submitted, 250))
		if err != nil {
			return 0, err
		}
		if !ok {
			break
		}
		f.submitted++
	}
	for {
		txs, err := next(ctx, f)
		f.committed += txs
		if err != nil || txs > 0 {
			return txs, err
		}
	}
}

// Run implements [versus.Runner]. It ends with a block.
func (f *saturated) Run(ctx context.Context, w *versus.Work) error {
	client := w.NewClient()
	for {
		txs, err := f.block(ctx)
		if err != nil {
			return err
		}
		more := true
		for range txs {
			more = client.Next() && more
		}
		if !more {
			return nil
		}
	}
}

// transaction is name=value with so many bytes in all, each with another name.
func transaction(i, size int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(i)))
	tx := fmt.Appendf(make([]byte, 0, size), "k%d=", i)
	for len(tx) < size {
		tx = append(tx, 'a'+byte(r.UintN(26)))
	}
	return tx
}

func transactions(n, size int) [][]byte {
	txs := make([][]byte, n)
	for i := range txs {
		txs[i] = transaction(i, size)
	}
	return txs
}
