package sigv4_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/flagship-go/flagship/examples/objectstore/sigv4"
	"github.com/stretchr/testify/require"
)

const base = "http://examplebucket.s3.amazonaws.com"

// Whatever a client of ours signs is verified: names and values that are
// written in more than one way, above all.
func TestWhatIsSignedIsVerified(t *testing.T) {
	for _, target := range []string{
		"/", "/a", "/a/b", "/a//b", "/a/../b", "/./a", "/a%2Fb", "/a%20b", "/a+b", "/ünïcödé/ሴ", "/%25", "/a%252Fb", "/~-_.!*'()",
		"/a=b&c?x=y", "/?a=1&a-b=2&a%20b=3", "/?b=2&a=9&a=10", "/?x=a%2Bb%20c", "/?uploads", "/?prefix=%2F&delimiter=%2F&max-keys=0",
		"/?x=%7E~-._", "/?A=1&a=2&Z=3", "/?q=%E1%88%B4", "/?x==&y=%26", "/?a=", "/?a&b=&c",
	} {
		r := request(t, "GET", base+target, nil, "X-Amz-Meta-Spaces", "  a   b  ")
		signer().Sign(r, "")
		_, err := receive(t, arrive(t, r))
		rule(t, "S1", err == nil, "%s is refused: %v", target, err)

		u := signer().Presign(request(t, "GET", base+target, nil), time.Hour)
		_, err = receive(t, arrive(t, request(t, "GET", u.String(), nil)))
		rule(t, "S1", err == nil, "%s, presigned, is refused: %v", target, err)
	}
}

// tampered are changes to a signed request, and what becomes of it.
var tampered = []struct {
	rule, name string
	change     func(r *http.Request)
	want       string
}{
	{"S1", "nothing", func(r *http.Request) {}, ""},
	{"S1", "another method", func(r *http.Request) { r.Method = "DELETE" }, sigv4.CodeMismatch},
	{"S1", "another path", func(r *http.Request) { r.URL.Path = "/other" }, sigv4.CodeMismatch},
	{"S1", "a path that is cleaned to the same", func(r *http.Request) { r.URL.Path = "//key" }, sigv4.CodeMismatch},
	{"S1", "another query", func(r *http.Request) { r.URL.RawQuery = "versionId=1" }, sigv4.CodeMismatch},
	{"S1", "a query that is none", func(r *http.Request) { r.URL.RawQuery = "a=%zz" }, sigv4.CodeInvalidURI},
	{"S1", "another signed header", func(r *http.Request) { r.Header.Set("Content-Type", "text/html") }, sigv4.CodeMismatch},
	{"S1", "a header more that is not ours", func(r *http.Request) { r.Header.Set("Via", "proxy") }, ""},
	{"S1", "another host", func(r *http.Request) { r.Host = "other.s3.amazonaws.com" }, sigv4.CodeMismatch},
	{"S2", "one more x-amz- header", func(r *http.Request) { r.Header.Set("X-Amz-Copy-Source", "/secret/key") }, sigv4.CodeAccessDenied},
	{"S2", "the host is not signed", func(r *http.Request) { edit(r, "content-type;host;", "content-type;") }, sigv4.CodeAccessDenied},
	{"S3", "another day's scope", func(r *http.Request) { edit(r, "/20130524/", "/20130523/") }, sigv4.CodeMalformedHeader},
	{"S3", "another region", func(r *http.Request) { edit(r, "us-east-1", "eu-west-1") }, sigv4.CodeMalformedHeader},
	{"S3", "another service", func(r *http.Request) { edit(r, "/s3/", "/iam/") }, sigv4.CodeMalformedHeader},
	{"S3", "another scope's end", func(r *http.Request) { edit(r, "aws4_request", "aws4") }, sigv4.CodeMalformedHeader},
	{"S1", "an unknown key", func(r *http.Request) { edit(r, accessKey, "AKIANOBODY") }, sigv4.CodeInvalidAccessKeyID},
	{"S1", "no signature", func(r *http.Request) { cutAt(r, ", Signature=") }, sigv4.CodeMalformedHeader},
	{"S1", "an empty signature", func(r *http.Request) {
		cutAt(r, ", Signature=")
		edit(r, "/s3/aws4_request", "/s3/aws4_request, Signature=")
	}, sigv4.CodeMalformedHeader},
	{"S1", "a signature cut short", func(r *http.Request) {
		h := r.Header.Get("Authorization")
		r.Header.Set("Authorization", h[:len(h)-1])
	}, sigv4.CodeMismatch},
	{"S1", "fields twice", func(r *http.Request) { edit(r, "SignedHeaders=", "Signature=0, SignedHeaders=") }, sigv4.CodeMalformedHeader},
	{"S1", "unsorted headers", func(r *http.Request) { edit(r, "content-type;host", "host;content-type") }, sigv4.CodeMalformedHeader},
	{"S1", "not signed", func(r *http.Request) { r.Header.Del("Authorization") }, sigv4.CodeAccessDenied},
	{"S1", "version 2", func(r *http.Request) { r.Header.Set("Authorization", "AWS AKIA:x=") }, sigv4.CodeInvalidRequest},
	{"S1", "signed twice", func(r *http.Request) { r.URL.RawQuery = "X-Amz-Signature=0" }, "InvalidArgument"},
	{"S3", "no date", func(r *http.Request) { r.Header.Del("X-Amz-Date") }, sigv4.CodeAccessDenied},
	{"S6", "another hash of the body", func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", sigv4.UnsignedPayload) }, sigv4.CodeMismatch},
}

func edit(r *http.Request, from, to string) {
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), from, to, 1))
}

