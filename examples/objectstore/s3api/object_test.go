package s3api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/flagship-go/flagship/examples/objectstore/checksum"
	"github.com/stretchr/testify/require"
)

func TestObjectComesBackWithItsHeaders(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/pets", "")
	put := w.ok("PUT", "/pets/cats/tom.txt", "meow", "Content-Type", "text/plain", "Cache-Control", "no-store", "Content-Encoding", "aws-chunked,gzip",
		"Content-Disposition", "attachment", "Content-Language", "en", "Expires", "never", "X-Amz-Meta-Colour", "grey", "X-Amz-Meta-Colour", "blue", "X-Amz-Acl", "private")
	require.Equal(t, `"4a4be40c96ac6314e91d93f38043a634"`, put.header.Get("ETag"))
	for _, method := range []string{"GET", "HEAD"} {
		got := w.ok(method, "/pets/cats/tom.txt", "")
		for name, want := range map[string]string{
			"Content-Type": "text/plain", "Cache-Control": "no-store", "Content-Encoding": "gzip", "Content-Disposition": "attachment",
			"Content-Language": "en", "Expires": "never", "X-Amz-Meta-Colour": "grey,blue", "ETag": put.header.Get("ETag"),
			"Last-Modified": "Sun, 01 Mar 2026 12:00:00 GMT", "Accept-Ranges": "bytes", "Content-Length": "4", "X-Amz-Version-Id": "",
		} {
			rule(t, "H12", got.header.Get(name) == want, "%s: %s is %q", method, name, got.header.Get(name))
		}
		require.Len(t, got.header.Get("X-Amz-Request-Id"), 16)
		require.Equal(t, map[string]string{"GET": "meow", "HEAD": ""}[method], got.body)
	}
	got := w.ok("GET", "/pets/cats/tom.txt?response-content-type=image/png&response-expires=now", "")
	require.Equal(t, "image/png", got.header.Get("Content-Type"))
	require.Equal(t, "now", got.header.Get("Expires"))

	w.ok("PUT", "/pets/plain", "")
	got = w.ok("GET", "/pets/plain", "")
	require.Equal(t, "binary/octet-stream", got.header.Get("Content-Type"))
	require.Equal(t, "0", got.header.Get("Content-Length"))
	require.Empty(t, got.body)
}

func TestKeysAreAnyText(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/pets", "")
	for _, key := range []string{"a", "a/", "/", "//", "a//b", "../b", "./", "a/../b", "%25", "a%20b", "a+b", "%E1%88%B4", "a%3Fb", "a%23b", "%22%3C%26", strings.Repeat("k", 1024)} {
		w.do("PUT", "/pets/"+key, key)
		rule(t, "H9", w.do("GET", "/pets/"+key, "").body == key, "the key %q is another one's", key)
	}
	require.Equal(t, "KeyTooLongError", w.do("PUT", "/pets/"+strings.Repeat("k", 1025), "").code())
	require.Equal(t, "InvalidURI", w.do("PUT", "/pets/%ff", "").code())
	require.Equal(t, "InvalidObjectName", w.do("PUT", "/pets/a%00b", "").code())
}

func TestBucketIsInPathOrHost(t *testing.T) {
	w := newWorld(t, domains("s3.example.com", "example.org"))
	w.ok("PUT", "/pets", "")
	w.ok("PUT", "/tom", "virtual", "Host", "pets.s3.example.com:9000")
	require.Equal(t, "virtual", w.ok("GET", "/pets/tom", "").body)
	require.Equal(t, "virtual", w.ok("GET", "/tom", "", "Host", "PETS.EXAMPLE.ORG").body)
	require.Equal(t, "virtual", w.ok("GET", "/pets/tom", "", "Host", "other.example.net").body)
	require.Contains(t, w.ok("GET", "/", "", "Host", "pets.s3.example.com").body, "<Key>tom</Key>")
	require.Contains(t, w.ok("GET", "/", "").body, "<Name>pets</Name>")
}

