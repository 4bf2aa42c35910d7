package mvcctest

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/history"
	"github.com/flagship-go/flagship/mvcc/region"
	"github.com/flagship-go/flagship/mvcc/timestamp"
)

var update = flag.Bool("update", false, "write what comes of the scripts in testdata into them")

// The files in testdata are stories (player.go has the words) with what comes of each step
// below it, indented: a test, and to be read. "ok" is left out. A section begins with
//
//	== title
//	rule V13                     what a failure is printed as
//	modes snapshot serializable  in which it is played; default snapshot
//	regions c m                  where regions begin, but for the first
//	commit two-phase             or async, or one-phase where it can be; the default
//
// Where modes differ the line says which. Words beside those of stories, where NAME
// is a transaction, whose client is alone with it:
//
//	NAME: begin at OTHER   only reads, as of the other's commit
//	grid                   the three column families, as in the essay of package mvcc; the
//	                       counts of timestamps alone are shown
//	sleep 5s               time goes by
//	split k                k begins a region
//	gc [NAME]              versions that nobody can see go, up to now, but for what that
//	                       client, else nobody, still reads
//	trace on               the requests of each step are shown; off
//	NAME: fault KIND VERB  of the next such request: lost, answer-lost, gone-before or
//	                       gone-after (nothing of this client arrives any more), hold (it is
//	                       kept, and the client hears nothing, until NAME: deliver), copy (it
//	                       arrives, and once more with NAME: deliver)
//	judge                  what package history says of it all

// section is one story of a file.
type section struct {
	title, rule, commit string
	modes               []mvcc.Mode
	regions             [][]byte
	lines               []scriptLine
}

// scriptLine is a command with what is to come of it, or a comment, or nothing.
type scriptLine struct {
	n    int
	text string
	out  []string
}

func (l *scriptLine) command() bool { return l.text != "" && l.text[0] != '#' }

// parseScript reads a file. What is before the first section is a section without a title.
func parseScript(text string) (all []*section, err error) {
	s := &section{}
	all = append(all, s)
	for i, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case strings.HasPrefix(line, "\t"):
			last := &s.lines[len(s.lines)-1]
			last.out = append(last.out, line[1:])
			continue
		case word == "==":
			s = &section{title: rest}
			all = append(all, s)
		case word == "rule":
			s.rule = rest
		case word == "commit":
			s.commit = rest
		case word == "regions":
			for _, k := range strings.Fields(rest) {
				s.regions = append(s.regions, []byte(k))
			}
		case word == "modes":
			for _, m := range strings.Fields(rest) {
				at := slices.IndexFunc(simulatedModes, func(o mvcc.Mode) bool { return o.String() == m })
				if at < 0 {
					return nil, fmt.Errorf("line %d: there is no mode %s", i+1, m)
				}
				s.modes = append(s.modes, simulatedModes[at])
			}
		}
		s.lines = append(s.lines, scriptLine{n: i + 1, text: line})
	}
	return all, nil
}

// header reports whether a line is about its section.
func (l *scriptLine) header() bool {
	word, _, _ := strings.Cut(l.text, " ")
	return word == "==" || word == "rule" || word == "commit" || word == "regions" || word == "modes"
}

func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			sections, err := parseScript(strings.ReplaceAll(string(text), "\r\n", "\n"))
			require.NoError(t, err)
			var now strings.Builder
			for _, s := range sections {
				s.play(t, file, &now)
			}
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(now.String()), 0o644))
			}
		})
	}
}

// play plays a section in all its modes, and writes it with what came of it.
func (s *section) play(t *testing.T, file string, now *strings.Builder) {
	if s.modes == nil {
		s.modes = []mvcc.Mode{mvcc.SnapshotIsolation}
	}
	outs := make([][][]string, len(s.modes)) // of each mode and line
	for i, m := range s.modes {
		if s.title == "" {
			break
		}
		synctest.Test(t, func(t *testing.T) { outs[i] = newScriptWorld(t, s, m).play() })
	}
	for n := range s.lines {
		l := &s.lines[n]
		var got []string
		if s.title != "" && l.command() && !l.header() {
			got = outs[0][n]
			if slices.ContainsFunc(outs, func(o [][]string) bool { return !slices.Equal(o[n], outs[0][n]) }) {
				got = nil
				for i, o := range outs {
					got = append(got, labelled(s.modes[i], o[n])...)
				}
			}
		}
		if !*update && !slices.Equal(got, l.out) {
			t.Errorf("RULE %s: %s:%d: %s: %s\ncomes to:\n\t%s\nand should to:\n\t%s", s.rule, file, l.n, s.title, l.text,
				strings.Join(got, "\n\t"), strings.Join(l.out, "\n\t"))
			return
		}
		now.WriteString(l.text + "\n")
		for _, o := range got {
			now.WriteString(strings.TrimRight("\t"+o, " \t") + "\n")
		}
	}
}

