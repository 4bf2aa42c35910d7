package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const header = "name: a\nrule: r\nsource: s\nfile: f.go\ntest: ./p TestX\n"

func TestParserReadsEveryField(t *testing.T) {
	text := "# planted since the beginning\n\nname: commit-older-term\nrule: commit-own-term\n" +
		"source: Raft paper section 5.4.2: Figure 8\nfile: sub/replication.go\n" +
		"test: ./raft TestA\ntest: ./raft/rafttest TestB/x\nexpect: timeout\n" +
		"--- find\n\tif a {\n\t\tb()\n--- replace\n--- find\nc\n--- replace\nd\n\ne\n"
	want := &Bug{
		Name: "commit-older-term", Rule: "commit-own-term", Source: "Raft paper section 5.4.2: Figure 8",
		File: "sub/replication.go", Expect: expectTimeout, Path: "x.bug",
		Tests: []Killer{{"./raft", "TestA"}, {"./raft/rafttest", "TestB/x"}},
		Edits: []Edit{{Find: "\tif a {\n\t\tb()", Replace: "", Line: 10}, {Find: "c", Replace: "d\n\ne", Line: 14}},
	}
	got, err := parseBug("x.bug", text)
	require.NoError(t, err)
	require.Equal(t, want, got)

	t.Run("with the line breaks of Windows", func(t *testing.T) {
		crlf := ""
		for _, r := range text {
			if r == '\n' {
				crlf += "\r"
			}
			crlf += string(r)
		}
		got, err := parseBug("x.bug", crlf)
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestParserExpectsARuleByDefault(t *testing.T) {
	b, err := parseBug("x.bug", header+"--- find\na\n--- replace\nb")
	require.NoError(t, err)
	require.Equal(t, expectRule, b.Expect)
}

func TestParserNamesFileLineAndRemedy(t *testing.T) {
	body := "--- find\na\n--- replace\nb\n"
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", `x.bug:1: no line "name: ..." before the first "--- find"; add one`},
		{"no rule", "name: a\n" + body, `x.bug:2: no line "rule: ..."`},
		{"no colon", "name a\n", `x.bug:1: "name a" is not of the form "key: value"`},
		{"no value", "name:\n", `x.bug:1: "name:" is not of the form`},
		{"unknown key", header + "kind: x\n" + body, `x.bug:6: unknown key "kind"`},
		{"key twice", header + "rule: x\n" + body, `x.bug:6: a second line "rule"; keep one`},
		{"bad name", "name: a b\n", `x.bug:1: name "a b": use letters`},
		{"bad rule", "rule: a:b\n", `x.bug:1: rule "a:b": a rule id has letters`},
		{"file outside", "file: ../f.go\n", `x.bug:1: file "../f.go" leaves the package's folder`},
		{"test without regexp", "test: ./p\n", `x.bug:1: test "./p": write a package folder`},
		{"test of many packages", "test: ./p/... TestX\n", `must be one folder relative to the module's root`},
		{"test outside", "test: ../p TestX\n", `must be one folder relative to the module's root`},
		{"test bad regexp", "test: ./p Test(\n", `x.bug:1: test "./p Test(": not a -run expression`},
		{"bad expect", "expect: death\n", `x.bug:1: expect "death": write rule, panic or timeout`},
		{"no edit", header, `x.bug:5: no "--- find"; add the code`},
		{"replace first", header + "--- replace\n", `x.bug:6: "--- replace" where "--- find" must stand`},
		{"unknown mark", header + "--- look\n", `x.bug:6: "--- look" where "--- find" must stand`},
		{"no replace", header + "--- find\na\n", `x.bug:6: no "--- replace" follows`},
		{"find twice in a row", header + "--- find\na\n--- find\nb\n", `x.bug:6: no "--- replace" follows`},
		{"nothing to find", header + "--- find\n--- replace\nb\n", `x.bug:6: nothing to find`},
		{"no change", header + "--- find\na\n--- replace\na\n", `x.bug:6: the replacement equals`},
		{"second pair", header + body + "--- find\nc\n", `x.bug:10: no "--- replace" follows`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parseBug("x.bug", c.text)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestBugsOfOnePackageHaveDistinctNames(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a[b]") // must not be read as a pattern
	bugs := filepath.Join(dir, "testdata", "bugs")
	require.NoError(t, os.MkdirAll(bugs, 0o755))
	text := []byte(header + "--- find\na\n--- replace\nb\n")
	require.NoError(t, os.WriteFile(filepath.Join(bugs, "1.bug"), text, 0o644))
	got, err := loadBugs(dir)
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Equal(t, dir, got[0].Dir)

	require.NoError(t, os.WriteFile(filepath.Join(bugs, "2.bug"), text, 0o644))
	_, err = loadBugs(dir)
	require.ErrorContains(t, err, `2.bug: the name "a" is taken by`)
}

func TestEditsApplyInOrderAndExactlyOnce(t *testing.T) {
	b := &Bug{Path: "x.bug", File: "f.go", Edits: []Edit{{"one", "two", 6}, {"two three", "four", 10}}}
	got, err := b.apply("one three\n")
	require.NoError(t, err)
	require.Equal(t, "four\n", got)

	_, err = b.apply("nothing")
	require.EqualError(t, err, "x.bug:6: the text to find occurs 0 times in f.go, not once; copy the text anew from the file, indentation included")
	_, err = b.apply("one one")
	require.EqualError(t, err, "x.bug:6: the text to find occurs 2 times in f.go, not once; add a neighbouring line to make it unique")
}
