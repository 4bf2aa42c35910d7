package predicates

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/route"
)

// token is a bearer token with a payload, and a signature that nobody made.
func token(payload string) string {
	return "Authorization: Bearer e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".sig"
}

// Each line: a predicate, a request, what it is asked with, and the answer.
var matches = []struct {
	predicate string
	request   []string
	lookup    *route.Lookup
	want      bool
}{
	{`True()`, []string{"GET /"}, nil, true},
	{`False()`, []string{"GET /"}, nil, false},
	{`Shutdown()`, []string{"GET /"}, nil, false},

	{`Host(/^www\.example\.org$/)`, []string{"GET /", "Host: www.example.org"}, nil, true},
	{`Host(/^www\.example\.org$/)`, []string{"GET /", "Host: WWW.Example.ORG"}, nil, true},
	{`Host(/^www\.example\.org$/)`, []string{"GET /", "Host: www.example.org:8080"}, nil, false},
	{`Host(/^www\.example\.org$/)`, []string{"GET /", "Host: wwwxexample.org"}, nil, false},
	{`Host(/^WWW[.]example[.]org(:\d+)?$/)`, []string{"GET /", "Host: www.example.org:8080"}, nil, true},
	{`Host("example")`, []string{"GET /", "Host: an.Example.org"}, nil, true},
	{`HostAny("a.org", "b.org:80")`, []string{"GET /", "Host: B.org:80"}, nil, true},
	{`HostAny("a.org", "b.org:80")`, []string{"GET /", "Host: b.org"}, nil, false},
	{`HostAny("A.org")`, []string{"GET /", "Host: a.org"}, nil, true},

	{`Method("GET")`, []string{"GET /"}, nil, true},
	{`Method("get")`, []string{"GET /"}, nil, true},
	{`Method("GET")`, []string{"HEAD /"}, nil, false},
	{`Method("Purge")`, []string{"Purge /"}, nil, true},
	{`Method("Purge")`, []string{"PURGE /"}, nil, false},
	{`Methods("get", "HEAD", "PROPFIND")`, []string{"PROPFIND /"}, nil, true},
	{`Methods("GET", "HEAD")`, []string{"POST /"}, nil, false},

	{`Header("accept", "a/b")`, []string{"GET /", "Accept: a/b"}, nil, true},
	{`Header("Accept", "a/b")`, []string{"GET /", "Accept: a/B"}, nil, false},
	{`Header("Accept", "a/b")`, []string{"GET /", "Accept: x", "Accept: a/b"}, nil, true},
	{`Header("Accept", "a/b")`, []string{"GET /", "Accept: a/b, x"}, nil, false},
	{`Header("Accept", "")`, []string{"GET /"}, nil, false},
	{`Header("host", "a")`, []string{"GET /", "Host: a"}, nil, true},
	{`HeaderRegexp("Accept", "^a/(b|c)$")`, []string{"GET /", "Accept: x", "Accept: a/c"}, nil, true},
	{`HeaderRegexp("Accept", "b")`, []string{"GET /", "Accept: a/B"}, nil, false},
	{`HeaderRegexp("Accept", "")`, []string{"GET /"}, nil, false},
	{`HeaderSHA256("X-Secret", "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b")`, []string{"GET /", "X-Secret: secret"}, nil, true},
	{`HeaderSHA256("X-Secret", "2BB80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b")`, []string{"GET /", "X-Secret: Secret"}, nil, false},
	{`HeaderSHA256("X-Secret", "0000000000000000000000000000000000000000000000000000000000000000", "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b")`, []string{"GET /", "X-Secret: old", "X-Secret: secret"}, nil, true},

	{`Cookie("group", "^b$")`, []string{"GET /", "Cookie: a=1; group=b"}, nil, true},
	{`Cookie("group", "^b$")`, []string{"GET /", "Cookie: group=bb"}, nil, false},
	{`Cookie("group", "^b$")`, []string{"GET /", `Cookie: group="b"`}, nil, true},
	{`Cookie("group", "^b$")`, []string{"GET /", "Cookie: Group=b"}, nil, false},
	{`Cookie("group", "")`, []string{"GET /", "Cookie: x=group"}, nil, false},
	{`Cookie("group", "^b$")`, []string{"GET /", "Cookie: group=a; group=b"}, nil, false},

	{`QueryParam("q")`, []string{"GET /?q"}, nil, true},
	{`QueryParam("q")`, []string{"GET /?p=q"}, nil, false},
	{`QueryParam("a b")`, []string{"GET /?a+b=1"}, nil, true},
	{`QueryParam("q", "^x y$")`, []string{"GET /?q=1&q=x%20y"}, nil, true},
	{`QueryParam("q", "^x$")`, []string{"GET /?q=X"}, nil, false},

	{`ContentLengthBetween(0, 1000)`, []string{"GET /"}, nil, true},
	{`ContentLengthBetween(1, 1000)`, []string{"GET /"}, nil, false},

	{`ForwardedHost("^b$")`, []string{"GET /", "Forwarded: host=a;proto=https, for=x;host=b"}, nil, true},
	{`ForwardedHost("^a$")`, []string{"GET /", "Forwarded: host=a;proto=https, for=x;host=b"}, nil, false},
	{`ForwardedHost("^b$")`, []string{"GET /", "Forwarded: host=a", `Forwarded: Host="b"`}, nil, true},
	{`ForwardedHost("^a,b;\"$")`, []string{"GET /", `Forwarded: host="a,b;\""`}, nil, true},
	{`ForwardedHost("")`, []string{"GET /"}, nil, false},
	{`ForwardedHost("^A$")`, []string{"GET /", "Forwarded: host=a"}, nil, true},
	{`ForwardedProtocol("https")`, []string{"GET /", "Forwarded: host=a;proto=https, for=x;host=b"}, nil, true},
	{`ForwardedProtocol("https")`, []string{"GET /", "Forwarded: proto=https, proto=http"}, nil, false},

	{`Source("10.0.0.0/8")`, []string{"GET /", "Peer: 10.1.2.3:5"}, &route.Lookup{}, true},
	{`Source("10.0.0.0/8")`, []string{"GET /", "Peer: 10.1.2.3:5"}, from("192.0.2.1"), false},
	{`Source("10.0.0.0/8")`, []string{"GET /", "Peer: 192.0.2.1:5", "X-Forwarded-For: 10.1.2.3"}, &route.Lookup{}, false},
	{`Source("10.0.0.1")`, []string{"GET /"}, from("::ffff:10.0.0.1"), true},
	{`Source("::ffff:10.0.0.1")`, []string{"GET /"}, from("10.0.0.1"), true},
	{`Source("10.0.0.1")`, []string{"GET /"}, from("10.0.0.2"), false},
	{`Source("1.2.3.4", "2001:db8::/32")`, []string{"GET /"}, from("2001:db8::5"), true},
	{`Source("fe80::/10")`, []string{"GET /"}, from("fe80::1%eth0"), true},
	{`Source("0.0.0.0/0", "::/0")`, []string{"GET /", "Peer: @"}, &route.Lookup{}, false},
	{`SourceFromLast("10.0.0.0/8")`, []string{"GET /", "Peer: 192.0.2.1:5"}, from("10.0.0.1"), true},
	{`ClientIP("10.0.0.0/8")`, []string{"GET /", "Peer: 10.1.2.3:5"}, from("192.0.2.1"), true},
	{`ClientIP("10.0.0.0/8")`, []string{"GET /", "Peer: [::1]:5"}, from("10.1.2.3"), false},

	{`Between("2030-01-01T00:00:00Z", "2030-02-01T00:00:00+01:00")`, []string{"GET /"}, at("2030-01-01T00:00:00Z"), true},
	{`Between("2030-01-01T00:00:00Z", "2030-02-01T00:00:00+01:00")`, []string{"GET /"}, at("2029-12-31T23:59:59Z"), false},
	{`Between("2030-01-01T00:00:00Z", "2030-02-01T00:00:00+01:00")`, []string{"GET /"}, at("2030-01-31T22:59:59Z"), true},
	{`Between("2030-01-01T00:00:00Z", "2030-02-01T00:00:00+01:00")`, []string{"GET /"}, at("2030-01-31T23:00:00Z"), false},
	{`Between(1893456000, 1893456001)`, []string{"GET /"}, at("2030-01-01T00:00:00Z"), true},
	{`Between("2030-07-01T00:00:00", "2030-07-02T00:00:00", "Europe/Berlin")`, []string{"GET /"}, at("2030-06-30T22:00:00Z"), true},
	{`After("2030-01-01T00:00:00Z")`, []string{"GET /"}, at("2030-01-01T00:00:00Z"), true},
	{`After("2030-01-01T00:00:00Z")`, []string{"GET /"}, at("2029-12-31T23:59:59Z"), false},
	{`After("2030-01-01T00:00:00", "America/New_York")`, []string{"GET /"}, at("2030-01-01T04:59:59Z"), false},
	{`Before(1893456000)`, []string{"GET /"}, at("2029-12-31T23:59:59Z"), true},
	{`Before(1893456000)`, []string{"GET /"}, at("2030-01-01T00:00:00Z"), false},
	{`Before("2030-01-01T00:00:00Z")`, []string{"GET /"}, &route.Lookup{}, false},

	{`Traffic(1)`, []string{"GET /"}, &route.Lookup{Draw: 0.999}, true},
	{`Traffic(0)`, []string{"GET /"}, &route.Lookup{}, false},
	{`Traffic(0, "group", "b")`, []string{"GET /", "Cookie: group=b"}, &route.Lookup{}, true},
	{`Traffic(1, "group", "b")`, []string{"GET /", "Cookie: group=a"}, &route.Lookup{}, false},
	{`Traffic(1, "group", "b")`, []string{"GET /"}, &route.Lookup{}, true},
	{`TrafficSegment(0.2, 0.3)`, []string{"GET /"}, &route.Lookup{Draw: 0.2}, true},
	{`TrafficSegment(0.2, 0.3)`, []string{"GET /"}, &route.Lookup{Draw: 0.3}, false},
	{`TrafficSegment(0.2, 0.2)`, []string{"GET /"}, &route.Lookup{Draw: 0.2}, false},
	{`TrafficSegment(0.2, 0.3, "cookie:uid")`, []string{"GET /"}, &route.Lookup{Draw: 0.25}, true},

	{`JWTPayloadAllKV("iss", "a", "sub", "b")`, []string{"GET /", token(`{"iss":"a","sub":"b","x":1}`)}, nil, true},
	{`JWTPayloadAllKV("iss", "a", "sub", "b")`, []string{"GET /", token(`{"iss":"a"}`)}, nil, false},
	{`JWTPayloadAnyKV("iss", "a", "sub", "b")`, []string{"GET /", token(`{"iss":"x","sub":"b"}`)}, nil, true},
	{`JWTPayloadAnyKV("iss", "a", "sub", "b")`, []string{"GET /", token(`{"iss":"b","sub":"a"}`)}, nil, false},
	{`JWTPayloadAllKVRegexp("iss", "^a", "sub", "^b")`, []string{"GET /", token(`{"iss":"ax","sub":"bx"}`)}, nil, true},
	{`JWTPayloadAllKVRegexp("iss", "^a", "sub", "^b")`, []string{"GET /", token(`{"iss":"ax","sub":"xb"}`)}, nil, false},
	{`JWTPayloadAnyKVRegexp("iss", "^a", "sub", "^b")`, []string{"GET /", token(`{"iss":"xa","sub":"bx"}`)}, nil, true},
	{`JWTPayloadAnyKVRegexp("iss", "")`, []string{"GET /", token(`{"sub":"a"}`)}, nil, false},
	{`JWTPayloadAllKV("n", "1")`, []string{"GET /", token(`{"n":1}`)}, nil, false},
	{`JWTPayloadAllKV("iss", "a")`, []string{"GET /", strings.Replace(token(`{"iss":"a"}`), "Bearer", "bearer", 1)}, nil, true},
	{`JWTPayloadAllKV("iss", "a")`, []string{"GET /", strings.Replace(token(`{"iss":"a"}`), "Bearer", "Basic", 1)}, nil, false},
	{`JWTPayloadAllKV("iss", "a")`, []string{"GET /", token(`{"iss":"a"`)}, nil, false},
	{`JWTPayloadAllKV("iss", "a")`, []string{"GET /", "Authorization: Bearer a.!.c"}, nil, false},
	{`JWTPayloadAllKV("iss", "a")`, []string{"GET /", "Authorization: Bearer"}, nil, false},
	{`JWTPayloadAllKV("iss", "a")`, []string{"GET /", token(`{"iss":"a"}`), token(`{"iss":"b"}`)}, nil, false},
	{`JWTPayloadAllKV("iss", "a")`, []string{"GET /"}, nil, false},
}

