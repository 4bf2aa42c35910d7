package main

import "github.com/flagship-go/flagship/internal/versus"

// cpu is the promise of at most so many times the peer's processor time an
// operation.
func cpu(ratio float64, of string, cells ...versus.Cell) versus.Goal {
	return versus.Goal{Metric: versus.CPUPerOp, AtMost: ratio, Of: of, Cells: cells}
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "missed"
}
