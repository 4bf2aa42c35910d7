package eskip

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Parse reads the routes of a text; file is its name, for messages only. The error is an [ErrorList];
// the routes that come with it are those that could be read, for whoever wants to say what else is
// wrong with them. The routes' strings are pieces of text.
func Parse(file, text string) ([]*Route, error) {
	p := parser{lexer: newLexer(text), file: file}
	p.advance()
	p.routes()
	if len(p.errs) > 0 {
		// Recovery can go back to a quote, and the id that is missing is told last.
		slices.SortStableFunc(p.errs, func(a, b *Error) int { return cmp.Or(a.Pos.Line-b.Pos.Line, a.Pos.Column-b.Pos.Column) })
		return p.read, p.errs
	}
	return p.read, nil
}

// A parser looks at one token at a time. A function that meets something that does not fit
// notes the error and returns false, and so do all that called it, up to the list of routes.
type parser struct {
	lexer
	tok  token
	file string
	from int // the offset of the route that is being read
	errs ErrorList
	read []*Route

	boxes     boxes
	routeSlab slab[Route]
	calls     slab[Call] // of a route's predicates, then of its filters
	args      slab[any]
	addresses slab[string]
}

func (p *parser) advance() { p.next(&p.tok) }

// take passes over a token if it is next.
func (p *parser) take(k kind) bool {
	if p.tok.kind != k {
		return false
	}
	p.advance()
	return true
}

// fail notes an error, and is false.
func (p *parser) fail(pos Pos, format string, args ...any) bool {
	if len(p.errs) < MaxErrors {
		p.errs = append(p.errs, &Error{File: p.file, Pos: pos, Msg: fmt.Sprintf(format, args...), line: lineOf(p.text, pos.Line)})
	}
	return false
}

// lineOf is the line of that number.
func lineOf(text string, line int) string {
	for ; line > 1; line-- {
		_, text, _ = strings.Cut(text, "\n")
	}
	text, _, _ = strings.Cut(text, "\n")
	return strings.TrimSuffix(text, "\r")
}

// expected is the error about the token that is next.
func (p *parser) expected(what string) bool {
	found, hint := p.describe(&p.tok), ""
	if long := p.long; long.start >= p.from && long.kind == kindString {
		hint = fmt.Sprintf(" (the string that begins at %v ends in another line: is a quote missing?)", long.pos)
	}
	return p.fail(p.tok.pos, "expected %s, found %s%s", what, found, hint)
}

// text = route [;] | {[id : route] ;}
func (p *parser) routes() {
	var anonymous *Route
	for p.tok.kind != kindEnd && len(p.errs) < MaxErrors {
		if p.take(kindSemicolon) {
			continue
		}
		p.from = p.tok.start
		p.routeSlab.push(Route{Pos: p.tok.pos, File: p.file})
		r := &p.routeSlab.cut()[0]
		if !p.route(r) {
			p.calls.cut() // what was begun belongs to nobody
			p.args.cut()
			p.addresses.cut()
			p.recover()
			continue
		}
		if p.read = append(p.read, r); r.ID == "" && anonymous == nil {
			anonymous = r
		}
		if p.tok.kind != kindSemicolon && p.tok.kind != kindEnd && !p.expected("; after a route") && p.tok.kind != kindName {
			p.recover() // but a name begins a route: only the semicolon is missing
		}
	}
	if anonymous != nil && len(p.read) > 1 {
		p.fail(anonymous.Pos, "a route without an id can only be alone: begin it with a name and a colon")
	}
}

// route = [id :] when {-> call} -> backend
func (p *parser) route(r *Route) bool {
	if p.tok.kind != kindName && p.tok.kind != kindStar {
		return p.expected("a route, such as home: Path(\"/\") -> \"http://localhost:8080\"")
	}
	first := p.tok
	if p.take(kindName) && p.take(kindColon) {
		r.ID, first = first.text, token{}
	}
	if !p.when(first) {
		return false
	}
	r.Predicates = p.calls.cut()
	for p.take(kindArrow) {
		if p.tok.kind != kindName {
			r.Filters = p.calls.cut()
			return p.backend(&r.Backend)
		}
		name := p.tok
		p.advance()
		if !p.call(name) {
			return false
		}
	}
	return p.expected("-> and a filter or, at the route's end, a backend")
}

// when = term {&& term}; term = * | call. The name of the first one may have been read already.
func (p *parser) when(first token) bool {
	for {
		if first.kind != kindName {
			if first = p.tok; first.kind != kindName && first.kind != kindStar {
				return p.expected("a predicate, such as Path(\"/\"), or *")
			}
			p.advance()
		}
		if first.kind == kindName {
			if !p.call(first) {
				return false
			}
			if last := len(p.calls.open) - 1; first.text == "Any" && p.calls.open[last].Args == nil { // the old name of *
				p.calls.open = p.calls.open[:last]
			}
		}
		switch {
		case p.tok.kind == kindArrow:
			return true
		case !p.take(kindAnd):
			return p.expected("&& or ->")
		}
		first = token{}
	}
}

// call = name ( [arg {, arg}] ). The name has been read.
func (p *parser) call(name token) bool {
	if !p.take(kindOpen) {
		what := "( after the name " + clip(name.text)
		if p.tok.start == name.start+len(name.text) && p.tok.kind != kindEnd {
			what += ", which is made of letters, digits and _"
		}
		return p.expected(what)
	}
	for p.tok.kind != kindClose || len(p.args.open) > 0 {
		switch p.tok.kind {
		case kindString, kindRegexp:
			p.args.push(p.boxes.string(p.tok.text))
		case kindNumber:
			v, err := p.tok.value()
			if err != nil {
				return p.fail(p.tok.pos, "%s is too large for a number (float64)", clip(p.tok.text))
			}
			p.args.push(p.boxes.number(v))
		default:
			return p.expected("an argument: a number, a string or a regular expression")
		}
		p.advance()
		if p.tok.kind == kindClose {
			break
		}
		if !p.take(kindComma) {
			return p.expected(", or )")
		}
	}
	p.advance()
	p.calls.push(Call{Name: name.text, Args: p.args.cut(), Pos: name.pos})
	return true
}
