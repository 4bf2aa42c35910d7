package eskip

import (
	"fmt"
	"strings"
)

// An Error is a place in a text where it is not a route, and why.
type Error struct {
	File string
	Pos  Pos
	Msg  string

	line string // the line of the text
}

// Error is file:line:column: message, in one line.
func (e *Error) Error() string {
	if e.File == "" {
		return fmt.Sprintf("%v: %s", e.Pos, e.Msg)
	}
	return fmt.Sprintf("%s:%v: %s", e.File, e.Pos, e.Msg)
}

// snippetWidth is how many bytes of a long line are shown on either side of the mistake.
const snippetWidth = 60

// Snippet shows the place, for a terminal: the line, and below it a caret.
//
//	checkout: Path("/x" -> <shunt>;
//	                    ^
func (e *Error) Snippet() string {
	at := min(max(e.Pos.Column-1, 0), len(e.line))
	from, to := max(at-snippetWidth, 0), min(at+snippetWidth, len(e.line))
	var b strings.Builder
	b.WriteString(strings.ToValidUTF8(e.line[from:to], "?"))
	b.WriteByte('\n')
	for _, c := range strings.ToValidUTF8(e.line[from:at], "?") {
		if c != '\t' { // a tab is as wide below as above
			c = ' '
		}
		b.WriteRune(c)
	}
	b.WriteByte('^')
	return b.String()
}

// Quote takes the line for Snippet from the text that e is about: who finds a mistake in a route that was parsed
// has no text any more.
func (e *Error) Quote(text string) {
	lines := strings.SplitN(text, "\n", e.Pos.Line+1)
	if n := e.Pos.Line - 1; n >= 0 && n < len(lines) {
		e.line = strings.TrimSuffix(lines[n], "\r")
	}
}

// MaxErrors is how many mistakes are told of one text.
const MaxErrors = 10

// An ErrorList is what is wrong with a text, in its order. It has at least one Error, and at most MaxErrors.
type ErrorList []*Error

// Error has a line for each mistake.
func (l ErrorList) Error() string {
	lines := make([]string, len(l))
	for i, e := range l {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap makes errors.As find an *Error.
func (l ErrorList) Unwrap() []error {
	errs := make([]error, len(l))
	for i, e := range l {
		errs[i] = e
	}
	return errs
}
