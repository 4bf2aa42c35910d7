package filters

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/flagship-go/flagship/gateway/eskip"
)

// Args reads the arguments of a filter one after the other, and remembers the first thing
// that is wrong (F3). Its methods return zero values from then on, so that whoever reads asks Done once:
//
//	a := filters.ReadArgs("name, value", args)
//	name, value := a.Text("name"), a.Text("value")
//	if err := a.Done(); err != nil {
//		return nil, err
//	}
type Args struct {
	usage string
	list  []any
	next  int
	err   error
}

// ReadArgs begins with the first argument. Usage names all of them, for messages: "code, location?".
func ReadArgs(usage string, list []any) *Args { return &Args{usage: usage, list: list} }

// Fail says that something is wrong with what was read, unless something was before.
func (a *Args) Fail(format string, args ...any) {
	if a.err == nil {
		a.err = fmt.Errorf(format, args...)
	}
}

// Check fails with an error that names its own cause, if there is one.
func (a *Args) Check(err error) {
	if a.err == nil {
		a.err = err
	}
}

// Done is what is wrong, also that arguments are left over.
func (a *Args) Done() error {
	if a.err == nil && a.More() {
		a.err = fmt.Errorf("%d arguments are too many: it takes (%s)", len(a.list), a.usage)
	}
	return a.err
}

// Failed tells whether something was wrong so far.
func (a *Args) Failed() bool { return a.err != nil }

// More tells whether there are arguments that were not read.
func (a *Args) More() bool { return a.err == nil && a.next < len(a.list) }

// take is the next argument, or nil if there is none or something is wrong.
func (a *Args) take(name string) any {
	switch {
	case a.err != nil:
		return nil
	case a.next == len(a.list):
		a.err = fmt.Errorf("argument %d (%s) is missing: it takes (%s)", a.next+1, name, a.usage)
		return nil
	}
	a.next++
	return a.list[a.next-1]
}

// wrong says what the argument just taken should have been.
func (a *Args) wrong(name, expected string, is any) {
	if a.err != nil {
		return
	}
	if text, isText := is.(string); isText {
		is = fmt.Sprintf("%q", text)
	}
	a.err = fmt.Errorf("argument %d (%s) is %s, not %v", a.next, name, expected, is)
}

// Text is the next argument, a string.
func (a *Args) Text(name string) string {
	v := a.take(name)
	s, is := v.(string)
	if !is {
		a.wrong(name, "a string", v)
	}
	return s
}

// NonEmpty is the next argument, a string that is not empty.
func (a *Args) NonEmpty(name string) string {
	s := a.Text(name)
	if s == "" {
		a.wrong(name, "a string that is not empty", s)
	}
	return s
}

// Bool is the next argument, "true" or "false", as Skipper writes them.
func (a *Args) Bool(name string) bool {
	v := a.take(name)
	if v != "true" && v != "false" {
		a.wrong(name, `"true" or "false"`, v)
	}
	return v == "true"
}

// Number is the next argument, a number between minimum and maximum.
func (a *Args) Number(name string, minimum, maximum float64) float64 {
	v := a.take(name)
	n, is := v.(float64)
	if !is || !(n >= minimum && n <= maximum) { // NaN is neither
		a.wrong(name, "a number "+between(minimum, maximum), v)
		return 0
	}
	return n
}

// Int is the next argument, a whole number between minimum and maximum.
func (a *Args) Int(name string, minimum, maximum int) int {
	v := a.take(name)
	n, is := v.(float64)
	if !is || n != math.Trunc(n) || n < float64(minimum) || n > float64(maximum) {
		a.wrong(name, "a whole number "+between(float64(minimum), float64(maximum)), v)
		return 0
	}
	return int(n)
}

func between(minimum, maximum float64) string {
	if maximum >= 1e9 { // as good as none
		return fmt.Sprintf("from %v", minimum)
	}
	return fmt.Sprintf("from %v to %v", minimum, maximum)
}

// maxDuration is what anybody may want to wait for, and far from overflow.
const maxDuration = 10 * 365 * 24 * time.Hour

// Duration is the next argument, text like "1m30s" or a number of milliseconds, as in Skipper; it is at least minimum.
func (a *Args) Duration(name string, minimum time.Duration) time.Duration {
	v := a.take(name)
	d, ok := asDuration(v)
	if !ok {
		a.wrong(name, `a duration like "1m30s" or a number of milliseconds`, v)
		return 0
	}
	if d < minimum || d > maxDuration {
		a.wrong(name, fmt.Sprintf("a duration from %v to %v", minimum, maxDuration), v)
		return 0
	}
	return d
}

func asDuration(v any) (time.Duration, bool) {
	switch v := v.(type) {
	case float64:
		ms := v * float64(time.Millisecond)
		return time.Duration(ms), math.Abs(ms) <= float64(maxDuration)
	case string:
		d, err := time.ParseDuration(v)
		return d, err == nil
	}
	return 0, false
}

// Regexp is the next argument, a regular expression of package regexp.
func (a *Args) Regexp(name string) *regexp.Regexp {
	text := a.Text(name)
	if a.err != nil {
		return nil
	}
	re, err := regexp.Compile(text)
	if err != nil {
		a.Fail("argument %d (%s): %w", a.next, name, err)
	}
	return re
}

// Template is the next argument, text with placeholders.
func (a *Args) Template(name string) *Template {
	text := a.Text(name)
	if a.err != nil {
		return nil
	}
	t, err := ParseTemplate(text)
	if err != nil {
		a.Fail("argument %d (%s): %w", a.next, name, err)
	}
	return t
}

// Options are arguments of the form "key=value".
type Options map[string]string

// Options reads all arguments that are left. Each has one of the known keys, or any
// key if none is given; none comes twice.
func (a *Args) Options(known ...string) Options {
	o := Options{}
	for a.More() {
		text := a.Text("key=value")
		key, value, is := strings.Cut(text, "=")
		switch {
		case !is:
			a.wrong("option", `of the form "key=value"`, text)
		case len(known) > 0 && !slices.Contains(known, key):
			a.unknown(key, known)
		default:
			if _, twice := o[key]; twice {
				a.Fail("argument %d: option %s is there twice", a.next, key)
			}
			o[key] = value
		}
	}
	return o
}

func (a *Args) unknown(key string, known []string) {
	if s := eskip.Suggest(key, slices.Values(known)); s != "" {
		a.Fail("argument %d: there is no option %s; did you mean %s?", a.next, key, s)
		return
	}
	a.Fail("argument %d: there is no option %s; there are %s", a.next, key, strings.Join(known, ", "))
}
