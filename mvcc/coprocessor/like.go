// LIKE: % is any text, _ is one character, and \ takes the next one as it is.

package coprocessor

import (
	"bytes"
	"unicode/utf8"
)

// pattern is a LIKE pattern: texts with a % between one and the next. The first is at
// the start of what matches, the last at its end; that is, a pattern with % at an end has an
// empty text there.
//
//	'ab%c_'   texts  'ab'  'c_'
//	'%x%'     texts  ''  'x'  ''
type pattern struct {
	texts []likeText
}

// likeText is bytes, some of which stand for any character.
type likeText struct {
	text []byte
	wild []bool // nil: none
}

// checkPattern refuses a pattern whose last character takes the next as it is.
func checkPattern(e *Expr) error {
	s := e.Value.Str
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			if i++; i == len(s) {
				return queryErrorf(e.Pos, `the pattern %v ends with a \, which takes the character after it as it is: \\ is one \`, e)
			}
		}
	}
	return nil
}

func parsePattern(s string) pattern {
	p := pattern{texts: make([]likeText, 1)}
	for i := 0; i < len(s); i++ {
		t := &p.texts[len(p.texts)-1]
		wild := false
		switch c := s[i]; {
		case c == '%':
			p.texts = append(p.texts, likeText{})
			continue
		case c == '_':
			wild = true
		case c == '\\' && i+1 < len(s):
			i++
		}
		if wild && t.wild == nil {
			t.wild = make([]bool, len(t.text))
		}
		if t.wild != nil {
			t.wild = append(t.wild, wild)
		}
		t.text = append(t.text, s[i])
	}
	return p
}

// match reports whether all of b is as the pattern says. Taking each text where
// it is found first leaves the most for those that follow, so there is no going back.
func (p *pattern) match(b []byte) bool {
	first, last := &p.texts[0], &p.texts[len(p.texts)-1]
	n, ok := first.at(b)
	if !ok {
		return false
	}
	b = b[n:]
	if len(p.texts) == 1 {
		return len(b) == 0
	}
	for i := 1; i < len(p.texts)-1; i++ {
		if b, ok = p.texts[i].find(b); !ok {
			return false
		}
	}
	return last.ends(b)
}

// at matches at the start of b, and returns how much it takes.
func (t *likeText) at(b []byte) (n int, ok bool) {
	if t.wild == nil {
		return len(t.text), bytes.HasPrefix(b, t.text)
	}
	for i, c := range t.text {
		switch {
		case n == len(b):
			return 0, false
		case t.wild[i]:
			_, size := utf8.DecodeRune(b[n:])
			n += size
		case b[n] != c:
			return 0, false
		default:
			n++
		}
	}
	return n, true
}

// find returns what comes after the first place where it matches.
func (t *likeText) find(b []byte) (rest []byte, ok bool) {
	if t.wild == nil {
		i := bytes.Index(b, t.text)
		if i < 0 {
			return nil, false
		}
		return b[i+len(t.text):], true
	}
	for {
		if n, ok := t.at(b); ok {
			return b[n:], true
		}
		if len(b) == 0 {
			return nil, false
		}
		_, size := utf8.DecodeRune(b)
		b = b[size:]
	}
}

// ends reports whether it matches at the end of b: from the last character back.
func (t *likeText) ends(b []byte) bool {
	if t.wild == nil {
		return bytes.HasSuffix(b, t.text)
	}
	for i := len(t.text) - 1; i >= 0; i-- {
		switch n := len(b); {
		case n == 0:
			return false
		case t.wild[i]:
			_, size := utf8.DecodeLastRune(b)
			b = b[:n-size]
		case b[n-1] != t.text[i]:
			return false
		default:
			b = b[:n-1]
		}
	}
	return true
}
