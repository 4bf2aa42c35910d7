package versus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Contender is one implementation under measurement.
type Contender struct {
	// Name is how the contender is called in the results. It is unique.
	Name string
	// Version is shown beside the name. Default: the version of Module.
	Version string
	// Module is the path of the contender's module, looked up in the build
	// information for its version. Default: none.
	Module string
	// Setup makes a fresh instance that is ready to work on the cell, data
	// loaded and connections open. It is called once a sample and not measured.
	Setup func(ctx context.Context, cell Cell) (Runner, error)
}

// A Runner is an instance of a contender, used for one sample.
type Runner interface {
	// Run does the work, most simply by w.Each. Its whole duration is measured.
	Run(ctx context.Context, w *Work) error
	// Close frees the instance and waits for its goroutines. It is not
	// measured. It is called once, also after a failed Run.
	Close() error
}

// A Remote is a Runner whose contender works in a process of its own, which Setup has started and this
// process only drives. The contender's processor time and memory are then that process's; allocations,
// which nobody sees from outside, are absent.
type Remote interface {
	Runner
	// Usage says what the contender has used since it began. It is called before and after Run.
	Usage() (Usage, error)
}

// Usage is what processes have used. A figure that is not known is 0.
type Usage struct {
	CPU     time.Duration // user and system time
	PeakRSS int64         // bytes
}

// A Cell is one combination of parameters, written as in the names of Go's
// sub-benchmarks: "size=64/clients=64".
type Cell string

// Get returns the value of a parameter, or "" when the cell has none.
func (c Cell) Get(key string) string {
	for part := range strings.SplitSeq(string(c), "/") {
		if k, v, ok := strings.Cut(part, "="); ok && k == key {
			return v
		}
	}
	return ""
}

// Int returns the value of a parameter, or otherwise when the cell has none or
// it is not a number.
func (c Cell) Int(key string, otherwise int) int {
	if n, err := strconv.Atoi(c.Get(key)); err == nil {
		return n
	}
	return otherwise
}

func (c Cell) validate() error {
	for part := range strings.SplitSeq(string(c), "/") {
		if k, v, ok := strings.Cut(part, "="); !ok || k == "" || v == "" {
			return fmt.Errorf("versus: cell %q: write key=value/key=value", string(c))
		}
	}
	return nil
}

// validate checks what Run is given, before anything is run.
func validate(cfg Config, contenders []Contender, cells []Cell) error {
	if len(contenders) == 0 || len(cells) == 0 {
		return errors.New("versus: at least one contender and one cell are needed")
	}
	names := map[string]bool{}
	for _, c := range contenders {
		switch {
		case c.Name == "" || c.Setup == nil:
			return fmt.Errorf("versus: contender %q: Name and Setup are needed", c.Name)
		case names[c.Name]:
			return fmt.Errorf("versus: two contenders have the name %q", c.Name)
		}
		names[c.Name] = true
	}
	seen := map[Cell]bool{}
	for _, c := range cells {
		if err := c.validate(); err != nil {
			return err
		}
		if seen[c] {
			return fmt.Errorf("versus: two cells have the name %q", string(c))
		}
		seen[c] = true
	}
	for what, name := range map[string]string{"Ours": cfg.Ours, "Reference": cfg.Reference} {
		if name != "" && !names[name] {
			return fmt.Errorf("versus: %s: there is no contender %q", what, name)
		}
	}
	for _, g := range cfg.Goals {
		if err := g.validate(cfg.Ours, names, seen); err != nil {
			return err
		}
	}
	return nil
}
