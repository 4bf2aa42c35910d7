package transcode

import (
	"slices"
	"strings"
)

// A node of the tree of templates stands for a sequence of segments. Every sequence has one
// node, so that a walk that has to go back still sees each node at most once.
//
//	/v1/shelves/{shelf}         v1 -- shelves -- *            GET, DELETE
//	/v1/shelves/{shelf}:merge                                 POST, verb merge
//	/v1/{name=**}                `- **                        GET
type node struct {
	literals map[string]*node
	star     *node
	leaves   []leaf // templates that end here
	rest     []leaf // templates that end here with **
}

// A leaf is a binding at the end of its template.
type leaf struct {
	verb, method string // method may be "*"
	binding      *Binding
}

// insert adds a binding, or returns the one that is in its place: the same segments, verb and method.
func (n *node) insert(b *Binding) (taken *Binding) {
	leaves := &n.leaves
	for _, segment := range b.template.segments {
		switch segment {
		case "**":
			leaves = &n.rest
			continue // it is the last
		case "*":
			if n.star == nil {
				n.star = new(node)
			}
			n = n.star
		default:
			if n.literals == nil {
				n.literals = make(map[string]*node)
			}
			child := n.literals[segment]
			if child == nil {
				child = new(node)
				n.literals[segment] = child
			}
			n = child
		}
		leaves = &n.leaves
	}
	l := leaf{verb: b.template.verb, method: b.method, binding: b}
	for _, other := range *leaves {
		if other.verb == l.verb && other.method == l.method {
			return other.binding
		}
	}
	// One that names its method is asked before the one for all of them.
	if l.method == "*" {
		*leaves = append(*leaves, l)
	} else {
		*leaves = slices.Insert(*leaves, 0, l)
	}
	return nil
}

// A query is what a walk looks for: a verb and a method. If allow is not nil, the walk finds
// nothing, and collects the methods of all templates that fit.
type query struct {
	verb, method string
	allow        *[]string
}

// find walks down rest, which is empty or begins with a slash. X2: a literal beats *, which beats **;
// if nothing below has verb and method, the next is tried.
func (n *node) find(rest string, q query) *Binding {
	if rest == "" {
		if b := q.pick(n.leaves); b != nil {
			return b
		}
		return q.pick(n.rest) // ** is also no segment at all
	}
	segment, tail := rest[1:], ""
	if i := strings.IndexByte(segment, '/'); i >= 0 {
		segment, tail = segment[:i], segment[i:]
	}
	if segment != "" {
		if child := n.literals[segment]; child != nil {
			if b := child.find(tail, q); b != nil {
				return b
			}
		}
		if n.star != nil {
			if b := n.star.find(tail, q); b != nil {
				return b
			}
		}
	}
	return q.pick(n.rest)
}

func (q query) pick(leaves []leaf) *Binding {
	for _, l := range leaves {
		if l.verb != q.verb {
			continue
		}
		if q.allow != nil {
			if !slices.Contains(*q.allow, l.method) {
				*q.allow = append(*q.allow, l.method)
			}
			continue
		}
		if l.method == q.method || l.method == "*" {
			return l.binding
		}
	}
	return nil
}

// match finds the binding of a request, and the part of its path that is left for variables: all
// but the verb, if the template has one.
func (n *node) match(method, path string) (b *Binding, bare string) {
	bare, verb := splitVerb(path)
	if verb != "" {
		if b := n.find(bare, query{verb: verb, method: method}); b != nil {
			return b, bare
		}
	}
	return n.find(rooted(path), query{method: method}), path
}

// allowed are the methods of all templates that a path fits, in order; none if the path is nobody's.
func (n *node) allowed(path string) []string {
	var methods []string
	if bare, verb := splitVerb(path); verb != "" {
		n.find(bare, query{verb: verb, allow: &methods})
	}
	n.find(rooted(path), query{allow: &methods})
	slices.Sort(methods)
	return methods
}

// splitVerb cuts what follows the last colon of the last segment.
func splitVerb(path string) (bare, verb string) {
	if colon := strings.LastIndexByte(path, ':'); colon > strings.LastIndexByte(path, '/') {
		return path[:colon], path[colon+1:]
	}
	return path, ""
}

// rooted makes / the path of no segments, where /v1/ is one of two, the second empty.
func rooted(path string) string {
	if path == "/" {
		return ""
	}
	return path
}

// span is the part of a path from segment first up to segment last, or to the end if many.
func (v *variable) span(path string) string {
	start := 0
	for range v.first + 1 { // segment i begins behind slash i
		i := strings.IndexByte(path[start:], '/')
		if i < 0 {
			return "" // ** that is no segment
		}
		start += i + 1
	}
	if v.many {
		return path[start:]
	}
	end := start
	for range v.last - v.first {
		i := strings.IndexByte(path[end:], '/')
		if i < 0 {
			return path[start:]
		}
		end += i + 1
	}
	return path[start : end-1]
}
