package eskip

import (
	"fmt"
	"strconv"
	"strings"
)

type kind uint8

const (
	kindEnd    kind = iota // of the text
	kindBad                // nothing that the language has; text is the message
	kindName               // a letter or _, then letters, digits and _
	kindNumber             // text as it is written
	kindString             // text without quotes and escapes
	kindRegexp             // likewise
	kindArrow              // ->
	kindAnd                // &&
	kindStar
	kindOpen
	kindClose
	kindComma
	kindColon
	kindSemicolon
	kindLess
	kindGreater
)

// spelling is how the kinds that are always written alike are written.
var spelling = [...]string{kindEnd: "the end of the text", kindArrow: "->", kindAnd: "&&", kindStar: "*", kindOpen: "(", kindClose: ")",
	kindComma: ",", kindColon: ":", kindSemicolon: ";", kindLess: "<", kindGreater: ">"}

type token struct {
	kind  kind
	text  string
	pos   Pos
	start int // the offset in the text; it ends where the lexer is
}

// The classes of bytes, by which the lexer decides what a token is.
const (
	space  = 1 << iota
	letter // and _
	digit
	inHost // of a backend's address
)

// Table, not comparisons: half of the bytes of a route are in names and between tokens.
var class = func() (c [256]uint8) {
	for b := range 256 {
		switch {
		case 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || b == '_':
			c[b] = letter | inHost
		case '0' <= b && b <= '9':
			c[b] = digit | inHost
		case b == '-' || b == '.' || b == '~' || b >= 0x80:
			c[b] = inHost
		case strings.IndexByte(" \t\n\v\f\r", byte(b)) >= 0:
			c[b] = space
		}
	}
	c[0x85] |= space // for Skipper these are white space too, and they can begin nothing else
	c[0xA0] |= space
	return c
}()

// single has the kinds of one byte.
var single = [256]kind{'*': kindStar, '(': kindOpen, ')': kindClose, ',': kindComma, ':': kindColon, ';': kindSemicolon, '<': kindLess, '>': kindGreater}

// A lexer cuts a text into tokens.
type lexer struct {
	text      string
	at        int   // the next byte
	line      int   // its line, from 1
	lineStart int   // the offset of the line's first byte
	long      token // the last string that goes over the end of a line, since its quotes may be wrong
}

func newLexer(text string) lexer {
	l := lexer{text: text, line: 1}
	if strings.HasPrefix(text, "\ufeff") { // some editors begin a file with a mark
		l.at = len("\ufeff")
	}
	return l
}

// newline notes that the byte at offset i ends a line.
func (l *lexer) newline(i int) { l.line, l.lineStart = l.line+1, i+1 }

// next reads one token into t.
func (l *lexer) next(t *token) {
	l.skip()
	*t = token{start: l.at, pos: Pos{l.line, l.at - l.lineStart + 1}}
	if l.at == len(l.text) {
		return
	}
	c := l.text[l.at]
	switch {
	case class[c]&letter != 0:
		t.kind, t.text = kindName, l.run(letter|digit)
	case single[c] != 0:
		t.kind = single[c]
		l.at++
	case c == '"' || c == '`':
		l.quoted(t, c)
	case c == '-' && l.peek(1) == '>':
		t.kind = kindArrow
		l.at += 2
	case class[c]&digit != 0 || c == '.' || c == '-':
		l.number(t)
	case c == '&' && l.peek(1) == '&':
		t.kind = kindAnd
		l.at += 2
	case c == '/':
		l.regexp(t)
	default:
		l.unknown(t)
	}
}

// peek is the n-th byte from here, or 0 behind the end.
func (l *lexer) peek(n int) byte {
	if l.at+n < len(l.text) {
		return l.text[l.at+n]
	}
	return 0
}

// skip passes over white space and comments.
func (l *lexer) skip() {
	i, text := l.at, l.text // in registers
	for ; i < len(text); i++ {
		c := text[i]
		if c == '\n' {
			l.newline(i)
		} else if c == '/' && i+1 < len(text) && text[i+1] == '/' {
			end := strings.IndexByte(text[i:], '\n')
			if end < 0 {
				i = len(text)
				break
			}
			i += end
			l.newline(i)
		} else if class[c]&space == 0 {
			break
		}
	}
	l.at = i
}

// run passes over bytes of the given classes.
func (l *lexer) run(classes uint8) string {
	rest := l.text[l.at:]
	n := 0
	for n < len(rest) && class[rest[n]]&classes != 0 {
		n++
	}
	l.at += n
	return rest[:n]
}

