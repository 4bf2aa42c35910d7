package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
)

// A Bug is a mistake to plant, as its file describes it.
type Bug struct {
	Name   string
	Rule   string
	Source string
	File   string // slash-separated, relative to the package's folder
	Tests  []Killer
	Expect string // expectRule, expectPanic or expectTimeout
	Edits  []Edit

	Path string // the .bug file
	Dir  string // the package's folder, as the go command names it
	// Elsewhere says that this build leaves the file out, PassedOver that only the
	// text to find is looked for: see -sample.
	Elsewhere, PassedOver bool
}

// A Killer is a test that must notice the bug.
type Killer struct {
	Dir string // the package's folder, relative to the module's root
	Run string // a -run expression
}

func (k Killer) String() string { return k.Dir + " " + k.Run }

// An Edit replaces one text, which occurs exactly once, by another.
type Edit struct {
	Find, Replace string
	Line          int // of the "--- find" in the bug file, for messages
}

// The ways a bug may be declared to die.
const (
	expectRule    = "rule"
	expectPanic   = "panic"
	expectTimeout = "timeout"
)

const (
	findMark    = "--- find"
	replaceMark = "--- replace"
)

var ruleID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]*$`)

// loadBugs reads all bugs of the package in dir, sorted by file name.
func loadBugs(dir string) ([]*Bug, error) {
	paths, err := filepath.Glob(filepath.Join(globEscape(dir), "testdata", "bugs", "*.bug"))
	if err != nil {
		return nil, fmt.Errorf("looking for bugs in %s: %w", dir, err)
	}
	sort.Strings(paths)
	var bugs []*Bug
	byName := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("reading a bug: %w", err)
		}
		b, err := parseBug(path, string(text))
		if err != nil {
			return nil, err
		}
		if other := byName[b.Name]; other != "" {
			return nil, fmt.Errorf("%s: the name %q is taken by %s; give this bug another name", path, b.Name, other)
		}
		byName[b.Name] = path
		b.Dir = dir
		bugs = append(bugs, b)
	}
	return bugs, nil
}

// globEscape keeps a folder's own name from being read as a pattern. On Windows
// Glob has no escape, and a backslash is a separator.
func globEscape(dir string) string {
	if os.PathSeparator == '\\' {
		return dir
	}
	return regexp.MustCompile(`[*?\[\\]`).ReplaceAllString(dir, `\$0`)
}

// parseBug reads the text of one bug file. Errors name the file, the line and
// what to write instead.
func parseBug(path, text string) (*Bug, error) {
	b := &Bug{Path: path, Expect: expectRule}
	lines := strings.Split(normalize(text), "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	at := 0
	seen := map[string]bool{}
	for ; at < len(lines) && !strings.HasPrefix(lines[at], "---"); at++ {
		if err := b.header(lines[at], seen); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, at+1, err)
		}
	}
	for _, key := range []string{"name", "rule", "source", "file", "test"} {
		if !seen[key] {
			return nil, fmt.Errorf("%s:%d: no line %q before the first %q; add one", path, at+1, key+": ...", findMark)
		}
	}
	if err := b.edits(lines, at); err != nil {
		return nil, err
	}
	return b, nil
}

// header takes one "key: value" line.
func (b *Bug) header(line string, seen map[string]bool) error {
	if trimmed := strings.TrimSpace(line); trimmed == "" || trimmed[0] == '#' {
		return nil
	}
	key, value, ok := strings.Cut(line, ":")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	if !ok || value == "" {
		return fmt.Errorf("%q is not of the form \"key: value\"", line)
	}
	if seen[key] && key != "test" {
		return fmt.Errorf("a second line %q; keep one", key)
	}
	seen[key] = true
	switch key {
	case "name":
		b.Name = value
		if !ruleID.MatchString(value) {
			return fmt.Errorf("name %q: use letters, digits and . _ / - only, so that -run can select it", value)
		}
	case "rule":
		b.Rule = value
		if !ruleID.MatchString(value) {
			return fmt.Errorf("rule %q: a rule id has letters, digits and . _ / - only", value)
		}
	case "source":
		b.Source = value
	case "file":
		b.File = value
		if !filepath.IsLocal(filepath.FromSlash(value)) {
			return fmt.Errorf("file %q leaves the package's folder; name a file inside it", value)
		}
	case "test":
		k, err := parseKiller(value)
		if err != nil {
			return err
		}
		b.Tests = append(b.Tests, k)
	case "expect":
		if value != expectRule && value != expectPanic && value != expectTimeout {
			return fmt.Errorf("expect %q: write rule, panic or timeout", value)
		}
		b.Expect = value
	default:
		return fmt.Errorf("unknown key %q; the keys are name, rule, source, file, test and expect", key)
	}
	return nil
}

func parseKiller(value string) (Killer, error) {
	fields := strings.Fields(value)
	if len(fields) != 2 {
		return Killer{}, fmt.Errorf("test %q: write a package folder and a -run expression, as in \"./raft TestX\"", value)
	}
	dir := strings.TrimPrefix(fields[0], "./")
	if !filepath.IsLocal(filepath.FromSlash(dir)) || strings.Contains(dir, "...") {
		return Killer{}, fmt.Errorf("test %q: the package must be one folder relative to the module's root, such as ./raft", value)
	}
	for part := range strings.SplitSeq(fields[1], "/") {
		if _, err := regexp.Compile(part); err != nil {
			return Killer{}, fmt.Errorf("test %q: not a -run expression: %w", value, err)
		}
	}
	return Killer{Dir: fields[0], Run: fields[1]}, nil
}

// edits reads the pairs of find and replace from line index at to the end.
func (b *Bug) edits(lines []string, at int) error {
	for at < len(lines) {
		if lines[at] != findMark {
			return fmt.Errorf("%s:%d: %q where %q must stand", b.Path, at+1, lines[at], findMark)
		}
		e := Edit{Line: at + 1}
		middle := nextMark(lines, at+1)
		if middle == len(lines) || lines[middle] != replaceMark {
			return fmt.Errorf("%s:%d: no %q follows; add one after the text to find", b.Path, e.Line, replaceMark)
		}
		end := nextMark(lines, middle+1)
		e.Find = strings.Join(lines[at+1:middle], "\n")
		e.Replace = strings.Join(lines[middle+1:end], "\n")
		if strings.TrimSpace(e.Find) == "" {
			return fmt.Errorf("%s:%d: nothing to find; write the code to break below this line", b.Path, e.Line)
		}
		if e.Find == e.Replace {
			return fmt.Errorf("%s:%d: the replacement equals the text to find, so no bug is planted", b.Path, e.Line)
		}
		b.Edits = append(b.Edits, e)
		at = end
	}
	if len(b.Edits) == 0 {
		return fmt.Errorf("%s:%d: no %q; add the code to break and its replacement", b.Path, len(lines), findMark)
	}
	return nil
}

// nextMark returns the index of the next line that is a mark, or len(lines).
func nextMark(lines []string, from int) int {
	for i := from; i < len(lines); i++ {
		if lines[i] == findMark || lines[i] == replaceMark {
			return i
		}
	}
	return len(lines)
}

// normalize undoes what a checkout on Windows may have done to line breaks.
func normalize(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }
