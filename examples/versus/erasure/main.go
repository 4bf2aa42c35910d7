// Command erasure sets package erasure/rs beside the production library,
// github.com/klauspost/reedsolomon.
//
//	go -C examples/versus/erasure run -tags noasm .            plain Go beside plain Go
//	GOEXPERIMENT=simd go -C examples/versus/erasure run .      SIMD beside SIMD
//	go -C examples/versus/erasure run . -only 'verify/.*size=1048576'
//
// One goroutine each. Processor time per operation is what is compared; an
// operation is as many calls as make a mebibyte of data. The goals are judged by
// the geometric mean over the sizes of shards.
//
// Tables, made in tables.go by the contenders of contenders.go: encode, verify,
// reconstruct, and own, which sets our other operations beside our Encode.
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
			fmt.Fprintln(os.Stderr, "erasure:", err)
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
	quick   bool
	profile string
	command string
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	f := flag.NewFlagSet("erasure", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.rounds, "rounds", 5, "`samples` of each contender in each cell")
	f.DurationVar(&o.length, "time", 200*time.Millisecond, "length of a sample")
	only := f.String("only", "", "measure only the cells whose `table/cell` this expression matches")
	f.StringVar(&o.out, "out", "", "write the tables as results.md and a picture each into this `directory`")
	f.BoolVar(&o.quick, "quick", false, "a few seconds that show that everything runs; the figures mean nothing")
	f.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile of all of it to this `file`")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("what is %q? see -h", f.Arg(0))
	}
	if o.only, err = regexp.Compile(*only); err != nil {
		return o, fmt.Errorf("-only: %w", err)
	}
	if o.quick {
		o.rounds, o.length = 1, 2*time.Millisecond
	}
	o.command = buildPrefix + "go -C examples/versus/erasure run " + buildFlags + "."
	for _, a := range args {
		o.command += " " + a
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if o.profile != "" {
		file, err := os.Create(o.profile)
		if err != nil {
			return err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	if o.out != "" {
		if err := os.MkdirAll(o.out, 0o755); err != nil {
			return err
		}
	}
	var all bytes.Buffer
	out := io.MultiWriter(stdout, &all)
	for _, t := range tables() {
		if err := t.measure(ctx, &o, out, stderr); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	if o.out == "" {
		return nil
	}
	return os.WriteFile(filepath.Join(o.out, "results.md"), all.Bytes(), 0o644)
}

func (t *table) measure(ctx context.Context, o *options, out, progress io.Writer) error {
	var cells []versus.Cell
	for _, cell := range t.cells {
		if o.only.MatchString(t.name + "/" + string(cell)) {
			cells = append(cells, cell)
		}
	}
	if len(cells) == 0 {
		return nil
	}
	report, err := versus.Run(ctx, versus.Config{
		Title: t.title, Ours: ours, Rounds: o.rounds, Duration: o.length, Command: o.command, Progress: progress,
	}, t.contenders, cells)
	if err != nil {
		return err
	}
	if err := report.Markdown(out); err != nil {
		return err
	}
	for _, g := range t.goals {
		g.judge(out, report, cells)
	}
	fmt.Fprintln(out)
	if o.out == "" {
		return nil
	}
	file, err := os.Create(filepath.Join(o.out, t.name+".svg"))
	if err != nil {
		return err
	}
	return errors.Join(report.SVG(file), file.Close())
}
