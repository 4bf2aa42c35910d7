// A query's text, cut into tokens.

package coprocessor

import (
	"strconv"
	"strings"
)

type tokenKind uint8

const (
	tokEnd    tokenKind = iota
	tokWord             // a keyword or a name
	tokName             // a name in quotes
	tokNumber           // digits, perhaps with a point and an exponent
	tokString           // text in single quotes, here without them
	tokSign             // an operator, comma or parenthesis
	tokBad              // what cannot be cut; err says why
)

type token struct {
	kind tokenKind
	text string
	pos  int // in bytes from 1
	err  error
}

// isName reports whether it may be the name of a table, a column or a result.
func (t token) isName() bool {
	return t.kind == tokName || t.kind == tokWord && !keywords[strings.ToUpper(t.text)]
}

// is reports whether a token is that keyword or sign; keywords are in capitals.
func (t token) is(s string) bool {
	return t.kind == tokSign && t.text == s || t.kind == tokWord && strings.EqualFold(t.text, s)
}

// String is how an error speaks of it.
func (t token) String() string {
	switch t.kind {
	case tokEnd:
		return "the end of the text"
	case tokString:
		return StringValue(t.text).String()
	case tokName:
		return quoteName(t.text)
	}
	return strconv.Quote(t.text)
}

// keywords cannot be names unless they are quoted.
var keywords = map[string]bool{
	"SELECT": true, "FROM": true, "WHERE": true, "GROUP": true, "BY": true, "HAVING": true, "ORDER": true,
	"LIMIT": true, "AS": true, "ASC": true, "DESC": true, "AND": true, "OR": true, "NOT": true, "IS": true,
	"NULL": true, "IN": true, "LIKE": true, "BETWEEN": true, "TRUE": true, "FALSE": true, "EXPLAIN": true,
	// These are in no query here, and to take one for a name would hide the reason.
	"JOIN": true, "INNER": true, "LEFT": true, "RIGHT": true, "FULL": true, "CROSS": true, "ON": true,
	"USING": true, "DISTINCT": true, "UNION": true, "EXCEPT": true, "INTERSECT": true, "OFFSET": true,
	"CASE": true, "CAST": true, "EXISTS": true, "OVER": true, "WITH": true, "ESCAPE": true, "ILIKE": true,
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isWord(c byte, first bool) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || !first && isDigit(c)
}

// lexer gives one token after the other.
type lexer struct {
	text string
	at   int
}

func (l *lexer) next() token {
	for l.at < len(l.text) && strings.IndexByte(" \t\r\n", l.text[l.at]) >= 0 {
		l.at++
	}
	t := token{pos: l.at + 1}
	rest := l.text[l.at:]
	if rest == "" {
		return t
	}
	n := 1
	switch c := rest[0]; {
	case isWord(c, true):
		for n < len(rest) && isWord(rest[n], false) {
			n++
		}
		t.kind, t.text = tokWord, rest[:n]
	case isDigit(c) || c == '.' && len(rest) > 1 && isDigit(rest[1]):
		n = numberLen(rest)
		t.kind, t.text = tokNumber, rest[:n]
		if n < len(rest) && isWord(rest[n], true) {
			return t.bad("a number is followed by a letter: %q", rest[:n+1])
		}
	case c == '\'' || c == '"':
		var ok bool
		if t.text, n, ok = quoted(rest); !ok {
			return t.bad("the quote %c is not closed", c)
		}
		t.kind = tokString
		if c == '"' {
			t.kind = tokName
		}
		if c == '"' && t.text == "" {
			return t.bad(`"" is no name`)
		}
	default:
		for _, two := range [...]string{"<=", ">=", "<>", "!="} {
			if strings.HasPrefix(rest, two) {
				n = 2
			}
		}
		if n == 1 && strings.IndexByte("=<>+-*/%(),;", c) < 0 {
			return t.bad("%q means nothing here", firstRune(rest))
		}
		t.kind, t.text = tokSign, rest[:n]
	}
	l.at += n
	return t
}

// bad is a token that fits nowhere, so that whoever meets it reports the error.
func (t token) bad(format string, args ...any) token {
	return token{kind: tokBad, pos: t.pos, err: queryErrorf(t.pos, format, args...)}
}

func firstRune(s string) string {
	for i := range s {
		if i > 0 {
			return s[:i]
		}
	}
	return s
}

// numberLen is the length of the number that s begins with.
func numberLen(s string) int {
	n := 0
	digits := func() {
		for n < len(s) && isDigit(s[n]) {
			n++
		}
	}
	digits()
	if n < len(s) && s[n] == '.' {
		n++
		digits()
	}
	if n < len(s) && (s[n] == 'e' || s[n] == 'E') {
		before := n
		n++
		if n < len(s) && (s[n] == '+' || s[n] == '-') {
			n++
		}
		from := n
		digits()
		if n == from {
			n = before
		}
	}
	return n
}

// quoted takes the text in quotes that s begins with; a quote within is doubled.
func quoted(s string) (text string, n int, ok bool) {
	q := s[0]
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] == q {
			if i+1 == len(s) || s[i+1] != q {
				return b.String(), i + 1, true
			}
			i++
		}
		b.WriteByte(s[i])
	}
	return "", 0, false
}
