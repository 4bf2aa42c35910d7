package predicates

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// A pattern is a regular expression, or the simpler thing that it comes to. Most of those in route files do:
//
//	^www\.example\.org$   equal to a text          some 10 ns, where regexp takes 100 to 500
//	^www\.                begins with it
//	\.org$                ends with it
//	example               contains it
//	^api-\d+\.            begins with api- (which rules most hosts out), and then the expression
type pattern struct {
	shape shape
	fold  bool   // upper and lower case are one, among ASCII letters
	text  string // what shape is about
	re    *regexp.Regexp
	whole bool // general: re matches text itself, so that www.example.org is not asked for the port of ^www[.]example[.]org(:\d+)?$
}

type shape uint8

const (
	contains shape = 0
	begins   shape = 1
	ends     shape = 2
	equals   shape = begins | ends
	general  shape = 4 // and begins with text
)

// newPattern compiles an expression.
func newPattern(expr string) (pattern, error) {
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return pattern{}, err
	}
	if p, ok := simple(tree); ok {
		return p, nil
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return pattern{}, err
	}
	p := pattern{shape: general, re: re}
	if parts := flatten(tree, nil); parts[0].Op == syntax.OpBeginText {
		p.text, p.fold, _ = literal(parts[1:])
		p.whole = re.MatchString(p.text)
	}
	return p, nil
}

// simple is the pattern of a tree that is a literal, perhaps with an anchor on either side.
func simple(tree *syntax.Regexp) (p pattern, ok bool) {
	parts := flatten(tree, nil)
	if len(parts) > 0 && parts[0].Op == syntax.OpBeginText {
		p.shape, parts = begins, parts[1:]
	}
	if n := len(parts); n > 0 && parts[n-1].Op == syntax.OpEndText {
		p.shape, parts = p.shape|ends, parts[:n-1]
	}
	var n int
	p.text, p.fold, n = literal(parts)
	if p.fold && (p.shape == contains || p.shape == ends) {
		return pattern{}, false // rare, and not worth a loop of our own
	}
	return p, n == len(parts)
}

// flatten is the sequence that a tree is, without groups: what they capture is not asked.
func flatten(tree *syntax.Regexp, parts []*syntax.Regexp) []*syntax.Regexp {
	switch tree.Op {
	case syntax.OpCapture, syntax.OpConcat:
		for _, sub := range tree.Sub {
			parts = flatten(sub, parts)
		}
		return parts
	case syntax.OpEmptyMatch:
		return parts
	}
	return append(parts, tree)
}

// literal is the text that the first n parts are. Only ASCII folds: other letters change their length when they do. What is
// not text matches the replacement character in an expression, and nothing in a comparison.
func literal(parts []*syntax.Regexp) (text string, fold bool, n int) {
	for _, part := range parts {
		s := string(part.Rune)
		folds := part.Flags&syntax.FoldCase != 0
		if part.Op != syntax.OpLiteral || strings.ContainsRune(s, utf8.RuneError) || folds && !isASCII(s) {
			break
		}
		if folds != fold && hasCase(s) { // parts of both kinds go together if one has no letters
			if hasCase(text) {
				break
			}
			fold = folds
		}
		text += s
		n++
	}
	return text, fold, n
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(c rune) bool { return c >= utf8.RuneSelf }) < 0
}

func hasCase(s string) bool { return strings.ToLower(s) != strings.ToUpper(s) }

// match tells whether the expression matches s.
func (p *pattern) match(s string) bool {
	switch p.shape {
	case contains:
		return strings.Contains(s, p.text)
	case begins:
		return p.isPrefix(s)
	case ends:
		return strings.HasSuffix(s, p.text)
	case equals:
		return len(s) == len(p.text) && p.isPrefix(s)
	}
	if !p.isPrefix(s) {
		return false
	}
	if p.text != "" && len(s) == len(p.text) {
		return p.whole
	}
	return p.re.MatchString(s)
}

func (p *pattern) isPrefix(s string) bool {
	if len(s) < len(p.text) {
		return false
	}
	if s = s[:len(p.text)]; p.fold {
		return strings.EqualFold(s, p.text)
	}
	return s == p.text
}
