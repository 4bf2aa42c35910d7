package eskip

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each text is one route; what it is read as is shown as it is printed.
var readAs = []struct{ name, text, want string }{
	{"the shortest", `*-><shunt>`, `* -> <shunt>`},
	{"alone with a semicolon", `* -> <shunt>;`, `* -> <shunt>`},
	{"with an id", `a: * -> <loopback>`, `a: * -> <loopback>`},
	{"any id", `_0aZ_9: * -> <dynamic>;`, `_0aZ_9: * -> <dynamic>`},
	{"a first predicate that looks like an id", `Path("/")->"http://a"`, `Path("/") -> "http://a"`},
	{"all together", `a:Path("/a")&&Method("GET")->f()->g(1,"x")->"http://a:80";`, `a: Path("/a") && Method("GET") -> f() -> g(1, "x") -> "http://a:80"`},
	{"* beside others says nothing", `* && A() && * -> <shunt>`, `A() -> <shunt>`},
	{"the old name of *", `Any() -> <shunt>`, `* -> <shunt>`},
	{"but with arguments it is somebody's own", `Any(1) -> <shunt>`, `Any(1) -> <shunt>`},
	{"comments", "// a: b\na: // c \"\n* -> // ;\r\n <shunt> // end", `a: * -> <shunt>`},
	{"white space of all kinds", "a\v:\f*\r\n\t->\x85\xa0<shunt>", `a: * -> <shunt>`},
	{"a byte order mark", "\ufeffa: * -> <shunt>", `a: * -> <shunt>`},
	{"empty routes", ";;a: * -> <shunt>;;", `a: * -> <shunt>`},

	{"numbers", `A(0, 12, 1.5, .5, -1, -.25, 1e3, 1E-2, 2.5e+1, 007) -> <shunt>`, `A(0, 12, 1.5, 0.5, -1, -0.25, 1000, 0.01, 25, 7) -> <shunt>`},
	{"zero has a sign", `A(0, -0, 0) -> <shunt>`, `A(0, -0, 0) -> <shunt>`},
	{"arguments that are much alike", `A("xayz", "xbyz", "", "xayz", 1, 1.0000001, 1) -> <shunt>`, `A("xayz", "xbyz", "", "xayz", 1, 1.0000001, 1) -> <shunt>`},
	{"a large number without an exponent", `A(123456789012345680000) -> <shunt>`, `A(123456789012345680000) -> <shunt>`},
	{"quotes", "A(\"\", ``, \"`\", `\"`) -> <shunt>", "A(\"\", \"\", \"`\", \"\\\"\") -> <shunt>"},
	{"escapes", `A("\a\b\f\n\r\t\v\\\"") -> <shunt>`, `A("\a\b\f\n\r\t\v\\\"") -> <shunt>`},
	{"a backslash before another letter stays", `A("\d\.\/\x") -> <shunt>`, `A("\\d\\.\\/\\x") -> <shunt>`},
	{"escapes in backquotes are the same", "A(`\\n\\\\\\`\\\"`) -> <shunt>", "A(\"\\n\\\\`\\\\\\\"\") -> <shunt>"},
	{"a string over lines", "A(\"1\n2\\\n3\") -> <shunt>", `A("1\n2\\\n3") -> <shunt>`},
	{"bytes that are no text", "A(\"\xff\x00é\") -> <shunt>", "A(\"\xff\x00é\") -> <shunt>"},
	{"a comment's beginning in a string", `A("http://x") -> <shunt>`, `A("http://x") -> <shunt>`},
	{"a regexp", `A(/^a\.b$/) -> <shunt>`, `A("^a\\.b$") -> <shunt>`},
	{"a regexp with slashes", `A(/\/x\/[/"]\d/, /\\d/, /[\]/]/) -> <shunt>`, `A("/x/[/\"]\\d", "\\d", "[\\]/]") -> <shunt>`},

	{"a path that is only a slash", `* -> "http://a.example:8080/"`, `* -> "http://a.example:8080/"`},
	{"https, IPv6", `* -> "https://[::1]:443"`, `* -> "https://[::1]:443"`},
	{"a host that is not ASCII", `* -> "http://bücher.example"`, `* -> "http://bücher.example"`},
	{"balanced", `* -> <roundRobin, "http://a", "http://b">`, `* -> <roundRobin, "http://a", "http://b">`},
	{"balanced by default", `* -> <"http://a","http://b">`, `* -> <"http://a", "http://b">`},
	{"an algorithm with a special name", `* -> <shunt,"http://a">`, `* -> <shunt, "http://a">`},
	{"space in a special backend", `* -> < shunt >`, `* -> <shunt>`},
}

