package s3api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCopyHasItsSourcesMetadataOrAllOfItsOwn(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/pets", "")
	w.ok("PUT", "/pets/a+b%20c", "meow", "Content-Type", "text/plain", "X-Amz-Meta-Colour", "grey")
	const source = "/pets/a%2Bb%20c"
	r := w.ok("PUT", "/pets/copy", "", "X-Amz-Copy-Source", source, "X-Amz-Meta-Colour", "passed over", "Content-Type", "image/png")
	require.Contains(t, r.body, "<CopyObjectResult")
	require.Contains(t, r.body, "<ETag>&#34;4a4be40c96ac6314e91d93f38043a634&#34;</ETag>")
	got := w.ok("GET", "/pets/copy", "")
	rule(t, "H13", got.body == "meow" && got.header.Get("X-Amz-Meta-Colour") == "grey" && got.header.Get("Content-Type") == "text/plain", "%v", got)

	w.ok("PUT", "/pets/copy", "", "X-Amz-Copy-Source", source, "X-Amz-Metadata-Directive", "REPLACE", "X-Amz-Meta-Size", "small")
	got = w.ok("GET", "/pets/copy", "")
	rule(t, "H13", got.body == "meow" && got.header.Get("X-Amz-Meta-Colour") == "" && got.header.Get("X-Amz-Meta-Size") == "small" && got.header.Get("Content-Type") == "binary/octet-stream", "%v", got)

	// Onto itself only with a change.
	require.Equal(t, "InvalidRequest", w.do("PUT", "/pets/copy", "", "X-Amz-Copy-Source", "pets/copy").code())
	w.ok("PUT", "/pets/copy", "", "X-Amz-Copy-Source", "pets/copy", "X-Amz-Metadata-Directive", "REPLACE", "X-Amz-Meta-Size", "large")
	got = w.ok("GET", "/pets/copy", "")
	require.Equal(t, "meow", got.body)
	require.Equal(t, "large", got.header.Get("X-Amz-Meta-Size"))
	require.Equal(t, "InvalidArgument", w.do("PUT", "/pets/x", "", "X-Amz-Copy-Source", source, "X-Amz-Metadata-Directive", "MERGE").code())
}

func TestCopyOfVersions(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/pets", "")
	w.ok("PUT", "/pets?versioning", enable)
	one := w.ok("PUT", "/pets/tom", "one").header.Get("X-Amz-Version-Id")
	w.ok("PUT", "/pets/tom", "two")
	marker := w.ok("DELETE", "/pets/tom", "").header.Get("X-Amz-Version-Id")
	require.Equal(t, "NoSuchKey", w.do("PUT", "/pets/x", "", "X-Amz-Copy-Source", "/pets/tom").code())
	require.Equal(t, "InvalidRequest", w.do("PUT", "/pets/x", "", "X-Amz-Copy-Source", "/pets/tom?versionId="+marker).code())
	r := w.ok("PUT", "/pets/tom", "", "X-Amz-Copy-Source", "/pets/tom?versionId="+one)
	require.Equal(t, one, r.header.Get("X-Amz-Copy-Source-Version-Id"))
	require.NotEmpty(t, r.header.Get("X-Amz-Version-Id"))
	require.Equal(t, "one", w.ok("GET", "/pets/tom", "").body)
}

func TestCopyConditionsAreAboutTheSource(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/pets", "")
	etag := w.ok("PUT", "/pets/tom", "meow").header.Get("ETag")
	later := w.now.Add(time.Hour).Format(time.RFC1123)
	for _, x := range []struct {
		header, value, code string
	}{
		{"If-Match", etag, ""}, {"If-Match", `"x"`, "PreconditionFailed"},
		{"If-None-Match", `"x"`, ""}, {"If-None-Match", etag, "PreconditionFailed"},
		{"If-Modified-Since", strings.Replace(later, "UTC", "GMT", 1), "PreconditionFailed"},
	} {
		r := w.do("PUT", "/pets/copy", "", "X-Amz-Copy-Source", "/pets/tom", "X-Amz-Copy-Source-"+x.header, x.value)
		rule(t, "H4", r.code() == x.code, "%s %s: %v", x.header, x.value, r)
	}
	r := w.do("PUT", "/pets/copy", "", "X-Amz-Copy-Source", "/pets/tom", "If-None-Match", "*")
	rule(t, "H5", r.code() == "PreconditionFailed", "a copy over what is there: %v", r)
	for _, source := range []string{"tom", "/", "/pets/", "%zz", "//tom"} {
		require.Equal(t, "InvalidArgument", w.do("PUT", "/pets/copy", "", "X-Amz-Copy-Source", source).code(), source)
	}
	require.Equal(t, "NoSuchKey", w.do("PUT", "/pets/copy", "", "X-Amz-Copy-Source", "/pets/none").code())
	require.Equal(t, "NoSuchBucket", w.do("PUT", "/pets/copy", "", "X-Amz-Copy-Source", "/none/tom").code())
}
