package eskip

import (
	"bytes"
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"
)

// FuzzParse: any text is routes or errors, quickly and without a panic, and what is printed reads as
// what was printed.
func FuzzParse(f *testing.F) {
	for _, c := range readAs {
		f.Add(c.text)
	}
	for _, c := range mistakes {
		f.Add(c.text)
	}
	file, err := os.ReadFile("testdata/routes.eskip")
	if err != nil {
		f.Fatal(err)
	}
	for part := range strings.SplitSeq(string(file), "\n\n") {
		f.Add(part)
	}
	f.Fuzz(func(t *testing.T, text string) {
		routes, err := Parse("f", text)
		checkErrors(t, text, err)
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := Print(&b, routes); err != nil {
			t.Fatalf("RULE E1: %q was read and cannot be printed: %v", text, err)
		}
		again, err := Parse("g", b.String())
		if err != nil || len(again) != len(routes) {
			t.Fatalf("RULE E1: %q was printed as %q: %v", text, b.String(), err)
		}
		for i, r := range routes {
			if !Equal(r, again[i]) {
				t.Fatalf("RULE E1: %v was read as %v", r, again[i])
			}
			one, err := Parse("", r.String())
			if err != nil || len(one) != 1 || !Equal(r, one[0]) {
				t.Fatalf("RULE E1: %v was read as %v: %v", r, one, err)
			}
			checkAddresses(t, r)
		}
	})
}

// checkErrors: each is in the text, and they are in order.
func checkErrors(t *testing.T, text string, err error) {
	var list ErrorList
	if !errors.As(err, &list) {
		return
	}
	if len(list) == 0 || len(list) > MaxErrors {
		t.Fatalf("RULE E4: %d errors", len(list))
	}
	lines := strings.Split(text, "\n")
	var last Pos
	for _, e := range list {
		if e.Pos.Line < last.Line || e.Pos.Line == last.Line && e.Pos.Column < last.Column {
			t.Fatalf("RULE E2: %v is told behind %v", e, last)
		}
		last = e.Pos
		if e.Pos.Line < 1 || e.Pos.Line > len(lines) || e.Pos.Column < 1 || e.Pos.Column > len(lines[e.Pos.Line-1])+1 {
			t.Fatalf("RULE E2: %v is not in %q", e, text)
		}
		_ = e.Snippet()
	}
}

// checkAddresses: net/url finds the same host in each address.
func checkAddresses(t *testing.T, r *Route) {
	for _, a := range r.Backend.Addresses {
		u, err := url.Parse(a)
		if err != nil || u.Host == "" || strings.TrimSuffix(u.Path, "/") != "" || u.User != nil || u.RawQuery != "" {
			t.Fatalf("RULE E3: %q is %+v, %v", a, u, err)
		}
	}
}