// labelled puts a mode before lines.
func labelled(m mvcc.Mode, lines []string) (out []string) {
	if len(lines) == 0 {
		lines = []string{"ok"}
	}
	for i, l := range lines {
		label := ""
		if i == 0 {
			label = m.String()
		}
		out = append(out, fmt.Sprintf("%-14s%s", label, l))
	}
	return out
}

// scriptWorld is a store with a client for each transaction, within a bubble of synctest.
type scriptWorld struct {
	t      *testing.T
	s      *section
	mode   mvcc.Mode
	engine *mvcc.Memory
	local  *region.Local
	clock  *scriptClock
	wires  map[string]*scriptWire
	dbs    []*mvcc.DB
	player *player
	trace  bool

	mu  sync.Mutex
	log []string // requests
}

// scriptClock counts: the counts of its timestamps are in order, and say all.
type scriptClock struct {
	mu    sync.Mutex
	count uint64
}

func (c *scriptClock) Now(context.Context) (mvcc.TS, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	return timestamp.Make(time.Now().UnixMilli(), c.count), nil
}

func (c *scriptClock) Observe(mvcc.TS) error    { return nil }
func (c *scriptClock) MaxOffset() time.Duration { return 0 }

func newScriptWorld(t *testing.T, s *section, m mvcc.Mode) *scriptWorld {
	w := &scriptWorld{t: t, s: s, mode: m, engine: mvcc.NewMemory(), clock: &scriptClock{}, wires: map[string]*scriptWire{}}
	w.local = region.NewLocal(w.engine, s.regions, region.Options{})
	w.player = newPlayer(nil, Claims(m, true), synctest.Wait)
	w.player.verbose = true
	for _, l := range s.lines {
		w.player.learnKeys(l.text)
	}
	w.player.db = Flagship(w.client("end"), m)
	w.player.begin = func(ctx context.Context, name string, args []string) (Txn, error) {
		o := mvcc.TxnOptions{Mode: m}
		if len(args) > 0 {
			o.Mode, o.ReadTS = mvcc.ReadOnly, mvcc.TS(w.player.actors[args[1]].txn.(Stamped).Stamp())
		}
		t, err := w.client(name).Begin(ctx, o)
		return flagshipTxn{t}, err
	}
	return w
}

func (w *scriptWorld) client(name string) *mvcc.DB {
	wire := &scriptWire{w: w, name: name, faults: map[string]string{}}
	w.wires[name] = wire
	db, err := mvcc.Open(&mvcc.Options{Transport: wire, Clock: w.clock, Concurrency: 1,
		NoOnePC: w.s.commit == "two-phase" || w.s.commit == "async", NoAsyncCommit: w.s.commit == "two-phase"})
	require.NoError(w.t, err)
	wire.db = db
	w.dbs = append(w.dbs, db)
	return db
}

// play returns what comes of each line.
func (w *scriptWorld) play() (outs [][]string) {
	for i := range w.s.lines {
		l := &w.s.lines[i]
		var out []string
		if l.command() && !l.header() {
			out = w.do(l.text)
		}
		for j := range out {
			out[j] = strings.TrimRight(stamps.ReplaceAllString(out[j], "$1"), " ")
		}
		outs = append(outs, out)
	}
	time.Sleep(time.Minute) // who waits does not for ever
	for _, db := range w.dbs {
		require.NoError(w.t, db.Close())
	}
	require.NoError(w.t, w.local.Close())
	return outs
}

