package s3api_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/flagship-go/flagship/examples/objectstore/checksum"
	"github.com/stretchr/testify/require"
)

func (w *world) begin(target string, headers ...string) string {
	w.t.Helper()
	r := w.ok("POST", target+"?uploads", "", headers...)
	return read[struct{ UploadId string }](w.t, r).UploadId
}

func (w *world) part(target, id string, n int, body string) string {
	w.t.Helper()
	return w.ok("PUT", fmt.Sprintf("%s?partNumber=%d&uploadId=%s", target, n, id), body).header.Get("ETag")
}

func complete(etags map[int]string, order ...int) string {
	var b strings.Builder
	for _, n := range order {
		fmt.Fprintf(&b, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", n, etags[n])
	}
	return `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` + b.String() + "</CompleteMultipartUpload>"
}

func TestUploadInParts(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/pets", "")
	id := w.begin("/pets/tom", "Content-Type", "text/plain", "X-Amz-Meta-A", "b")
	etags := map[int]string{}
	for n, body := range map[int]string{10000: "last", 2: "wrong", 7: "middle"} {
		etags[n] = w.part("/pets/tom", id, n, body)
	}
	etags[2] = w.part("/pets/tom", id, 2, "first") // again, and this one counts
	require.Equal(t, 404, w.do("HEAD", "/pets/tom", "").status)

	// The checksum is the object's, not the list's.
	r := w.do("POST", "/pets/tom?uploadId="+id, complete(etags, 2, 7, 10000), "X-Amz-Checksum-Crc32", sumOf(checksum.CRC32, "firstmiddlelast"))
	rule(t, "H8", r.status == 200, "%v", r)
	done := read[struct{ Location, Bucket, Key, ETag string }](t, r)
	require.Equal(t, "http://s3.example.com/pets/tom", done.Location)
	require.Equal(t, `"aacde6864bd1042822237e73392022de-3"`, done.ETag)
	got := w.ok("GET", "/pets/tom", "")
	require.Equal(t, "firstmiddlelast", got.body)
	require.Equal(t, done.ETag, got.header.Get("ETag"))
	require.Equal(t, "text/plain", got.header.Get("Content-Type"))
	require.Equal(t, "b", got.header.Get("X-Amz-Meta-A"))
	require.Equal(t, "NoSuchUpload", w.do("POST", "/pets/tom?uploadId="+id, complete(etags, 2)).code())

	// A part can be read by its number.
	got = w.ok("GET", "/pets/tom?partNumber=2", "")
	require.Equal(t, "middle", got.body)
	require.Equal(t, "bytes 5-10/15", got.header.Get("Content-Range"))
	require.Equal(t, "3", got.header.Get("X-Amz-Mp-Parts-Count"))
	require.Equal(t, 206, got.status)
	r = w.do("GET", "/pets/tom?partNumber=4", "")
	rule(t, "H9", r.status == 416 && r.code() == "InvalidPartNumber", "%v", r)
	require.Equal(t, "InvalidArgument", w.do("GET", "/pets/tom?partNumber=0", "").code())
	require.Equal(t, "InvalidRequest", w.do("GET", "/pets/tom?partNumber=1", "", "Range", "bytes=0-1").code())
}

// Clients that load in parts begin with part 1 of whatever it is.
func TestPartWithoutBytesHasNoRange(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/pets", "")
	w.ok("PUT", "/pets/empty", "")
	id := w.begin("/pets/tom")
	etags := map[int]string{1: w.part("/pets/tom", id, 1, "first"), 2: w.part("/pets/tom", id, 2, "")}
	w.ok("POST", "/pets/tom?uploadId="+id, complete(etags, 1, 2))
	for _, target := range []string{"/pets/empty?partNumber=1", "/pets/tom?partNumber=2"} {
		for _, method := range []string{"GET", "HEAD"} {
			r := w.do(method, target, "")
			rule(t, "H3", r.status == 200 && r.body == "" && r.header.Get("Content-Range") == "" && r.header.Get("Content-Length") == "0", "%s %s: %v", method, target, r)
		}
	}
}

func TestPartsAreNumberedAndInOrder(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/pets", "")
	id := w.begin("/pets/tom")
	etags := map[int]string{1: w.part("/pets/tom", id, 1, "first"), 2: w.part("/pets/tom", id, 2, "tiny"), 3: w.part("/pets/tom", id, 3, "last")}
	for _, number := range []string{"0", "-1", "10001", "x", ""} {
		r := w.do("PUT", "/pets/tom?uploadId="+id+"&partNumber="+number, "body")
		rule(t, "H8", r.code() == "InvalidArgument", "part %s: %v", number, r)
	}
	for _, x := range []struct{ name, body, code string }{
		{"another order", complete(etags, 2, 1), "InvalidPartOrder"},
		{"twice", complete(etags, 1, 1), "InvalidPartOrder"},
		{"a part that is not there", complete(etags, 1, 4), "InvalidPart"},
		{"part 0", complete(etags, 0, 1), "InvalidPart"},
		{"another ETag", complete(map[int]string{1: `"x"`}, 1), "InvalidPart"},
		{"a part too small", complete(etags, 1, 2, 3), "EntityTooSmall"},
		{"none", complete(etags), "MalformedXML"},
		{"no XML", "hello", "MalformedXML"},
		{"nothing", "", "MalformedXML"},
	} {
		r := w.do("POST", "/pets/tom?uploadId="+id, x.body)
		rule(t, "H8", r.code() == x.code, "%s: %v", x.name, r)
		rule(t, "H8", w.do("HEAD", "/pets/tom", "").status == 404, "%s: there is an object", x.name)
	}
	w.ok("POST", "/pets/tom?uploadId="+id, complete(etags, 1, 2)) // the last may be small
	require.Equal(t, "firsttiny", w.ok("GET", "/pets/tom", "").body)
}

func TestUploadIsOfItsKeyAndEndsWithAbort(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/pets", "")
	id := w.begin("/pets/tom")
	etag := w.part("/pets/tom", id, 1, "x")
	for _, x := range []struct{ method, target, body string }{
		{"PUT", "/pets/other?partNumber=1&uploadId=" + id, "x"},
		{"PUT", "/pets/tom?partNumber=1&uploadId=none", "x"},
		{"POST", "/pets/other?uploadId=" + id, complete(map[int]string{1: etag}, 1)},
		{"GET", "/pets/other?uploadId=" + id, ""},
		{"DELETE", "/pets/other?uploadId=" + id, ""},
	} {
		require.Equal(t, "NoSuchUpload", w.do(x.method, x.target, x.body).code(), x.target)
	}
	require.Equal(t, 204, w.do("DELETE", "/pets/tom?uploadId="+id, "").status)
	require.Equal(t, "NoSuchUpload", w.do("GET", "/pets/tom?uploadId="+id, "").code())
	require.Equal(t, "NoSuchUpload", w.do("PUT", "/pets/tom?partNumber=1&uploadId="+id, "x").code())
}

func TestCompleteIsConditional(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/pets", "")
	w.ok("PUT", "/pets/tom", "there")
	id := w.begin("/pets/tom")
	etags := map[int]string{1: w.part("/pets/tom", id, 1, "x")}
	r := w.do("POST", "/pets/tom?uploadId="+id, complete(etags, 1), "If-None-Match", "*")
	rule(t, "H5", r.code() == "PreconditionFailed" && w.ok("GET", "/pets/tom", "").body == "there", "%v", r)
	w.ok("DELETE", "/pets/tom", "")
	w.ok("POST", "/pets/tom?uploadId="+id, complete(etags, 1), "If-None-Match", "*")
}

func TestPartIsCopied(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/pets", "")
	w.ok("PUT", "/pets/source", "0123456789")
	id := w.begin("/pets/tom")
	target := "/pets/tom?uploadId=" + id + "&partNumber="
	r := w.ok("PUT", target+"1", "", "X-Amz-Copy-Source", "/pets/source", "X-Amz-Copy-Source-Range", "bytes=2-7")
	one := read[struct{ ETag string }](t, r).ETag
	two := read[struct{ ETag string }](t, w.ok("PUT", target+"2", "", "X-Amz-Copy-Source", "/pets/source")).ETag
	for _, header := range []string{"bytes=2-10", "bytes=2-", "bytes=-2", "bytes=10-11", "2-3"} {
		r := w.do("PUT", target+"3", "", "X-Amz-Copy-Source", "/pets/source", "X-Amz-Copy-Source-Range", header)
		rule(t, "H3", r.code() == "InvalidArgument", "%s: %v", header, r)
	}
	w.ok("POST", "/pets/tom?uploadId="+id, complete(map[int]string{1: one, 2: two}, 1, 2))
	require.Equal(t, "2345670123456789", w.ok("GET", "/pets/tom", "").body)
}

func TestPartsAndUploadsAreListed(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/pets", "")
	var ids []string
	for _, key := range []string{"a", "a", "b/1", "b/2", "c"} {
		ids = append(ids, w.begin("/pets/"+key))
	}
	for n := 1; n <= 5; n++ {
		w.part("/pets/a", ids[0], n, strings.Repeat("x", n))
	}
	type parts struct {
		IsTruncated          bool
		NextPartNumberMarker int
		Part                 []struct{ PartNumber, Size int }
	}
	p := read[parts](t, w.ok("GET", "/pets/a?uploadId="+ids[0]+"&max-parts=2&part-number-marker=1", ""))
	rule(t, "H6", p.IsTruncated && p.NextPartNumberMarker == 3 && len(p.Part) == 2 && p.Part[0].PartNumber == 2 && p.Part[1].Size == 3, "%+v", p)
	p = read[parts](t, w.ok("GET", "/pets/a?uploadId="+ids[0]+"&max-parts=2&part-number-marker=3", ""))
	rule(t, "H6", !p.IsTruncated && len(p.Part) == 2, "%+v", p)

	type uploads struct {
		IsTruncated                       bool
		NextKeyMarker, NextUploadIdMarker string
		Upload                            []struct{ Key, UploadId string }
		CommonPrefixes                    []struct{ Prefix string }
	}
	for _, x := range []struct {
		query string
		want  []string
	}{
		{"", []string{"a" + ids[0], "a" + ids[1], "b/1" + ids[2], "b/2" + ids[3], "c" + ids[4]}},
		{"&prefix=b", []string{"b/1" + ids[2], "b/2" + ids[3]}},
		{"&delimiter=/", []string{"a" + ids[0], "a" + ids[1], "b/", "c" + ids[4]}},
	} {
		for size := 1; size < 6; size++ {
			var all []string
			next := ""
			for range 10 {
				u := read[uploads](t, w.ok("GET", fmt.Sprintf("/pets?uploads%s&max-uploads=%d%s", x.query, size, next), ""))
				for _, y := range u.Upload {
					all = append(all, y.Key+y.UploadId)
				}
				for _, y := range u.CommonPrefixes {
					all = append(all, y.Prefix)
				}
				if !u.IsTruncated {
					break
				}
				next = "&key-marker=" + url.QueryEscape(u.NextKeyMarker) + "&upload-id-marker=" + u.NextUploadIdMarker
			}
			require.ElementsMatch(t, x.want, all, "RULE H6: uploads%s by %d", x.query, size)
		}
	}
	require.Empty(t, read[uploads](t, w.ok("GET", "/pets?uploads&key-marker=z", "")).Upload)
	require.Equal(t, "NoSuchBucket", w.do("GET", "/none?uploads", "").code())
}

// Who cleans up lists a page of uploads, aborts them, and goes on behind the last.
func TestUploadsAreListedThoughTheyAreAbortedMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/pets", "")
	left := map[string]bool{}
	for _, key := range []string{"a", "a", "a", "a", "b"} {
		left[w.begin("/pets/"+key)] = true
		w.now = w.now.Add(time.Second)
	}
	next := ""
	for range 10 {
		u := read[struct {
			IsTruncated                       bool
			NextKeyMarker, NextUploadIdMarker string
			Upload                            []struct{ Key, UploadId string }
		}](t, w.ok("GET", "/pets?uploads&max-uploads=2"+next, ""))
		for _, x := range u.Upload {
			w.ok("DELETE", "/pets/"+x.Key+"?uploadId="+x.UploadId, "")
			delete(left, x.UploadId)
		}
		if !u.IsTruncated {
			break
		}
		next = "&key-marker=" + u.NextKeyMarker + "&upload-id-marker=" + u.NextUploadIdMarker
	}
	rule(t, "H6", len(left) == 0, "%d uploads were never listed", len(left))
}

// A marker may be an upload's ID as well.
func TestUploadsAreListedBehindAnID(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/pets", "")
	for range 3 {
		w.begin("/pets/a")
	}
	type uploads struct{ Upload []struct{ UploadId string } }
	all := read[uploads](t, w.ok("GET", "/pets?uploads", "")).Upload
	for i, x := range all {
		rest := read[uploads](t, w.ok("GET", "/pets?uploads&key-marker=a&upload-id-marker="+x.UploadId, "")).Upload
		rule(t, "H6", len(rest) == len(all)-i-1, "behind upload %d of %d are %d", i, len(all), len(rest))
	}
}
