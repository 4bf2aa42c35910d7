package predicates

import (
	"net/http"

	"github.com/flagship-go/flagship/gateway/route"
)

// ContentLengthBetween(0, 1000) is true if the body has that many bytes, the second number excluded. A body whose
// length is not known beforehand (chunks) is in no range.
type contentLength struct{ low, high int64 }

func newContentLength(a *arguments) route.Predicate {
	const most = 1 << 53
	c := &contentLength{low: int64(a.number("a number of bytes, at least 0", 0, most))}
	c.high = int64(a.number("a number of bytes greater than the first one", float64(c.low+1), most))
	return c
}

func (c *contentLength) Match(r *http.Request) bool {
	return c.low <= r.ContentLength && r.ContentLength < c.high
}

// Excludes tells of ranges that do not overlap.
func (c *contentLength) Excludes(other route.Predicate) bool {
	o, ok := other.(*contentLength)
	return ok && (c.high <= o.low || o.high <= c.low)
}
