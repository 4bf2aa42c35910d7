package s3api

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/flagship-go/flagship/examples/objectstore/checksum"
)

const (
	metaPrefix = "x-amz-meta-"
	// maxMetadata bounds the names and values of x-amz-meta- headers, in bytes.
	maxMetadata = 2 << 10
	defaultType = "binary/octet-stream"
)

// keptHeaders come back with the object as they were sent. Each can be replaced
// in an answer by a parameter response-NAME.
var keptHeaders = []string{"content-type", "cache-control", "content-disposition", "content-encoding", "content-language", "expires"}

// refusedHeaders ask for what is not done here. To store the object without it
// would be worse than not to store it.
var refusedHeaders = []string{"x-amz-server-side-encryption", "x-amz-tagging", "x-amz-object-lock-", "x-amz-website-redirect-location", "x-amz-write-offset-bytes"}

// putOptions reads what is to be kept with an object.
func putOptions(h http.Header) (PutOptions, error) {
	o := PutOptions{Class: h.Get("X-Amz-Storage-Class"), Condition: putCondition(h), Metadata: map[string]string{}}
	size := 0
	for name, values := range h {
		name = strings.ToLower(name)
		for _, prefix := range refusedHeaders {
			if strings.HasPrefix(name, prefix) {
				return o, &Failure{Code: NotImplemented, Message: "A header you provided implies functionality that is not implemented: " + name}
			}
		}
		if strings.HasPrefix(name, metaPrefix) {
			o.Metadata[name] = strings.Join(values, ",")
			size += len(name) - len(metaPrefix) + len(o.Metadata[name])
		}
	}
	if size > maxMetadata {
		return o, MetadataTooLarge
	}
	for _, name := range keptHeaders {
		if v := h.Get(name); v != "" {
			o.Metadata[name] = v
		}
	}
	if e := withoutChunking(h.Get("Content-Encoding")); e != "" {
		o.Metadata["content-encoding"] = e
	} else {
		delete(o.Metadata, "content-encoding")
	}
	if o.Metadata["content-type"] == "" {
		o.Metadata["content-type"] = defaultType
	}
	for _, a := range checksum.All() { // its verification is sigv4's
		if v := h.Get(a.Header()); v != "" {
			o.Metadata[a.Header()] = v
		}
	}
	return o, nil
}

// withoutChunking takes from Content-Encoding what is about the request's body
// and not about the object.
func withoutChunking(encodings string) string {
	var kept []string
	for e := range strings.SplitSeq(encodings, ",") {
		if e = strings.TrimSpace(e); e != "" && e != "aws-chunked" {
			kept = append(kept, e)
		}
	}
	return strings.Join(kept, ",")
}

// versionHeader says which version an answer is about.
func versionHeader(h http.Header, o Object) {
	if o.VersionID != "" {
		h.Set("X-Amz-Version-Id", o.VersionID)
	}
	if o.DeleteMarker {
		h.Set("X-Amz-Delete-Marker", "true")
	}
}

// storedHeader is the answer to what stored an object.
func storedHeader(o Object) http.Header {
	h := http.Header{}
	h.Set("ETag", quote(o.ETag))
	versionHeader(h, o)
	if o.Missing > 0 {
		h.Set("X-Objectstore-Missing-Shards", strconv.Itoa(o.Missing))
	}
	return h
}

// objectHeader describes an object that is read.
func (c *call) objectHeader(o Object) http.Header {
	h := http.Header{}
	checksums := c.Header.Get("X-Amz-Checksum-Mode") == "ENABLED"
	for name, value := range o.Metadata {
		if _, ok := checksum.OfHeader(name); !ok || checksums {
			h.Set(name, value)
		}
	}
	for _, name := range keptHeaders {
		if v := c.query.Get("response-" + name); v != "" {
			h.Set(name, v)
		}
	}
	h.Set("ETag", quote(o.ETag))
	h.Set("Last-Modified", o.Modified.UTC().Format(http.TimeFormat))
	h.Set("Accept-Ranges", "bytes")
	if o.Class != "" && o.Class != standardClass {
		h.Set("X-Amz-Storage-Class", o.Class)
	}
	versionHeader(h, o)
	return h
}

const standardClass = "STANDARD"

// class is an object's storage class, which listings always show.
func class(c string) string {
	if c == "" {
		return standardClass
	}
	return c
}

// wholeSeconds is the precision of dates in headers.
func wholeSeconds(t time.Time) time.Time { return t.Truncate(time.Second) }
