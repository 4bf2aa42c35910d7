// Command raft sets package raft beside the production libraries: etcd's
// go.etcd.io/raft with its write-ahead log, and github.com/hashicorp/raft with
// raft-wal.
//
//	go -C examples/versus/raft run .                  all of it, in about five minutes
//	go -C examples/versus/raft run . -only durable    tables whose cells match
//	go -C examples/versus/raft run . -rounds 7 -time 1s -out results
//
// Tables, each with the file that makes it:
//
//	lockstep  the cores alone, on one goroutine          lockstep.go, heap.go
//	memory    three nodes in one process, logs in memory  cluster.go
//	durable   the same with three logs on one disk        cluster.go
//	wal       the logs alone, in files used before          wal.go
//	wal-new   and in new ones                               wal.go
//
// cluster_ours.go, cluster_etcd.go and cluster_hashicorp.go drive the
// contenders; goals.go says what was promised.
package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/flagship-go/flagship/internal/versus"
)

func main() { program.Main() }

var program = &versus.Program{
	Command: "go -C examples/versus/raft run .",
	Rounds:  3, Length: 200 * time.Millisecond, QuickLength: 20 * time.Millisecond,
	Temp: true,
	Measure: func(ctx context.Context, s *versus.Session) error {
		for _, t := range tables(s) {
			if err := t.measure(ctx, s); err != nil {
				return err
			}
		}
		return nil
	},
}

func tables(s *versus.Session) []table {
	return []table{lockstepTable(), heapTable(), memoryTable(), durableTable(s), walTable(s), walNewTable(s)}
}

// table is one comparison.
type table struct {
	versus.Table
	limits []limit
	// special replaces the measuring.
	special func(out io.Writer)
}

func (t *table) measure(ctx context.Context, s *versus.Session) error {
	if t.special != nil {
		if s.Wants(t.Name) {
			t.special(s.Out)
		}
		return nil
	}
	report, err := s.Measure(ctx, &t.Table)
	if report == nil || err != nil {
		return err
	}
	writeLimits(s.Out, report, t.limits)
	_, err = fmt.Fprintln(s.Out)
	return err
}
