// Command lsm sets package lsm beside the production stores: Pebble, badger,
// goleveldb and, as the contrast, the B+tree bbolt.
//
//	go -C examples/versus/lsm run .                     all of it, in about twenty minutes
//	go -C examples/versus/lsm run . -only 'read/.*'     cells that match
//	go -C examples/versus/lsm run . -quick              does it run?
//
// Tables, each with the file that makes it:
//
//	write, write-1k  fillrandom, overwrite, batches of 1000     write.go
//	read, read-1k    one key, ten keys, an iterator, all keys   read.go
//	ycsb             the mixes A to F                            ycsb.go
//	durable          every write synced, 1, 16 and 64 writers    durable.go
//	child            what needs a process of its own: write      child.go, job.go
//	                 amplification, memory, reopening
//
// store.go is what the workloads need of a contender, store_*.go are the
// contenders, data.go is what is written; goals.go says what was promised.
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
	if order := os.Getenv(jobEnv); order != "" {
		os.Exit(runJob(order, os.Stdout))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "lsm:", err)
		}
		os.Exit(1)
	}
}

// flags are the command line's.
type flags struct {
	rounds  int
	keys    int
	length  time.Duration
	only    *regexp.Regexp
	out     string
	dir     string
	quick   bool
	command string
}

func parse(args []string, stderr io.Writer) (o flags, profile string, err error) {
	f := flag.NewFlagSet("lsm", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.rounds, "rounds", 3, "counted samples of each contender in each cell")
	f.IntVar(&o.keys, "keys", 1_000_000, "keys in the store; a quarter of them where values are 1 KiB")
	f.DurationVar(&o.length, "time", 500*time.Millisecond, "length of a sample that has no fixed number of operations")
	only := f.String("only", "", "measure only the cells whose `table/cell/contender` this expression matches")
	f.StringVar(&o.out, "out", "", "write the tables as results.md and a picture each into this `directory`")
	f.StringVar(&o.dir, "dir", "", "keep the stores in this `directory`, on the disk to measure (default: the system's for temporary files)")
	f.BoolVar(&o.quick, "quick", false, "under a minute that shows that everything runs; the figures mean nothing")
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
		o.rounds, o.length, o.keys = 1, 50*time.Millisecond, 20_000
	}
	if o.keys < 1000 {
		return o, "", fmt.Errorf("-keys %d: at least 1000", o.keys)
	}
	o.command = "go -C examples/versus/lsm run ."
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
	if o.dir, err = os.MkdirTemp(o.dir, "versus-lsm-"); err != nil {
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
	if err := childTables(ctx, &o, out, stderr); err != nil {
		return err
	}
	if o.out == "" {
		return nil
	}
	return os.WriteFile(filepath.Join(o.out, "results.md"), all.Bytes(), 0o644)
}

func tables(o *flags) []table {
	small, large := data{keys: o.keys, value: 100}, data{keys: o.keys / 4, value: 1024}
	return []table{
		writeTable(o, "write", small), readTable(o, "read", small),
		writeTable(o, "write-1k", large), readTable(o, "read-1k", large),
		ycsbTable(o, small), durableTable(o),
	}
}

// data says what a store holds.
type data struct{ keys, value int }

// table is one comparison.
type table struct {
	name, title string
	contenders  []versus.Contender
	cells       []versus.Cell
	goals       []versus.Goal
	ops         int64 // of a sample; 0: as many as fit into its length
}

// chosen keeps what -only leaves.
func (t *table) chosen(o *flags) (contenders []versus.Contender, cells []versus.Cell) {
	used := map[string]bool{}
	for _, cell := range t.cells {
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

func (t *table) measure(ctx context.Context, o *flags, out, progress io.Writer) error {
	contenders, cells := t.chosen(o)
	if len(cells) == 0 {
		return nil
	}
	cfg := versus.Config{
		Title: t.title, Rounds: o.rounds, Duration: o.length, Ops: t.ops, Command: o.command, Progress: progress,
		Ours: has(contenders, ours),
	}
	cfg.Goals = t.judged(cfg, contenders, cells)
	report, err := versus.Run(ctx, cfg, contenders, cells)
	if err != nil {
		return err
	}
	if err := report.Markdown(out); err != nil {
		return err
	}
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
