package eskip

import (
	"fmt"
	"io"
	"slices"
	"strconv"
)

// lineWidth is how long a printed route may be on one line.
const lineWidth = 100

// String is the route in one line, with its id if it has one, and without a semicolon.
func (r *Route) String() string { return string(appendRoute(nil, r, " ")) }

// Print writes routes as a text that Parse reads, each with a semicolon: a short one in a line, a long one with each step on a line of
// its own. A single route can be without an id.
func Print(w io.Writer, routes []*Route) error {
	var b []byte
	for i, r := range routes {
		if !isName(r.ID) && (r.ID != "" || len(routes) > 1) {
			return fmt.Errorf("eskip: route %d of %d cannot be printed: its id is %q, and is to be a name of letters, digits and _", i+1, len(routes), r.ID)
		}
		if b = appendRoute(b[:0], r, " "); len(b) > lineWidth {
			b = appendRoute(b[:0], r, "\n  ")
		}
		if _, err := w.Write(append(b, ";\n"...)); err != nil {
			return err
		}
	}
	return nil
}

// isName tells whether the language can write s as a name.
func isName(s string) bool {
	for i := range len(s) {
		if c := class[s[i]]; c&letter == 0 && (c&digit == 0 || i == 0) {
			return false
		}
	}
	return s != ""
}

// appendRoute writes a route; step is what is before each arrow.
func appendRoute(b []byte, r *Route, step string) []byte {
	if r.ID != "" {
		b = append(append(b, r.ID...), ": "...)
	}
	for i := range r.Predicates {
		if i > 0 {
			b = append(b, " && "...)
		}
		b = appendCall(b, &r.Predicates[i])
	}
	if len(r.Predicates) == 0 {
		b = append(b, '*')
	}
	for i := range r.Filters {
		b = append(append(b, step...), "-> "...)
		b = appendCall(b, &r.Filters[i])
	}
	b = append(append(b, step...), "-> "...)
	return appendBackend(b, &r.Backend)
}

// String is the call in the one way that Print writes it: calls that are the same have the same text.
func (c Call) String() string { return string(appendCall(nil, &c)) }

// Append appends what String returns.
func (c Call) Append(b []byte) []byte { return appendCall(b, &c) }

func appendCall(b []byte, c *Call) []byte {
	b = append(append(b, c.Name...), '(')
	for i, arg := range c.Args {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = appendArg(b, arg)
	}
	return append(b, ')')
}

// appendArg writes a string or a float64, and anything else, which no parsed route has, as the string that fmt makes of it.
func appendArg(b []byte, arg any) []byte {
	switch v := arg.(type) {
	case float64:
		return strconv.AppendFloat(b, v, 'f', -1, 64) // Skipper does not read exponents
	case string:
		return appendString(b, v)
	}
	return appendString(b, fmt.Sprint(arg))
}

// appendString writes a string such that the parser reads the same bytes.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ' && unescape[c] != 0:
			b = append(b, '\\', unescape[c])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// unescape is escapes, the other way round.
var unescape = func() (u [' ']byte) {
	for b, c := range escapes {
		if c != 0 {
			u[c] = byte(b)
		}
	}
	return u
}()

func appendBackend(b []byte, backend *Backend) []byte {
	switch backend.Kind {
	case Shunt:
		return append(b, "<shunt>"...)
	case Loopback:
		return append(b, "<loopback>"...)
	case Dynamic:
		return append(b, "<dynamic>"...)
	case Balanced:
		b = append(b, '<')
		if backend.Algorithm != "" {
			b = append(append(b, backend.Algorithm...), ", "...)
		}
	}
	for i, a := range backend.Addresses {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = appendString(b, a)
	}
	if backend.Kind == Balanced {
		b = append(b, '>')
	}
	return b
}

// Equal tells whether two routes say the same, wherever they were written.
func Equal(a, b *Route) bool {
	return a.ID == b.ID &&
		slices.EqualFunc(a.Predicates, b.Predicates, equalCall) &&
		slices.EqualFunc(a.Filters, b.Filters, equalCall) &&
		a.Backend.Kind == b.Backend.Kind &&
		a.Backend.Algorithm == b.Backend.Algorithm &&
		slices.Equal(a.Backend.Addresses, b.Backend.Addresses)
}

func equalCall(a, b Call) bool { return a.Name == b.Name && slices.Equal(a.Args, b.Args) }