// stamps are timestamps, of which the count is shown.
var stamps = regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z\+(\d+)`)

func (w *scriptWorld) do(line string) (out []string) {
	f := strings.Fields(line)
	switch f[0] {
	case "grid":
		var b strings.Builder
		require.NoError(w.t, mvcc.Grid(context.Background(), &b, w.engine, func(ts mvcc.TS) string { return fmt.Sprint(ts.Logical()) }))
		return strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	case "sleep":
		d, err := time.ParseDuration(f[1])
		require.NoError(w.t, err)
		time.Sleep(d)
	case "split":
		require.NoError(w.t, w.local.Split([]byte(f[1])))
	case "trace":
		w.trace = f[1] == "on"
	case "gc":
		now, _ := w.clock.Now(context.Background())
		db := w.dbs[0]
		if len(f) > 1 {
			db = w.wires[f[1]].db
		}
		c, err := db.Collect(context.Background(), now)
		require.NoError(w.t, err)
		out = append(out, fmt.Sprintf("%d locks resolved, %d of %d versions removed", c.Locks, c.Removed, c.Scanned))
	case "judge":
		return w.judge()
	default:
		if len(f) > 1 && (f[1] == "fault" || f[1] == "deliver") {
			out = w.wires[strings.TrimSuffix(f[0], ":")].word(f[1:])
			break
		}
		if got := w.player.do(line); got != "ok" {
			out = append(out, got)
		}
	}
	synctest.Wait()
	out = append(out, w.player.woken()...)
	synctest.Wait() // for what a commit leaves behind
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.trace {
		out = append(slices.Clone(w.log), out...)
	}
	w.log = nil
	return out
}

func (w *scriptWorld) judge() (out []string) {
	h, err := w.player.history()
	require.NoError(w.t, err)
	for i := range h.Txns {
		if h.Txns[i].End == 0 {
			h.Txns[i].End = 1 << 30
		}
	}
	r, err := history.Check(h, &history.Options{RealTime: true})
	require.NoError(w.t, err)
	for _, a := range r.Anomalies {
		out = append(out, a.Title())
		out = append(out, strings.Split(strings.TrimSpace(strings.TrimPrefix(a.Text, a.Title())), "\n")...)
	}
	if out == nil {
		return []string{"nothing is wrong"}
	}
	return out
}

// scriptWire is a client's wire.
type scriptWire struct {
	w      *scriptWorld
	db     *mvcc.DB
	name   string
	mu     sync.Mutex
	faults map[string]string // of the next request with that first word
	gone   bool
	deaf   bool // until held is delivered
	held   func() (any, error)
}

func (c *scriptWire) Region(ctx context.Context, key []byte) (region.Info, error) {
	return c.w.local.Region(ctx, key)
}

func (c *scriptWire) Stale(region.Ref, []region.Info) {}

func (c *scriptWire) word(f []string) []string {
	if f[0] == "fault" {
		c.faults[f[2]] = f[1]
		return nil
	}
	c.mu.Lock()
	held := c.held
	c.held = nil
	c.mu.Unlock()
	a, err := held()
	return []string{describeAnswer(a, err)}
}

func (c *scriptWire) Send(ctx context.Context, ref region.Ref, q region.Request) (any, error) {
	what := describeRequest(q)
	word, _, _ := strings.Cut(what, " ")
	c.mu.Lock()
	fault := c.faults[word]
	delete(c.faults, word)
	c.gone = c.gone || fault == "gone-before"
	if fault == "hold" || fault == "copy" {
		c.held = func() (any, error) { return c.w.local.Send(context.Background(), ref, q) }
	}
	c.deaf = c.deaf && c.held != nil || fault == "hold"
	deaf := c.gone || c.deaf || fault == "lost"
	c.mu.Unlock()
	if deaf {
		c.say("%s: does not arrive", what)
		return nil, errWire
	}
	a, err := c.w.local.Send(ctx, ref, q)
	c.say("%s: %s", what, describeAnswer(a, err))
	if fault == "gone-after" || fault == "answer-lost" {
		c.mu.Lock()
		c.gone = c.gone || fault == "gone-after"
		c.mu.Unlock()
		return nil, errWire
	}
	return a, err
}

func (c *scriptWire) say(format string, args ...any) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	line := c.name + " > " + fmt.Sprintf(format, args...)
	if n := len(c.w.log); n > 0 && c.w.log[n-1] == line {
		line = c.name + " > the same, again and again"
	}
	if n := len(c.w.log); n == 0 || c.w.log[n-1] != line {
		c.w.log = append(c.w.log, line)
	}
}