func TestRanges(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/pets", "")
	w.ok("PUT", "/pets/ten", "0123456789", "X-Amz-Checksum-Crc32", sumOf(checksum.CRC32, "0123456789"))
	w.ok("PUT", "/pets/empty", "")
	for _, x := range []struct {
		key, header, body, contentRange string
		status                          int
	}{
		{"ten", "bytes=2-5", "2345", "bytes 2-5/10", 206},
		{"ten", "bytes=0-0", "0", "bytes 0-0/10", 206},
		{"ten", "bytes=7-", "789", "bytes 7-9/10", 206},
		{"ten", "bytes=9-9", "9", "bytes 9-9/10", 206},
		{"ten", "bytes=-3", "789", "bytes 7-9/10", 206},
		{"ten", "bytes=-99", "0123456789", "bytes 0-9/10", 206},
		{"ten", "bytes=7-12", "789", "bytes 7-9/10", 206},
		{"ten", "bytes=0-", "0123456789", "bytes 0-9/10", 206},
		{"ten", "bytes=5-99999999999999999999", "56789", "bytes 5-9/10", 206},
		{"ten", "bytes=10-", "", "bytes */10", 416},
		{"ten", "bytes=10-12", "", "bytes */10", 416},
		{"ten", "bytes=99999999999999999999-", "", "bytes */10", 416},
		{"ten", "bytes=-0", "", "bytes */10", 416},
		{"empty", "bytes=0-", "", "bytes */0", 416},
		{"empty", "bytes=-1", "", "bytes */0", 416},
		// These are none, or more than one.
		{"ten", "bytes=5-2", "0123456789", "", 200},
		{"ten", "bytes=-", "0123456789", "", 200},
		{"ten", "bytes=+1-2", "0123456789", "", 200},
		{"ten", "bytes=0-1,3-4", "0123456789", "", 200},
		{"ten", "lines=1-2", "0123456789", "", 200},
		{"ten", "bytes", "0123456789", "", 200},
		{"empty", "", "", "", 200},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			r := w.do(method, "/pets/"+x.key, "", "Range", x.header, "X-Amz-Checksum-Mode", "ENABLED")
			rule(t, "H3", r.status == x.status && r.header.Get("Content-Range") == x.contentRange, "%s %s of %s: %v", method, x.header, x.key, r)
			if method == "GET" && x.status != 416 {
				rule(t, "H3", r.body == x.body, "%s of %s: %q", x.header, x.key, r.body)
			}
			if x.status == 206 {
				rule(t, "H3", r.header.Get("X-Amz-Checksum-Crc32") == "", "%s of %s has the whole's checksum", x.header, x.key)
			}
		}
	}
	require.Equal(t, "0123456789", w.ok("GET", "/pets/ten", "", "Range", "bytes=1-2", "If-Range", `"other"`).body)
	require.Equal(t, "12", w.ok("GET", "/pets/ten", "", "Range", "bytes=1-2", "If-Range", w.ok("HEAD", "/pets/ten", "").header.Get("ETag")).body)
}

func TestConditionsOfReads(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/pets", "")
	etag := w.ok("PUT", "/pets/tom", "meow").header.Get("ETag")
	now := w.now.Format(http.TimeFormat) // half a second less than the object's
	before, after := w.now.Add(-time.Minute).Format(http.TimeFormat), w.now.Add(time.Minute).Format(http.TimeFormat)
	for _, x := range []struct {
		want    int
		headers []string
	}{
		{200, []string{"If-Match", etag}},
		{200, []string{"If-Match", strings.Trim(etag, `"`)}},
		{200, []string{"If-Match", `"other", ` + etag}},
		{200, []string{"If-Match", "*"}},
		{412, []string{"If-Match", `"other"`}},
		{304, []string{"If-None-Match", etag}},
		{304, []string{"If-None-Match", "W/" + etag}},
		{304, []string{"If-None-Match", "*"}},
		{200, []string{"If-None-Match", `"other"`}},
		{200, []string{"If-Modified-Since", before}},
		{304, []string{"If-Modified-Since", now}},
		{304, []string{"If-Modified-Since", after}},
		{200, []string{"If-Modified-Since", "yesterday"}},
		{412, []string{"If-Unmodified-Since", before}},
		{200, []string{"If-Unmodified-Since", now}},
		{200, []string{"If-Unmodified-Since", after}},
		// The ETag has precedence over the date, and 412 over 304.
		{200, []string{"If-Match", etag, "If-Unmodified-Since", before}},
		{412, []string{"If-Match", `"other"`, "If-Unmodified-Since", after}},
		{304, []string{"If-None-Match", etag, "If-Modified-Since", before}},
		{200, []string{"If-None-Match", `"other"`, "If-Modified-Since", after}},
		{412, []string{"If-Match", `"other"`, "If-None-Match", etag}},
		{304, []string{"If-Match", etag, "If-None-Match", etag}},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			r := w.do(method, "/pets/tom", "", x.headers...)
			rule(t, "H4", r.status == x.want, "%s %q: %v", method, x.headers, r)
			if x.want == 304 {
				rule(t, "H4", r.body == "" && r.header.Get("ETag") == etag, "%s %q: %v", method, x.headers, r)
			}
		}
	}
}

func TestConditionsOfWrites(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/pets", "")
	steps := []struct {
		name, header, value, body, code string
	}{
		{"match of nothing", "If-Match", "*", "1", "NoSuchKey"},
		{"match of nothing by ETag", "If-Match", `"x"`, "1", "NoSuchKey"},
		{"create", "If-None-Match", "*", "1", ""},
		{"create again", "If-None-Match", "*", "2", "PreconditionFailed"},
		{"replace what is not there", "If-Match", `"x"`, "2", "PreconditionFailed"},
		{"replace", "If-Match", "ETAG", "2", ""},
		{"replace any", "If-Match", "*", "3", ""},
		{"unless it is this", "If-None-Match", "ETAG", "4", "PreconditionFailed"},
		{"unless it is that", "If-None-Match", `"x"`, "4", ""},
	}
	content := ""
	for _, x := range steps {
		value := x.value
		if value == "ETAG" {
			value = w.ok("HEAD", "/pets/tom", "").header.Get("ETag")
		}
		r := w.do("PUT", "/pets/tom", x.body, x.header, value)
		rule(t, "H5", r.code() == x.code, "%s: %v", x.name, r)
		if x.code == "" {
			content = x.body
		}
		if content != "" {
			got := w.ok("GET", "/pets/tom", "").body
			rule(t, "H5", got == content, "%s: there is %q", x.name, got)
		}
	}
}