func TestWhatIsReadAsWhat(t *testing.T) {
	for _, c := range readAs {
		t.Run(c.name, func(t *testing.T) {
			routes, err := Parse("", c.text)
			if err != nil || len(routes) != 1 {
				t.Fatalf("RULE E1: %s\nis read as %d routes: %v", c.text, len(routes), err)
			}
			if got := routes[0].String(); got != c.want {
				t.Errorf("RULE E1: %s\nis read as %s\n      want %s", c.text, got, c.want)
			}
		})
	}
}

func TestATextIsAnyNumberOfRoutes(t *testing.T) {
	for _, text := range []string{"", " \n", "// nothing", ";", ";;"} {
		routes, err := Parse("", text)
		require.NoError(t, err, text)
		require.Empty(t, routes, text)
	}
	routes, err := Parse("f", "a: * -> <shunt>;\nb: A() -> <shunt>; c: * -> f(1) -> <shunt>")
	require.NoError(t, err)
	require.Equal(t, []*Route{
		{ID: "a", Backend: Backend{Kind: Shunt, Pos: Pos{1, 9}}, Pos: Pos{1, 1}, File: "f"},
		{ID: "b", Predicates: []Call{{Name: "A", Pos: Pos{2, 4}}}, Backend: Backend{Kind: Shunt, Pos: Pos{2, 11}}, Pos: Pos{2, 1}, File: "f"},
		{ID: "c", Filters: []Call{{Name: "f", Args: []any{1.0}, Pos: Pos{2, 28}}}, Backend: Backend{Kind: Shunt, Pos: Pos{2, 36}}, Pos: Pos{2, 20}, File: "f"},
	}, routes)
}

func TestRoutesAreNoNeighboursToWhoAppends(t *testing.T) {
	read := func() []*Route {
		routes, err := Parse("", `a: A(1, 2) && B(3) -> f(4) -> <"http://a">; b: C(5) -> g() -> <"http://b">`)
		require.NoError(t, err)
		return routes
	}
	routes := read()
	for _, r := range routes {
		_ = append(r.Predicates, Call{Name: "X"})
		_ = append(r.Filters, Call{Name: "X"})
		_ = append(r.Backend.Addresses, "X")
		for _, c := range r.Predicates {
			_ = append(c.Args, "X")
		}
	}
	for i, r := range read() {
		if !Equal(r, routes[i]) {
			t.Errorf("RULE E5: %v became %v, as somebody appended to another route", r, routes[i])
		}
	}
}

func TestPositionsCountLinesInStringsRegexpsAndComments(t *testing.T) {
	routes, err := Parse("", "a: A(\"\n\", `\\x\n`, \"\\\n\", /\n/, /\\\n/) // \n-> f() -> <shunt>")
	require.NoError(t, err)
	if got := routes[0].Filters[0].Pos; got != (Pos{7, 4}) {
		t.Errorf("RULE E2: the filter is at 7:4, not at %v", got)
	}
}

