package s3api

import (
	"net/http"
	"strings"
	"time"
)

// conditions are those of a read, or of the source of a copy.
type conditions struct {
	match, noneMatch                []string // ETags without quotes, "*"; nil: no such header
	modifiedSince, notModifiedSince time.Time
}

// readConditions reads If-Match, If-None-Match, If-Modified-Since and
// If-Unmodified-Since, or those with the prefix. A date that is none is passed
// over, as RFC 9110 wants it.
func readConditions(h http.Header, prefix string) conditions {
	date := func(name string) time.Time {
		t, _ := http.ParseTime(h.Get(prefix + name))
		return t
	}
	return conditions{etags(h.Get(prefix + "If-Match")), etags(h.Get(prefix + "If-None-Match")), date("If-Modified-Since"), date("If-Unmodified-Since")}
}

func etags(header string) (list []string) {
	if header == "" {
		return nil
	}
	for e := range strings.SplitSeq(header, ",") {
		list = append(list, unquote(strings.TrimPrefix(strings.TrimSpace(e), "W/")))
	}
	return list
}

func matches(list []string, etag string) bool {
	for _, e := range list {
		if e == "*" || e == etag {
			return true
		}
	}
	return false
}

// check says whether an object may be read: nil, PreconditionFailed, or
// notModified. RFC 9110 §13.2.2: a condition about the ETag takes the place of
// the one about the date.
func (q conditions) check(o Object) error {
	modified := wholeSeconds(o.Modified)
	switch {
	case q.match != nil:
		if !matches(q.match, o.ETag) {
			return PreconditionFailed
		}
	case !q.notModifiedSince.IsZero() && modified.After(q.notModifiedSince):
		return PreconditionFailed
	}
	switch {
	case q.noneMatch != nil:
		if matches(q.noneMatch, o.ETag) {
			return notModified
		}
	case !q.modifiedSince.IsZero() && !modified.After(q.modifiedSince):
		return notModified
	}
	return nil
}

// putCondition reads the condition of a write.
func putCondition(h http.Header) Condition {
	return Condition{IfMatch: unquote(h.Get("If-Match")), IfNoneMatch: unquote(h.Get("If-None-Match"))}
}

// deleteCondition is the condition of a delete.
func deleteCondition(etag string) Condition { return Condition{IfMatch: unquote(etag)} }