// Who deletes what it has read does not delete what somebody else has put since.
func TestConditionsOfDeletes(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/pets", "")
	old := w.ok("PUT", "/pets/tom", "read").header.Get("ETag")
	now := w.ok("PUT", "/pets/tom", "put since").header.Get("ETag")
	list := func(key, condition string) reply {
		return w.ok("POST", "/pets?delete", "<Delete><Object><Key>"+key+"</Key>"+condition+"</Object></Delete>")
	}
	for name, code := range map[string]string{"If-Match": "PreconditionFailed", "X-Amz-If-Match-Size": "NotImplemented", "X-Amz-If-Match-Last-Modified-Time": "NotImplemented"} {
		r := w.do("DELETE", "/pets/tom", "", name, old)
		rule(t, "H5", r.code() == code, "%s: %v", name, r)
	}
	for condition, code := range map[string]string{
		"<ETag>" + old + "</ETag>": "PreconditionFailed", "<Size>4</Size>": "NotImplemented",
		"<LastModifiedTime>2026-03-01T12:00:00Z</LastModifiedTime>": "NotImplemented",
	} {
		r := list("tom", condition)
		rule(t, "H5", strings.Contains(r.body, "<Code>"+code+"</Code>"), "%s: %v", condition, r)
	}
	rule(t, "H5", w.ok("GET", "/pets/tom", "").body == "put since", "it is deleted under a condition that does not hold")
	require.Equal(t, "NoSuchKey", w.do("DELETE", "/pets/jerry", "", "If-Match", "*").code())
	require.Contains(t, list("jerry", "<ETag>*</ETag>").body, "<Code>NoSuchKey</Code>")

	w.ok("DELETE", "/pets/tom", "", "If-Match", now)
	require.Equal(t, 404, w.do("HEAD", "/pets/tom", "").status)
	now = w.ok("PUT", "/pets/tom", "again").header.Get("ETag")
	require.Contains(t, list("tom", "<ETag>"+now+"</ETag>").body, "<Deleted>")
	require.Equal(t, 404, w.do("HEAD", "/pets/tom", "").status)
}

func TestChecksumsAreKeptAndGivenToWhoAsks(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/pets", "")
	for _, a := range checksum.All() {
		put := w.ok("PUT", "/pets/tom", "meow", a.Header(), sumOf(a, "meow"))
		require.Equal(t, sumOf(a, "meow"), put.header.Get(a.Header()))
		require.Equal(t, sumOf(a, "meow"), w.ok("GET", "/pets/tom", "", "X-Amz-Checksum-Mode", "ENABLED").header.Get(a.Header()))
		require.Empty(t, w.ok("GET", "/pets/tom", "").header.Get(a.Header()))
		r := w.do("PUT", "/pets/tom", "MEOW", a.Header(), sumOf(a, "meow"))
		rule(t, "H2", r.code() == "BadDigest" && w.ok("GET", "/pets/tom", "").body == "meow", "%s: a body with another checksum: %v", a, r)
	}
}

func TestWhatIsNotKeptIsRefused(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/pets", "")
	for _, header := range []string{"X-Amz-Server-Side-Encryption", "X-Amz-Server-Side-Encryption-Customer-Key", "X-Amz-Tagging", "X-Amz-Object-Lock-Mode"} {
		r := w.do("PUT", "/pets/tom", "meow", header, "x")
		rule(t, "H12", r.code() == "NotImplemented" && r.status == 501, "%s: %v", header, r)
	}
	require.Equal(t, "MetadataTooLarge", w.do("PUT", "/pets/tom", "", "X-Amz-Meta-A", strings.Repeat("a", 2048)).code())
	w.ok("PUT", "/pets/tom", "", "X-Amz-Meta-A", strings.Repeat("a", 2047))
}

func TestDeleteOfWhatIsNotThereIsNoError(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/pets", "")
	w.ok("PUT", "/pets/tom", "meow")
	for range 2 {
		require.Equal(t, 204, w.do("DELETE", "/pets/tom", "").status)
		require.Equal(t, "NoSuchKey", w.do("GET", "/pets/tom", "").code())
		require.Equal(t, 404, w.do("HEAD", "/pets/tom", "").status)
	}
	require.Equal(t, "NoSuchBucket", w.do("DELETE", "/none/tom", "").code())
}

func sumOf(a checksum.Algorithm, s string) string {
	h := a.New()
	h.Write([]byte(s))
	return checksum.Encode(h)
}
