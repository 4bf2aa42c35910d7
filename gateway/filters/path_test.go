package filters_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/filters/filtertest"
)

func TestPaths(t *testing.T) {
	set := func(p string) filters.Filter { return filter(t, "setPath", p) }
	mod := func(re, to string) filters.Filter { return filter(t, "modPath", re, to) }
	for _, c := range []struct {
		was    string
		params map[string]string
		filter filters.Filter
		want   string
	}{
		{"/api/x", nil, mod("^/api", ""), "/x"},
		{"/api", nil, mod("^/api", ""), "/"},
		{"/api/a%2Fb", nil, mod("^/api", "/v2"), "/v2/a%2Fb"},
		{"/api/a%2Fb", nil, mod("%2F", "%"), "/api/a%25b"},
		{"/api/ä", nil, mod("ä", "ö"), "/api/%C3%B6"},
		{"/x", nil, mod("x", "../y"), "/y"},
		{"/x", nil, set("/v2/y"), "/v2/y"},
		{"/x", nil, set("y"), "/y"},
		{"/u/7", map[string]string{"id": "7"}, set("/v2/${id}/all"), "/v2/7/all"},
		{"/u/7", nil, set("/v2/${id}/all"), "/v2//all"},
		{"/u/a%20b", map[string]string{"id": "a b"}, set("/v2/${id}"), "/v2/a%20b"},
		{"/u/50%25", map[string]string{"id": "50%"}, set("/v2/${id}"), "/v2/50%25"},
		{"/u/a%3Fb", map[string]string{"id": "a?b"}, set("/v2/${id}"), "/v2/a%3Fb"},
		{"/u/a,b;c@d:e", map[string]string{"id": "a,b;c@d:e"}, set("/v2/${id}"), "/v2/a,b;c@d:e"},
		{"/f/a/b", map[string]string{"rest": "a/b"}, set("/v2/${rest}"), "/v2/a/b"},
		{"/u/a%2Fb", map[string]string{"id": "a/b"}, set("/v2/${id}"), "/v2/a%2Fb"},
		{"/u/..%2Fadmin", map[string]string{"id": "../admin"}, set("/v2/${id}"), "/v2/..%2Fadmin"},
		{"/u?p=../../admin", nil, set("/v2/${request.query.p}"), "/v2/admin"},
		{"/u?p=..", nil, set("/v2/${request.query.p}"), "/v2/"},
		{"/u?p=./a/../../..&q=.", nil, set("/v2/b${request.query.p}/.${request.query.q}${request.query.q}/c"), "/v2/b/c"},
		{"/u?p=/../a/", nil, set("/v2${request.query.p}"), "/v2/a/"},
		{"/u?p=%252e%252e/a", nil, set("/v2/${request.query.p}"), "/v2/%252e%252e/a"},
		{"/u?p=/a/./b/..", nil, set("${request.query.p}"), "/a/"},
	} {
		x := request("GET", "http://h"+c.was, "")
		x.Params = c.params
		filtertest.Run(x, filtertest.Upstream(200, ""), c.filter)
		require.Equal(t, c.want, x.Request().URL.EscapedPath(), "RULE M2: %s is sent in another place", c.was)
		again, err := url.Parse("http://h" + x.Request().URL.EscapedPath())
		require.NoError(t, err)
		require.Equal(t, again.Path, x.Request().URL.Path, "path and encoded path say different things")
	}
}

func TestQueries(t *testing.T) {
	for _, c := range []struct {
		was    string
		filter filters.Filter
		want   string
	}{
		{"b=2&a=1&&a=3", filter(t, "setQuery", "a", "x y"), "b=2&a=x+y"},
		{"", filter(t, "setQuery", "a", "${request.method}"), "a=GET"},
		{"b=%zz&%61=1&c", filter(t, "dropQuery", "a"), "b=%zz&c"},
		{"a=1", filter(t, "dropQuery", "b"), "a=1"},
		{"a=1&b=2", filter(t, "stripQuery"), ""},
		{"a=1", filter(t, "headerToQuery", "X-In", "a"), "a=v"},
		{"a=1", filter(t, "headerToQuery", "X-None", "a"), "a=1"},
	} {
		x := request("GET", "http://h/?"+c.was, "", "X-In", "v")
		filtertest.Run(x, filtertest.Upstream(200, ""), c.filter)
		require.Equal(t, c.want, x.Request().URL.RawQuery)
	}
	x := request("GET", "http://h/?t=abc", "")
	filtertest.Run(x, filtertest.Upstream(200, ""), filter(t, "queryToHeader", "t", "Authorization", "Bearer %s"), filter(t, "queryToHeader", "t", "Authorization"))
	require.Equal(t, []string{"Bearer abc"}, x.Request().Header["Authorization"])
	x = request("GET", "http://h/?t=abc", "")
	filtertest.Run(x, filtertest.Upstream(200, ""), filter(t, "stripQuery", "true"))
	require.Equal(t, []string{"abc"}, x.Request().Header["X-Query-Param-T"])
}

func TestRedirects(t *testing.T) {
	for _, c := range []struct {
		filter filters.Filter
		want   string
	}{
		{filter(t, "redirectTo", 301), "https://Shop.org/A?b=c"},
		{filter(t, "redirectTo", 302, "/new"), "https://Shop.org/new?b=c"},
		{filter(t, "redirectTo", 302, "http://other/x?y=z"), "http://other/x?y=z"},
		{filter(t, "redirectTo", 302, "//other"), "https://other/A?b=c"},
		{filter(t, "redirectToLower", 308), "https://shop.org/a?b=c"},
	} {
		x := request("GET", "http://Shop.org/A?b=c", "")
		filtertest.Run(x, nil, c.filter)
		require.Equal(t, c.want, x.Response().Header.Get("Location"))
		require.Equal(t, 3, x.Response().StatusCode/100)
	}
}

func TestDestinations(t *testing.T) {
	x := request("GET", "http://shop.org/", "", "X-To", "10.0.0.9:80", "X-Scheme", "gopher", "X-Url", "https://a")
	filtertest.Run(x, filtertest.Upstream(200, ""), filter(t, "setDynamicBackendScheme", "https"), filter(t, "setDynamicBackendHostFromHeader", "X-To"),
		filter(t, "setDynamicBackendSchemeFromHeader", "X-Scheme"), filter(t, "setDynamicBackendUrlFromHeader", "X-Url"), filter(t, "preserveHost", "true"))
	require.Equal(t, map[string]any{filters.DynamicScheme: "https", filters.DynamicHost: "10.0.0.9:80", filters.DynamicURL: "https://a"}, x.Bag)
	require.Equal(t, "shop.org", x.Request().Host)
	filtertest.Run(x, filtertest.Upstream(200, ""), filter(t, "preserveHost", "false"))
	require.Empty(t, x.Request().Host)
}