// number reads [-] digits [. digits] [e [+-] digits]; the digits before the point can be missing.
func (l *lexer) number(t *token) {
	from := l.at
	if l.text[l.at] == '-' {
		l.at++
	}
	digits := l.run(digit)
	if l.peek(0) == '.' {
		l.at++
		digits = l.run(digit)
	}
	if e := l.peek(0); digits != "" && (e == 'e' || e == 'E') {
		if sign := l.peek(1); sign == '+' || sign == '-' {
			l.at++
		}
		l.at++
		digits = l.run(digit)
	}
	if t.text = l.text[from:l.at]; digits == "" {
		t.kind, t.text = kindBad, fmt.Sprintf("%q, which is no number", clip(t.text))
		return
	}
	t.kind = kindNumber
}

// value is the number that a token is. It can only fail by being too large.
func (t *token) value() (float64, error) { return strconv.ParseFloat(t.text, 64) }

// quoted reads a string. Most have no escape, and are pieces of the text.
func (l *lexer) quoted(t *token, quote byte) {
	text := l.text // in a register
	for i := l.at + 1; i < len(text); i++ {
		switch c := text[i]; {
		case c > '\\' && c != quote: // most letters
		case c == quote:
			t.kind, t.text = kindString, text[l.at+1:i]
			l.ends(t, i+1)
			return
		case c == '\n':
			l.newline(i)
		case c == '\\':
			l.escaped(t, quote, i)
			return
		}
	}
	l.endless(t, "string", quote)
}

// ends is a string that ends before an offset.
func (l *lexer) ends(t *token, at int) {
	if l.at = at; l.line > t.pos.Line {
		l.long = *t
	}
}

// endless is a token whose closing quote is missing. Only its first byte is read, so that recovery decides for itself.
func (l *lexer) endless(t *token, what string, quote byte) {
	t.kind, t.text = kindBad, fmt.Sprintf("a %s without an end: a closing %c is missing", what, quote)
	l.at, l.line, l.lineStart = t.start+1, t.pos.Line, t.start+1-t.pos.Column
}

// escapes are the control characters that a letter after a backslash stands for.
var escapes = [256]byte{'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v'}

// escaped reads a string whose first backslash is at offset i.
func (l *lexer) escaped(t *token, quote byte, i int) {
	b := append(make([]byte, 0, i-l.at+64), l.text[l.at+1:i]...)
	for ; i < len(l.text); i++ {
		c := l.text[i]
		if c == '\\' && i+1 < len(l.text) {
			i++
			switch c = l.text[i]; {
			case escapes[c] != 0:
				c = escapes[c]
			case c != quote && c != '\\':
				b = append(b, '\\')
				if c == '\n' {
					l.newline(i)
				}
			}
			b = append(b, c)
			continue
		}
		switch c {
		case quote:
			t.kind, t.text = kindString, string(b)
			l.ends(t, i+1)
			return
		case '\n':
			l.newline(i)
		}
		b = append(b, c)
	}
	l.endless(t, "string", quote)
}

// regexp reads /.../. In [...] a slash is one of the set.
func (l *lexer) regexp(t *token) {
	from := l.at + 1
	var b []byte // what was read before from; nil as long as all of it is one piece of the text
	inSet := false
	for i := from; i < len(l.text); i++ {
		switch c := l.text[i]; {
		case c == '\\' && i+1 < len(l.text):
			i++
			switch l.text[i] {
			case '\\', '/':
				b = append(b, l.text[from:i-1]...)
				from = i
			case '\n':
				l.newline(i)
			}
		case c == '[':
			inSet = true
		case c == ']':
			inSet = false
		case c == '\n':
			l.newline(i)
		case c == '/' && !inSet:
			t.kind, t.text = kindRegexp, l.text[from:i]
			if b != nil {
				t.text = string(append(b, t.text...))
			}
			l.at = i + 1
			return
		}
	}
	l.endless(t, "regular expression", '/')
}

// unknown is a byte that begins nothing.
func (l *lexer) unknown(t *token) {
	c := l.text[l.at]
	l.at++
	t.kind = kindBad
	switch {
	case c == '&' || c == '|':
		t.text = fmt.Sprintf("%c; predicates are joined by &&", c)
	case c == '\'':
		t.text = "'; strings are in double quotes or in backquotes"
	case c == '#':
		t.text = "#; a comment begins with //"
	case c >= 0x80:
		t.text = "a character that is not ASCII, which can be in strings and comments only"
	default:
		t.text = fmt.Sprintf("%q", c)
	}
}

// describe says what a token is, in a message.
func (l *lexer) describe(t *token) string {
	switch t.kind {
	case kindBad:
		return t.text
	case kindName, kindNumber:
		return clip(t.text)
	case kindString:
		return "the string " + clip(strconv.Quote(t.text))
	case kindRegexp:
		return "the regular expression /" + clip(t.text) + "/"
	}
	return spelling[t.kind]
}

// clip keeps messages short, whatever somebody wrote.
func clip(s string) string {
	if len(s) > 40 {
		s = s[:37] + "..."
	}
	return strings.ToValidUTF8(s, "?")
}
