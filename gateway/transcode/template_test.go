package transcode

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTemplatesAreReadAndWritten(t *testing.T) {
	cases := []struct{ text, segments, variables, written string }{
		{"/", "", "", "/"},
		{"/v1/shelves", "v1 shelves", "", ""},
		{"/v1/*/books/**", "v1 * books **", "", ""},
		{"/v1/{name}", "v1 *", "name=1:2", ""},
		{"/v1/{name=*}", "v1 *", "name=1:2", "/v1/{name}"},
		{"/v1/{name=shelves/*}", "v1 shelves *", "name=1:3", ""},
		{"/v1/{book.name=shelves/*/books/*}:move", "v1 shelves * books *", "book.name=1:5", ""},
		{"/{a}/x/{b.c.d_1}", "* x *", "a=0:1 b.c.d_1=2:3", ""},
		{"/v1/{name=**}:cancel", "v1 **", "name=1:2+", ""},
		{"/v1/{name=files/**}", "v1 files **", "name=1:3+", ""},
		{"/v1/a%20b-._~!$&'()+,;@", "v1 a%20b-._~!$&'()+,;@", "", ""},
		{"/v1:batch", "v1", "", ""},
	}
	for _, c := range cases {
		t.Run(c.text, func(t *testing.T) {
			got, err := ParseTemplate(c.text)
			require.NoError(t, err)
			require.Equal(t, c.segments, strings.Join(got.segments, " "))
			var variables []string
			for _, v := range got.variables {
				text := fmt.Sprintf("%s=%d:%d", v.field, v.first, v.last)
				if v.many {
					text += "+"
				}
				variables = append(variables, text)
			}
			require.Equal(t, c.variables, strings.Join(variables, " "))
			if c.written == "" {
				c.written = c.text
			}
			require.Equal(t, c.written, got.String())
		})
	}
}

