package predicates

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/tries"
)

// The oracle is package regexp, on expressions and texts of a few letters that often meet.
func TestPatternsAreRegularExpressions(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"a", "b", "B", "ab", ".", `\.`, "[.]", "[a]", "[aB]", "(a)", "(?:b)", "(?i)", "(?i:b)", "(?-i)", "^", "$", "a?", "b*", "|", `\d`, "()", `\x{fffd}`, "é", `\z`, `\A`, "(?m)", "(?s)"}
	letters := []string{"a", "b", "A", "B", ".", "1", "\n", "é", "É", "\xff", "\ufffd"}
	pick := func(from []string, n int) string {
		var b strings.Builder
		for range n {
			b.WriteString(from[rng.IntN(len(from))])
		}
		return b.String()
	}
	simple, times := 0, tries.Of(2000, 500)
	for range times {
		expr := pick(pieces, rng.IntN(6))
		if rng.IntN(2) == 0 {
			expr = "^" + expr + "$"
		}
		re, err := regexp.Compile(expr)
		p, err2 := newPattern(expr)
		require.Equal(t, err == nil, err2 == nil, expr)
		if err != nil {
			continue
		}
		if p.re == nil {
			simple++
		}
		for range 8 {
			s := pick(letters, rng.IntN(5))
			if got := p.match(s); got != re.MatchString(s) {
				t.Fatalf("RULE M9: %q matches %q: %v, as %+v", expr, s, got, p)
			}
		}
	}
	require.Greater(t, simple, times/5)
}

func TestWhichPatternsAreSimple(t *testing.T) {
	for expr, want := range map[string]pattern{
		``:                           {shape: contains},
		`a`:                          {shape: contains, text: "a"},
		`^www\.`:                     {shape: begins, text: "www."},
		`[.]org$`:                    {shape: ends, text: ".org"},
		`^www[.]a\.org$`:             {shape: equals, text: "www.a.org"},
		`(?i)^www[.]a\.org$`:         {shape: equals, text: "www.a.org", fold: true},
		`(?i)^127[.]0$`:              {shape: equals, text: "127.0"},
		`^(www[.]a)$`:                {shape: equals, text: "www.a"},
		`(?i)^(a[.]org[.]?(:\d+)?)$`: {shape: general, text: "a.org", fold: true, whole: true},
		`^a+$`:                       {shape: general},
		`^ab+$`:                      {shape: general, text: "a"},
	} {
		got, err := newPattern(expr)
		require.NoError(t, err)
		got.re = nil
		if got.text = strings.ToLower(got.text); got != want {
			t.Errorf("RULE M9: %s is %+v, want %+v", expr, got, want)
		}
	}
}
