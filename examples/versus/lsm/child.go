package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Some figures can only be told apart in a process of its own: the memory, what
// the disk was given, and the opening of a store whose process was killed. This
// file starts those processes and judges what they say; job.go is what they do.

// jobEnv, when set, makes main do one job and exit.
const jobEnv = "FLAGSHIP_VERSUS_LSM_JOB"

// job is what a child is told to do.
type job struct {
	Kind      string // see jobs
	Contender string
	Dir       string
	Keys      int
	Quick     bool
}

// figures are what a child found out, by name.
type figures map[string]float64

// childTable is a job for several contenders.
type childTable struct {
	kind, title string
	keys        int
	contenders  []contender
	columns     []column
	goals       []childGoal
}

// column is a figure in a table.
type column struct {
	name, head, format string
	scale              float64 // divides; 0 is 1
}

// childGoal is our figure relative to a peer's, or to nothing, and what the ratio
// may be: at most, or at least where more is better.
type childGoal struct {
	figure, ours string
	of           []string // the best of these; none: an absolute limit
	limit        float64
	more         bool
}

func childTables(ctx context.Context, o *session) error {
	for _, t := range []childTable{valuesTable(o), settledTable(o), reopenTable(o)} {
		if err := t.measure(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", t.kind, err)
		}
	}
	return nil
}

func valuesTable(o *session) childTable {
	return childTable{
		kind: "values", keys: o.keys / 2, title: fmt.Sprintf("Loading %d values of 1 KiB, in batches of 1000, not synced, and closing", o.keys/2),
		contenders: named(oursValues, badgerVlog, ours, pebbleName, badgerName, goleveldb),
		columns:    []column{rateColumn, cpuColumn, amplification, memoryColumn},
		goals: []childGoal{
			{figure: "amplification", ours: oursValues, limit: 1.1},
			{figure: "rate", ours: oursValues, of: []string{badgerVlog}, limit: 1, more: true},
			{figure: "cpu", ours: oursValues, of: []string{badgerVlog}, limit: 1},
		},
	}
}

func settledTable(o *session) childTable {
	return childTable{
		kind: "settled", keys: o.keys / 4,
		title:      fmt.Sprintf("A set of %.0f times the cache: %d values of 1 KiB written in random order, half of them written again, settled; cache 32 MiB, memtables of 8 MiB", float64(o.keys/4)/(32<<10), o.keys/4),
		contenders: named(ours, pebbleName, badgerName, goleveldb),
		columns:    []column{rateColumn, cpuColumn, amplification, memoryColumn, {name: "space", head: "space", format: "%.2f"}},
		goals: []childGoal{
			{figure: "amplification", ours: ours, of: []string{pebbleName, badgerName, goleveldb}, limit: 1},
			{figure: "memory", ours: ours, of: []string{pebbleName}, limit: 1},
		},
	}
}

func reopenTable(o *session) childTable {
	return childTable{
		kind: "reopen", keys: o.keys / 2,
		title:      fmt.Sprintf("Opening after kill -9, %d keys of 100 B, acknowledged and not synced", o.keys/2),
		contenders: named(ours, pebbleName, badgerName, goleveldb),
		columns: []column{{name: "seconds", head: "seconds", format: "%.3f"}, {name: "cpu", head: "CPU seconds", format: "%.3f", scale: 1e9},
			{name: "lost", head: "keys lost", format: "%.0f"}, memoryColumn},
		goals: []childGoal{
			{figure: "seconds", ours: ours, of: []string{badgerName}, limit: 1},
			{figure: "cpu", ours: ours, of: []string{badgerName}, limit: 1},
			{figure: "lost", ours: ours, limit: 0},
		},
	}
}

var (
	rateColumn    = column{name: "rate", head: "keys/s", format: "%.0f"}
	cpuColumn     = column{name: "cpu", head: "CPU/key, µs", format: "%.2f", scale: 1e3}
	amplification = column{name: "amplification", head: "written / given", format: "%.2f"}
	memoryColumn  = column{name: "memory", head: "peak anonymous memory, MiB", format: "%.0f", scale: 1 << 20}
)