func TestWrongTemplatesSayWhere(t *testing.T) {
	cases := []struct {
		text   string
		column int
		want   string
	}{
		{"", 1, "it ends where / should be"},
		{"v1/x", 1, `'v' where / should be`},
		{"/v1/", 5, "it ends where a segment should be"},
		{"/v1//x", 5, "'/' where a segment should be"},
		{"/v1/{", 6, "it ends where a field's name should be"},
		{"/v1/{name", 10, "it ends where the } of variable name should be"},
		{"/v1/{name=}", 11, "'}' where a segment should be"},
		{"/v1/{name=a/{b}}", 13, "a variable inside a variable"},
		{"/v1/{a.}", 8, "'}' where a field's name should be"},
		{"/v1/{1a}", 6, "'1' where a field's name should be"},
		{"/v1/{a}/{a}", 10, "variable a for the second time"},
		{"/v1/**/x", 8, "a segment after **"},
		{"/v1/{a=**}/x", 12, "a segment after **"},
		{"/v1/a:b/c", 8, "'/' where /, a verb or the end should be"},
		{"/v1/a:", 7, "it ends where a verb should be"},
		{"/v1/*a", 6, "'a' where /, a verb or the end should be"},
		{"/v1/a%2", 6, "% without two hexadecimal digits"},
		{"/v1/a b", 6, `' ' where`},
		{"/v1/{a}b", 8, "'b' where"},
		{"/v1/a?b", 6, "'?' where"},
	}
	for _, c := range cases {
		t.Run(c.text, func(t *testing.T) {
			_, err := ParseTemplate(c.text)
			var wrong *TemplateError
			require.ErrorAs(t, err, &wrong)
			require.Equal(t, c.column, wrong.Column, err)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{"/v1/{name=shelves/*}:cancel", "/{a}/**", "/v1/a%20b", "/{a.b=x/**}:v", "/", "/**"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, err := ParseTemplate(text)
		if err != nil {
			return
		}
		again, err := ParseTemplate(first.String())
		require.NoError(t, err)
		require.Equal(t, first.String(), again.String())
		require.Equal(t, first.segments, again.segments)
	})
}

// tree makes a tree of "METHOD template" lines.
func tree(t testing.TB, lines ...string) *node {
	t.Helper()
	root := new(node)
	for _, line := range lines {
		method, path, _ := strings.Cut(line, " ")
		template, err := ParseTemplate(path)
		require.NoError(t, err)
		require.Nil(t, root.insert(&Binding{method: method, template: template}), line)
	}
	return root
}

func TestTheMostSpecificTemplateWins(t *testing.T) {
	root := tree(t,
		"GET /",
		"GET /v1/shelves",
		"GET /v1/shelves/{shelf}",
		"GET /v1/shelves/all",
		"POST /v1/shelves/{shelf}:merge",
		"GET /v1/shelves/{shelf}/books/{book}",
		"GET /v1/{name=**}",
		"GET /v1/{name=**}:stat",
		"* /v1/shelves/{shelf}/any",
		"DELETE /v1/{kind}/all",
	)
	cases := []struct{ method, path, want, bare string }{
		{"GET", "/", "/", "/"},
		{"GET", "/v1/shelves", "/v1/shelves", ""},
		{"GET", "/v1/shelves/7", "/v1/shelves/{shelf}", ""},
		{"GET", "/v1/shelves/all", "/v1/shelves/all", ""},
		{"GET", "/v1/shelves/7/books/8", "/v1/shelves/{shelf}/books/{book}", ""},
		{"GET", "/v1/shelves/7/boxes/8", "/v1/{name=**}", ""}, // the walk comes back from shelves, * and boxes
		{"GET", "/v1", "/v1/{name=**}", ""},                   // ** is also nothing
		{"GET", "/v1/", "/v1/{name=**}", ""},
		{"GET", "/v1/shelves/", "/v1/{name=**}", ""}, // * is not empty
		{"GET", "/v1/shelves//books/8", "/v1/{name=**}", ""},
		{"POST", "/v1/shelves/7:merge", "/v1/shelves/{shelf}:merge", "/v1/shelves/7"},
		{"GET", "/v1/shelves/7:merge", "/v1/shelves/{shelf}", "/v1/shelves/7:merge"}, // GET has no such verb
		{"GET", "/v1/shelves/7:other", "/v1/shelves/{shelf}", "/v1/shelves/7:other"}, // a name with a colon
		{"GET", "/v1/a/b:stat", "/v1/{name=**}:stat", "/v1/a/b"},
		{"GET", "/v1/a:stat/b", "/v1/{name=**}", "/v1/a:stat/b"}, // a verb is last
		{"GET", "/v1/a/b:", "/v1/{name=**}", "/v1/a/b:"},
		{"BREW", "/v1/shelves/7/any", "/v1/shelves/{shelf}/any", ""},
		{"DELETE", "/v1/shelves/all", "/v1/{kind}/all", ""}, // shelves/all fits, but has no DELETE
		{"GET", "/v1/%73helves/all", "/v1/{name=**}", ""},   // literals are compared as they are sent
		{"GET", "/v2", "", ""},
		{"PUT", "/v1/shelves", "", ""},
		{"GET", "", "/", ""},
	}
	for _, c := range cases {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			b, bare := root.match(c.method, c.path)
			if c.want == "" {
				require.Nil(t, b)
				return
			}
			require.NotNil(t, b, "RULE X2: nothing found")
			require.Equal(t, c.want, b.template.String(), "RULE X2: another template wins")
			if c.bare != "" {
				require.Equal(t, c.bare, bare, "RULE X2: what is left for variables")
			}
		})
	}
	require.Equal(t, []string{"GET", "POST"}, root.allowed("/v1/shelves/7:merge"))
	require.Equal(t, []string{"DELETE", "GET"}, root.allowed("/v1/shelves/all"))
	require.Empty(t, root.allowed("/v2"))
}

