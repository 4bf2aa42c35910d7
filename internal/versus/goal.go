package versus

import (
	"errors"
	"fmt"
)

// A Goal is a promise about our contender's figure relative to a peer's, such as
// ">= 1.5x ops/s of the best peer".
type Goal struct {
	Metric Metric `json:"metric"`
	// AtLeast or AtMost is the ratio to reach; exactly one is set.
	AtLeast float64 `json:"atLeast,omitempty"`
	AtMost  float64 `json:"atMost,omitempty"`
	// Of names a contender. Default: the best peer of each cell, by Metric.
	Of string `json:"of,omitempty"`
	// Cells are those where the goal holds. Default: all.
	Cells []Cell `json:"cells,omitempty"`
}

// String is the goal in words, without its cells.
func (g Goal) String() string {
	of, sign, ratio := g.Of, ">=", g.AtLeast
	if of == "" {
		of = "the best peer"
	}
	if g.AtMost > 0 {
		sign, ratio = "<=", g.AtMost
	}
	return fmt.Sprintf("%s %gx %s of %s", sign, ratio, g.Metric, of)
}

func (g Goal) validate(ours string, names map[string]bool, cells map[Cell]bool) error {
	switch {
	case ours == "":
		return errors.New("versus: a goal needs Config.Ours")
	case (g.AtLeast > 0) == (g.AtMost > 0):
		return fmt.Errorf("versus: goal on %s: set either AtLeast or AtMost, above 0", g.Metric)
	case g.Of != "" && !names[g.Of]:
		return fmt.Errorf("versus: goal %q: there is no contender %q", g, g.Of)
	}
	for _, c := range g.Cells {
		if !cells[c] {
			return fmt.Errorf("versus: goal %q: there is no cell %q", g, string(c))
		}
	}
	return nil
}

// An Outcome is a goal judged in one cell.
type Outcome struct {
	Goal  Goal
	Cell  Cell
	Ratio float64 // of our figure to the peer's, when Known
	Known bool    // a figure that was not measured cannot meet a goal
	Met   bool
}

// Outcomes judges every goal in every cell it holds for, in order.
func (r *Report) Outcomes() []Outcome {
	var all []Outcome
	for _, g := range r.Goals {
		cells := g.Cells
		if len(cells) == 0 {
			cells = r.Cells
		}
		for _, cell := range cells {
			o := Outcome{Goal: g, Cell: cell}
			o.Ratio, o.Known = r.Ratio(cell, r.Ours, g.Of, g.Metric)
			// The printed ratio is rounded; the judgement is not.
			o.Met = o.Known && (g.AtLeast > 0 && o.Ratio >= g.AtLeast || g.AtMost > 0 && o.Ratio <= g.AtMost)
			all = append(all, o)
		}
	}
	return all
}
