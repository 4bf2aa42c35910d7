package filters_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/filters/filtertest"
)

func sprint(v any) string { return fmt.Sprint(v) }

func TestRequestHeaders(t *testing.T) {
	for _, c := range []struct {
		filter filters.Filter
		want   http.Header // what differs from A: 1, A: 2, B: x
		host   string
	}{
		{filter(t, "setRequestHeader", "a", "3"), http.Header{"A": {"3"}}, ""},
		{filter(t, "appendRequestHeader", "a", "3"), http.Header{"A": {"1", "2", "3"}}, ""},
		{filter(t, "dropRequestHeader", "a"), http.Header{"A": nil}, ""},
		{filter(t, "dropRequestHeaderValueRegexp", "A", "^1$"), http.Header{"A": {"2"}}, ""},
		{filter(t, "dropRequestHeaderValueRegexp", "A", "."), http.Header{"A": nil}, ""},
		{filter(t, "dropRequestHeaderValueRegexp", "A", "none"), nil, ""},
		{filter(t, "copyRequestHeader", "A", "C"), http.Header{"C": {"1, 2"}}, ""},
		{filter(t, "copyRequestHeader", "None", "B"), nil, ""},
		{filter(t, "copyRequestHeader", "Host", "C"), http.Header{"C": {"shop.example.org"}}, ""},
		{filter(t, "modRequestHeader", "B", "^x", "y$0"), http.Header{"B": {"yx"}}, ""},
		{filter(t, "modRequestHeader", "Host", `^shop\.`, "www."), nil, "www.example.org"},
		{filter(t, "setRequestHeader", "Host", "other"), nil, "other"},
		{filter(t, "setRequestHeader", "C", "${id} of ${request.host}"), http.Header{"C": {"7 of shop.example.org"}}, ""},
		{filter(t, "setRequestHeader", "B", "${missing}"), nil, ""},
	} {
		x := request("GET", "http://shop.example.org/", "", "A", "1", "A", "2", "B", "x")
		x.Params = map[string]string{"id": "7"}
		var g got
		filtertest.Run(x, g.upstream(200), c.filter)
		want := http.Header{"A": {"1", "2"}, "B": {"x"}}
		for name, values := range c.want {
			if want[name] = values; values == nil {
				delete(want, name)
			}
		}
		require.Equal(t, want, g.requests[0].Header)
		require.Equal(t, c.host, g.requests[0].Host)
		require.Equal(t, []string{"1", "2"}, x.OriginalRequest().Header["A"], "what the client sent was changed")
	}
}

func TestResponseHeaders(t *testing.T) {
	for _, c := range []struct {
		filter filters.Filter
		want   string
	}{
		{filter(t, "setResponseHeader", "A", "2"), "[2]"},
		{filter(t, "appendResponseHeader", "A", "${request.header.X}"), "[1 x]"},
		{filter(t, "dropResponseHeader", "A"), "[]"},
		{filter(t, "dropResponseHeaderValueRegexp", "A", "1"), "[]"},
		{filter(t, "copyResponseHeader", "B", "A"), "[b]"},
		{filter(t, "modResponseHeader", "A", "1", "one"), "[one]"},
		{filter(t, "setResponseHeader", "A", "${response.header.B}"), "[b]"},
	} {
		x := request("GET", "http://h/", "", "X", "x")
		filtertest.Run(x, filtertest.Upstream(200, "", "A", "1", "B", "b"), c.filter)
		require.Equal(t, c.want, fmt.Sprint(x.Response().Header["A"]))
	}
}

// A parameter is decoded: %0D%0A is a line break.
func TestNoHeaderBreaksALine(t *testing.T) {
	for _, name := range []string{"setRequestHeader", "appendRequestHeader"} {
		x := request("GET", "http://h/", "")
		x.Params = map[string]string{"id": "7\r\nX-Admin: yes"}
		filtertest.Run(x, filtertest.Upstream(200, ""), filter(t, name, "X-Id", "${id}"))
		require.Empty(t, x.Request().Header["X-Id"], "RULE P2: a line break in a header")
	}
	x := request("GET", "http://h/?q=a%0Db", "")
	filtertest.Run(x, filtertest.Upstream(200, ""), filter(t, "queryToHeader", "q", "X-Q"), filter(t, "stripQuery", "true"))
	require.Empty(t, x.Request().Header, "RULE P2: a line break in a header")
	require.Empty(t, x.Request().URL.RawQuery)
}

// F6: the header that says who somebody is does not come from outside.
func TestContextHeaderIsNeverTheClients(t *testing.T) {
	set, add := filter(t, "setContextRequestHeader", "X-Uid", "auth-user"), filter(t, "appendContextRequestHeader", "X-Bag", "key")
	x := request("GET", "http://h/", "", "X-Uid", "admin", "X-Bag", "forged")
	filtertest.Run(x, filtertest.Upstream(200, ""), set, add)
	require.Empty(t, x.Request().Header, "RULE F6: the client has said who it is")

	x = request("GET", "http://h/", "", "X-Uid", "admin")
	x.ID, x.Bag = "alice", map[string]any{"key": "v"}
	filtertest.Run(x, filtertest.Upstream(200, ""), set, add)
	require.Equal(t, http.Header{"X-Uid": {"alice"}, "X-Bag": {"v"}}, x.Request().Header)
}

func TestCookies(t *testing.T) {
	x := request("GET", "http://a.b.example.org:80/", "", "Cookie", "a=1; b=2; a=3")
	filtertest.Run(x, filtertest.Upstream(200, "", "Set-Cookie", "old=1; Path=/", "Set-Cookie", "kept=2"),
		filter(t, "dropRequestCookie", "a"), filter(t, "requestCookie", "c", "4"),
		filter(t, "responseCookie", "new", "5", 60), filter(t, "jsCookie", "b", "2", 0, "change-only"), filter(t, "dropResponseCookie", "old"))
	require.Equal(t, []string{"b=2; c=4"}, x.Request().Header["Cookie"])
	require.Equal(t, []string{"kept=2", "new=5; Path=/; Domain=b.example.org; Max-Age=60; HttpOnly; Secure"}, x.Response().Header["Set-Cookie"])
}

func TestCookiesOfOthersStayAsTheyWereSent(t *testing.T) {
	for sent, want := range map[string][]string{
		`session=["x"]; user=J\u00fcrgen; a=1;b="2"`: {`session=["x"]; user=J\u00fcrgen; b="2"`},
		`session=["x"]`: {`session=["x"]`},
		"a=1; a = 2;":   nil,
	} {
		x := request("GET", "http://h/", "", "Cookie", sent)
		filtertest.Run(x, filtertest.Upstream(200, ""), filter(t, "dropRequestCookie", "a"))
		require.Equal(t, want, x.Request().Header["Cookie"], "RULE M2: dropping one cookie changed others")
	}
}

func TestCookieDomains(t *testing.T) {
	for host, want := range map[string]string{"example.org": "", "10.0.0.1": "", "10.0.0.1:80": "", "localhost": "", "www.example.org": "example.org"} {
		x := request("GET", "http://h/", "")
		x.OriginalRequest().Host = host
		filtertest.Run(x, filtertest.Upstream(200, ""), filter(t, "jsCookie", "a", "b"))
		c, err := http.ParseSetCookie(x.Response().Header.Get("Set-Cookie"))
		require.NoError(t, err)
		require.Equal(t, want, c.Domain)
	}
}
