package s3api_test

import (
	"encoding/xml"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const enable = `<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>`
const suspend = `<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>`

// versions is what the tests read of a listing.
type versions struct {
	IsTruncated         bool
	NextKeyMarker       string
	NextVersionIDMarker string `xml:"NextVersionIdMarker"`
	Entries             []struct {
		XMLName  xml.Name
		Key      string
		ID       string `xml:"VersionId"`
		IsLatest bool
		Size     *int64
		Prefix   string // of CommonPrefixes
	} `xml:",any"`
}

// lines are the entries as "KEY ID latest marker".
func (v versions) lines() (all []string) {
	for _, e := range v.Entries {
		switch e.XMLName.Local {
		case "Version", "DeleteMarker":
			line := e.Key + " " + e.ID
			if e.IsLatest {
				line += " latest"
			}
			if e.XMLName.Local == "DeleteMarker" {
				line += " marker"
			}
			all = append(all, line)
		case "CommonPrefixes":
			all = append(all, e.Prefix)
		}
	}
	return all
}

func TestVersionsFromNullToSuspended(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/pets", "")
	require.NotContains(t, w.ok("GET", "/pets?versioning", "").body, "Status")
	version := func(r reply) string { return r.header.Get("X-Amz-Version-Id") }

	require.Empty(t, version(w.ok("PUT", "/pets/tom", "null")))
	w.ok("PUT", "/pets?versioning", enable)
	require.Contains(t, w.ok("GET", "/pets?versioning", "").body, "<Status>Enabled</Status>")
	one := version(w.ok("PUT", "/pets/tom", "one"))
	marker := w.ok("DELETE", "/pets/tom", "")
	rule(t, "H7", marker.header.Get("X-Amz-Delete-Marker") == "true" && version(marker) != "", "a delete marker is not told of: %v", marker)
	two := version(w.ok("PUT", "/pets/tom", "two"))

	lines := read[versions](t, w.ok("GET", "/pets?versions", "")).lines()
	require.Equal(t, []string{"tom " + two + " latest", "tom " + version(marker) + " marker", "tom " + one, "tom null"}, lines)
	for id, want := range map[string]string{"": "two", "&versionId=" + two: "two", "&versionId=" + one: "one", "&versionId=null": "null"} {
		got := w.ok("GET", "/pets/tom?x-id=GetObject"+id, "")
		rule(t, "H7", got.body == want, "version %q is %v", id, got)
	}
	require.Equal(t, "NoSuchVersion", w.do("GET", "/pets/tom?versionId=none", "").code())

	// Once more deleted: gone by its name, and the marker itself cannot be read.
	marker = w.ok("DELETE", "/pets/tom", "")
	for _, method := range []string{"GET", "HEAD"} {
		r := w.do(method, "/pets/tom", "")
		rule(t, "H7", r.status == 404 && r.header.Get("X-Amz-Delete-Marker") == "true" && version(r) == version(marker), "%s of what is deleted: %v", method, r)
		r = w.do(method, "/pets/tom?versionId="+version(marker), "")
		rule(t, "H7", r.status == 405 && r.header.Get("X-Amz-Delete-Marker") == "true" && r.header.Get("Allow") == "DELETE", "%s of the marker: %v", method, r)
	}
	require.Empty(t, read[listed](t, w.ok("GET", "/pets", "")).names())

	// Suspended: a delete replaces the null version by a null marker.
	w.ok("PUT", "/pets?versioning", suspend)
	r := w.ok("DELETE", "/pets/tom", "")
	require.Equal(t, "null", version(r))
	require.Equal(t, 405, w.do("GET", "/pets/tom?versionId=null", "").status)
	require.Equal(t, "null", version(w.ok("PUT", "/pets/tom", "again")))
	require.Equal(t, "one", w.ok("GET", "/pets/tom?versionId="+one, "").body)

	// With its ID a version goes for good, and the one below it shows.
	r = w.ok("DELETE", "/pets/tom?versionId=null", "")
	require.Empty(t, r.header.Get("X-Amz-Delete-Marker"))
	r = w.ok("DELETE", "/pets/tom?versionId="+version(marker), "")
	rule(t, "H7", r.header.Get("X-Amz-Delete-Marker") == "true", "a removed marker: %v", r)
	require.Equal(t, "two", w.ok("GET", "/pets/tom", "").body)
	require.Equal(t, "IllegalVersioningConfigurationException", w.do("PUT", "/pets?versioning", "<VersioningConfiguration/>").code())
	require.Equal(t, "MalformedXML", w.do("PUT", "/pets?versioning", "").code())
}

func TestVersionListingShowsEveryVersionOnce(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/pets", "")
	w.ok("PUT", "/pets?versioning", enable)
	for range 3 {
		for _, key := range []string{"a", "a/b", "b"} {
			w.now = w.now.Add(time.Second)
			w.ok("PUT", "/pets/"+key, "x")
		}
	}
	w.ok("DELETE", "/pets/a", "")
	for _, query := range []string{"", "&delimiter=/", "&prefix=a"} {
		whole := read[versions](t, w.ok("GET", "/pets?versions"+query, "")).lines()
		require.NotEmpty(t, whole)
		for size := 1; size < 12; size++ {
			var all []string
			next := ""
			for range 20 {
				page := read[versions](t, w.ok("GET", fmt.Sprintf("/pets?versions%s&max-keys=%d%s", query, size, next), ""))
				all = append(all, page.lines()...)
				if !page.IsTruncated {
					break
				}
				next = "&key-marker=" + url.QueryEscape(page.NextKeyMarker) + "&version-id-marker=" + page.NextVersionIDMarker
			}
			if query == "&delimiter=/" { // prefixes stand at the end of their page
				require.ElementsMatch(t, whole, all, "by %d", size)
			} else {
				require.Equal(t, whole, all, "RULE H6: %s by %d", query, size)
			}
		}
	}
	require.Empty(t, read[versions](t, w.ok("GET", "/pets?versions&max-keys=0", "")).lines())
}

func TestManyDeletesMakeMarkersAndTakeVersions(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/pets", "")
	w.ok("PUT", "/pets?versioning", enable)
	id := w.ok("PUT", "/pets/a", "x").header.Get("X-Amz-Version-Id")
	w.ok("PUT", "/pets/b", "x")
	r := w.ok("POST", "/pets?delete", "<Delete><Object><Key>a</Key><VersionId>"+id+"</VersionId></Object><Object><Key>b</Key></Object></Delete>")
	marker := w.do("HEAD", "/pets/b", "").header.Get("X-Amz-Version-Id")
	require.Contains(t, r.body, "<Deleted><Key>a</Key><VersionId>"+id+"</VersionId></Deleted>")
	require.Contains(t, r.body, "<Deleted><Key>b</Key><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>"+marker+"</DeleteMarkerVersionId></Deleted>")
}
