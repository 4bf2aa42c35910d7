package route

import (
	"cmp"
	"slices"
	"strings"
)

// A node of the tree stands for what paths, or patterns, have in common up to it. Literal
// bytes share prefixes; where a segment begins, a wildcard may begin too, and that
// is in the node's stop, as is what ends there.
//
//	Path("/shop/:item"), Path("/shop/new"), Path("/sign"), PathSubtree("/s")
//
//	"" - "/s" [ends: subtree]
//	       |- "/"  [ends: subtree, below: subtree]
//	       |- "hop/" - "new" [ends]
//	       |        \ param [ends]
//	       \ "ign" [ends]
//
// It is 64 bytes, a cache line, and has its children beside each other: one step down is one or two
// misses. Nodes never change once a table has them (M5).
type node struct {
	text     string // the literal bytes between its parent and it
	index    string // the first byte of each child's text, ascending
	children []node
	stop     *stop // nil: nothing ends here, and no wildcard begins
}

// A stop is what a node has that is not literal.
type stop struct {
	ends  []leaf // of paths that end here
	below []leaf // of free wildcards that begin here: all paths that go on
	param *node  // behind any one segment that begins here
	hosts *hosts // of ends and below, if those are many
}

// A leaf is a route at a place of the tree. Leaves of a place are in the order in which they are tried.
type leaf struct {
	tests []LookupPredicate // the route's: here they are one miss closer
	route *Route
}

// child is the one whose text begins with c, or nil.
func (n *node) child(c byte) *node {
	for i := 0; i < len(n.index); i++ {
		if n.index[i] == c {
			return &n.children[i]
		}
	}
	return nil
}

// param is the byte that stands for a :wildcard in keys. No path has it, as canonical paths have no NUL.
const param = '\x00'

// A place is where a route hangs in the tree. A subtree has three: its root, with and without
// a slash, and what is below.
//
//	Path("/a/:x")     "/a/\x00"
//	Path("/a/**")     "/a/" below
//	PathSubtree("/a") "/a", "/a/", "/a/" below
//	no path           "" below
type place struct {
	key   string
	below bool
}

// A change hangs a route into the tree, or takes it out.
type change struct {
	place
	route *Route
	gone  bool
}

// order is the order of routes at one place (M3): the heavier first, then a Path before a PathSubtree (M1), and
// then the name, which is written and unique: never the order of a map or a file.
func order(a, b *Route) int {
	if c := cmp.Compare(b.weight, a.weight); c != 0 {
		return c
	}
	if a.subtree != b.subtree {
		if b.subtree {
			return -1
		}
		return 1
	}
	return strings.Compare(a.Def.ID, b.Def.ID)
}

// sortChanges brings changes into the order in which edit takes them: by key, and at one place by order.
func sortChanges(cs []change) {
	slices.SortFunc(cs, func(a, b change) int {
		if c := strings.Compare(a.key, b.key); c != 0 {
			return c
		}
		if a.below != b.below {
			if a.below {
				return 1
			}
			return -1
		}
		return order(a.route, b.route)
	})
}

// edit is n with changes, which are sorted and whose keys all begin with the at bytes that lead to n. It copies
// the nodes that change and shares the others (M5). A tree is built in the same way, from nothing.
//
//	keys:  /a  /a\x00  /ab  /abc  /b        at n = "/a":  ends | param | children by their next byte
func (n node) edit(at int, cs []change) node {
	i := 0
	for i < len(cs) && len(cs[i].key) == at {
		i++
	}
	j := i
	for j < len(cs) && cs[j].key[at] == param {
		j++
	}
	if j > 0 {
		n.stop = n.stop.edit(at, cs[:i], cs[i:j])
	}
	if j < len(cs) {
		n.editChildren(at, cs[j:])
	}
	return n
}

