package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli(ctx, ".", os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

const usage = `usage: killmatrix [flags] package ...

Plants the bugs in testdata/bugs of each package, one at a time and without
touching the tree, and proves that the tests kill each for the rule it breaks.

`

// cli is the command in the working directory dir. It returns the exit code: 0
// when every bug was killed, 1 when not, 2 when it was used wrongly.
func cli(ctx context.Context, dir string, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("killmatrix", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprint(stderr, usage); flags.PrintDefaults() }
	var (
		whole    = flags.Bool("whole", false, "run all tests of the killer's package against each bug")
		run      = flags.String("run", "", "only bugs whose name matches this `regexp`")
		asJSON   = flags.Bool("json", false, "print the matrix as JSON")
		parallel = flags.Int("p", max(1, runtime.NumCPU()/2), "bugs tried at the same `time`")
		verbose  = flags.Bool("v", false, "print what the killers print")
		list     = flags.Bool("list", false, "list the bugs, run nothing")
		sample   = flags.Int("sample", 1, "try one bug in `n` only, and look whether the others still compile")
		seed     = flags.String("seed", "", "which ones: another `text` chooses others")
		limit    = flags.Duration("limit", 0, "test time for each killer (default 5s, with -whole 1m0s)")
		again    = flags.Bool("again", false, "run a killer that did not kill once more: goroutines may have run in an order in which its bug does nothing")
	)
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	fail := func(code int, err error) int {
		fmt.Fprintln(stderr, "killmatrix:", err)
		return code
	}
	name, err := regexp.Compile(*run)
	switch {
	case err != nil:
		return fail(2, fmt.Errorf("-run: %w", err))
	case *parallel < 1:
		return fail(2, fmt.Errorf("-p %d: at least one bug must be tried at a time", *parallel))
	case *sample < 1:
		return fail(2, fmt.Errorf("-sample %d: one in at least one bug can be tried", *sample))
	case flags.NArg() == 0:
		return fail(2, errors.New("name at least one package folder, such as ./raft; -h lists the flags"))
	}
	m := &matrix{whole: *whole, again: *again, limit: *limit, parallel: *parallel}
	if m.limit <= 0 {
		m.limit = 5 * time.Second
		if *whole {
			m.limit = time.Minute
		}
	}
	if m.root, err = findModule(ctx, dir); err != nil {
		return fail(2, err)
	}
	if m.bugs, err = selectBugs(ctx, dir, flags.Args(), name); err != nil {
		return fail(2, err)
	}
	passOver(m.bugs, *sample, *seed)
	if *list {
		writeList(stdout, m.bugs)
		return 0
	}
	results, err := m.runAndPrint(ctx, stdout, *asJSON, *verbose)
	if ctx.Err() != nil {
		return fail(1, errors.New("interrupted; nothing is left behind"))
	}
	if err != nil {
		return fail(1, err)
	}
	for _, r := range results {
		if r.Verdict != killed && r.Verdict != elsewhere && r.Verdict != compiles {
			return 1
		}
	}
	return 0
}

// passOver leaves about one bug in n to be tried.
func passOver(bugs []*Bug, n int, seed string) {
	for _, b := range bugs {
		h := fnv.New64a()
		io.WriteString(h, seed+"/"+b.Name)
		b.PassedOver = h.Sum64()%uint64(n) != 0
	}
}

// selectBugs reads the bugs of the packages. A package without bugs is an error:
// most likely its name is mistyped or its bugs lie elsewhere.
func selectBugs(ctx context.Context, dir string, patterns []string, name *regexp.Regexp) ([]*Bug, error) {
	var selected []*Bug
	for _, pattern := range patterns {
		found, err := packageDirs(ctx, dir, pattern)
		if err != nil {
			return nil, err
		}
		n := 0
		for _, d := range found {
			bugs, err := loadBugs(d)
			if err != nil {
				return nil, err
			}
			if err := markElsewhere(ctx, dir, d, bugs); err != nil {
				return nil, err
			}
			n += len(bugs)
			for _, b := range bugs {
				if name.MatchString(b.Name) {
					selected = append(selected, b)
				}
			}
		}
		if n == 0 {
			return nil, fmt.Errorf("%s has no bugs; they are files testdata/bugs/*.bug in the package's folder", pattern)
		}
	}
	if len(selected) == 0 {
		return nil, fmt.Errorf("-run %q matches none of the bugs; -list shows their names", name)
	}
	return selected, nil
}

// runAndPrint runs the matrix inside a temporary folder that it removes.
func (m *matrix) runAndPrint(ctx context.Context, stdout io.Writer, asJSON, verbose bool) (results []Result, err error) {
	m.tmp, err = os.MkdirTemp("", "killmatrix-")
	if err != nil {
		return nil, fmt.Errorf("making a temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(m.tmp)) }()
	if asJSON {
		if err := m.run(ctx, func(r Result) { results = append(results, r) }); err != nil {
			return nil, err
		}
		return results, writeJSON(stdout, results)
	}
	t := newTable(stdout, m.bugs, verbose)
	if err := m.run(ctx, func(r Result) { t.row(r); results = append(results, r) }); err != nil {
		return nil, err
	}
	t.end()
	return results, nil
}
