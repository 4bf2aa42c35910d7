package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The throw-away module: one counter, one rule (never-falls), and tests that
// keep it, fail it, or do not run.
var counterModule = map[string]string{
	"go.mod": "module throwaway.test/m\n\ngo 1.24\n",
	"counter/counter.go": `package counter

type Counter struct{ n int }

func (c *Counter) Add(d int) {
	if d > 0 {
		c.n += d
	}
}

func (c *Counter) Reset() {
	c.n = 0
	c.n = 0
}
`,
	"counter/limit/limit.go": `package limit

var Limit = 9

var IsSet = Limit > 0
`,
	"counter/counter_test.go": `package counter

import (
	"os"
	"path/filepath"
	"testing"
)

func TestNeverFalls(t *testing.T) {
	if _, err := os.Stat("testdata"); err != nil {
		t.Fatal("not in the package's folder:", err)
	}
	if _, err := os.MkdirTemp("", "leftover"); err != nil { // a test that leaves something behind
		t.Fatal(err)
	}
	var c Counter
	c.Add(1)
	c.Add(-1)
	if c.n != 1 {
		t.Errorf("RULE never-falls: the counter fell to %d", c.n)
	}
}

func TestRises(t *testing.T) {
	var c Counter
	c.Add(1)
	if c.n != 1 {
		t.Errorf("RULE rises: the counter stayed at %d", c.n)
	}
}

func TestFailsAnyway(t *testing.T) {
	if os.Getenv("THROWAWAY_HEALTHY") == "" {
		t.Error("RULE never-falls: always")
	}
}

func TestSkipped(t *testing.T) { t.Skip("not today") }

func TestByChance(t *testing.T) {
	seen := filepath.Join(os.TempDir(), "seen")
	if _, err := os.Stat(seen); err != nil {
		os.WriteFile(seen, nil, 0o600)
		return
	}
	TestNeverFalls(t)
}
`,
}

func bugText(name, rule, test, extra, find, replace string) string {
	return fmt.Sprintf("name: %s\nrule: %s\nsource: the author's own mistakes\nfile: counter.go\ntest: ./counter %s\n%s--- find\n%s\n--- replace\n%s\n",
		name, rule, test, extra, find, replace)
}

// throwaway writes the module and its bugs, and sends every temporary folder of
// the run into one that the test can look into.
func throwaway(t *testing.T, bugs ...string) (root, tmp string) {
	t.Helper()
	root, tmp = t.TempDir(), t.TempDir()
	// The go command must not look anywhere but here.
	for _, env := range [][2]string{{"GOFLAGS", "-mod=mod"}, {"GOWORK", "off"}, {"GOPROXY", "off"}, {"GOTOOLCHAIN", "local"},
		{"TMPDIR", tmp}, {"TMP", tmp}, {"TEMP", tmp}} {
		t.Setenv(env[0], env[1])
	}
	files := map[string]string{}
	for name, text := range counterModule {
		files[name] = text
	}
	for i, b := range bugs {
		files[fmt.Sprintf("counter/testdata/bugs/%02d.bug", i)] = b
	}
	for name, text := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return root, tmp
}

// snapshot returns all files below root with their contents.
func snapshot(t *testing.T, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		files[path] = string(text)
		return err
	}))
	return files
}

func requireEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestMatrixTellsEveryDeathApart(t *testing.T) {
	root, tmp := throwaway(t,
		bugText("killed", "never-falls", "TestNeverFalls", "", "if d > 0 {", "if true {"),
		bugText("killed-by-two", "rises", "TestRises\ntest: ./counter TestRises$", "", "c.n += d", "_ = d"),
		bugText("lives", "never-falls", "TestNeverFalls", "", "if d > 0 {", "if d >= 0 {"),
		bugText("wrong", "other", "TestNeverFalls", "", "if d > 0 {", "if d != 0 {"),
		bugText("second-killer-sleeps", "never-falls", "TestNeverFalls\ntest: ./counter TestRises", "", "if d > 0 {", "if d < 9 {"),
		bugText("unbuilt", "never-falls", "TestNeverFalls", "", "if d > 0 {", "if d > {"),
		bugText("stale", "never-falls", "TestNeverFalls", "", "\tc.n = 0", "\tc.n = 1"),
		bugText("panics", "never-falls", "TestNeverFalls", "", "c.n += d", "panic(d)"),
		bugText("panics-as-declared", "never-falls", "TestNeverFalls", "expect: panic\n", "c.n += d", "panic(d)"),
		bugText("hangs", "never-falls", "TestNeverFalls", "", "c.n += d", "select {}"),
		bugText("killer-fails", "never-falls", "TestFailsAnyway", "", "if d > 0 {", "if true {"),
		bugText("killer-skips", "never-falls", "TestSkipped", "", "if d > 0 {", "if true {"),
		bugText("killer-missing", "never-falls", "TestNowhere", "", "if d > 0 {", "if true {"),
	)
	before := snapshot(t, root)
	var stdout, stderr bytes.Buffer
	// From a folder inside the module, as the tests' folders are relative to its root.
	code := cli(t.Context(), filepath.Join(root, "counter"), []string{"-json", "-limit=3s", "-p=2", "."}, &stdout, &stderr)
	require.Equal(t, 1, code, stderr.String())

	var got struct {
		Killed, Total int
		Bugs          []Result
	}
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &got))
	verdicts := map[string]Verdict{}
	for _, r := range got.Bugs {
		verdicts[r.Bug] = r.Verdict
	}
	require.Equal(t, map[string]Verdict{
		"killed": killed, "killed-by-two": killed, "lives": lived, "wrong": wrongRule, "second-killer-sleeps": lived,
		"unbuilt": unbuilt, "stale": stale, "panics": panicked, "panics-as-declared": killed, "hangs": timedOut,
		"killer-fails": badKiller, "killer-skips": badKiller, "killer-missing": badKiller,
	}, verdicts)
	require.Equal(t, 3, got.Killed)
	require.Equal(t, 13, got.Total)
	require.Equal(t, "killed", got.Bugs[0].Bug, "rows stand in the order of the bugs")
	require.Equal(t, "RULE never-falls: the counter fell to 0", got.Bugs[0].Line)
	require.Contains(t, got.Bugs[5].Output, "syntax error")
	require.Equal(t, before, snapshot(t, root), "the tree is never modified")
	requireEmpty(t, tmp)
}

func TestSampleTriesSomeAndCompilesTheOthers(t *testing.T) {
	bugs := []string{
		bugText("stale", "never-falls", "TestNeverFalls", "", "d > 7", "true"),
		bugText("syntax", "never-falls", "TestNeverFalls", "", "if d > 0 {", "if d > {"),
		bugText("unused", "never-falls", "TestNeverFalls", "", "if d > 0 {", "if unused := d; true {"),
	}
	// A bug may be in a package below that of its folder.
	for name, replace := range map[string]string{"below": "true", "syntax-below": ")"} {
		b := bugText(name, "never-falls", "TestNeverFalls", "", "Limit > 0", replace)
		bugs = append(bugs, strings.Replace(b, "file: counter.go", "file: limit/limit.go", 1))
	}
	for i := range 12 {
		bugs = append(bugs, bugText(fmt.Sprintf("bug%d", i), "never-falls", "TestNeverFalls", "", "if d > 0 {", "if true {"))
	}
	root, _ := throwaway(t, bugs...)
	var stdout, stderr bytes.Buffer
	require.Equal(t, 1, cli(t.Context(), root, []string{"-sample=4", "-seed=a", "./counter"}, &stdout, &stderr), stdout.String())
	require.Regexp(t, `(?m)^stale +never-falls .* stale `, stdout.String())
	require.Regexp(t, `([1-7]) of \d killed; \d+ more compile, and were not tried\n$`, stdout.String())
	first := stdout.String()
	stdout.Reset()
	require.Equal(t, 1, cli(t.Context(), root, []string{"-sample=1000000", "./counter"}, &stdout, &stderr), stdout.String())
	require.Regexp(t, `(?m)^stale +never-falls .* stale `, stdout.String())
	require.Regexp(t, `(?m)^syntax +never-falls .* no build `, stdout.String())
	require.Regexp(t, `(?m)^unused +never-falls .* no build `, stdout.String())
	require.Regexp(t, `(?m)^syntax-below +never-falls .* no build `, stdout.String())
	require.NotRegexp(t, `(?m)^below +never-falls`, stdout.String())
	require.Contains(t, stdout.String(), "declared and not used: unused")

	stdout.Reset()
	require.Equal(t, 0, cli(t.Context(), root, []string{"-sample=4", "-seed=b", "-run=bug", "./counter"}, &stdout, &stderr), stdout.String())
	require.NotEqual(t, regexp.MustCompile(`bug\d+`).FindAllString(first, -1), regexp.MustCompile(`bug\d+`).FindAllString(stdout.String(), -1),
		"another seed chooses others")
}

