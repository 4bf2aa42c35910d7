package versus

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
	"slices"
	"time"
)

// A Program is the command around a comparison: flags, interrupt, profile, files
// with the results.
type Program struct {
	// Command is how it is started, without flags: "go -C examples/versus/raft run .".
	Command string
	// Rounds, Length and QuickLength are the defaults: samples of each contender in
	// each cell, the length of a sample, and that of the one sample of -quick.
	Rounds              int
	Length, QuickLength time.Duration
	// Temp gives it a temporary directory, [Session.Dir], that -dir places.
	Temp bool
	// Flags, if not nil, adds flags.
	Flags func(*flag.FlagSet)
	// Measure makes the tables.
	Measure func(ctx context.Context, s *Session) error
}

// A Session is one run of a Program.
type Session struct {
	Rounds  int
	Length  time.Duration
	Quick   bool   // only to see that it runs; the figures mean nothing
	Dir     string // a temporary directory, removed in the end
	Command string // as it was started
	// Out takes the tables, and results.md as well; Progress is the terminal.
	Out, Progress io.Writer

	only     *regexp.Regexp
	pictures string
	profile  string
}

// Main runs the program and exits with 1 when it fails.
func (p *Program) Main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := p.Run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "versus:", err)
		}
		os.Exit(1)
	}
}

// Run is Main without a process.
func (p *Program) Run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	s, err := p.parse(args, stderr)
	if err != nil {
		return err
	}
	if s.profile != "" {
		file, err := os.Create(s.profile)
		if err != nil {
			return fmt.Errorf("-cpuprofile: %w", err)
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return fmt.Errorf("-cpuprofile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	if p.Temp {
		if s.Dir, err = os.MkdirTemp(s.Dir, "versus-"); err != nil {
			return fmt.Errorf("-dir: %w", err)
		}
		defer os.RemoveAll(s.Dir)
	}
	var results bytes.Buffer
	s.Out, s.Progress = io.MultiWriter(stdout, &results), stderr
	if s.pictures != "" {
		if err := os.MkdirAll(s.pictures, 0o755); err != nil {
			return fmt.Errorf("-out: %w", err)
		}
		defer func() {
			if err == nil {
				err = os.WriteFile(filepath.Join(s.pictures, "results.md"), results.Bytes(), 0o644)
			}
		}()
	}
	return p.Measure(ctx, s)
}

func (p *Program) parse(args []string, stderr io.Writer) (*Session, error) {
	s := &Session{Command: p.Command}
	f := flag.NewFlagSet(p.Command, flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&s.Rounds, "rounds", p.Rounds, "counted samples of each contender in each cell")
	f.DurationVar(&s.Length, "time", p.Length, "length of a sample that has no fixed number of operations")
	only := f.String("only", "", "measure only what this expression matches of `table/cell/contender`")
	f.StringVar(&s.pictures, "out", "", "write the tables as results.md and a picture each into this `directory`")
	f.BoolVar(&s.Quick, "quick", false, "show in a short time that everything runs; the figures mean nothing")
	f.StringVar(&s.profile, "cpuprofile", "", "write a CPU profile of all of it to this `file`")
	if p.Temp {
		f.StringVar(&s.Dir, "dir", "", "put the files into this `directory`, on the disk to measure (default: the system's for temporary files)")
	}
	if p.Flags != nil {
		p.Flags(f)
	}
	err := f.Parse(args)
	switch {
	case err != nil:
		return nil, err
	case f.NArg() > 0:
		return nil, fmt.Errorf("what is %q? see -h", f.Arg(0))
	}
	if s.only, err = regexp.Compile(*only); err != nil {
		return nil, fmt.Errorf("-only: %w", err)
	}
	if s.Quick {
		s.Rounds, s.Length = 1, p.QuickLength
	}
	for _, a := range args {
		s.Command += " " + a
	}
	return s, nil
}

// A Table is one comparison of a program.
type Table struct {
	Name            string // for -only and as the name of the picture
	Title           string
	Ours, Reference string // names of contenders, as in [Config]
	Contenders      []Contender
	Cells           []Cell
	Quick           []Cell // those that -quick measures; nil: all
	Goals           []Goal
	Ops             int64   // of a sample; 0: as many as fit into its length
	Stretch         float64 // makes samples longer; 0 is 1
}

// Wants reports whether -only leaves something in, of the form
// table/cell/contender.
func (s *Session) Wants(path string) bool { return s.only.MatchString(path) }

// Measure measures a table as far as it is wanted, prints it and draws it. The
// report is nil when nothing of it is.
func (s *Session) Measure(ctx context.Context, t *Table) (*Report, error) {
	contenders, cells := s.choose(t)
	if len(cells) == 0 {
		return nil, nil
	}
	have := func(name string) string {
		if slices.ContainsFunc(contenders, func(c Contender) bool { return c.Name == name }) {
			return name
		}
		return ""
	}
	cfg := Config{Title: t.Title, Rounds: s.Rounds, Duration: s.Length, Ops: t.Ops, Command: s.Command, Progress: s.Progress,
		Ours: have(t.Ours), Reference: have(t.Reference)}
	if t.Stretch > 0 {
		cfg.Duration = time.Duration(float64(cfg.Duration) * t.Stretch)
	}
	// Goals count as far as there is anything to judge.
	for _, g := range t.Goals {
		g.Cells = slices.DeleteFunc(slices.Clone(g.Cells), func(c Cell) bool { return !slices.Contains(cells, c) })
		if len(g.Cells) > 0 && cfg.Ours != "" && len(contenders) > 1 && (g.Of == "" || have(g.Of) != "") {
			cfg.Goals = append(cfg.Goals, g)
		}
	}
	report, err := Run(ctx, cfg, contenders, cells)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.Name, err)
	}
	return report, errors.Join(report.Markdown(s.Out), s.draw(t.Name, report))
}

// choose returns the contenders and cells that -only and -quick leave.
func (s *Session) choose(t *Table) (contenders []Contender, cells []Cell) {
	all := t.Cells
	if s.Quick && t.Quick != nil {
		all = t.Quick
	}
	used := map[string]bool{}
	for _, cell := range all {
		wanted := false
		for _, c := range t.Contenders {
			if s.Wants(t.Name + "/" + string(cell) + "/" + c.Name) {
				wanted, used[c.Name] = true, true
			}
		}
		if wanted {
			cells = append(cells, cell)
		}
	}
	contenders = slices.DeleteFunc(slices.Clone(t.Contenders), func(c Contender) bool { return !used[c.Name] })
	return contenders, cells
}

// draw writes the picture of a report, name.svg, if -out asks for it.
func (s *Session) draw(name string, r *Report) error {
	if s.pictures == "" {
		return nil
	}
	file, err := os.Create(filepath.Join(s.pictures, name+".svg"))
	if err != nil {
		return fmt.Errorf("-out: %w", err)
	}
	return errors.Join(r.SVG(file), file.Close())
}
