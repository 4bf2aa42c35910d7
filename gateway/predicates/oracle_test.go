package predicates

import (
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What we read without allocations, net/url and net/http read alike.

func TestQueriesAreReadAsNetURLReadsThem(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	pieces := []string{"a", "b", "=", "&", ";", "%61", "%2", "%zz", "+", "%26", "%3D", "%2B"}
	for range 5000 {
		var raw strings.Builder
		for range rng.IntN(8) {
			raw.WriteString(pieces[rng.IntN(len(pieces))])
		}
		all, _ := url.ParseQuery(raw.String())
		for _, name := range []string{"a", "b", "ab", "a+", "a b", "%61", "a&", "="} {
			var got []string
			value, rest, ok := nextParam(raw.String(), name)
			for ; ok; value, rest, ok = nextParam(rest, name) {
				got = append(got, value)
			}
			if want := all[name]; !slices.Equal(got, want) {
				t.Fatalf("RULE M9: %q of %q is %q, and for net/url %q", name, raw.String(), got, want)
			}
		}
	}
}

func TestCookiesAreReadAsNetHTTPReadsThem(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	pieces := []string{"a", "b", "=", ";", " ", "\t", `"`, `\`, ",", "\x7f", "é", "a=b", "; a=", `a="b"`}
	for range 5000 {
		r := &http.Request{Header: http.Header{}}
		for range rng.IntN(3) {
			var line strings.Builder
			for range rng.IntN(8) {
				line.WriteString(pieces[rng.IntN(len(pieces))])
			}
			r.Header.Add("Cookie", line.String())
		}
		got, ok := cookieValue(r, "a")
		want, err := r.Cookie("a")
		if ok != (err == nil) || ok && got != want.Value {
			t.Fatalf("RULE M9: cookie a of %q is %q, %v, and for net/http %v", r.Header["Cookie"], got, ok, want)
		}
	}
}

func TestForwardedIsReadAsItWasWritten(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	letters := []string{"a", ",", ";", "=", " ", `"`, `\`}
	for range 5000 {
		var value, quoted strings.Builder
		for range rng.IntN(6) {
			c := letters[rng.IntN(len(letters))]
			value.WriteString(c)
			if c == `"` || c == `\` || rng.IntN(4) == 0 {
				quoted.WriteString(`\`)
			}
			quoted.WriteString(c)
		}
		r := request("GET /", `Forwarded: for=1;host="x;host=y", host="`+quoted.String()+`";proto=http;by=2`)
		got, ok := forwarded(r, "host")
		if !ok || got != value.String() {
			t.Fatalf("RULE M9: host of %s is %q, want %q", r.Header["Forwarded"], got, value.String())
		}
	}
	_, ok := forwarded(request("GET /", "Forwarded: host=, host"), "host")
	require.False(t, ok)
}
