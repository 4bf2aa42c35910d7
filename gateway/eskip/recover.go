package eskip

import "strings"

// recover goes on behind the next semicolon that ends a route, after a mistake that is at the next token.
//
// Tokens do not help to find it: when a quote is missing, every string from there on is outside
// in, and the semicolon of this route is inside. So the line of the mistake is scanned anew, and quotes count in
// pairs and within a line only, which is where nearly all strings end:
//
//	a: Path("/x) -> "http://a";
//	        ^-------^            a pair
//	                         ^   a quote without its pair is passed over,
//	                          ^  and here is the semicolon
//
// If a string of the route goes over several lines, the scan begins where the string does: it may be the mistake itself.
func (p *parser) recover() {
	mistake := p.tok
	if p.long.kind == kindString && p.long.start >= p.from {
		mistake = p.long
	} else if mistake.kind == kindSemicolon || mistake.kind == kindEnd {
		return
	}
	at := max(strings.LastIndexByte(p.text[:mistake.start], '\n')+1, p.from)
	for at < len(p.text) && (p.text[at] != ';' || at < mistake.start) {
		at += p.stride(at)
	}
	p.resume(mistake, at)
}

// stride is how far the scan goes at once: over a string, a comment, or one byte.
func (p *parser) stride(at int) int {
	switch c := p.text[at]; {
	case c == '"' || c == '`':
		return pair(p.text[at:], c)
	case c == '/' && strings.HasPrefix(p.text[at:], "//") && (at == 0 || p.text[at-1] != ':'): // an http:// is no comment
		if end := strings.IndexByte(p.text[at:], '\n'); end > 0 {
			return end
		}
		return len(p.text) - at
	}
	return 1
}

// pair is the length of the string that s begins with, or 1 if it does not end in its line.
func pair(s string, quote byte) int {
	for i := 1; i < len(s) && s[i] != '\n'; i++ {
		switch s[i] {
		case '\\':
			i++
		case quote:
			return i + 1
		}
	}
	return 1
}

// resume reads on at an offset, which is at or behind the token.
func (p *parser) resume(behind token, at int) {
	p.at, p.line, p.lineStart = behind.start, behind.pos.Line, behind.start+1-behind.pos.Column
	for ; p.at < at; p.at++ {
		if p.text[p.at] == '\n' {
			p.newline(p.at)
		}
	}
	p.advance()
}