func cutAt(r *http.Request, mark string) {
	head, _, _ := strings.Cut(r.Header.Get("Authorization"), mark)
	r.Header.Set("Authorization", head)
}

func TestChangedRequestsAreRefused(t *testing.T) {
	for _, x := range tampered {
		r := request(t, "GET", base+"/key", nil, "Content-Type", "text/plain", "X-Amz-Meta-A", "b")
		signer().Sign(r, "")
		s := arrive(t, r)
		x.change(s)
		_, err := verifier(day).Verify(s)
		rule(t, x.rule, code(err) == x.want, "%s: %v", x.name, err)
	}
}

// What both sides of a mistake agree on, a round trip does not show: so here is
// what the canonical request must be.
func TestCanonicalRequestIsWrittenInOneWay(t *testing.T) {
	for _, x := range []struct {
		target, path, query string
	}{
		{"", "/", ""},
		{"/a%20b", "/a%20b", ""},
		{"/a+b", "/a%2Bb", ""},
		{"/%25", "/%25", ""},
		{"/a//b/../c/", "/a//b/../c/", ""},
		{"/~-_.!*'()", "/~-_.%21%2A%27%28%29", ""},
		{"/?b=2&a=1", "/", "a=1&b=2"},
		{"/?a-b=1&a=2&a=10&a%20b=3", "/", "a=10&a=2&a%20b=3&a-b=1"},
		{"/?B=1&a=2", "/", "B=1&a=2"},
		{"/?uploads", "/", "uploads="},
		{"/?x=%2F%7E%20%2B", "/", "x=%2F~%20%2B"},
		{"/?%C3%BC=%c3%bc", "/", "%C3%BC=%C3%BC"},
	} {
		r := request(t, "GET", base+x.target, nil, "X-Amz-Meta-A", " a   b ")
		signer().Sign(r, "")
		s := arrive(t, r)
		edit(s, "Signature=", "Signature=0") // the refusal shows it
		_, err := verifier(day).Verify(s)
		var e *sigv4.Error
		require.ErrorAs(t, err, &e)
		got := e.Fields[len(e.Fields)-1].Value
		want := "GET\n" + x.path + "\n" + x.query + "\nhost:examplebucket.s3.amazonaws.com\nx-amz-content-sha256:" + emptySHA +
			"\nx-amz-date:20130524T000000Z\nx-amz-meta-a:a b\n\nhost;x-amz-content-sha256;x-amz-date;x-amz-meta-a\n" + emptySHA
		rule(t, "S1", got == want, "%s is written as\n%s", x.target, got)
	}
}

// A refusal says what the server signed, so that a client can be compared.
func TestMismatchShowsWhatWasSigned(t *testing.T) {
	r := request(t, "GET", base+"/key?b=1&a=2", nil)
	signer().Sign(r, "")
	s := arrive(t, r)
	s.Method = "PUT"
	_, err := verifier(day).Verify(s)
	var e *sigv4.Error
	require.ErrorAs(t, err, &e)
	fields := map[string]string{}
	for _, f := range e.Fields {
		fields[f.Name] = f.Value
	}
	require.Contains(t, fields["CanonicalRequest"], "PUT\n/key\na=2&b=1\nhost:examplebucket.s3.amazonaws.com\n")
	require.Contains(t, fields["StringToSign"], "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n")
}

func TestClocksMayDifferByAQuarterOfAnHour(t *testing.T) {
	for _, x := range []struct {
		skew time.Duration
		want string
	}{
		{0, ""}, {15 * time.Minute, ""}, {-15 * time.Minute, ""},
		{15*time.Minute + time.Second, sigv4.CodeSkewed}, {-15*time.Minute - time.Second, sigv4.CodeSkewed},
	} {
		r := request(t, "GET", base+"/key", nil)
		signer().Sign(r, "")
		_, err := verifier(day.Add(x.skew)).Verify(arrive(t, r))
		rule(t, "S4", code(err) == x.want, "a server %v ahead: %v", x.skew, err)
	}
}