// measure runs the job of each contender in interleaved rounds, and writes the
// medians.
func (t *childTable) measure(ctx context.Context, o *session) error {
	var chosen []contender
	for _, c := range t.contenders {
		if o.Wants("child/" + t.kind + "/" + c.name) {
			chosen = append(chosen, c)
		}
	}
	if len(chosen) == 0 {
		return nil
	}
	samples := map[string]map[string][]float64{}
	for round := range o.Rounds {
		for i := range chosen {
			c := chosen[(round+i)%len(chosen)]
			f, err := t.sample(ctx, o, c)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			fmt.Fprintf(o.Progress, "%s  round %d of %d  %s  %v\n", t.kind, round+1, o.Rounds, c.name, f)
			if samples[c.name] == nil {
				samples[c.name] = map[string][]float64{}
			}
			for name, v := range f {
				samples[c.name][name] = append(samples[c.name][name], v)
			}
		}
	}
	medians := map[string]figures{}
	for name, all := range samples {
		medians[name] = figures{}
		for figure, values := range all {
			slices.Sort(values)
			medians[name][figure] = values[len(values)/2]
		}
	}
	t.write(o.Out, o, chosen, medians)
	return nil
}

func (t *childTable) write(out io.Writer, o *session, chosen []contender, medians map[string]figures) {
	fmt.Fprintf(out, "### %s\n\n", t.title)
	for _, g := range t.goals {
		g.judge(out, medians)
	}
	head, line := "| contender |", "| --- |"
	for _, c := range t.columns {
		head, line = head+" "+c.head+" |", line+" ---: |"
	}
	fmt.Fprintf(out, "\n%s\n%s\n", head, line)
	for _, c := range chosen {
		fmt.Fprintf(out, "| %s |", c.name)
		for _, col := range t.columns {
			v := medians[c.name][col.name]
			if col.scale != 0 {
				v /= col.scale
			}
			fmt.Fprintf(out, " "+col.format+" |", v)
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintf(out, "\nMedian of %d interleaved rounds, a process each. `%s`\n\n", o.Rounds, o.Command)
}

func (g *childGoal) judge(out io.Writer, medians map[string]figures) {
	own, ok := medians[g.ours]
	if !ok {
		return
	}
	v, sign := own[g.figure], "<="
	if g.more {
		sign = ">="
	}
	if len(g.of) == 0 {
		fmt.Fprintf(out, "* **%s**: %s %s %g (%.2f)\n", verdict(v <= g.limit), g.figure, sign, g.limit, v)
		return
	}
	best, who := 0.0, ""
	for _, name := range g.of {
		if f, ok := medians[name]; ok && (who == "" || (f[g.figure] > best) == g.more) {
			best, who = f[g.figure], name
		}
	}
	if who == "" || best == 0 {
		return
	}
	ratio := v / best
	met := ratio <= g.limit
	if g.more {
		met = ratio >= g.limit
	}
	fmt.Fprintf(out, "* **%s**: %s %s %gx of %s (%.2fx)\n", verdict(met), g.figure, sign, g.limit, who, ratio)
}

// sample does the job of one contender, in a process or, for reopen, in two.
func (t *childTable) sample(ctx context.Context, o *session, c contender) (figures, error) {
	dir, err := os.MkdirTemp(o.Dir, t.kind+"-"+c.name+"-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	j := job{Kind: t.kind, Contender: c.name, Dir: filepath.Join(dir, "store"), Keys: t.keys, Quick: o.Quick}
	if err := os.Mkdir(j.Dir, 0o755); err != nil {
		return nil, err
	}
	if t.kind == "reopen" {
		crash := j
		crash.Kind = "crash"
		if _, err := start(ctx, crash, true); err != nil {
			return nil, err
		}
	}
	return start(ctx, j, false)
}

// start runs a child until it says its figures; then it is killed, or waited for.
func start(ctx context.Context, j job, kill bool) (f figures, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	order, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), jobEnv+"="+string(order))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), jobMark); ok {
			err = json.Unmarshal([]byte(text), &f)
			break
		}
	}
	if kill {
		err = errors.Join(err, cmd.Process.Kill())
		_ = cmd.Wait()
	} else {
		err = errors.Join(err, cmd.Wait())
	}
	if f == nil && err == nil {
		err = errors.New("the process ended without figures")
	}
	if err != nil {
		err = fmt.Errorf("%w: %s", err, stderr.String())
	}
	return f, err
}