func TestWhatMatches(t *testing.T) {
	for _, c := range matches {
		p := mustCreate(t, c.predicate)
		if got := ask(p, request(c.request...), c.lookup); got != c.want {
			t.Errorf("RULE M8: %s is %v for %q, %+v", c.predicate, got, c.request, c.lookup)
		}
	}
}

func TestEachPredicateIsTried(t *testing.T) {
	for _, s := range All() {
		if s.Name() == "Cron" {
			continue // TestCron
		}
		tried := false
		for _, c := range matches {
			tried = tried || strings.HasPrefix(c.predicate, s.Name()+"(")
		}
		require.True(t, tried, s.Name())
	}
}

func TestClientsOfNoLookupAreTheConnections(t *testing.T) {
	r := request("GET /", "Peer: 10.0.0.1:1")
	require.True(t, mustCreate(t, `Source("10.0.0.1")`).Match(r))
	require.False(t, mustCreate(t, `Source("10.0.0.2")`).Match(r))
	for _, text := range []string{`Between(0, 9e9)`, `Cron("* * * * *")`, `Traffic(1)`} { // neither time nor coin
		require.False(t, mustCreate(t, text).Match(r), text)
	}
	require.True(t, mustCreate(t, `Traffic(0, "g", "b")`).Match(request("GET /", "Cookie: g=b")))
}

