package predicates

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/flagship-go/flagship/gateway/route"
)

// Cron("* 7-18 * * MON-FRI") is true in the minutes that the expression names: minute, hour, day
// of the month, month, day of the week (0 and 7 are Sunday).
//
//   - each one
//     5          that one; months and days of the week have names too: JAN, mon
//     1-5        from, to, both included
//     */10 1-9/2 3/2     each tenth; each second one of a range; from the third one each second one
//     1,3-5      one of several
//
// All five must be true, also both days: a mask, like Skipper's, where the cron of Unix runs a job if
// one of two restricted days fits. The time is the gateway's own, or that of the place in a second argument:
// Cron("* 7-18 * * *", "Europe/Berlin").
type cron struct {
	fields [len(cronFields)]uint64 // a bit for each value
	place  *time.Location
}

// A cronField is one of the five.
type cronField struct {
	name      string
	low, high int
	names     string // of the values from low on, three letters each
}

var cronFields = [...]cronField{
	{"minute", 0, 59, ""},
	{"hour", 0, 23, ""},
	{"day of the month", 1, 31, ""},
	{"month", 1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"},
	{"day of the week", 0, 7, "SUNMONTUEWEDTHUFRISAT"},
}

func newCron(a *arguments) route.Predicate {
	c := &cron{place: a.location(1)}
	expr := a.text("five fields, such as * 7-18 * * MON-FRI")
	if a.err != nil {
		return nil
	}
	fields := strings.Fields(expr)
	if len(fields) != len(cronFields) {
		a.fail("%q has %d fields, five are expected: minute, hour, day of the month, month, day of the week", expr, len(fields))
		return nil
	}
	for i, text := range fields {
		set, err := cronFields[i].parse(text)
		if err != nil {
			a.fail("%s %q: %w", cronFields[i].name, text, err)
			return nil
		}
		c.fields[i] = set
	}
	c.fields[4] |= c.fields[4] >> 7 & 1 // Sunday is 7 and 0
	return c
}

// Match has no lookup, and so no time.
func (c *cron) Match(*http.Request) bool { return false }

func (c *cron) MatchLookup(_ *http.Request, l *route.Lookup) bool {
	if l.Now.IsZero() {
		return false
	}
	now := l.Now
	if c.place != nil {
		now = now.In(c.place)
	}
	_, month, day := now.Date()
	hour, minute, _ := now.Clock()
	for i, v := range [...]int{minute, hour, day, int(month), int(now.Weekday())} {
		if c.fields[i]>>v&1 == 0 {
			return false
		}
	}
	return true
}

// parse is the set of a field's values.
func (f *cronField) parse(text string) (set uint64, err error) {
	parts := strings.Split(text, ",")
	if n := len(parts); n > 1 && parts[n-1] == "" { // a comma too many, as in Skipper's manual
		parts = parts[:n-1]
	}
	for _, part := range parts {
		more, err := f.span(part)
		if err != nil {
			return 0, err
		}
		set |= more
	}
	return set, nil
}

// span is the set of one part of a list: a value, or a range, perhaps with a step.
func (f *cronField) span(part string) (uint64, error) {
	part, stepText, hasStep := strings.Cut(part, "/")
	step := 1
	if hasStep {
		var err error
		if step, err = strconv.Atoi(stepText); err != nil || step < 1 || step > f.high {
			return 0, fmt.Errorf("the step %q is not a number from 1 to %d", stepText, f.high)
		}
	}
	fromText, toText, isRange := strings.Cut(part, "-")
	from, to := f.low, f.high
	var err error
	if part != "*" {
		if from, err = f.value(fromText); err != nil {
			return 0, err
		}
		switch {
		case isRange:
			if to, err = f.value(toText); err != nil {
				return 0, err
			}
		case !hasStep:
			to = from
		}
	}
	if from > to {
		return 0, fmt.Errorf("%s goes backwards: write %s-%d,%d-%s", part, fromText, f.high, f.low, toText)
	}
	var set uint64
	for v := from; v <= to; v += step {
		set |= 1 << v
	}
	return set, nil
}

// value is a number or a name.
func (f *cronField) value(text string) (int, error) {
	if i := strings.Index(f.names, strings.ToUpper(text)); i >= 0 && i%3 == 0 && len(text) == 3 {
		return f.low + i/3, nil
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < f.low || v > f.high {
		return 0, fmt.Errorf("%q is not in %d-%d", text, f.low, f.high)
	}
	return v, nil
}

// Excludes tells of expressions that have no minute in common: one field without a common value is enough.
func (c *cron) Excludes(other route.Predicate) bool {
	o, ok := other.(*cron)
	if !ok || c.place != o.place {
		return false
	}
	for i := range c.fields {
		if c.fields[i]&o.fields[i] == 0 {
			return true
		}
	}
	return false
}
