package filters_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/filters/filtertest"
)

// F3: each kind of mistake, and what is said about it.
func TestArgumentsAreCheckedWhenTheFilterIsMade(t *testing.T) {
	for _, c := range []struct {
		name string
		args []any
		want string
	}{
		{"setRequestHeader", []any{"X"}, `argument 2 (value) is missing: it takes (name, value)`},
		{"setRequestHeader", []any{"X", "y", "z"}, `3 arguments are too many: it takes (name, value)`},
		{"setRequestHeader", []any{1, "y"}, `argument 1 (name) is a string, not 1`},
		{"setRequestHeader", []any{"X Y", "y"}, `argument 1 (name) is the name of a header field, not "X Y"`},
		{"setRequestHeader", []any{"content-length", "3"}, `argument 1 (name) is a header field of the message; the gateway sets those of the connection itself, not "Content-Length"`},
		{"setRequestHeader", []any{"X", "a\r\nY: b"}, `argument 2 (value) is the value of a header field, without line breaks and other control characters, not "a\r\nY: b"`},
		{"setRequestHeader", []any{"X", "${"}, `argument 2 (value): template "${": a placeholder is written ${name}`},
		{"setRequestHeader", []any{"X", "${request.heder.X}"}, `argument 2 (value): template "${request.heder.X}": there is no ${request.heder.X}; see the placeholders of filters.Template`},
		{"dropResponseHeader", []any{"Transfer-Encoding"}, `argument 1 (name) is a header field of the message`},
		{"modRequestHeader", []any{"X", "(", ""}, "argument 2 (expression): error parsing regexp: missing closing ): `(`"},
		{"status", []any{"200"}, `argument 1 (code) is a whole number from 200 to 999, not "200"`},
		{"status", []any{101}, `argument 1 (code) is a whole number from 200 to 999, not 101`},
		{"status", []any{200.5}, `argument 1 (code) is a whole number from 200 to 999, not 200.5`},
		{"redirectTo", []any{200}, `argument 1 (code) is a whole number from 300 to 399, not 200`},
		{"redirectTo", []any{302, "relative"}, `argument 2 (location) is a URL or a part of one`},
		{"inlineContent", []any{"x", "json"}, `argument 2 (type) is a media type like "application/json", not "json"`},
		{"latency", []any{"10 ms"}, `argument 1 (delay) is a duration like "1m30s" or a number of milliseconds, not "10 ms"`},
		{"latency", []any{-1}, `argument 1 (delay) is a duration from 0s to`},
		{"latency", []any{1e300}, `argument 1 (delay) is a duration like "1m30s" or a number of milliseconds, not 1e+300`},
		{"backendTimeout", []any{0}, `argument 1 (timeout) is a duration from 1µs to`},
		{"abort", []any{503, 1.5}, `argument 2 (share) is a number from 0 to 1, not 1.5`},
		{"preserveHost", []any{"yes"}, `argument 1 (keep) is "true" or "false", not "yes"`},
		{"cors", []any{"*", "credentials=true"}, `cors with "*" and credentials would let each site act as the user: name the origins`},
		{"cors", []any{"methods=GET"}, `argument 1 (origin) is missing`},
		{"cors", []any{"*", "method=GET"}, `argument 2: there is no option method; did you mean methods?`},
		{"cors", []any{"*", "methods=GET", "methods=PUT"}, `argument 3: option methods is there twice`},
		{"cors", []any{"*", "maxAge=long"}, `option maxAge is a duration like "10m", not "long"`},
		{"compress", []any{12}, `argument 1 (level) is a whole number from 0 to 11, not 12`},
		{"ratelimit", []any{0, "1s"}, `argument 1 (number) is a whole number from 1, not 0`},
		{"ratelimit", []any{1, "1s", 200}, `argument 3 (status) is a whole number from 400 to 599, not 200`},
		{"ratelimit", []any{1000000000, "1ms"}, `limit: a rate of`},
		{"clientRatelimit", []any{1, "1s", "X-A,,X-B"}, `argument 3 (headers) is names of header fields, separated by commas, not ""`},
		{"consecutiveBreaker", []any{0}, `argument 1 (failures) is a whole number from 1, not 0`},
		{"rateBreaker", []any{5, 3}, `breaker: 5 Failures of 3 calls`},
		{"adaptiveBreaker", []any{1}, `argument 1 (k) is a number from 1.01 to 100, not 1`},
		{"retry", []any{11}, `argument 1 (times) is a whole number from 1 to 10, not 11`},
		{"retry", []any{1, 0}, `argument 2 (budget) is a number from 0.001 to 1, not 0`},
		{"tee", []any{"http://a/path"}, `argument 1 (backend) is the URL of a backend like "http://10.0.0.1:8080", not "http://a/path"`},
		{"tee", []any{"http://a", "x"}, `argument 3 (replacement) is missing`},
		{"tee", []any{"http://refused"}, `http://refused: refused`},
		{"static", []any{"/", "/no/such/directory"}, `argument 2 (directory): `},
		{"flowId", []any{"use"}, `argument 1 (mode) is "reuse", not "use"`},
		{"backendProtocol", []any{"http3"}, `argument 1 (protocol) is "http1", "h2" or "h2c", not "http3"`},
		{"healthCheck", []any{"healthz"}, `argument 1 (path) is a path like "/healthz", not "healthz"`},
		{"backendTLS", []any{"/no/such/file"}, `open /no/such/file`},
		{"consistentHashBalanceFactor", []any{0.5}, `argument 1 (factor) is a number from 1 to 1000, not 0.5`},
		{"setDynamicBackendUrl", []any{"ftp://x"}, `argument 1 (value) is a URL like "http://10.0.0.1:8080", not "ftp://x"`},
		{"setDynamicBackendHost", []any{"a/b"}, `argument 1 (value) is a host like "10.0.0.1:8080", not "a/b"`},
		{"queryToHeader", []any{"a", "B", "%d"}, `argument 3 (format) is text with one %s for the value, not "%d"`},
		{"requestCookie", []any{"a b", "c"}, `cookie "a b" with value "c": http: invalid Cookie.Name`},
		{"split", []any{"n", "user", 1, "http://a", 1, "http://b"}, `hash is consumer, ip, none, header:NAME or cookie:NAME, not "user"`},
		{"split", []any{"n", "ip", 1, "http://a"}, `argument 5 (weight) is missing`},
		{"split", []any{"n", "ip", 1, "http://a", 1, "http://a"}, `split: two ways are named "http://a"`},
		{"split", []any{"n", "ip", 1, "http://a", 1, "b"}, `argument 6 (upstreams) is the URL of a backend, or several with commas between them, not "b"`},
		{"split", []any{"n", "ip", 1, "http://a", 1, "http://refused"}, `http://refused: refused`},
		{"split", []any{"n", "ip", 0, "http://a", 0, "http://b"}, `split: no way has a weight above 0`},
		{"canary", []any{"http://a"}, `it needs percentage, or start and duration, or hash=allow or hash=deny with groups`},
		{"canary", []any{"http://a", "percentage=101"}, `option percentage is a number from 0 to 100, not "101"`},
		{"canary", []any{"http://a", "percentage=10", "steps=3"}, `options start and steps need duration`},
		{"canary", []any{"http://a", "duration=1h"}, `option start is a time like "2026-05-01T10:00:00Z" or seconds since 1970, not ""`},
		{"canary", []any{"http://a", "start=0", "duration=never"}, `option duration is one like "1h", not "never"`},
		{"canary", []any{"http://a", "hash=allow"}, `hash=allow needs groups`},
		{"canary", []any{"http://a", "percentage=1", "groups=a"}, `option groups is for hash=allow and hash=deny`},
		{"canary", []any{"http://a", "percentage=1", "upstream_fallback=yes"}, `option upstream_fallback is "true" or "false", not "yes"`},
		{"canary", []any{"http://a", "percentag=1"}, `argument 2: there is no option percentag; did you mean percentage?`},
		{"canary", []any{"http://a,", "percentage=1"}, `the URL of a backend, or several with commas`},
	} {
		require.Contains(t, refused(t, &filtertest.World{}, c.name, c.args...), c.want, "RULE F3: %s%v", c.name, c.args)
	}
}

// Every filter says what it takes, and refuses what it does not.
func TestEveryFilterRefusesArgumentsItDoesNotKnow(t *testing.T) {
	names := map[string]bool{}
	for _, s := range filters.All((&filtertest.World{}).Env()) {
		require.False(t, names[s.Name()], "%s is there twice", s.Name())
		names[s.Name()] = true
		_, err := s.CreateFilter([]any{nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil})
		require.Error(t, err, "RULE F3: %s takes anything", s.Name())
	}
	require.Greater(t, len(names), 70)
}

func TestDurationsAreTextOrMilliseconds(t *testing.T) {
	w := &filtertest.World{}
	for _, d := range []any{250, "250ms", "0.25s"} {
		filtertest.Run(request("GET", "http://h/", ""), filtertest.Upstream(200, ""), in(t, w, "latency", d))
	}
	require.Equal(t, "[250ms 250ms 250ms]", strings.ReplaceAll(strings.TrimSpace(sprint(w.Slept())), "  ", " "))
}
