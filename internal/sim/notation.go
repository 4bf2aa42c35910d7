package sim

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The notation of a schedule is for people to read and to paste into a test.
// An action is a line: when, what, its arguments, and for how long.
//
//	1.2s powercut 3 for 800ms
//	2s powercut-during 2 count=17 for 1s
//	3s partition groups=1,2|3,4,5 for 2s
//	3.5s cut 1-4 for 500ms
//	4s chaos loss=0.1 latency=1ms..20ms for 3s
//	5s drift 2 count=-300
//	6s op "put k1 v2"
//
// Every field of an action has one notation, whichever fault it belongs to, so
// that nothing is lost in writing a schedule and reading it back.

// ErrBadSchedule reports a schedule that cannot be read or applied.
var ErrBadSchedule = errors.New("sim: bad schedule")

// String renders the action in one line.
func (a Action) String() string {
	parts := []string{a.At.String(), string(a.Fault)}
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	switch {
	case a.Peer != 0 || a.Fault == FaultCut:
		add("%d-%d", a.Process, a.Peer)
	case a.Process != 0:
		add("%d", a.Process)
	}
	if a.Groups != nil {
		add("groups=%s", formatGroups(a.Groups))
	}
	if a.Chaos != (Chaos{}) {
		add("%v", a.Chaos)
	}
	if a.Count != 0 {
		add("count=%d", a.Count)
	}
	if a.Text != "" {
		add("%s", strconv.Quote(a.Text))
	}
	if a.For != 0 {
		add("for %v", a.For)
	}
	return strings.Join(parts, " ")
}

// ParseSchedule reads what [Schedule.String] writes. Empty lines and lines that
// start with # are skipped. Its errors name the line.
func ParseSchedule(text string) (Schedule, error) {
	var s Schedule
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		a, err := parseAction(line)
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrBadSchedule, number, err)
		}
		s = append(s, a)
	}
	return s, nil
}

func parseAction(line string) (a Action, err error) {
	when, rest, _ := strings.Cut(line, " ")
	fault, rest, _ := strings.Cut(strings.TrimSpace(rest), " ")
	if a.At, err = time.ParseDuration(when); err != nil {
		return a, err
	}
	a.Fault = Fault(fault)
	if !a.Fault.known() {
		return a, fmt.Errorf("unknown fault %q", fault)
	}
	for rest = strings.TrimSpace(rest); rest != ""; rest = strings.TrimSpace(rest) {
		if rest[0] == '"' {
			quoted, err := strconv.QuotedPrefix(rest)
			if err != nil {
				return a, fmt.Errorf("text %s: %w", rest, err)
			}
			rest = rest[len(quoted):]
			if a.Text, err = strconv.Unquote(quoted); err != nil {
				return a, fmt.Errorf("text %s: %w", quoted, err)
			}
			continue
		}
		var word string
		word, rest, _ = strings.Cut(rest, " ")
		if word == "for" {
			word, rest, _ = strings.Cut(strings.TrimSpace(rest), " ")
			word = "for=" + word
		}
		if err := a.parseWord(word); err != nil {
			return a, fmt.Errorf("%q: %w", word, err)
		}
	}
	return a, nil
}

func (f Fault) known() bool {
	switch f {
	case FaultPowerCut, FaultKill, FaultPowerCutDuring, FaultKillDuring, FaultRestart, FaultPause, FaultPartition, FaultCut,
		FaultHeal, FaultChaos, FaultDrift, FaultDiskError, FaultDiskStall, FaultOp:
		return true
	}
	return false
}

// parseWord reads one argument: key=value, a process, or a link.
func (a *Action) parseWord(word string) (err error) {
	key, value, isPair := strings.Cut(word, "=")
	if !isPair {
		from, to, isLink := strings.Cut(word, "-")
		if a.Process, err = parseID(from); err == nil && isLink {
			a.Peer, err = parseID(to)
		}
		return err
	}
	switch key {
	case "for":
		a.For, err = time.ParseDuration(value)
	case "count":
		a.Count, err = strconv.Atoi(value)
	case "groups":
		a.Groups, err = parseGroups(value)
	case "loss":
		a.Chaos.Loss, err = strconv.ParseFloat(value, 64)
	case "duplicate":
		a.Chaos.Duplicate, err = strconv.ParseFloat(value, 64)
	case "reorder":
		a.Chaos.Reorder, err = strconv.ParseFloat(value, 64)
	case "latency":
		lo, hi, isRange := strings.Cut(value, "..")
		if !isRange {
			hi = lo
		}
		if a.Chaos.LatencyMin, err = time.ParseDuration(lo); err == nil {
			a.Chaos.LatencyMax, err = time.ParseDuration(hi)
		}
	default:
		err = errors.New("unknown argument")
	}
	return err
}

func parseID(s string) (ID, error) {
	n, err := strconv.Atoi(s)
	if err == nil && (n < 0 || n > maxID) {
		err = errors.New("not a process ID")
	}
	return ID(n), err
}

// formatGroups is the notation of a partition: 1,2|3,4,5.
func formatGroups(groups [][]ID) string {
	var b strings.Builder
	for i, g := range groups {
		if i > 0 {
			b.WriteByte('|')
		}
		for j, id := range g {
			if j > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strconv.Itoa(int(id)))
		}
	}
	return b.String()
}

func parseGroups(s string) ([][]ID, error) {
	var groups [][]ID
	for part := range strings.SplitSeq(s, "|") {
		var g []ID
		for word := range strings.SplitSeq(part, ",") {
			id, err := parseID(word)
			if err != nil {
				return nil, err
			}
			g = append(g, id)
		}
		groups = append(groups, g)
	}
	return groups, nil
}
