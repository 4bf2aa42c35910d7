package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// A table prints the matrix as it grows. The widths of the columns are known
// before the first row, since the bugs are.
type table struct {
	w                    io.Writer
	bug, rule, source    int
	verbose              bool
	failures             []Result
	killed, total        int
	elsewhere, compiling int
	sourceMax, lineMax   int
}

func newTable(w io.Writer, bugs []*Bug, verbose bool) *table {
	t := &table{w: w, bug: len("bug"), rule: len("rule"), source: len("source"), verbose: verbose, sourceMax: 36, lineMax: 72}
	for _, b := range bugs {
		t.bug = max(t.bug, utf8.RuneCountInString(b.Name))
		t.rule = max(t.rule, utf8.RuneCountInString(b.Rule))
		t.source = max(t.source, min(t.sourceMax, utf8.RuneCountInString(b.Source)))
	}
	t.print("bug", "rule", "source", "verdict", "seconds", "reported")
	return t
}

func (t *table) print(bug, rule, source, verdict, seconds, line string) {
	row := fmt.Sprintf("%s  %s  %s  %s  %7s  %s", pad(bug, t.bug), pad(rule, t.rule),
		pad(shorten(source, t.sourceMax), t.source), pad(verdict, len(wrongRule)), seconds, shorten(line, t.lineMax))
	fmt.Fprintln(t.w, strings.TrimRight(row, " "))
}

func (t *table) row(r Result) {
	if r.Verdict == compiles {
		t.compiling++
		return
	}
	// The id is a column of its own when it is the declared one.
	line := strings.TrimPrefix(r.Line, "RULE "+r.Rule+": ")
	t.print(r.Bug, r.Rule, r.Source, string(r.Verdict), fmt.Sprintf("%.2f", r.Seconds), line)
	if t.verbose && r.Output != "" {
		fmt.Fprint(t.w, indent(r.Output))
	}
	if r.Verdict == elsewhere {
		t.elsewhere++
		return
	}
	t.total++
	if r.Verdict == killed {
		t.killed++
		return
	}
	t.failures = append(t.failures, r)
}

// end explains each bug that was not killed, and sums up.
func (t *table) end() {
	for _, r := range t.failures {
		fmt.Fprintf(t.w, "\n%s: %s\n  %s\n", r.Bug, r.Verdict, r.Detail)
		if !t.verbose && r.Output != "" {
			fmt.Fprint(t.w, indent(head(r.Output, 20)))
		}
	}
	if len(t.failures) > 0 {
		fmt.Fprintln(t.w)
	}
	fmt.Fprintf(t.w, "%d of %d killed", t.killed, t.total)
	if t.elsewhere > 0 {
		fmt.Fprintf(t.w, "; %d more in files that this build leaves out", t.elsewhere)
	}
	if t.compiling > 0 {
		fmt.Fprintf(t.w, "; %d more compile, and were not tried", t.compiling)
	}
	fmt.Fprintln(t.w)
}

// writeJSON prints the finished matrix as one object.
func writeJSON(w io.Writer, results []Result) error {
	n, total := 0, len(results)
	for _, r := range results {
		switch r.Verdict {
		case killed:
			n++
		case elsewhere, compiles:
			total--
		}
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(struct {
		Killed int      `json:"killed"`
		Total  int      `json:"total"`
		Bugs   []Result `json:"bugs"`
	}{n, total, results})
}

// writeList prints what would be run.
func writeList(w io.Writer, bugs []*Bug) {
	for _, b := range bugs {
		fmt.Fprintf(w, "%s\n  breaks  %s, in %s\n  source  %s\n", b.Name, b.Rule, b.File, b.Source)
		for _, k := range b.Tests {
			fmt.Fprintf(w, "  killer  %s\n", k)
		}
		if b.Expect != expectRule {
			fmt.Fprintf(w, "  dies    by %s\n", b.Expect)
		}
	}
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

// shorten cuts s to at most limit characters.
func shorten(s string, limit int) string {
	r := []rune(s)
	if len(r) <= limit {
		return s
	}
	return string(r[:limit-3]) + "..."
}

func head(s string, lines int) string {
	parts := strings.SplitAfterN(s, "\n", lines+1)
	if len(parts) <= lines {
		return s
	}
	return strings.Join(parts[:lines], "") + "... (-v prints all)\n"
}

func indent(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		b.WriteString("    | " + strings.TrimRight(line, "\n") + "\n")
	}
	return b.String()
}