func TestNobodySaysWhoItIsInAHeader(t *testing.T) {
	r := request("GET /", "Peer: 192.0.2.1:5", "X-Forwarded-For: 10.0.0.1", "Forwarded: for=10.0.0.1", "X-Real-IP: 10.0.0.1")
	for _, text := range []string{`Source("10.0.0.1")`, `SourceFromLast("10.0.0.1")`, `ClientIP("10.0.0.1")`} {
		if p := mustCreate(t, text); p.Match(r) || ask(p, r, &route.Lookup{}) || ask(p, r, from("192.0.2.1")) {
			t.Errorf("RULE F6: %s is true for whoever says so", text)
		}
	}
}

func TestContentLength(t *testing.T) {
	for length, want := range map[int64]bool{-1: false, 9: false, 10: true, 19: true, 20: false} {
		if got := mustCreate(t, `ContentLengthBetween(10, 20)`).Match(&http.Request{ContentLength: length}); got != want {
			t.Errorf("RULE M8: %d bytes are between 10 and 20: %v", length, got)
		}
	}
}

func TestShutdownIsAskedWithEachRequest(t *testing.T) {
	down := false
	s := &Shutdown{Down: func() bool { return down }}
	p, err := s.Create(nil)
	require.NoError(t, err)
	require.False(t, p.Match(nil))
	down = true
	if !p.Match(nil) {
		t.Error("RULE C4: the gateway goes down, and Shutdown() does not see it")
	}
	_, err = s.Create([]any{1.0})
	require.EqualError(t, err, "1 arguments are too many, 0 are expected; it is written like Shutdown()")
}