func TestAKillerMayBeRunOnceMore(t *testing.T) {
	root, _ := throwaway(t, bugText("chance", "never-falls", "TestByChance", "", "if d > 0 {", "if true {"))
	var stdout, stderr bytes.Buffer
	require.Equal(t, 1, cli(t.Context(), root, []string{"./counter"}, &stdout, &stderr), stdout.String())
	require.Regexp(t, `(?m)^chance .* lived `, stdout.String())
	stdout.Reset()
	require.Equal(t, 0, cli(t.Context(), root, []string{"-again", "./counter"}, &stdout, &stderr), stdout.String())
	require.Regexp(t, `(?m)^chance .* killed .*\(second try\)`, stdout.String())
}

func TestBugInAFileLeftOutIsElsewhere(t *testing.T) {
	root, _ := throwaway(t,
		bugText("killed", "never-falls", "TestNeverFalls", "", "if d > 0 {", "if true {"),
		strings.Replace(bugText("tagged", "never-falls", "TestNeverFalls", "", "d > 1", "true"), "counter.go", "tagged.go", 1))
	require.NoError(t, os.WriteFile(filepath.Join(root, "counter", "tagged.go"), []byte(`//go:build tagged

package counter

func (c *Counter) More(d int) bool { return d > 1 }

func init() {
	var c Counter
	if c.More(0) {
		println("RULE never-falls: zero is more")
		os.Exit(1)
	}
}
`), 0o644))
	var stdout, stderr bytes.Buffer
	require.Equal(t, 0, cli(t.Context(), root, []string{"./counter"}, &stdout, &stderr), stdout.String())
	require.Contains(t, stdout.String(), "1 of 1 killed; 1 more in files that this build leaves out\n")

	t.Setenv("GOFLAGS", "-mod=mod -tags=tagged")
	stdout.Reset()
	require.Equal(t, 1, cli(t.Context(), root, []string{"-run=tagged", "./counter"}, &stdout, &stderr), stdout.String())
	require.Contains(t, stdout.String(), "0 of 1 killed\n", "with the tag the file is there, and does not compile")
}

func TestWholePackageFindsWhatTheKillerDoesNotLookFor(t *testing.T) {
	root, tmp := throwaway(t, bugText("falls", "never-falls", "TestRises", "", "if d > 0 {", "if true {"))
	t.Setenv("THROWAWAY_HEALTHY", "1")
	var stdout, stderr bytes.Buffer
	require.Equal(t, 1, cli(t.Context(), root, []string{"./counter"}, &stdout, &stderr))
	require.Contains(t, stdout.String(), "falls: lived\n  ./counter TestRises passes with the bug in place; make it check rule never-falls\n")
	require.Contains(t, stdout.String(), "0 of 1 killed\n")

	stdout.Reset()
	require.Equal(t, 0, cli(t.Context(), root, []string{"-whole", "-v", "./counter"}, &stdout, &stderr), stdout.String())
	require.Regexp(t, `(?m)^falls  never-falls  the author's own mistakes  killed +\d+\.\d\d  the counter fell to 0$`, stdout.String())
	require.Contains(t, stdout.String(), "    | --- FAIL: TestNeverFalls")
	require.Contains(t, stdout.String(), "1 of 1 killed\n")
	requireEmpty(t, tmp)
}

