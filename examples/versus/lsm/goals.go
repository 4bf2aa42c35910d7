package main

import (
	"slices"

	"github.com/flagship-go/flagship/internal/versus"
)

// cpu is the promise of at most so many times the peer's processor time an
// operation.
func cpu(ratio float64, of string, cells ...versus.Cell) versus.Goal {
	return versus.Goal{Metric: versus.CPUPerOp, AtMost: ratio, Of: of, Cells: cells}
}

// rate is the promise of at least so many times the peer's operations per second.
func rate(ratio float64, of string, cells ...versus.Cell) versus.Goal {
	return versus.Goal{Metric: versus.OpsPerSec, AtLeast: ratio, Of: of, Cells: cells}
}

// judged returns the goals as far as there is anything to judge.
func (t *table) judged(cfg versus.Config, contenders []versus.Contender, cells []versus.Cell) (goals []versus.Goal) {
	if cfg.Ours == "" || len(contenders) < 2 {
		return nil
	}
	for _, g := range t.goals {
		g.Cells = slices.DeleteFunc(slices.Clone(g.Cells), func(c versus.Cell) bool { return !slices.Contains(cells, c) })
		if len(g.Cells) > 0 && has(contenders, g.Of) != "" {
			goals = append(goals, g)
		}
	}
	return goals
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "missed"
}