// Each text has one mistake, and the message says where and which.
var mistakes = []struct{ text, want string }{
	{`a`, `1:2: expected ( after the name a, found the end of the text`},
	{`a:`, `1:3: expected a predicate, such as Path("/"), or *, found the end of the text`},
	{`a: *`, `1:5: expected && or ->, found the end of the text`},
	{`a: * -> `, `1:9: expected a filter, or a backend such as "http://localhost:8080" or <shunt>, found the end of the text`},
	{`a: * -> f()`, `1:12: expected -> and a filter or, at the route's end, a backend, found the end of the text`},
	{`a: * -> f() -> ;`, `1:16: expected a filter, or a backend such as "http://localhost:8080" or <shunt>, found ;`},
	{`a: * -> <shunt> -> f();`, `1:17: expected ; after a route, found ->`},
	{`my-route: * -> <shunt>`, `1:3: expected ( after the name my, which is made of letters, digits and _, found "-", which is no number`},
	{`1a: * -> <shunt>`, `1:1: expected a route, such as home: Path("/") -> "http://localhost:8080", found 1`},
	{`a: A && * -> <shunt>`, `1:6: expected ( after the name A, found &&`},
	{`a: A() & B() -> <shunt>`, `1:8: expected && or ->, found &; predicates are joined by &&`},
	{`a: A() || B() -> <shunt>`, `1:8: expected && or ->, found |; predicates are joined by &&`},
	{`a: A() => <shunt>`, `1:8: expected && or ->, found '='`},
	{`a: A(1,) -> <shunt>`, `1:8: expected an argument: a number, a string or a regular expression, found )`},
	{`a: A(,) -> <shunt>`, `1:6: expected an argument: a number, a string or a regular expression, found ,`},
	{`a: A(1 2) -> <shunt>`, `1:8: expected , or ), found 2`},
	{`a: A(b) -> <shunt>`, `1:6: expected an argument: a number, a string or a regular expression, found b`},
	{`a: A('b') -> <shunt>`, `1:6: expected an argument: a number, a string or a regular expression, found '; strings are in double quotes or in backquotes`},
	{`a: A(1.) -> <shunt>`, `1:6: expected an argument: a number, a string or a regular expression, found "1.", which is no number`},
	{`a: A(1e) -> <shunt>`, `1:6: expected an argument: a number, a string or a regular expression, found "1e", which is no number`},
	{`a: A(-1e999) -> <shunt>`, `1:6: -1e999 is too large for a number (float64)`},
	{`a: A("x) -> <shunt>`, `1:6: expected an argument: a number, a string or a regular expression, found a string without an end: a closing " is missing`},
	{`a: A("x\`, `1:6: expected an argument: a number, a string or a regular expression, found a string without an end: a closing " is missing`},
	{`a: A(/x) -> <shunt>`, `1:6: expected an argument: a number, a string or a regular expression, found a regular expression without an end: a closing / is missing`},
	{"# c\na: * -> <shunt>", `1:1: expected a route, such as home: Path("/") -> "http://localhost:8080", found #; a comment begins with //`},
	{`é: * -> <shunt>`, `1:1: expected a route, such as home: Path("/") -> "http://localhost:8080", found a character that is not ASCII, which can be in strings and comments only`},
	{`a: * -> <forward>`, `1:10: <forward> is not a backend: known are <shunt>, <loopback>, <dynamic> and <algorithm, "http://...", ...>`},
	{`a: * -> <shunt`, `1:15: expected > or a comma and addresses after <shunt, found the end of the text`},
	{`a: * -> <>`, `1:10: expected an address in quotes, such as "http://localhost:8080", found >`},
	{`a: * -> <x, >`, `1:13: expected an address in quotes, such as "http://localhost:8080", found >`},
	{`a: * -> <"http://a" "http://b">`, `1:21: expected , or >, found the string "http://b"`},
	{`a: * -> <"http://a", 5>`, `1:22: expected an address in quotes, such as "http://localhost:8080", found 5`},
	{`a: * -> /x/`, `1:9: expected a filter, or a backend such as "http://localhost:8080" or <shunt>, found the regular expression /x/`},
	{`a: * -> <shunt>; * -> <shunt>`, `1:18: a route without an id can only be alone: begin it with a name and a colon`},
}

func TestAMistakeIsToldWithPlaceAndRemedy(t *testing.T) {
	for _, c := range mistakes {
		_, err := Parse("", c.text)
		if err == nil || err.Error() != c.want {
			t.Errorf("RULE E2: %s\n got %v\nwant %s", c.text, err, c.want)
		}
	}
}

func TestAddressesOfBackends(t *testing.T) {
	for address, want := range map[string]string{
		"http://a":                 "",
		"HTTP://A_b-c.d:1":         "",
		"http://127.0.0.1:8080":    "",
		"https://[fe80::1%25eth0]": "has no IPv6 address in its brackets",
		"":                         "does not begin with http:// or https://",
		"a:8080":                   "does not begin with http:// or https://",
		"ftp://a":                  "does not begin with http:// or https://",
		"fastcgi://a":              "does not begin with http:// or https://",
		"http:/a":                  "does not begin with http:// or https://",
		"http://":                  "has no host",
		"http:///":                 "has no host",
		"http://:80":               "has no host",
		"http://a/b":               "has a path, a query or a fragment: what is sent is the request's, which filters such as modPath change",
		"http://a//":               "has a path, a query or a fragment: what is sent is the request's, which filters such as modPath change",
		"http://a?b":               "has a path, a query or a fragment: what is sent is the request's, which filters such as modPath change",
		"http://a#b":               "has a path, a query or a fragment: what is sent is the request's, which filters such as modPath change",
		"http://u:p@a":             "has a user: set the header Authorization by a filter",
		"http://a b":               "has a host with ' ' in it",
		"http://a%20b":             "has a host with '%' in it",
		"http://a\\b":              `has a host with '\\' in it`,
		"http://a:":                "has no port between 1 and 65535 after its host",
		"http://a:0":               "has no port between 1 and 65535 after its host",
		"http://a:65536":           "has no port between 1 and 65535 after its host",
		"http://a:+1":              "has no port between 1 and 65535 after its host",
		"http://a:b":               "has no port between 1 and 65535 after its host",
		"http://[::1]x":            "has a host with 'x' in it",
		"http://[1]":               "has no IPv6 address in its brackets",
		"http://[::1":              "has a host with '[' in it",
		"http://::1":               "has no port between 1 and 65535 after its host",
	} {
		if got := checkAddress(address); got != want {
			t.Errorf("RULE E3: %q %q, want %q", address, got, want)
		}
		_, err := Parse("", fmt.Sprintf("* -> `%s`", strings.ReplaceAll(address, `\`, `\\`)))
		if want == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, want)
		}
	}
}

func TestReadingGoesOnBehindAMistake(t *testing.T) {
	for _, c := range []struct {
		name, text string
		errs, read string // columns of errors, and ids of routes, by line
	}{
		{"each is told", "a: * <shunt>;\nb: A(] -> <shunt>;\nc: * -> <shunt>;\nd: -> <shunt>;\n", "1:6 2:6 4:4", "c"},
		{"a semicolon is missing", "a: * -> <shunt>\nb: * -> <shunt>;\nc: * -> <shunt>;", "2:1", "abc"},
		{"a semicolon is missing before something else", "a: * -> <shunt> )\n;c: * -> <shunt>;", "1:17", "ac"},
		{"semicolons in strings and comments end nothing", "a: ( A(\";\") // ;\n-> f(`;`) -> <shunt>; b: * -> <shunt>", "1:4", "b"},
		{"the last quote is missing", "a: A(\"x) -> <shunt>;\nb: * -> <shunt>;", "1:6", "b"},
		{"a quote is missing before other quotes", "a: A(\"x) -> \"http://a\";\nb: A(\"y\") -> \"http://b\";", "1:14", "b"},
		{"a quote is missing and the next one is in another line", "a: A(\"x) -> <shunt>;\nb: A(\"y\") -> \"http://b\";", "2:7", "b"},
		{"a backquote is missing", "a: A(`x) -> <shunt>;\nb: A(`y`) -> <shunt>;\nc: * -> <shunt>", "2:7", "bc"},
		{"a slash is missing", "a: A(/x) -> <shunt>;\nb: A(`y`) -> <shunt>;", "1:6", "b"},
		{"to the end", "a: (", "1:4", ""},
		{"two of the same place in their order", "* -> <shunt>; b: ; c: * -> <shunt>", "1:1 1:18", "c"},
		{"a mistake after a string over lines", "a: A(\"\n\") -> ;\nb: * -> <shunt>;", "2:7", "b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			routes, err := Parse("", c.text)
			var errs, read []string
			var list ErrorList
			require.ErrorAs(t, err, &list)
			for _, e := range list {
				errs = append(errs, e.Pos.String())
			}
			for _, r := range routes {
				read = append(read, r.ID)
			}
			if strings.Join(errs, " ") != c.errs || strings.Join(read, "") != c.read {
				t.Errorf("RULE E4: %s\nread %v, errors %v\n%v", c.text, read, errs, err)
			}
		})
	}
}

func TestAQuoteThatMayBeMissingIsSaidWhere(t *testing.T) {
	_, err := Parse("", "a: A(\"x) -> <shunt>;\nb: A(\"y\") -> \"http://b\";")
	require.EqualError(t, err, `2:7: expected , or ), found y (the string that begins at 1:6 ends in another line: is a quote missing?)`)
}

func TestNoMoreThanTenMistakesAreTold(t *testing.T) {
	_, err := Parse("", strings.Repeat("a: ;", 1000))
	var list ErrorList
	require.ErrorAs(t, err, &list)
	if len(list) != MaxErrors {
		t.Errorf("RULE E4: %d errors, want %d", len(list), MaxErrors)
	}
}

func TestAnErrorShowsItsLine(t *testing.T) {
	_, err := Parse("routes.eskip", "a: * -> <shunt>;\r\n\tb: A(1 2) -> <shunt>;\r\n")
	var e *Error
	require.True(t, errors.As(err, &e))
	require.EqualError(t, e, "routes.eskip:2:9: expected , or ), found 2")
	require.Equal(t, "\tb: A(1 2) -> <shunt>;\n\t       ^", e.Snippet())

	_, err = Parse("", "a: A(\""+strings.Repeat("é", 500)+"\") -> "+strings.Repeat("x", 500))
	require.True(t, errors.As(err, &e))
	line, caret, _ := strings.Cut(e.Snippet(), "\n")
	require.LessOrEqual(t, len(line), 2*snippetWidth)
	require.NotEmpty(t, caret)
	require.Less(t, len(e.Msg), 200)
}
