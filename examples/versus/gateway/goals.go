package main

import (
	"fmt"
	"io"

	"github.com/flagship-go/flagship/internal/versus"
)

// The contenders' names, where goals use them.
const (
	ours       = "flagship"
	bareName   = "bare"
	httprouter = "httprouter"
	failsafe   = "failsafe-go"
	gobreaker  = "gobreaker"
	aegis      = "aegis"
	xtime      = "x-time-rate"
)

const oursModule = "github.com/flagship-go/flagship"

// cpu is the promise of at most so many times the peer's processor time an operation.
func cpu(ratio float64, of string, cells ...versus.Cell) versus.Goal {
	return versus.Goal{Metric: versus.CPUPerOp, AtMost: ratio, Of: of, Cells: cells}
}

// bound is a promise that is no ratio to a peer in the same cell.
type bound struct {
	text            string // what the figure is, and where
	figure          func(r *versus.Report) (v float64, ok bool)
	atMost, atLeast float64 // one of them; of atMost, 0 is a limit as well
}

func writeLimits(out io.Writer, r *versus.Report, limits []bound) {
	for _, l := range limits {
		v, ok := l.figure(r)
		if !ok {
			continue
		}
		sign, value, met := "<=", l.atMost, v <= l.atMost
		if l.atLeast > 0 {
			sign, value, met = ">=", l.atLeast, v >= l.atLeast
		}
		verdict := "missed"
		if met {
			verdict = "met"
		}
		fmt.Fprintf(out, "\n* **%s**: %s %g %s (%.3g)", verdict, sign, value, l.text, v)
	}
	fmt.Fprint(out, "\n\n")
}

// scaled is a figure of a contender, times something.
func scaled(cell versus.Cell, who string, m versus.Metric, by float64) func(*versus.Report) (float64, bool) {
	return func(r *versus.Report) (float64, bool) {
		v, ok := r.Value(cell, who, m)
		return v * by, ok
	}
}

// milliseconds is how long an operation of a single client takes.
func milliseconds(cell versus.Cell, who string) func(*versus.Report) (float64, bool) {
	return func(r *versus.Report) (float64, bool) {
		v, ok := r.Value(cell, who, versus.OpsPerSec)
		return 1000 / v, ok
	}
}

// noAllocation is the promise that an operation does not allocate. A sample has a handful of allocations that are the
// measuring's own.
func noAllocation(cells ...versus.Cell) (limits []bound) {
	for _, cell := range cells {
		figure := func(r *versus.Report) (float64, bool) {
			v, ok := r.Value(cell, ours, versus.AllocsPerOp)
			return float64(int(v + 0.5)), ok
		}
		limits = append(limits, bound{text: fmt.Sprintf("allocations at %s", cell), figure: figure})
	}
	return limits
}
