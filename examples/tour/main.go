package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
)

func main() {
	if what := os.Getenv(victimEnv); what != "" {
		if err := victim(what, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "tour:", err)
			os.Exit(1)
		}
		return
	}
	// A reader who goes away (tour | head) must leave no files either: the write
	// fails then, and audience ends the tour.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := cli(ctx, chapters(), os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// interrupted is the exit code by which shells know an end by Ctrl-C. It is not
// 0: a tour that was not finished has proved nothing.
const interrupted = 130

// cli is the command. It returns the exit code: 0 when every claim held, 1 when
// not, 2 when it was used wrongly.
func cli(ctx context.Context, all []Chapter, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("tour", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, "usage: tour [flags]\n\nRuns the packages of this library on the source of the Go installation.\n\n")
		flags.PrintDefaults()
	}
	var names []string
	flags.Func("chapter", "only the chapter `NAME`; may be repeated, or a list with commas", func(s string) error {
		names = append(names, strings.Split(s, ",")...)
		return nil
	})
	list := flags.Bool("list", false, "list the chapters, run nothing")
	check := flags.Bool("check", false, "only run and judge: one line a chapter")
	asJSON := flags.Bool("json", false, "print every event as a line of JSON")
	short := flags.Bool("short", false, "less of what takes long: a tenth of the rows of chapter mvcc and of the files of chapter gateway, a sixth of the transfers of chapter bft")
	src := flags.String("src", "", "the input: a `DIR` with Go code, such as the src folder of a Go installation")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	fail := func(code int, err error) int {
		fmt.Fprintln(stderr, "tour:", err)
		return code
	}
	if flags.NArg() > 0 {
		return fail(2, fmt.Errorf("unexpected argument %q; a chapter is chosen with -chapter", flags.Arg(0)))
	}
	if *check && *asJSON {
		return fail(2, errors.New("-check and -json exclude each other"))
	}
	chosen, err := choose(all, names)
	if err != nil {
		return fail(2, err)
	}
	if *list {
		for _, c := range chosen {
			fmt.Fprintf(stdout, "%-10s %s\n", c.Name, c.Title)
		}
		return 0
	}
	input, err := loadSource(ctx, *src)
	if ctx.Err() == nil && err != nil {
		return fail(2, err)
	}
	input.Short = *short
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := &audience{stdout, cancel}
	sink := newTerminal(out, screenOf(stdout))
	switch {
	case *check:
		sink = newTerse(out)
	case *asJSON:
		sink = newJSON(out)
	}
	ok, err := play(ctx, chosen, input, sink)
	switch {
	case ctx.Err() != nil:
		return fail(interrupted, errors.New("interrupted; all files of the tour are removed"))
	case err != nil:
		return fail(1, err)
	case !ok:
		return 1
	}
	return 0
}

// An audience is where the tour is told. When nobody listens any more it ends.
type audience struct {
	io.Writer
	leave context.CancelFunc
}

func (a *audience) Write(p []byte) (int, error) {
	n, err := a.Writer.Write(p)
	if err != nil {
		a.leave()
	}
	return n, err
}

// screenOf finds out what the output can do. COLUMNS overrules the width, and
// NO_COLOR (https://no-color.org) the colours.
func screenOf(w io.Writer) screen {
	s := screen{width: 80}
	if f, ok := w.(*os.File); ok {
		if n, ok := columns(f); ok && os.Getenv("TERM") != "dumb" {
			s.live = true
			if n > 0 {
				s.width = n
			}
		}
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		s.width = n
	}
	s.color = s.live && os.Getenv("NO_COLOR") == ""
	return s
}
