package versus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Config says what to measure and how. Its zero value measures in this process,
// for one second a sample, five rounds after one that does not count.
type Config struct {
	// Title heads the report. Default: "Side by side".
	Title string
	// Ours names the contender that the others are peers of. Default: none,
	// then all are peers of each other, and there can be no goals.
	Ours string
	// Reference names one contender to give every rate relative to, besides
	// the best peer. Default: none.
	Reference string
	// Ops is the number of operations of a sample. A fixed number compares
	// contenders on the same data, and makes slow ones take long. Default 0:
	// as many as fit into Duration.
	Ops int64
	// Duration is the length of a sample when Ops is 0. Short samples see less
	// of what happens seldom (compactions, collections). Default: 1 s.
	Duration time.Duration
	// Rounds is the number of samples of each contender in each cell; odd
	// numbers give a median that was really measured. Default: 5.
	Rounds int
	// Latency makes Work.Each record how long operations take. It costs two
	// readings of the clock an operation, some 100 ns. Default: false.
	Latency bool
	// Process gives each sample a process of its own. Needed for PeakRSS; see
	// the package's comment for what it asks of main. Default: false.
	Process bool
	// Limit ends a sample that takes longer, as the contender's failure. In one
	// process it can only cancel the context and wait. Default: 5 minutes.
	Limit time.Duration
	// Goals are judged in the report. Default: none.
	Goals []Goal
	// Command is shown as the way to repeat the run. Default: the arguments of
	// this process, which under go run name a temporary binary.
	Command string
	// Progress receives one line a sample. Default: none.
	Progress io.Writer
}

func (cfg Config) withDefaults() Config {
	if cfg.Title == "" {
		cfg.Title = "Side by side"
	}
	if cfg.Duration <= 0 {
		cfg.Duration = time.Second
	}
	if cfg.Rounds <= 0 {
		cfg.Rounds = 5
	}
	if cfg.Limit <= 0 {
		cfg.Limit = 5 * time.Minute
	}
	if cfg.Command == "" {
		cfg.Command = thisCommand()
	}
	if cfg.Progress == nil {
		cfg.Progress = io.Discard
	}
	return cfg
}

// Run measures every contender in every cell. A contender that fails in a cell
// is left out of the cell's remaining rounds and reported with its error; Run
// itself fails only for a wrong use and when ctx ends.
func Run(ctx context.Context, cfg Config, contenders []Contender, cells []Cell) (*Report, error) {
	cfg = cfg.withDefaults()
	if err := validate(cfg, contenders, cells); err != nil {
		return nil, err
	}
	if order := os.Getenv(childEnv); order != "" {
		os.Exit(runChild(ctx, cfg, contenders, order))
	}
	r := newReport(cfg, contenders, cells)
	for _, cell := range cells {
		results, err := runCell(ctx, cfg, contenders, cell)
		if err != nil {
			return nil, err
		}
		r.Results = append(r.Results, results...)
	}
	return r, nil
}

// runCell runs the warm-up round and the counted ones.
func runCell(ctx context.Context, cfg Config, contenders []Contender, cell Cell) ([]Result, error) {
	samples := make([][]sample, len(contenders))
	failed := make([]error, len(contenders))
	for round := 0; round <= cfg.Rounds; round++ {
		for i := range contenders {
			at := (round + i) % len(contenders)
			c := contenders[at]
			if failed[at] != nil {
				continue
			}
			s, err := measureWithin(ctx, cfg, c, cell)
			if ctx.Err() != nil {
				return nil, fmt.Errorf("versus: measuring %s at %s: %w", c.Name, cell, ctx.Err())
			}
			if err != nil {
				failed[at] = err
				fmt.Fprintf(cfg.Progress, "%s  round %d of %d  %s  failed: %v\n", cell, round, cfg.Rounds, c.Name, err)
				continue
			}
			counted := fmt.Sprintf("round %d of %d", round, cfg.Rounds)
			if round == 0 {
				counted = "warm-up"
			} else {
				samples[at] = append(samples[at], s)
			}
			fmt.Fprintf(cfg.Progress, "%s  %s  %s  %s ops/s\n", cell, counted, c.Name, OpsPerSec.format(s[OpsPerSec]))
		}
	}
	results := make([]Result, len(contenders))
	for i, c := range contenders {
		results[i] = newResult(cell, c.Name, samples[i], failed[i])
	}
	return results, nil
}

// measureWithin takes one sample under the limit, here or in a new process.
func measureWithin(ctx context.Context, cfg Config, c Contender, cell Cell) (sample, error) {
	inner, cancel := context.WithTimeout(ctx, cfg.Limit)
	defer cancel()
	take := measure
	if cfg.Process {
		take = measureInChild
	}
	s, err := take(inner, cfg, c, cell)
	if err == nil {
		err = inner.Err()
	}
	if errors.Is(inner.Err(), context.DeadlineExceeded) {
		return nil, fmt.Errorf("longer than the limit of %s: %w", cfg.Limit, err)
	}
	return s, err
}
