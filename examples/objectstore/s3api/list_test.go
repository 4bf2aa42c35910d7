package s3api_test

import (
	"encoding/xml"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// listed is what the tests read of both listings.
type listed struct {
	XMLName               xml.Name
	Name, Prefix          string
	Delimiter             string
	MaxKeys, KeyCount     int
	IsTruncated           bool
	Marker, NextMarker    string
	NextContinuationToken string
	StartAfter            string
	EncodingType          string
	Contents              []struct {
		Key, ETag, StorageClass string
		Size                    int
		Owner                   *struct{ ID string }
	}
	CommonPrefixes []struct{ Prefix string }
}

// names are the keys and rolled-up prefixes, in the order of a listing.
func (l listed) names() (all []string) {
	for _, c := range l.Contents {
		all = append(all, c.Key)
	}
	for _, p := range l.CommonPrefixes {
		all = append(all, p.Prefix)
	}
	slices.Sort(all)
	return all
}

func (w *world) fill(keys ...string) {
	w.t.Helper()
	w.ok("PUT", "/pets", "")
	for _, k := range keys {
		w.ok("PUT", "/pets/"+url.PathEscape(k), k)
	}
}

// pages walks a listing, of version 1 or 2, to its end. between is called
// between two pages.
func (w *world) pages(version int, query string, between func()) (all []string, pages int) {
	w.t.Helper()
	next := ""
	for {
		l := read[listed](w.t, w.ok("GET", fmt.Sprintf("/pets?%s%s%s", query, map[int]string{1: "", 2: "&list-type=2"}[version], next), ""))
		all = append(all, l.names()...)
		if pages++; pages > 100 {
			rule(w.t, "H6", false, "the listing %s does not end: %q", query, all)
		}
		if !l.IsTruncated {
			return all, pages
		}
		if next = "&marker=" + url.QueryEscape(l.NextMarker); version == 2 {
			next = "&continuation-token=" + url.QueryEscape(l.NextContinuationToken)
		}
		between()
	}
}

// The pitfalls are "a" beside "a/", "a/" beside "a/b", and "a-b", which sorts
// before "a/b".
var pitfalls = []string{"a", "a-b", "a/", "a/b", "a/b/c", "a0", "b/c", "c", "ü/x"}

func TestListingsShowEveryKeyOnce(t *testing.T) {
	w := newWorld(t)
	w.fill(pitfalls...)
	for _, x := range []struct {
		query string
		want  []string
	}{
		{"", pitfalls},
		{"delimiter=/", []string{"a", "a-b", "a/", "a0", "b/", "c", "ü/"}},
		{"delimiter=/&prefix=a", []string{"a", "a-b", "a/", "a0"}},
		{"delimiter=/&prefix=a/", []string{"a/", "a/b", "a/b/"}},
		{"prefix=a/", []string{"a/", "a/b", "a/b/c"}},
		{"delimiter=b", []string{"a", "a-b", "a/", "a/b", "a0", "b", "c", "ü/x"}},
		{"delimiter=b/", []string{"a", "a-b", "a/", "a/b", "a/b/", "a0", "b/", "c", "ü/x"}},
		{"prefix=x", nil},
	} {
		slices.Sort(x.want)
		for version := 1; version <= 2; version++ {
			for size := 1; size <= 10; size++ {
				got, _ := w.pages(version, fmt.Sprintf("%s&max-keys=%d", x.query, size), func() {})
				rule(t, "H6", slices.Equal(got, x.want), "version %d of %q by %d: %q", version, x.query, size, got)
			}
		}
	}
}

// What a token stands for may be gone when it is used.
func TestListingGoesOnWhenItsPlaceWasDeleted(t *testing.T) {
	for version := 1; version <= 2; version++ {
		w := newWorld(t)
		w.fill("a", "b", "c", "d/1", "d/2", "e")
		seen := 0
		got, _ := w.pages(version, "max-keys=1&delimiter=/", func() {
			w.ok("DELETE", "/pets/"+[]string{"a", "b", "c", "d/1", "e"}[seen], "")
			seen++
		})
		rule(t, "H6", slices.Equal(got, []string{"a", "b", "c", "d/", "e"}), "version %d: %q", version, got)
	}
}

func TestListingOfNothing(t *testing.T) {
	w := newWorld(t)
	w.fill("a", "b")
	for _, query := range []string{"max-keys=0", "list-type=2&max-keys=0"} {
		l := read[listed](t, w.ok("GET", "/pets?"+query, ""))
		rule(t, "H6", !l.IsTruncated && len(l.names()) == 0 && l.MaxKeys == 0 && l.KeyCount == 0 && l.NextContinuationToken == "", "%s: %+v", query, l)
	}
	require.Equal(t, "NoSuchBucket", w.do("GET", "/none?max-keys=0", "").code())
}

func TestListingTellsWhatItWasAsked(t *testing.T) {
	w := newWorld(t)
	w.fill("a", "b/c", "d")
	l := read[listed](t, w.ok("GET", "/pets?list-type=2&prefix=&delimiter=%2F&max-keys=5000&start-after=a&fetch-owner=true", ""))
	require.Equal(t, "pets", l.Name)
	require.Equal(t, "/", l.Delimiter)
	require.Equal(t, 1000, l.MaxKeys)
	require.Equal(t, "a", l.StartAfter)
	rule(t, "H6", l.KeyCount == 2 && slices.Equal(l.names(), []string{"b/", "d"}), "start-after: %+v", l)
	require.NotNil(t, l.Contents[0].Owner)
	require.Equal(t, "STANDARD", l.Contents[0].StorageClass)
	require.Equal(t, 1, l.Contents[0].Size)
	require.Len(t, l.Contents[0].ETag, 34)
	// A token goes before start-after.
	first := read[listed](t, w.ok("GET", "/pets?list-type=2&max-keys=2", ""))
	rest := read[listed](t, w.ok("GET", "/pets?list-type=2&start-after=a&continuation-token="+url.QueryEscape(first.NextContinuationToken), ""))
	rule(t, "H6", slices.Equal(rest.names(), []string{"d"}), "%q", rest.names())
}

func TestListingCanBeEncoded(t *testing.T) {
	w := newWorld(t)
	keys := []string{"a b", "a+b", "a&b", "x\x01y", "ü/ö", "100%"}
	w.fill(keys...)
	for _, query := range []string{"encoding-type=url", "list-type=2&encoding-type=url"} {
		l := read[listed](t, w.ok("GET", "/pets?"+query, ""))
		require.Equal(t, "url", l.EncodingType)
		var got []string
		for _, name := range l.names() {
			require.NotContains(t, name, "+")
			plain, err := url.PathUnescape(name)
			require.NoError(t, err)
			got = append(got, plain)
		}
		require.ElementsMatch(t, keys, got)
	}
	l := read[listed](t, w.ok("GET", "/pets?encoding-type=url&prefix=%C3%BC&delimiter=%2F&marker=a+b", ""))
	require.Equal(t, []string{"%C3%BC", "/", "a%20b", "%C3%BC/"}, []string{l.Prefix, l.Delimiter, l.Marker, l.CommonPrefixes[0].Prefix})
}

func TestListingRefusesNonsense(t *testing.T) {
	w := newWorld(t)
	w.fill("a")
	for _, query := range []string{"max-keys=-1", "max-keys=x", "max-keys=99999999999", "encoding-type=gzip", "list-type=3",
		"list-type=2&continuation-token=", "list-type=2&continuation-token=%2A", "list-type=2&max-keys=-1", "versions&max-keys=x",
		"versions&version-id-marker=1", "uploads&max-uploads=x"} {
		r := w.do("GET", "/pets?"+query, "")
		rule(t, "H6", r.code() == "InvalidArgument", "%s: %v", query, r)
	}
	require.Equal(t, "NoSuchBucket", w.do("GET", "/none", "").code())
	require.Equal(t, "NoSuchBucket", w.do("GET", "/none?list-type=2", "").code())
}

func TestManyAreDeletedAtOnce(t *testing.T) {
	w := newWorld(t)
	w.fill("a", "b&c", "d")
	r := w.ok("POST", "/pets?delete", `<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>a</Key></Object><Object><Key>b&amp;c</Key></Object><Object><Key>none</Key></Object><Object><Key></Key></Object></Delete>`)
	require.Contains(t, r.body, "<Deleted><Key>a</Key></Deleted><Deleted><Key>b&amp;c</Key></Deleted><Deleted><Key>none</Key></Deleted><Error><Key></Key><Code>InvalidArgument</Code>")
	r = w.ok("POST", "/pets?delete", `<Delete><Quiet>true</Quiet><Object><Key>d</Key></Object></Delete>`)
	require.NotContains(t, r.body, "Deleted")
	got, _ := w.pages(2, "", func() {})
	require.Empty(t, got)

	require.Equal(t, "MalformedXML", w.do("POST", "/pets?delete", "").code())
	require.Equal(t, "MalformedXML", w.do("POST", "/pets?delete", "<Delete></Delete>").code())
	require.Equal(t, "MalformedXML", w.do("POST", "/pets?delete", "<Delete>"+strings.Repeat("<Object><Key>a</Key></Object>", 1001)+"</Delete>").code())
	require.Equal(t, "NoSuchBucket", w.do("POST", "/none?delete", "<Delete><Object><Key>a</Key></Object></Delete>").code())
	r = w.do("POST", "/pets?delete", "<Delete>"+strings.Repeat(" ", 9<<20))
	rule(t, "H14", r.code() == "MaxMessageLengthExceeded", "9 MiB of XML: %d", r.status)
	w.ok("PUT", "/pets/keep", "")
	r = w.do("POST", "/pets?delete", "<Delete><Object><Key>keep</Key></Object></Delete>", "Content-Md5", "AAAAAAAAAAAAAAAAAAAAAA==")
	rule(t, "H14", r.code() == "BadDigest" && w.do("HEAD", "/pets/keep", "").status == 200, "a list that did not come whole: %v", r)
}