func TestVariablesAreSpansOfThePath(t *testing.T) {
	cases := []struct{ template, path, want string }{
		{"/v1/{a}", "/v1/x", "x"},
		{"/v1/{a=shelves/*}", "/v1/shelves/7", "shelves/7"},
		{"/v1/{a=shelves/*}/books/{b}", "/v1/shelves/7/books/8", "shelves/7 8"},
		{"/{a}/{b}/{c}", "/x/y/z", "x y z"},
		{"/v1/{a=**}", "/v1/x/y/z", "x/y/z"},
		{"/v1/{a=x/**}", "/v1/x", "x"},
		{"/v1/{a=**}", "/v1", ""},
		{"/{a=**}", "/", ""},
		{"/v1/{a=x/**}:v", "/v1/x/y", "x/y"},
	}
	for _, c := range cases {
		template, err := ParseTemplate(c.template)
		require.NoError(t, err)
		var got []string
		for _, v := range template.variables {
			got = append(got, v.span(c.path))
		}
		require.Equal(t, c.want, strings.Join(got, " "), "RULE X2: %s of %s", c.template, c.path)
	}
}

// The oracle knows templates as regular expressions, and tries one after the other from the most
// specific to the least: literals are written before *, which is written before **.
func oracle(templates []*Template, path string) string {
	rank := func(t *Template) string {
		var b strings.Builder
		for _, s := range t.segments {
			switch s {
			case "*":
				b.WriteByte('1')
			case "**":
				b.WriteByte('2')
			default:
				b.WriteByte('0')
			}
		}
		if b.Len() > 0 && strings.HasSuffix(b.String(), "2") {
			return b.String()
		}
		return b.String() + "0" // what ends beats **
	}
	var fits []*Template
	for _, t := range templates {
		expr := "^"
		for _, s := range t.segments {
			switch s {
			case "*":
				expr += "/[^/]+"
			case "**":
				expr += "(/.*)?"
			default:
				expr += "/" + regexp.QuoteMeta(s)
			}
		}
		if t.verb != "" {
			expr += ":" + t.verb
		}
		if regexp.MustCompile(expr + "$").MatchString(path) {
			fits = append(fits, t)
		}
	}
	if len(fits) == 0 {
		return ""
	}
	return slices.MinFunc(fits, func(a, b *Template) int {
		if (a.verb == "") != (b.verb == "") {
			return len(b.verb) - len(a.verb) // a verb first
		}
		return strings.Compare(rank(a), rank(b))
	}).String()
}

// FuzzMatch compares the tree with the oracle. The first bytes choose templates, the others a path, of the same alphabet.
func FuzzMatch(f *testing.F) {
	f.Add([]byte{0, 2, 0, 255, 1, 3, 0, 255, 0, 2, 255, 254, 0, 0, 0})
	f.Add([]byte{2, 2, 255, 0, 2, 255, 2, 1, 255, 254, 0, 1})
	parts := []string{"a", "b", "*", "**", "a:v", ":v"}
	f.Fuzz(func(t *testing.T, script []byte) {
		root := new(node)
		var templates []*Template
		text := ""
		for i, c := range script {
			if c < 254 {
				text += "/" + parts[int(c)%4]
				if c%8 == 7 {
					text += ":v"
				}
				continue
			}
			if template, err := ParseTemplate(text); err == nil {
				if root.insert(&Binding{method: "GET", template: template}) == nil {
					templates = append(templates, template)
				}
			}
			text = ""
			if c == 254 {
				checkMatch(t, root, templates, script[i+1:])
				return
			}
		}
	})
}

func checkMatch(t *testing.T, root *node, templates []*Template, script []byte) {
	path := ""
	for _, c := range script {
		path += "/" + []string{"a", "b", "c", "", "a:v", "b:w", ":v"}[int(c)%7]
	}
	if path == "" || path == "/" {
		return
	}
	got := ""
	if b, _ := root.match("GET", path); b != nil {
		got = b.template.String()
	}
	require.Equal(t, oracle(templates, path), got, "RULE X2: %s among %v", path, templates)
}
