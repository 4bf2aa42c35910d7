package main

import (
	"fmt"
	"io"

	"github.com/flagship-go/flagship/internal/versus"
)

// The contenders' names.
const (
	ours       = "flagship"
	etcdSync   = "etcd"
	etcdAsync  = "etcd-async"
	hashiStock = "hashicorp"
	hashiTuned = "hashicorp-tuned"
	rawFile    = "raw"
)

// limit is a goal that is not relative to a peer: our figure is to be at most
// this in these cells.
type limit struct {
	metric versus.Metric
	atMost float64
	cells  []versus.Cell
}

func writeLimits(out io.Writer, r *versus.Report, limits []limit) {
	for _, l := range limits {
		for _, cell := range l.cells {
			if got, ok := r.Value(cell, ours, l.metric); ok {
				fmt.Fprintf(out, "\n* **%s**: <= %g %s at %s (%.2f)", verdict(got <= l.atMost), l.atMost, l.metric, cell, got)
			}
		}
	}
	fmt.Fprintln(out)
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "missed"
}