func TestInterruptLeavesNothingBehind(t *testing.T) {
	root, tmp := throwaway(t, bugText("waits", "never-falls", "TestNeverFalls", "", "c.n += d", `wait()
}
}

func wait() {
	if c, err := net.Dial("tcp", os.Getenv("THROWAWAY_ADDR")); err == nil {
		c.Read(make([]byte, 1))
	}
	{`)+"--- find\npackage counter\n--- replace\npackage counter\n\nimport (\n\t\"net\"\n\t\"os\"\n)\n")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	t.Setenv("THROWAWAY_ADDR", l.Addr().String())

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stdout, stderr bytes.Buffer
	done := make(chan int)
	go func() { done <- cli(ctx, root, []string{"-limit=1m", "./counter"}, &stdout, &stderr) }()
	accepted := make(chan net.Conn, 1)
	go func() {
		if c, err := l.Accept(); err == nil {
			accepted <- c
		}
	}()
	select {
	case c := <-accepted: // the planted test is running now
		defer c.Close()
		cancel()
		require.Equal(t, 1, <-done)
		_, err = c.Read(make([]byte, 1))
		require.Error(t, err, "the test process is gone")
	case code := <-done:
		t.Fatalf("ended by itself with %d:\n%s%s", code, &stdout, &stderr)
	}
	require.Contains(t, stderr.String(), "interrupted")
	requireEmpty(t, tmp)
}

func TestListRunsNothing(t *testing.T) {
	root, tmp := throwaway(t,
		bugText("one", "never-falls", "TestNeverFalls", "expect: panic\n", "if d > 0 {", "if true {"),
		bugText("two", "never-falls", "TestNeverFalls", "", "no such text", "if true {"))
	var stdout, stderr bytes.Buffer
	require.Equal(t, 0, cli(t.Context(), root, []string{"-list", "-run=^one$", "./..."}, &stdout, &stderr), stderr.String())
	require.Equal(t, "one\n  breaks  never-falls, in counter.go\n  source  the author's own mistakes\n"+
		"  killer  ./counter TestNeverFalls\n  dies    by panic\n", stdout.String())
	requireEmpty(t, tmp)
}

func TestWrongUseIsExplained(t *testing.T) {
	root, _ := throwaway(t, "name: x\n")
	require.NoError(t, os.MkdirAll(filepath.Join(root, "empty"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "empty", "e.go"), []byte("package empty\n"), 0o644))
	for _, c := range []struct {
		name string
		dir  string
		args []string
		want string
	}{
		{"no package", root, nil, "name at least one package folder"},
		{"bad flag", root, []string{"-x"}, "flag provided but not defined"},
		{"bad regexp", root, []string{"-run=(", "./counter"}, "-run: error parsing regexp"},
		{"no parallelism", root, []string{"-p=0", "./counter"}, "at least one bug"},
		{"no such package", root, []string{"./nowhere"}, "resolving ./nowhere"},
		{"no bugs", root, []string{"./empty"}, "./empty has no bugs"},
		{"malformed bug", root, []string{"./counter"}, "00.bug:2: no line \"rule: ...\""},
		{"no module", t.TempDir(), []string{"."}, "is in no Go module"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			require.Equal(t, 2, cli(t.Context(), c.dir, c.args, &stdout, &stderr))
			require.Contains(t, stderr.String(), c.want)
			require.Empty(t, stdout.String())
		})
	}
}
