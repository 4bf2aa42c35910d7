package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/flagship-go/flagship/internal/versus"
)

// Clusters of three in one process. Clients propose to the leader, each one
// command at a time, and each command is waited for until the leader's state
// machine has applied it. The state machine does nothing.

// clusterTick is the tick of all contenders; elections take ten to twenty.
const clusterTick = 20 * time.Millisecond

// durableSnapshots is after how many entries the durable clusters would take a
// snapshot: after more than a sample has. What a snapshot costs depends on the
// state machine, and here there is none; package raft would write a file and
// sync it where the driver of etcd would not.
const durableSnapshots = 1 << 30

// cluster is a running cluster that has a leader.
type cluster interface {
	// propose returns when the leader has applied the command, which nobody
	// changes.
	propose(ctx context.Context, command []byte) error
	Close() error
}

// start makes a cluster; its logs are in the directories, or in memory when
// there are none.
type start func(ctx context.Context, dirs []string) (cluster, error)

func clusterCells() (cells, few, busy []versus.Cell) {
	for _, size := range []int{64, 1024} {
		for _, proposers := range []int{1, 64, 1024} {
			cell := versus.Cell(fmt.Sprintf("size=%d/proposers=%d", size, proposers))
			cells = append(cells, cell)
			if proposers == 1 {
				few = append(few, cell)
			} else {
				busy = append(busy, cell)
			}
		}
	}
	return cells, few, busy
}

func memoryTable() table {
	cells, _, busy := clusterCells()
	contender := func(name, module string, begin start) versus.Contender {
		return versus.Contender{Name: name, Module: module, Setup: func(ctx context.Context, cell versus.Cell) (versus.Runner, error) {
			c, err := begin(ctx, nil)
			return clusterRunner{cluster: c}, err
		}}
	}
	return table{Table: versus.Table{
		Name: "memory", Ours: ours, Title: "Three nodes in one process, logs in memory", Cells: cells, Quick: cells[1:2],
		Contenders: []versus.Contender{
			contender(ours, "github.com/flagship-go/flagship", startOurs),
			contender(etcdSync, "go.etcd.io/raft/v3", startEtcd(false)),
			contender(etcdAsync, "go.etcd.io/raft/v3", startEtcd(true)),
			contender(hashiStock, "github.com/hashicorp/raft", startHashicorp(false)),
			contender(hashiTuned, "github.com/hashicorp/raft", startHashicorp(true)),
		},
		Goals: []versus.Goal{{Metric: versus.CPUPerOp, AtMost: 0.5, Cells: busy}},
	}, limits: []limit{{versus.AllocsPerOp, 3, busy}}}
}

func durableTable(s *versus.Session) table {
	cells, few, busy := clusterCells()
	contender := func(name, module string, begin start) versus.Contender {
		return versus.Contender{Name: name, Module: module, Setup: func(ctx context.Context, cell versus.Cell) (versus.Runner, error) {
			base, err := os.MkdirTemp(s.Dir, "")
			if err != nil {
				return nil, err
			}
			var dirs []string
			for i := range 3 {
				dirs = append(dirs, filepath.Join(base, fmt.Sprint(i+1)))
			}
			c, err := begin(ctx, dirs)
			if err != nil {
				os.RemoveAll(base)
				return nil, err
			}
			return clusterRunner{c, base}, nil
		}}
	}
	return table{Table: versus.Table{
		Name: "durable", Ours: ours, Title: "Three nodes in one process, three logs on one disk, synced", Cells: cells, Quick: cells[1:2],
		Contenders: []versus.Contender{
			contender(ours, "github.com/flagship-go/flagship", startOurs),
			contender(etcdSync, "go.etcd.io/etcd/server/v3", startEtcd(false)),
			contender(etcdAsync, "go.etcd.io/etcd/server/v3", startEtcd(true)),
			contender(hashiStock, "github.com/hashicorp/raft-wal", startHashicorp(false)),
			contender(hashiTuned, "github.com/hashicorp/raft-wal", startHashicorp(true)),
		},
		Goals: []versus.Goal{
			{Metric: versus.OpsPerSec, AtLeast: 1, Cells: few},
			{Metric: versus.OpsPerSec, AtLeast: 1.5, Cells: busy},
		},
	}}
}

type clusterRunner struct {
	cluster
	dir string // to be removed
}

func (r clusterRunner) Run(ctx context.Context, w *versus.Work) error {
	command := make([]byte, w.Cell.Int("size", 64))
	return w.Each(ctx, w.Cell.Int("proposers", 1), func(ctx context.Context, _ *versus.Client) error {
		return r.propose(ctx, command)
	})
}

func (r clusterRunner) Close() error {
	err := r.cluster.Close()
	if r.dir != "" {
		os.RemoveAll(r.dir)
	}
	return err
}

// await polls until done.
func await(ctx context.Context, what string, done func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for !done() {
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		}
	}
	return nil
}