// edit is s, which may be nil, with changes of what ends or goes on at it, and of what is behind its param.
func (s *stop) edit(at int, here, behind []change) *stop {
	var made stop
	if s != nil {
		made = *s
	}
	i := 0
	for i < len(here) && !here[i].below {
		i++
	}
	var h hosts
	if made.hosts != nil {
		h = *made.hosts
	}
	made.ends, h.ends = h.ends.editLeaves(made.ends, here[:i])
	made.below, h.below = h.below.editLeaves(made.below, here[i:])
	made.hosts = nil
	if h.ends.size+h.below.size > 0 {
		kept := h // h itself is not to be allocated for those who have none
		made.hosts = &kept
	}
	if len(behind) > 0 {
		var p node
		if made.param != nil {
			p = *made.param
		}
		p = p.edit(at+1, behind)
		made.param = &p
		if p.empty() {
			made.param = nil
		}
	}
	if made.ends == nil && made.below == nil && made.param == nil && made.hosts == nil {
		return nil
	}
	return &made
}

// merge is a list with changes of it; both are in order.
func merge(old []leaf, cs []change) []leaf {
	if len(cs) == 0 {
		return old
	}
	made := make([]leaf, 0, len(old)+len(cs))
	for _, c := range cs {
		for len(old) > 0 && order(old[0].route, c.route) < 0 {
			made, old = append(made, old[0]), old[1:]
		}
		if !c.gone {
			made = append(made, leaf{c.route.tests, c.route})
		} else if len(old) > 0 && old[0].route == c.route {
			old = old[1:]
		}
	}
	if made = append(made, old...); len(made) == 0 {
		return nil
	}
	return made
}

// editChildren changes the children of n, which has its own copy of them then. All keys of cs go on behind at.
func (n *node) editChildren(at int, cs []change) {
	groups := 1
	for i := 1; i < len(cs); i++ {
		if cs[i].key[at] != cs[i-1].key[at] {
			groups++
		}
	}
	index := make([]byte, 0, len(n.index)+groups)
	children := make([]node, 0, len(n.children)+groups)
	old := 0
	for len(cs) > 0 {
		c := cs[0].key[at]
		size := 1
		for size < len(cs) && cs[size].key[at] == c {
			size++
		}
		for old < len(n.index) && n.index[old] < c {
			index, children = append(index, n.index[old]), append(children, n.children[old])
			old++
		}
		var child node
		if old < len(n.index) && n.index[old] == c {
			child = n.children[old]
			old++
		}
		if child = child.descend(at, cs[:size]); !child.empty() {
			index, children = append(index, c), append(children, child)
		}
		cs = cs[size:]
	}
	index, children = append(index, n.index[old:]...), append(children, n.children[old:]...)
	n.index, n.children = string(index), children
}

// descend is a child with changes, whose keys all go on with the same byte behind at. Where they, or the
// child's text, part, there must be a node: a child is split, one that has nothing of its own any more is joined
// with its only child.
func (n node) descend(at int, cs []change) node {
	first, last := cs[0].key[at:], cs[len(cs)-1].key[at:] // sorted: what these have in common, all have
	size := common(first, last)
	if i := strings.IndexByte(first[:size], param); i >= 0 {
		size = i
	}
	if n.text == "" {
		n.text = first[:size]
	} else if size = common(n.text, first[:size]); size < len(n.text) {
		rest := n
		rest.text = n.text[size:]
		n = node{text: n.text[:size], index: rest.text[:1], children: []node{rest}}
	}
	n = n.edit(at+size, cs)
	if n.stop == nil && len(n.children) == 1 {
		text := n.text + n.children[0].text
		n = n.children[0]
		n.text = text
	}
	return n
}

// get is the leaves of paths that end at key, a literal one.
func (n *node) get(key string) []leaf {
	for at := 0; at < len(key); at += len(n.text) {
		child := n.child(key[at])
		if child == nil || !strings.HasPrefix(key[at:], child.text) {
			return nil
		}
		n = child
	}
	if n.stop == nil {
		return nil
	}
	return n.stop.ends
}

// empty tells whether there is no route at n and below.
func (n *node) empty() bool { return n.stop == nil && len(n.children) == 0 }

// common is the length of what a and b begin with alike.
func common(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return i
}
