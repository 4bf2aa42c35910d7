package route

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// A pattern is the argument of Path or PathSubtree: where the route hangs in the tree, and how its
// wildcards are called.
//
//	:name    one segment that is not empty
//	*name    all that is left, at least one byte; at the end only; * and ** are called "*"
//
// A trailing slash counts: Path("/a") is not Path("/a/"). PathSubtree("/a") is /a, /a/ and all below.
// Literal segments are percent-decoded as those of requests are, so that a path can be written as in a browser.
type pattern struct {
	places []place
	names  []string
	free   bool // the last name is a free wildcard's
}

var errPattern = errors.New(`a path begins with a slash, as in "/shop/:item"`)

// parsePattern reads a pattern.
func parsePattern(text string, subtree bool) (pattern, error) {
	if text == "" || text[0] != '/' {
		return pattern{}, errPattern
	}
	var p pattern
	var key strings.Builder
	key.Grow(len(text))
	var buffer [maxWildcards]string
	segments := resolvePattern(buffer[:0], text)
	for i, segment := range segments {
		last := i == len(segments)-1
		switch {
		case segment != "" && segment[0] == '*':
			if !last {
				return pattern{}, fmt.Errorf("%s takes all that is left: nothing can follow it", segment)
			}
			p.free = true
			p.names = append(p.names, freeName(segment))
			key.WriteByte('/')
		case segment == ":":
			return pattern{}, errors.New("a wildcard has a name, as in /:item")
		case segment != "" && segment[0] == ':':
			p.names = append(p.names, segment[1:])
			key.WriteByte('/')
			key.WriteByte(param)
		default:
			literal, err := matchLiteral(segment)
			if err != nil {
				return pattern{}, err
			}
			key.WriteByte('/')
			key.WriteString(literal)
		}
	}
	if subtree && !p.free {
		p.free = true
		p.names = append(p.names, "*")
	}
	p.places = places(key.String(), p.free, subtree)
	return p, p.checkNames()
}

// resolvePattern appends the segments of a pattern, and resolves it like a path (M2): what a canonical
// path cannot have would never match.
func resolvePattern(segments []string, text string) []string {
	var segment string
	for rest, more := text[1:], true; more; {
		segment, rest, more = strings.Cut(rest, "/")
		switch n := dots(segment, true); {
		case n == 2:
			segments = segments[:max(len(segments)-1, 0)]
		case n == 0 && segment != "":
			segments = append(segments, segment)
		}
	}
	if len(segments) == 0 || segment == "" || dots(segment, true) > 0 {
		segments = append(segments, "")
	}
	return segments
}

func freeName(segment string) string {
	if name := segment[1:]; name != "" {
		return name // "*" for **
	}
	return "*"
}

// matchLiteral is a literal segment in match form.
func matchLiteral(segment string) (string, error) {
	if strings.IndexByte(segment, '%') < 0 && !strings.ContainsAny(segment, "\x00\\") {
		return segment, nil
	}
	decoded, err := url.PathUnescape(segment)
	if err != nil {
		return "", fmt.Errorf("%q is no percent-encoding; a percent sign itself is written %%25", segment)
	}
	if strings.ContainsAny(decoded, "\x00\\") {
		return "", fmt.Errorf("%q has NUL or a backslash, and requests that have one are refused", segment)
	}
	return strings.ReplaceAll(decoded, "/", `\`), nil
}

// places is where a pattern hangs. A key with a free wildcard ends with the slash before it.
func places(key string, free, subtree bool) []place {
	switch base := strings.TrimSuffix(key, "/"); {
	case subtree && base == "":
		return []place{{"/", false}, {"/", true}}
	case subtree:
		key = base + "/"
		return []place{{base, false}, {key, false}, {key, true}}
	}
	return []place{{key, free}}
}

func (p *pattern) checkNames() error {
	if len(p.names) > maxWildcards {
		return fmt.Errorf("a path has at most %d wildcards, and this one has %d", maxWildcards, len(p.names))
	}
	for i, name := range p.names {
		if slices.Contains(p.names[:i], name) {
			return fmt.Errorf("two wildcards are called %s", name)
		}
	}
	return nil
}
