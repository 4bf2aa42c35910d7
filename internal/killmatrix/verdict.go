package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A Verdict says what became of a planted bug.
type Verdict string

// Only killed is a success. What lies elsewhere, in a file that this build does
// not have, proves nothing either way, nor does what is only compiled; they need a
// run with other settings.
const (
	killed    Verdict = "killed"
	lived     Verdict = "lived"
	wrongRule Verdict = "wrong rule"
	noRule    Verdict = "no rule"
	panicked  Verdict = "panicked"
	timedOut  Verdict = "timed out"
	unbuilt   Verdict = "no build"
	stale     Verdict = "stale"
	badKiller Verdict = "bad killer"
	elsewhere Verdict = "elsewhere"
	compiles  Verdict = "compiles"
)

// ruleLine finds the report of a broken rule anywhere in a line: t.Error and
// testify both put their own text before it.
var ruleLine = regexp.MustCompile(`(?m)\bRULE ([A-Za-z0-9][A-Za-z0-9._/-]*):(?:\s|$)[^\n]*`)

// judge compares how the killer ended with how the bug was declared to die. The
// line is the reported rule that decided, the detail a sentence for the author.
func judge(b *Bug, k Killer, e ending) (v Verdict, line, detail string) {
	var ids []string
	for _, m := range ruleLine.FindAllStringSubmatch(e.output, -1) {
		if line == "" || m[1] == b.Rule && !slices.Contains(ids, b.Rule) {
			line = strings.TrimSpace(m[0])
		}
		if !slices.Contains(ids, m[1]) {
			ids = append(ids, m[1])
		}
	}
	switch died := mannerOf(e); {
	case e.code == 0:
		return lived, "", fmt.Sprintf("%s passes with the bug in place; make it check rule %s", k, b.Rule)
	case died != b.Expect && died == expectPanic:
		return panicked, line, fmt.Sprintf("%s panicked instead of reporting rule %s; make it check the rule earlier", k, b.Rule)
	case died != b.Expect && died == expectTimeout:
		return timedOut, line, fmt.Sprintf("%s ran into the time limit instead of reporting rule %s; bound its work", k, b.Rule)
	case died != b.Expect:
		return wrongRule, line, fmt.Sprintf("%s failed by a test, while the bug declares \"expect: %s\"; correct that line", k, b.Expect)
	case b.Expect != expectRule:
		return killed, firstLine(e.output, "panic: ", "fatal error: "), ""
	case slices.Contains(ids, b.Rule):
		// A broken rule seldom comes alone: others may be reported as well.
		return killed, line, ""
	case len(ids) == 0:
		return noRule, "", fmt.Sprintf("%s failed, but printed no line \"RULE %s: ...\"", k, b.Rule)
	default:
		return wrongRule, line, fmt.Sprintf("%s reported rule %s, while the bug declares %s; correct whichever is wrong",
			k, strings.Join(ids, ", "), b.Rule)
	}
}

// mannerOf tells the three ways to fail apart. A test binary ends with 1 when
// tests failed; the runtime ends a panicking or deadlocked one with 2.
func mannerOf(e ending) string {
	switch {
	case e.late:
		return expectTimeout
	case e.code == 1:
		return expectRule
	default:
		return expectPanic
	}
}

func firstLine(output string, prefixes ...string) string {
	for line := range strings.Lines(output) {
		for _, p := range prefixes {
			if strings.HasPrefix(line, p) {
				return strings.TrimSpace(line)
			}
		}
	}
	return ""
}

var passLine = regexp.MustCompile(`--- PASS: (\S+) \(`)

// checkBaseline says what is wrong with a killer that was run, verbosely, on
// the unmodified code; the empty string means nothing.
func checkBaseline(k Killer, e ending) string {
	switch {
	case e.late:
		return fmt.Sprintf("%s runs into the time limit without any bug", k)
	case e.code != 0:
		return fmt.Sprintf("%s fails without any bug", k)
	}
	// A -run expression with a slash matches the parent alone, too, so a test
	// counts only from the depth that the expression names.
	depth := strings.Count(k.Run, "/")
	for _, m := range passLine.FindAllStringSubmatch(e.output, -1) {
		if strings.Count(m[1], "/") >= depth {
			return ""
		}
	}
	return fmt.Sprintf("%s runs no test, or only skipped ones", k)
}
