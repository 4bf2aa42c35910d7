package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnlyTheDeclaredDeathIsAKill(t *testing.T) {
	const own = "    x_test.go:7: RULE own: leader 1 counted\n"
	const other = "    x_test.go:9: RULE other: node 2 fell back\n"
	for _, c := range []struct {
		name    string
		expect  string
		end     ending
		verdict Verdict
		line    string
	}{
		{"pass", expectRule, ending{code: 0}, lived, ""},
		{"pass with a rule line", expectRule, ending{code: 0, output: own}, lived, ""},
		{"declared rule", expectRule, ending{code: 1, output: own}, killed, "RULE own: leader 1 counted"},
		{"after testify's words", expectRule, ending{code: 1, output: "\tError:      \tRULE own: x\n"}, killed, "RULE own: x"},
		{"declared rule among others", expectRule, ending{code: 1, output: other + own}, killed, "RULE own: leader 1 counted"},
		{"another rule", expectRule, ending{code: 1, output: other}, wrongRule, "RULE other: node 2 fell back"},
		{"a longer id", expectRule, ending{code: 1, output: "RULE own-term: x\n"}, wrongRule, "RULE own-term: x"},
		{"no rule", expectRule, ending{code: 1, output: "--- FAIL: TestX\n"}, noRule, ""},
		{"a rule in prose", expectRule, ending{code: 1, output: "OVERRULE own: x, RULE own, RULE own:x\n"}, noRule, ""},
		{"panic", expectRule, ending{code: 2, output: "panic: boom\n"}, panicked, ""},
		{"panic after the rule", expectRule, ending{code: 2, output: own + "panic: boom\n"}, panicked, "RULE own: leader 1 counted"},
		{"timeout", expectRule, ending{code: 2, late: true}, timedOut, ""},
		{"declared panic", expectPanic, ending{code: 2, output: "x\npanic: boom\n\ngoroutine 1\n"}, killed, "panic: boom"},
		{"declared panic, but a rule", expectPanic, ending{code: 1, output: own}, wrongRule, "RULE own: leader 1 counted"},
		{"declared panic, but a timeout", expectPanic, ending{code: 2, late: true}, timedOut, ""},
		{"declared timeout", expectTimeout, ending{code: 2, late: true, output: "panic: test timed out after 5s\n"}, killed, "panic: test timed out after 5s"},
		{"declared timeout, but a panic", expectTimeout, ending{code: 2}, panicked, ""},
		{"declared timeout, but lives", expectTimeout, ending{code: 0}, lived, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, line, detail := judge(&Bug{Rule: "own", Expect: c.expect}, Killer{"./p", "TestX"}, c.end)
			require.Equal(t, c.verdict, v)
			require.Equal(t, c.line, line)
			require.Equal(t, v != killed, detail != "", "every verdict but killed is explained")
		})
	}
}

func TestAKillerThatRanNothingIsBad(t *testing.T) {
	for _, c := range []struct {
		name, run string
		end       ending
		want      string
	}{
		{"passes", "TestX", ending{output: "=== RUN   TestX\n--- PASS: TestX (0.00s)\nPASS\n"}, ""},
		{"passes below", "TestX/y", ending{output: "--- PASS: TestX (0.00s)\n    --- PASS: TestX/y (0.00s)\n"}, ""},
		{"output without a line break before", "TestX", ending{output: "abc--- PASS: TestX (0.00s)\n"}, ""},
		{"no test", "TestX", ending{output: "testing: warning: no tests to run\nPASS\n"}, "runs no test"},
		{"no such subtest", "TestX/y", ending{output: "--- PASS: TestX (0.00s)\nPASS\n"}, "runs no test"},
		{"skipped", "TestX", ending{output: "--- SKIP: TestX (0.00s)\nPASS\n"}, "or only skipped ones"},
		{"fails", "TestX", ending{code: 1}, "fails without any bug"},
		{"hangs", "TestX", ending{code: 2, late: true}, "time limit without any bug"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := checkBaseline(Killer{"./p", c.run}, c.end)
			if c.want == "" {
				require.Empty(t, got)
			} else {
				require.Contains(t, got, c.want)
			}
		})
	}
}

func TestOutputIsClippedInTheMiddle(t *testing.T) {
	var c clipped
	_, err := c.Write([]byte("first"))
	require.NoError(t, err)
	filler := []byte(strings.Repeat("x", 1<<16))
	for range 100 {
		n, err := c.Write(filler)
		require.NoError(t, err)
		require.Equal(t, len(filler), n)
	}
	_, err = c.Write([]byte("last"))
	require.NoError(t, err)
	got := c.String()
	require.True(t, strings.HasPrefix(got, "firstx"))
	require.True(t, strings.HasSuffix(got, "xlast"))
	require.LessOrEqual(t, len(got), 3*clipAt+len(filler))
}
