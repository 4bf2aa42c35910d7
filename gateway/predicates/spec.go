package predicates

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/flagship-go/flagship/gateway/route"
)

// A spec is a predicate's name, how it is written, and what makes it. The table of them all is in all.go.
type spec struct {
	name string
	// usage is an example of it, for messages.
	usage  string
	create func(*arguments) route.Predicate
}

func (s spec) Name() string { return s.name }

func (s spec) Create(args []any) (route.Predicate, error) {
	a := &arguments{args: args}
	p := s.create(a)
	if a.end(); a.err != nil {
		return nil, fmt.Errorf("%w; it is written like %s", a.err, s.usage)
	}
	return p, nil
}

// A weighted spec adds to the weight of a route, or takes from it (M3).
type weighted struct {
	spec
	weight int
}

func (w weighted) Weight() int { return w.weight }

// arguments reads the arguments of a predicate from left to right. After the first one that is wrong all
// methods return zero values, so that there is one place where the error is looked at: spec.Create.
type arguments struct {
	args []any
	next int
	err  error
}

// fail notes the first error.
func (a *arguments) fail(format string, args ...any) {
	if a.err == nil {
		a.err = fmt.Errorf(format, args...)
	}
}

// left is how many arguments were not read yet.
func (a *arguments) left() int {
	if a.err != nil {
		return 0
	}
	return len(a.args) - a.next
}

// end notes an error if there is an argument more than was read.
func (a *arguments) end() {
	if a.left() > 0 {
		a.fail("%d arguments are too many, %d are expected", len(a.args), a.next)
	}
}

// take is the next argument; what says what it is.
func (a *arguments) take(what string) any {
	if a.err != nil {
		return nil
	}
	if a.next == len(a.args) {
		a.fail("argument %d is missing: %s", a.next+1, what)
		return nil
	}
	a.next++
	return a.args[a.next-1]
}

// wrong notes that the argument just read is not what it should be.
func (a *arguments) wrong(what string) {
	if a.err == nil {
		a.fail("argument %d is %s, expected is %s", a.next, quote(a.args[a.next-1]), what)
	}
}

// quote is an argument as it is written.
func quote(arg any) string {
	if s, ok := arg.(string); ok {
		return strconv.Quote(s)
	}
	return fmt.Sprint(arg)
}

// text is a string.
func (a *arguments) text(what string) string {
	s, ok := a.take(what).(string)
	if !ok {
		a.wrong(what)
	}
	return s
}

// name is a string that is not empty.
func (a *arguments) name(what string) string {
	s := a.text(what)
	if s == "" {
		a.wrong(what)
	}
	return s
}

// number is a number between two others, which it can be.
func (a *arguments) number(what string, low, high float64) float64 {
	f, ok := a.take(what).(float64)
	if !ok || !(f >= low && f <= high) { // a NaN is not
		a.wrong(what)
		return low
	}
	return f
}

// pattern is a regular expression.
func (a *arguments) pattern(what string, flags string) pattern {
	s := a.text(what)
	p, err := newPattern(flags + s)
	if err != nil {
		a.fail("argument %d, %s: %s", a.next, what, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return p
}

// texts are all that are left, at least one.
func (a *arguments) texts(what string) []string {
	all := []string{a.name(what)}
	for a.left() > 0 {
		all = append(all, a.name(what))
	}
	return all
}
