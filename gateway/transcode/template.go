package transcode

import (
	"fmt"
	"strings"
)

// A Template is a path template of google.api.http:
//
//	Template  = "/" [ Segments ] [ ":" Literal ]       the last is the verb
//	Segments  = Segment { "/" Segment }
//	Segment   = "*" | "**" | Literal | Variable
//	Variable  = "{" FieldPath [ "=" Segments ] "}"     {name} is {name=*}
//	FieldPath = Ident { "." Ident }
//
// * is one segment, which is not empty. ** is any number of them, and the last.
//
//	/v1/{name=shelves/*/books/*}:cancel
//
//	segments    v1  shelves  *  books  *
//	variable        |------ name -----|
//	verb        cancel
type Template struct {
	segments  []string // literals as they are sent, or "*", or "**"
	variables []variable
	verb      string
}

// A variable is a field that has the segments from first up to last as its value.
type variable struct {
	field       string // "shelf.name"
	column      int    // in the template, from 1
	first, last int
	many        bool // ends with **: all that is left
}

// A TemplateError says where a template is wrong. Column counts bytes, from 1.
type TemplateError struct {
	Template string
	Column   int
	Msg      string
}

func (e *TemplateError) Error() string {
	return fmt.Sprintf("path template %q: column %d: %s", e.Template, e.Column, e.Msg)
}

// ParseTemplate reads a path template. Its error is a *TemplateError.
func ParseTemplate(text string) (*Template, error) {
	p := templateParser{text: text}
	if err := p.template(); err != nil {
		return nil, err
	}
	return &p.t, nil
}

// String writes the template in its shortest form.
func (t *Template) String() string {
	var b strings.Builder
	next := 0
	write := func(until int) {
		for ; next < until; next++ {
			b.WriteByte('/')
			b.WriteString(t.segments[next])
		}
	}
	for _, v := range t.variables {
		write(v.first)
		b.WriteString("/{" + v.field)
		if value := strings.Join(t.segments[v.first:v.last], "/"); value != "*" {
			b.WriteString("=" + value)
		}
		b.WriteByte('}')
		next = v.last
	}
	write(len(t.segments))
	if b.Len() == 0 {
		b.WriteByte('/')
	}
	if t.verb != "" {
		b.WriteString(":" + t.verb)
	}
	return b.String()
}

type templateParser struct {
	text string
	pos  int
	t    Template
}

func (p *templateParser) errorf(pos int, format string, args ...any) error {
	return &TemplateError{Template: p.text, Column: pos + 1, Msg: fmt.Sprintf(format, args...)}
}

// peek is the next byte, or 0 at the end; a 0 in the text is no byte of any template either.
func (p *templateParser) peek() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

func (p *templateParser) accept(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.pos++
	return true
}

// unexpected says what was found in the place of what is wanted.
func (p *templateParser) unexpected(want string) error {
	if p.pos >= len(p.text) {
		return p.errorf(p.pos, "it ends where %s should be", want)
	}
	return p.errorf(p.pos, "%q where %s should be", p.text[p.pos], want)
}

func (p *templateParser) template() error {
	if !p.accept('/') {
		return p.unexpected("/")
	}
	if p.pos < len(p.text) {
		if err := p.segments(false); err != nil {
			return err
		}
	}
	if p.accept(':') {
		verb, err := p.literal("a verb")
		if err != nil {
			return err
		}
		p.t.verb = verb
	}
	if p.pos < len(p.text) {
		return p.unexpected("/, a verb or the end")
	}
	return nil
}

func (p *templateParser) segments(inVariable bool) error {
	for {
		if n := len(p.t.segments); n > 0 && p.t.segments[n-1] == "**" {
			return p.errorf(p.pos, "a segment after **, which must be the last")
		}
		if err := p.segment(inVariable); err != nil {
			return err
		}
		if !p.accept('/') {
			return nil
		}
	}
}

func (p *templateParser) segment(inVariable bool) error {
	switch {
	case p.accept('*'):
		if p.accept('*') {
			p.t.segments = append(p.t.segments, "**")
		} else {
			p.t.segments = append(p.t.segments, "*")
		}
		return nil
	case p.peek() == '{' && inVariable:
		return p.errorf(p.pos, "a variable inside a variable")
	case p.accept('{'):
		return p.variable()
	}
	text, err := p.literal("a segment")
	if err != nil {
		return err
	}
	p.t.segments = append(p.t.segments, text)
	return nil
}

// variable parses what follows the brace.
func (p *templateParser) variable() error {
	v := variable{column: p.pos + 1, first: len(p.t.segments)}
	var err error
	if v.field, err = p.fieldPath(); err != nil {
		return err
	}
	for _, other := range p.t.variables {
		if other.field == v.field {
			return p.errorf(v.column-1, "variable %s for the second time", v.field)
		}
	}
	if p.accept('=') {
		if err := p.segments(true); err != nil {
			return err
		}
	} else {
		p.t.segments = append(p.t.segments, "*")
	}
	if !p.accept('}') {
		return p.unexpected("the } of variable " + v.field)
	}
	v.last = len(p.t.segments)
	v.many = p.t.segments[v.last-1] == "**"
	p.t.variables = append(p.t.variables, v)
	return nil
}

func (p *templateParser) fieldPath() (string, error) {
	start := p.pos
	for {
		at := p.pos
		for isLetter(p.peek()) || p.pos > at && isDigit(p.peek()) {
			p.pos++
		}
		if p.pos == at {
			return "", p.unexpected("a field's name")
		}
		if !p.accept('.') {
			return p.text[start:p.pos], nil
		}
	}
}

// literal parses what RFC 3986 lets a path segment be made of (pchar), without the * and : that mean
// something here, and without the = that would make {a=b=c} a riddle.
func (p *templateParser) literal(what string) (string, error) {
	start := p.pos
	for p.pos < len(p.text) {
		c := p.text[p.pos]
		if c == '%' {
			if p.pos+2 >= len(p.text) || !isHex(p.text[p.pos+1]) || !isHex(p.text[p.pos+2]) {
				return "", p.errorf(p.pos, "%% without two hexadecimal digits")
			}
			p.pos += 3
			continue
		}
		if !isLetter(c) && !isDigit(c) && strings.IndexByte("-.~!$&'()+,;@", c) < 0 {
			break
		}
		p.pos++
	}
	if p.pos == start {
		return "", p.unexpected(what)
	}
	return p.text[start:p.pos], nil
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isHex(c byte) bool    { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }
