package route_test

import (
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/route"
)

func TestCanonicalPaths(t *testing.T) {
	for _, c := range []struct{ sent, forwarded, path string }{
		{"/", "/", "/"},
		{"/a/b", "/a/b", "/a/b"},
		{"/a/b/", "/a/b/", "/a/b/"},
		{"/a//b", "/a/b", "/a/b"},
		{"//a///b//", "/a/b/", "/a/b/"},
		{"/a/./b/.", "/a/b/", "/a/b/"},
		{"/a/b/../c", "/a/c", "/a/c"},
		{"/a//../b", "/b", "/b"},
		{"/a/..", "/", "/"},
		{"/../../a", "/a", "/a"},
		{"/a/%2e%2e/b", "/b", "/b"},
		{"/a/.%2E/b", "/b", "/b"},
		{"/a/%2e/b", "/a/b", "/a/b"},
		{"/a/...", "/a/...", "/a/..."},
		{"/a/.b/b.", "/a/.b/b.", "/a/.b/b."},
		{"/a%2Fb", "/a%2Fb", "/a/b"},
		{"/a%2fb//c", "/a%2fb/c", "/a/b/c"},
		{"/a%2F../b", "/a%2F../b", "/a/../b"}, // one segment, and nobody's dots
		{"/%41", "/%41", "/A"},
		{"/a%20b", "/a%20b", "/a b"},
		{"/a+b", "/a+b", "/a+b"},
		{"/%252e%252e/a", "/%252e%252e/a", "/%2e%2e/a"}, // decoded once, it is no dot
		{"/100%25//x", "/100%25/x", "/100%/x"},
		{"/%ff/..", "/", "/"},
		{"/%ff", "/%ff", "/\xff"},
		{"/ü", "/%C3%BC", "/ü"},
		{"/a%2Fb{c}", "/a%2Fb%7Bc%7D", "/a/b{c}"}, // else net/url encodes the decoded path, with a slash more
		{"/a%2Fü", "/a%2F%C3%BC", "/a/ü"},
		{"*", "*", "*"},
	} {
		u, err := url.ParseRequestURI("http://h" + c.sent)
		if c.sent == "*" {
			u, err = &url.URL{Path: "*"}, nil
		}
		require.NoError(t, err, c.sent)
		require.NoError(t, route.Canonical(u), c.sent)
		if u.EscapedPath() != c.forwarded || u.Path != c.path {
			t.Errorf("RULE M2: %s is forwarded as %s and read as %s, want %s and %s", c.sent, u.EscapedPath(), u.Path, c.forwarded, c.path)
		}
	}
}

func TestPathsThatAreNone(t *testing.T) {
	for _, u := range []*url.URL{
		{Path: "/a\x00b"},
		{Path: "/a\\b"},
		{Path: "/a/b", RawPath: "/a%2"},
		{Path: "/a/b", RawPath: "/a%zzb"},
		{Path: "a/b"},
		{Opaque: "a/b"},
		{Path: "*", RawPath: "%2A"},
	} {
		before := *u
		if err := route.Canonical(u); err == nil {
			t.Errorf("RULE M2: %+v was taken", before)
		} else {
			require.ErrorIs(t, err, route.ErrPath)
		}
	}
	u := &url.URL{}
	require.NoError(t, route.Canonical(u))
	require.Equal(t, "/", u.Path)
	u = &url.URL{Path: "/new", RawPath: "/ol%64"} // a filter has set Path alone
	require.NoError(t, route.Canonical(u))
	if u.EscapedPath() != "/new" || u.RawPath != "" {
		t.Errorf("RULE M2: /new is forwarded as %s, and matched as %q", u.EscapedPath(), u.RawPath)
	}
}

func TestACanonicalPathCostsNothing(t *testing.T) {
	for _, path := range []string{"/svc1/v2/items3/4711", "/a%2Fb/c", "/", "/.well-known/x"} {
		u, err := url.ParseRequestURI(path)
		require.NoError(t, err)
		require.Zero(t, testing.AllocsPerRun(100, func() {
			if route.Canonical(u) != nil {
				t.Fatal(path)
			}
		}), path)
	}
}

// checkCanonical holds what is true of each path that Canonical has made.
func checkCanonical(t testing.TB, sent string, u *url.URL) {
	escaped := u.EscapedPath()
	if u.RawPath != "" && u.RawPath != escaped {
		t.Fatalf("RULE M2: %q: RawPath %q is not what is sent, %q", sent, u.RawPath, escaped)
	}
	segments := strings.Split(escaped, "/")[1:]
	for i, s := range segments {
		s, err := url.PathUnescape(s)
		if err != nil || s == "." || s == ".." || s == "" && i < len(segments)-1 || strings.ContainsAny(s, "\x00\\") {
			t.Fatalf("RULE M2: %q: the segment %q is left in %q", sent, s, escaped)
		}
	}
	again := *u
	if err := route.Canonical(&again); err != nil || again != *u {
		t.Fatalf("RULE M2: %q: %+v becomes %+v the second time (%v)", sent, *u, again, err)
	}
	read, err := url.ParseRequestURI(escaped) // what a backend in Go reads
	if err != nil || read.Path != u.Path {
		t.Fatalf("RULE M2: %q: forwarded as %q, of which a backend reads %+v (%v), and not %q", sent, escaped, read, err, u.Path)
	}
}

func TestCanonicalPathsStayAsTheyAre(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	parts := []string{"/", "/", ".", "..", "%2e", "%2F", "a", "%61", "b", "%25", "{", "ü", "%c3", ";", "+"}
	for range 5000 {
		text := "/"
		for range rng.IntN(8) {
			text += parts[rng.IntN(len(parts))]
		}
		u, err := url.Parse("http://h" + text)
		require.NoError(t, err)
		require.NoError(t, route.Canonical(u), text)
		checkCanonical(t, text, u)
	}
}

func FuzzCanonical(f *testing.F) {
	f.Add("/a/%2e%2e//b%2Fc/.")
	f.Add("/a%2Fb{c}/../%zz")
	f.Fuzz(func(t *testing.T, text string) {
		u, err := url.ParseRequestURI(text)
		if err != nil || route.Canonical(u) != nil || u.Path == "*" {
			return
		}
		checkCanonical(t, text, u)
	})
}

// Pitfall 4: an encoded slash is no slash, and nothing is decoded twice.
func TestParametersAreDecodedOnceSegmentBySegment(t *testing.T) {
	table := build(t, `
		one:   Path("/files/:name") -> <shunt>;
		two:   Path("/files/:dir/:name") -> <shunt>;
		free:  Path("/free/*rest") -> <shunt>;
		sub:   PathSubtree("/sub/:x") -> <shunt>;
		tree:  PathSubtree("/tree/*rest") -> <shunt>;
		star:  Path("/star/*") -> <shunt>;
		admin: Path("/admin") -> <shunt>;
		enc:   Path("/enc%2Foded") -> <shunt>;
		pct:   Path("/100%25") -> <shunt>;
	`)
	for _, c := range []struct{ path, route, param, value string }{
		{"/files/a%2Fb", "one", "name", "a/b"},
		{"/files/a%2fb%2F", "one", "name", "a/b/"},
		{"/files/a/b", "two", "name", "b"},
		{"/files/a%2Fb/c", "two", "dir", "a/b"},
		{"/files/a+b", "one", "name", "a+b"},
		{"/files/a%2Bb", "one", "name", "a+b"},
		{"/files/a%20b", "one", "name", "a b"},
		{"/files/%2541", "one", "name", "%41"},
		{"/files/%252F", "one", "name", "%2F"},
		{"/files/%25252F%2F", "one", "name", "%252F/"},
		{"/files/..%2Fx", "one", "name", "../x"},
		{"/free/a/b%2Fc/", "free", "rest", "/a/b/c/"},
		{"/sub/1", "sub", "*", "/"},
		{"/sub/1/", "sub", "*", "/"},
		{"/sub/1/2/3", "sub", "*", "/2/3"},
		{"/sub/1/2", "sub", "x", "1"},
		{"/tree", "tree", "rest", "/"},
		{"/tree/a", "tree", "rest", "/a"},
		{"/star/a", "star", "*", "/a"},
		{"/%61dmin", "admin", "", ""}, // the backend reads it so too
		{"/admin%2F", "", "", ""},
		{"/enc%2foded", "enc", "", ""},
		{"/enc/oded", "", "", ""},
		{"/100%25", "pct", "", ""},
	} {
		l := new(route.Lookup)
		got := id(table.Lookup(request(t, "GET "+c.path), l))
		if got != c.route || l.Param(c.param) != c.value {
			t.Errorf("RULE M2: %s goes to %q with %s = %q, want %q and %q", c.path, got, c.param, l.Param(c.param), c.route, c.value)
		}
	}
}

func TestPathRegexpSeesSegmentsAsTheTreeDoes(t *testing.T) {
	table := build(t, `
		one:  PathRegexp("^/files/[^/]+$") -> <shunt>;
		slow: PathRegexp("^/files/.*/x y$") && Weight(-1) -> <shunt>;
	`)
	for path, want := range map[string]string{
		"/files/a": "one", "/files/a%2Fb": "one", "/files/a/b": "", "/files/a/x%20y": "slow", "/files/a%2Fx%20y": "one",
	} {
		if got := id(table.Lookup(request(t, "GET "+path), new(route.Lookup))); got != want {
			t.Errorf("RULE M2: %s goes to %q, want %q", path, got, want)
		}
	}
}

// slowPathRegexp is PathRegexp for the slow table: the path is decoded but for its encoded slashes.
func slowPathRegexp(args []any) route.Predicate {
	return slowRegexp{regexp.MustCompile(args[0].(string))}
}

type slowRegexp struct{ *regexp.Regexp }

func (s slowRegexp) Match(r *http.Request) bool {
	parts := strings.Split(strings.ReplaceAll(r.URL.EscapedPath(), "%2f", "%2F"), "%2F")
	for i := range parts {
		parts[i], _ = url.PathUnescape(parts[i])
	}
	return s.MatchString(strings.Join(parts, "%2F"))
}

// fuzzRequest is a request of any bytes, or nil.
func fuzzRequest(method, target string) *http.Request {
	u, err := url.ParseRequestURI(target)
	if err != nil || route.Canonical(u) != nil || u.Path == "*" {
		return nil
	}
	return &http.Request{Method: method, URL: u, Header: http.Header{}}
}
