package predicates

import (
	"math"
	"net/http"
	"time"

	"github.com/flagship-go/flagship/gateway/route"
)

// Between(from, till), After(from) and Before(till) are true from from on, and no more at till: intervals
// that adjoin share out time exactly. A time is written in one of three ways:
//
//	After("2030-01-01T12:00:00+02:00")                RFC 3339
//	After("2030-01-01T12:00:00", "Europe/Berlin")     a clock on a wall, and where it hangs
//	After(1893495600)                                 seconds since 1970
type interval struct{ from, till time.Time } // a zero time is no bound

func newBetween(a *arguments) route.Predicate {
	i := &interval{}
	place := a.location(2)
	if i.from, i.till = a.time(place), a.time(place); a.err == nil && !i.from.Before(i.till) {
		a.fail("argument 2 is not after argument 1: it would never match")
	}
	return i
}

func newAfter(a *arguments) route.Predicate { return &interval{from: a.time(a.location(1))} }

func newBefore(a *arguments) route.Predicate { return &interval{till: a.time(a.location(1))} }

// Match has no lookup, and so no time.
func (i *interval) Match(*http.Request) bool { return false }

func (i *interval) MatchLookup(_ *http.Request, l *route.Lookup) bool {
	return !l.Now.IsZero() && (i.from.IsZero() || !l.Now.Before(i.from)) && (i.till.IsZero() || l.Now.Before(i.till))
}

// Excludes tells of intervals that do not overlap.
func (i *interval) Excludes(other route.Predicate) bool {
	o, ok := other.(*interval)
	if !ok {
		return false
	}
	apart := func(a, b *interval) bool { return !a.till.IsZero() && !b.from.IsZero() && !a.till.After(b.from) }
	return apart(i, o) || apart(o, i)
}

// location is the place that stands behind n times, nil if none does.
func (a *arguments) location(n int) *time.Location {
	if len(a.args) != n+1 {
		return nil
	}
	name, ok := a.args[n].(string)
	place, err := time.LoadLocation(name)
	if !ok || err != nil || name == "" {
		a.fail("argument %d is %v, expected is a place of the time zone database, such as Europe/Berlin (a program can import time/tzdata)", n+1, quote(a.args[n]))
		return nil
	}
	a.args = a.args[:n]
	return place
}

// time is a point in time. With a place it is a wall clock's.
func (a *arguments) time(place *time.Location) time.Time {
	what := `a time, such as "2030-01-01T12:00:00+02:00" or seconds since 1970`
	if place != nil {
		what = `a time without an offset, such as "2030-01-01T12:00:00"`
	}
	switch v := a.take(what).(type) {
	case string:
		if place != nil {
			if t, err := time.ParseInLocation("2006-01-02T15:04:05", v, place); err == nil {
				return t
			}
		} else if t, err := time.Parse(time.RFC3339, v); err == nil {
			return t
		}
	case float64:
		if place == nil && math.Abs(v) < 1<<53 {
			return time.Unix(int64(v), 0)
		}
	}
	a.wrong(what)
	return time.Time{}
}
