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
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime/pprof"
	"time"

	"github.com/flagship-go/flagship/internal/versus"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "raft:", err)
		}
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	rounds  int
	length  time.Duration
	only    *regexp.Regexp
	out     string
	dir     string
	quick   bool
	command string
}

func parse(args []string, stderr io.Writer) (o options, profile string, err error) {
	f := flag.NewFlagSet("raft", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.rounds, "rounds", 3, "counted samples of each contender in each cell")
	f.DurationVar(&o.length, "time", 200*time.Millisecond, "length of a sample")
	only := f.String("only", "", "measure only the cells whose `table/cell/contender` this expression matches")
	f.StringVar(&o.out, "out", "", "write the tables as results.md and a picture each into this `directory`")
	f.StringVar(&o.dir, "dir", "", "keep the logs in this `directory`, on the disk to measure (default: the system's for temporary files)")
	f.BoolVar(&o.quick, "quick", false, "a few seconds that show that everything runs; the figures mean nothing")
	f.StringVar(&profile, "cpuprofile", "", "write a CPU profile of all of it to this `file`")
	if err := f.Parse(args); err != nil {
		return o, "", err
	}
	if f.NArg() > 0 {
		return o, "", fmt.Errorf("what is %q? see -h", f.Arg(0))
	}
	if o.only, err = regexp.Compile(*only); err != nil {
		return o, "", fmt.Errorf("-only: %w", err)
	}
	if o.quick {
		o.rounds, o.length = 1, 20*time.Millisecond
	}
	o.command = "go -C examples/versus/raft run ."
	for _, a := range args {
		o.command += " " + a
	}
	return o, profile, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, profile, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if profile != "" {
		file, err := os.Create(profile)
		if err != nil {
			return err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	if o.dir, err = os.MkdirTemp(o.dir, "versus-raft-"); err != nil {
		return err
	}
	defer os.RemoveAll(o.dir)
	var all bytes.Buffer
	out := io.MultiWriter(stdout, &all)
	for _, t := range tables(&o) {
		if err := t.measure(ctx, &o, out, stderr); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	if o.out == "" {
		return nil
	}
	return os.WriteFile(filepath.Join(o.out, "results.md"), all.Bytes(), 0o644)
}

func tables(o *options) []table {
	return []table{lockstepTable(), heapTable(), memoryTable(o), durableTable(o), walTable(o), walNewTable(o)}
}

// table is one comparison.
type table struct {
	name, title string
	reference   string
	contenders  []versus.Contender
	cells       []versus.Cell
	quick       []versus.Cell // those that -quick measures
	goals       []versus.Goal
	limits      []limit
	// stretch makes samples longer; 0 is 1.
	stretch float64
	// special replaces the measuring.
	special func(out io.Writer)
}

// chosen keeps what -only and -quick leave.
func (t *table) chosen(o *options) (contenders []versus.Contender, cells []versus.Cell) {
	all := t.cells
	if o.quick {
		all = t.quick
	}
	used := map[string]bool{}
	for _, cell := range all {
		wanted := false
		for _, c := range t.contenders {
			if o.only.MatchString(t.name + "/" + string(cell) + "/" + c.Name) {
				wanted, used[c.Name] = true, true
			}
		}
		if wanted {
			cells = append(cells, cell)
		}
	}
	for _, c := range t.contenders {
		if used[c.Name] {
			contenders = append(contenders, c)
		}
	}
	return contenders, cells
}

func (t *table) measure(ctx context.Context, o *options, out, progress io.Writer) error {
	if t.special != nil {
		if o.only.MatchString(t.name) {
			t.special(out)
		}
		return nil
	}
	contenders, cells := t.chosen(o)
	if len(cells) == 0 {
		return nil
	}
	cfg := versus.Config{
		Title: t.title, Rounds: o.rounds, Duration: o.length, Command: o.command, Progress: progress,
		Ours: has(contenders, ours), Reference: has(contenders, t.reference),
	}
	if t.stretch > 0 {
		cfg.Duration = time.Duration(float64(cfg.Duration) * t.stretch)
	}
	cfg.Goals = t.judged(cfg, contenders, cells)
	report, err := versus.Run(ctx, cfg, contenders, cells)
	if err != nil {
		return err
	}
	if err := report.Markdown(out); err != nil {
		return err
	}
	writeLimits(out, report, t.limits)
	fmt.Fprintln(out)
	if o.out == "" {
		return nil
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(o.out, t.name+".svg"))
	if err != nil {
		return err
	}
	return errors.Join(report.SVG(file), file.Close())
}

// has returns name if a contender has it, or else nothing.
func has(contenders []versus.Contender, name string) string {
	for _, c := range contenders {
		if c.Name == name {
			return name
		}
	}
	return ""
}
