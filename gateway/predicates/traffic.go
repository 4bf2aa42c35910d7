package predicates

import (
	"net/http"
	"strings"

	"github.com/flagship-go/flagship/gateway/route"
	"github.com/flagship-go/flagship/gateway/split"
)

// Traffic(0.1) is true for a tenth of the requests that come to it. Traffic(0.1, "group", "b") is sticky:
// who has the cookie group is in if it is b, and out if it is something else; a filter must set it.
//
// Each Traffic throws its own coin, and so a chain of them needs conditional probabilities: for shares of 50, 30
// and 20 percent Traffic(0.5), then Traffic(0.6), then a route without. TrafficSegment needs none.
type traffic struct {
	chance        float64
	cookie, group string
}

func newTraffic(a *arguments) route.Predicate {
	t := &traffic{chance: a.number("a probability from 0 to 1", 0, 1)}
	if a.left() > 0 {
		t.cookie, t.group = a.cookieName(), a.name("the cookie's value")
	}
	return t
}

// Match has no lookup, and so no coin; but it sees the cookie.
func (t *traffic) Match(r *http.Request) bool {
	in, _ := t.sticky(r)
	return in
}

func (t *traffic) MatchLookup(r *http.Request, l *route.Lookup) bool {
	if in, ok := t.sticky(r); ok {
		return in
	}
	return l.NextDraw() < t.chance
}

// Varies tells the report that a second Traffic is another coin.
func (t *traffic) Varies() {}

// sticky tells on which side a request has been put before, if it has.
func (t *traffic) sticky(r *http.Request) (in, ok bool) {
	if t.cookie == "" {
		return false, false
	}
	value, ok := cookieValue(r, t.cookie)
	return ok && value == t.group, ok
}

// TrafficSegment(0.1, 0.3) is true if the request's number, one for all segments (M4), is in [0.1, 0.3). Segments that adjoin
// share out all requests exactly:
//
//	a: TrafficSegment(0, 0.5)   -> ...;
//	b: TrafficSegment(0.5, 0.8) -> ...;
//	c: TrafficSegment(0.8, 1)   -> ...;
//
// It weighs nothing: a route is not preferred for having one.
//
// A third argument, which Skipper does not have, takes the number from who is asking, so that everybody stays on one
// side (T1), and a segment that grows loses nobody (T2):
//
//	"ip"              the client's address (F6)
//	"cookie:uid"      a cookie's value
//	"header:X-User"   a header field's value
//
// Who has none is drawn. A fourth argument names the split: with the same key, two splits of different names are independent (T3).
type segment struct {
	low, high float64
	key       key
	name      string
}

const segmentWeight = -1

func newTrafficSegment(a *arguments) route.Predicate {
	s := &segment{low: a.number("a number from 0 to 1", 0, 1)}
	s.high = a.number("a number from the first one to 1", s.low, 1)
	if a.left() > 0 {
		s.key = a.key()
	}
	if a.left() > 0 {
		s.name = a.name("the split's name")
	}
	return s
}

// Match has no lookup, and so no number.
func (s *segment) Match(r *http.Request) bool { return s.MatchLookup(r, &route.Lookup{}) }

func (s *segment) MatchLookup(r *http.Request, l *route.Lookup) bool {
	number := l.Draw
	if hash, ok := s.key.hash(s.name, r, l); ok {
		number = float64(hash>>11) / (1 << 53)
	}
	return s.low <= number && number < s.high
}

// Excludes tells of segments of one split that do not overlap.
func (s *segment) Excludes(other route.Predicate) bool {
	o, ok := other.(*segment)
	return ok && s.key == o.key && s.name == o.name && (s.high <= o.low || o.high <= s.low)
}

// A key says what of a request is hashed: kind is ip, cookie, header, or empty for nothing.
type key struct{ kind, name string }

func (a *arguments) key() key {
	const what = `"ip", "cookie:name" or "header:name"`
	text := a.text(what)
	kind, name, _ := strings.Cut(text, ":")
	switch {
	case text == "ip":
		return key{kind: "ip"}
	case kind == "cookie" && isToken(name):
		return key{"cookie", name}
	case kind == "header" && isToken(name):
		return key{"header", http.CanonicalHeaderKey(name)}
	}
	a.wrong(what)
	return key{}
}

// hash is the hash of a request's key in a split, if it has one.
func (k key) hash(name string, r *http.Request, l *route.Lookup) (hash uint64, ok bool) {
	value := ""
	switch k.kind {
	case "":
		return 0, false
	case "ip":
		ip := client(r, l)
		b := ip.As16() // IPv4 as ::ffff:a.b.c.d: one client, one key
		return split.Hash(name, string(b[:])), ip.IsValid()
	case "cookie":
		value, _ = cookieValue(r, k.name)
	case "header":
		if lines := r.Header[k.name]; len(lines) > 0 {
			value = lines[0]
		}
	}
	return split.Hash(name, value), value != ""
}