func TestPresignedURLHoldsUntilItsExpiry(t *testing.T) {
	u := signer().Presign(request(t, "GET", base+"/key", nil), time.Hour)
	for _, x := range []struct {
		after time.Duration
		want  string
	}{
		{0, ""}, {20 * time.Minute, ""}, {time.Hour, ""}, {-15 * time.Minute, ""},
		{time.Hour + time.Second, sigv4.CodeAccessDenied}, {-16 * time.Minute, sigv4.CodeAccessDenied},
	} {
		_, err := verifier(day.Add(x.after)).Verify(arrive(t, request(t, "GET", u.String(), nil)))
		rule(t, "S5", code(err) == x.want, "%v after it was made: %v", x.after, err)
	}
}

func TestPresignedURLCannotBeChanged(t *testing.T) {
	for _, x := range []struct {
		name, parameter, value, want string
	}{
		{"a longer life", "X-Amz-Expires", "604800", sigv4.CodeMismatch},
		{"more than a week", "X-Amz-Expires", "604801", sigv4.CodeMalformedQuery},
		{"less than nothing", "X-Amz-Expires", "-1", sigv4.CodeMalformedQuery},
		{"no number", "X-Amz-Expires", "soon", sigv4.CodeMalformedQuery},
		{"another algorithm", "X-Amz-Algorithm", "AWS4-HMAC-MD5", sigv4.CodeMalformedQuery},
		{"no date", "X-Amz-Date", "today", sigv4.CodeMalformedQuery},
		{"another day", "X-Amz-Date", "20130525T000000Z", sigv4.CodeMalformedQuery},
		{"another time", "X-Amz-Date", "20130524T000100Z", sigv4.CodeMismatch},
		{"no credential", "X-Amz-Credential", "", sigv4.CodeMalformedQuery},
		{"no headers", "X-Amz-SignedHeaders", "", sigv4.CodeMalformedQuery},
		{"no signature", "X-Amz-Signature", "", sigv4.CodeMalformedQuery},
		{"another signature", "X-Amz-Signature", strings.Repeat("0", 64), sigv4.CodeMismatch},
		{"one more parameter", "response-content-type", "text/html", sigv4.CodeMismatch},
	} {
		u := signer().Presign(request(t, "GET", base+"/key", nil), time.Hour)
		q := u.Query()
		q.Set(x.parameter, x.value)
		u.RawQuery = q.Encode()
		_, err := verifier(day).Verify(arrive(t, request(t, "GET", u.String(), nil)))
		rule(t, "S5", code(err) == x.want, "%s: %v", x.name, err)
	}
	u := signer().Presign(request(t, "PUT", base+"/key", nil), time.Hour)
	_, err := verifier(day).Verify(arrive(t, request(t, "PUT", u.String(), nil, "X-Amz-Copy-Source", "/secret/key")))
	rule(t, "S2", code(err) == sigv4.CodeAccessDenied, "a presigned upload was made a copy: %v", err)
}

// A server without a region of its own takes any.
func TestRegionMayBeLeftOpen(t *testing.T) {
	s, v := signer(), verifier(day)
	s.Region, v.Region = "eu-west-1", ""
	r := request(t, "GET", base+"/key", nil)
	s.Sign(r, "")
	got, err := v.Verify(arrive(t, r))
	require.NoError(t, err)
	require.Equal(t, accessKey, got.AccessKey)
}

// A client that did not say what its body hashes to has none.
func TestBodyWithoutHashIsEmpty(t *testing.T) {
	s := signer()
	s.Service = "other" // whose signers do not send the hash
	r := request(t, "PUT", base+"/key", []byte("body"))
	s.Sign(r, "")
	v := verifier(day)
	v.Service = "other"
	got, err := v.Verify(arrive(t, r))
	require.NoError(t, err)
	_, err = io.ReadAll(got.Body)
	rule(t, "S6", code(err) == sigv4.CodePayloadMismatch, "the body was taken: %v", err)
}

// Nothing that a stranger sends may be taken for signed, or break the parser.
func FuzzAuthorization(f *testing.F) {
	r, _ := http.NewRequest("GET", base+"/key?a=b", nil)
	signer().Sign(r, "")
	f.Add(r.Header.Get("Authorization"), "a=b", "20130524T000000Z")
	f.Add("AWS4-HMAC-SHA256 Credential=a/b/c/d/e/aws4_request,SignedHeaders=,Signature==", "", "")
	u := signer().Presign(r, time.Hour)
	f.Add("", u.RawQuery, "")
	f.Fuzz(func(t *testing.T, authorization, query, date string) {
		r := &http.Request{Method: "PUT", Host: "h", URL: &url.URL{Path: "/other", RawQuery: query}, Header: http.Header{}, Body: http.NoBody}
		r.Header.Set("Authorization", authorization)
		r.Header.Set("X-Amz-Date", date)
		_, err := verifier(day).Verify(r)
		require.Error(t, err)
		require.NotContains(t, code(err), "not an *Error")
	})
}
