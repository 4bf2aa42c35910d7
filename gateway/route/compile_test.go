package route_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/route"
)

func TestWhatIsWrongHasItsPlaceAndARemedy(t *testing.T) {
	for _, c := range []struct{ predicates, at, message string }{
		{`Pathh("/")`, "1:4", "there is no predicate Pathh; did you mean Path?"},
		{`Metod("GET")`, "1:4", "did you mean Method?"},
		{`Quux()`, "1:4", "there is no predicate Quux; predicates of your own are given to NewSpecs"},
		{`Path("/a") && Method(1)`, "1:18", "predicate Method: the arguments [1] are not those of Method"},
		{`Path("a")`, "1:4", "a path begins with a slash"},
		{`Path("")`, "1:4", "a path begins with a slash"},
		{`Path()`, "1:4", "one string is expected"},
		{`Path("/a", "/b")`, "1:4", "one string is expected"},
		{`Path(1)`, "1:4", "one string is expected"},
		{`Path("/a") && PathSubtree("/b")`, "1:18", "there is a second Path or PathSubtree"},
		{`Path("/:")`, "1:4", "a wildcard has a name"},
		{`Path("/*a/b")`, "1:4", "*a takes all that is left"},
		{`Path("/**/")`, "1:4", "** takes all that is left"},
		{`Path("/:a/:a")`, "1:4", "two wildcards are called a"},
		{`PathSubtree("/:a/*a")`, "1:4", "two wildcards are called a"},
		{`Path("/100%")`, "1:4", "a percent sign itself is written %25"},
		{`Path("/a%00")`, "1:4", "has NUL or a backslash"},
		{`Path("/a%5Cb")`, "1:4", "has NUL or a backslash"},
		{`Path("/:a/:b/:c/:d/:e/:f/:g/:h/:i/:j/:k/:l/:m/:n/:o/:p/:q")`, "1:4", "at most 16 wildcards, and this one has 17"},
		{`PathRegexp("(")`, "1:4", "no regular expression"},
		{`PathRegexp("")`, "1:4", "the expression is empty"},
		{`PathRegexp(1)`, "1:4", "one string is expected"},
		{`Weight("1")`, "1:4", "one whole number is expected"},
		{`Weight(0.5)`, "1:4", "one whole number is expected"},
		{`Weight(100000000)`, "1:4", "one whole number is expected, at most 16777216"},
		{`Weight()`, "1:4", "one whole number is expected"},
		{`Wrong()`, "1:4", "predicate Wrong"},
	} {
		def := parse(t, "r: "+c.predicates+" -> <shunt>;")[0]
		_, err := route.Compile(def, specs(t))
		if at := "test.eskip:" + c.at + ": route r: "; err == nil || !strings.HasPrefix(err.Error(), at) || !strings.Contains(err.Error(), c.message) {
			t.Errorf("RULE F3: of %s the error is %q, want %q and %q", c.predicates, err, at, c.message)
		}
	}
	_, err := route.Compile(parse(t, `r: Pth("/") && Metod("GET") -> <shunt>;`)[0], specs(t))
	var list eskip.ErrorList
	require.ErrorAs(t, err, &list)
	require.Len(t, list, 2, "both are told")
}

func TestPatternsAreMadeCanonicalLikePaths(t *testing.T) {
	for pattern, path := range map[string]string{
		"/a//b": "/a/b", "/a/./b/": "/a/b/", "/a/../b": "/b", "/:x/../b": "/b", "/a/..": "/", "/%2e/a": "/a", "//": "/", "/a/.": "/a/",
	} {
		table := build(t, `r: Path("`+pattern+`") -> <shunt>;`)
		require.NotNil(t, table.Lookup(request(t, "GET "+path), new(route.Lookup)), "%s does not match %s", pattern, path)
	}
}

func TestNamesOfPredicatesAreTakenOnce(t *testing.T) {
	for _, name := range []string{"Path", "PathSubtree", "PathRegexp", "Weight", "Twice"} {
		spec := testSpec{name: name}
		_, err := route.NewSpecs(testSpec{name: "Twice"}, spec)
		require.ErrorContains(t, err, "there is a predicate "+name+" already")
	}
	var names []string
	for name := range specs(t).Names() {
		names = append(names, name)
	}
	require.Equal(t, []string{"Coin", "Header", "Heavy", "Hosts", "Method", "Path", "PathRegexp", "PathSubtree", "Segment", "Weight", "Wrong"}, names)
}

// What a spec makes serves all calls that are written alike: thousands of routes share a regular expression.
func TestCallsThatAreWrittenAlikeShareAPredicate(t *testing.T) {
	made := 0
	s, err := route.NewSpecs(testSpec{"Count", 0, func([]any) route.Predicate { made++; return method("GET") }})
	require.NoError(t, err)
	for _, def := range parse(t, `a: Count("x") -> <shunt>; b: Path("/") && Count("x") -> <shunt>; c: Count(1) -> <shunt>; d: Count("1") -> <shunt>;`) {
		_, err := route.Compile(def, s)
		require.NoError(t, err)
	}
	require.Equal(t, 3, made)
}
