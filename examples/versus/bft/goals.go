package main

import (
	"fmt"
	"io"

	"github.com/flagship-go/flagship/internal/versus"
)

// The contenders' names.
const (
	ours       = "flagship"
	comet      = "cometbft"       // defaults, but that it does not wait after a commit
	cometTuned = "cometbft-tuned" // and gossips every millisecond
	cometBest  = "cometbft-best"  // and has no index, and links without a limit
)

const (
	oursModule  = "github.com/flagship-go/flagship"
	cometModule = "github.com/cometbft/cometbft"
)

// A limit is a goal that is not relative to a peer: our figure is to be at most this.
type limit struct {
	metric versus.Metric
	atMost float64
}

func writeLimits(out io.Writer, r *versus.Report, limits []limit) {
	for _, l := range limits {
		for _, cell := range r.Cells {
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