func TestWrongArgumentsAreToldWithWhatIsExpected(t *testing.T) {
	for text, want := range map[string]string{
		`Method()`:                             `argument 1 is missing: a method, such as GET; it is written like Method("GET")`,
		`Method("GET", "PUT")`:                 `2 arguments are too many, 1 are expected`,
		`Method(5)`:                            `argument 1 is 5, expected is a method, such as GET`,
		`Method("G T")`:                        `argument 1 is "G T", expected is a method`,
		`Methods("GET", "")`:                   `argument 2 is "", expected is a method`,
		`Host()`:                               `argument 1 is missing: a regular expression`,
		`Host("(")`:                            "argument 1, a regular expression for the host: missing closing ): `(?i)(`",
		`HostAny("a", 1)`:                      `argument 2 is 1, expected is a host`,
		`HostAny()`:                            `argument 1 is missing: a host`,
		`Header("Accept")`:                     `argument 2 is missing: the value; it is written like Header("Accept", "application/json")`,
		`Header("a b", "c")`:                   `argument 1 is "a b", expected is the name of a header field`,
		`HeaderRegexp("A", "+")`:               "argument 2, a regular expression for the value: missing argument to repetition operator: `+`",
		`HeaderSHA256("A", "abc")`:             `"abc" is not a SHA-256 in hexadecimal, 64 digits`,
		`HeaderSHA256("A")`:                    `argument 2 is missing: a SHA-256`,
		`Cookie("a")`:                          `argument 2 is missing: a regular expression`,
		`Cookie("a=", "b")`:                    `argument 1 is "a=", expected is the name of a cookie`,
		`QueryParam("")`:                       `argument 1 is "", expected is the name of a parameter`,
		`QueryParam("a", "b", "c")`:            `3 arguments are too many, 2 are expected`,
		`ContentLengthBetween(5, 5)`:           `argument 2 is 5, expected is a number of bytes greater than the first one`,
		`ContentLengthBetween(-1, 5)`:          `argument 1 is -1, expected is a number of bytes, at least 0`,
		`ForwardedProtocol("ftp")`:             `argument 1 is "ftp", expected is "http" or "https"`,
		`Source()`:                             `argument 1 is missing: an address or a network`,
		`Source("10.0.0.256")`:                 `"10.0.0.256" is not an address or a network`,
		`ClientIP("10.0.0.0/33")`:              `"10.0.0.0/33" is not an address or a network`,
		`After("tomorrow")`:                    `argument 1 is "tomorrow", expected is a time`,
		`After("2030-01-01T00:00:00")`:         `expected is a time, such as "2030-01-01T12:00:00+02:00" or seconds since 1970`,
		`After("2030-01-01T00:00:00Z", "UTC")`: `expected is a time without an offset`,
		`After("2030-01-01T00:00:00", "Nowhere/Town")`: `argument 2 is "Nowhere/Town", expected is a place of the time zone database`,
		`After(1, "UTC")`:                 `argument 1 is 1, expected is a time without an offset`,
		`Between(5, 5)`:                   `argument 2 is not after argument 1: it would never match`,
		`Between(5)`:                      `argument 2 is missing: a time`,
		`Traffic(1.1)`:                    `argument 1 is 1.1, expected is a probability from 0 to 1`,
		`Traffic(0.5, "a")`:               `argument 3 is missing: the cookie's value`,
		`TrafficSegment(0.5, 0.4)`:        `argument 2 is 0.4, expected is a number from the first one to 1`,
		`TrafficSegment(0.5)`:             `argument 2 is missing`,
		`TrafficSegment(0, 1, "user")`:    `argument 3 is "user", expected is "ip", "cookie:name" or "header:name"`,
		`TrafficSegment(0, 1, "cookie:")`: `argument 3 is "cookie:", expected is`,
		`JWTPayloadAllKV()`:               `argument 1 is missing: the name of a claim`,
		`JWTPayloadAnyKV("a")`:            `argument 2 is missing: the claim's value`,
		`JWTPayloadAnyKVRegexp("a", "[")`: "argument 2, a regular expression for the claim's value: missing closing ]: `[`",
		`True(1)`:                         `1 arguments are too many, 0 are expected`,
		`Cron("* * *")`:                   `"* * *" has 3 fields, five are expected`,
		`Cron("60 * * * *")`:              `minute "60": "60" is not in 0-59`,
		`Cron("* * 0 * *")`:               `day of the month "0": "0" is not in 1-31`,
		`Cron("* * * FEBR *")`:            `month "FEBR": "FEBR" is not in 1-12`,
		`Cron("* * * * 8")`:               `day of the week "8": "8" is not in 0-7`,
		`Cron("* 22-4 * * *")`:            `hour "22-4": 22-4 goes backwards: write 22-23,0-4`,
		`Cron("*/0 * * * *")`:             `minute "*/0": the step "0" is not a number from 1 to 59`,
		`Cron("1,,2 * * * *")`:            `minute "1,,2": "" is not in 0-59`,
		`Cron("- * * * *")`:               `minute "-": "" is not in 0-59`,
	} {
		_, err := create(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("RULE F3: %s\n got %v\nwant %s", text, err, want)
		}
	}
}
