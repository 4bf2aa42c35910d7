package route

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// A Report says which routes of a table cannot be meant as they are (M7). It is plain data; routes
// are in the order of their names.
type Report struct {
	// Routes is how many there are.
	Routes int
	// Shadowed are the routes that can never win.
	Shadowed []Shadow
	// Ties are pairs whose order only the tie-break decides: their paths and weights are the same, and a request
	// may have the predicates of both. Pairs with a route that is shadowed are left out.
	Ties []Tie
	// More tells that there are more than MaxTies, which were left out.
	More bool
}

// MaxTies of a report are told one by one.
const MaxTies = 1000

// A Shadow is a route that can never win, wherever its path leads: others are always tried before
// it, and have no predicate that it does not have.
type Shadow struct {
	Route *Route
	// By are those others: one, or one for each place of a PathSubtree.
	By []*Route
}

// A Tie is a pair of routes. First is tried first, as its name is the smaller one.
type Tie struct{ First, Second *Route }

// Report looks for shadowed routes and ties. Its time goes with the number of routes, as long as not many of them
// have the same path and neither a name, a host nor anything else that sets them apart.
//
// A predicate is known by its text. One that is never true, a host's regular expression that is part of
// another one's, or several routes that only together leave nothing over, are beyond it: what it reports is true, but it is not
// all that could be proved.
func (t *Table) Report() Report {
	rep := reporter{out: Report{Routes: t.size}, hidden: map[*Route]*cover{}, lists: map[*leaf]*coverIndex{}, flats: map[*hosted][]leaf{}}
	rep.visit(&t.paths)
	for r, c := range rep.hidden {
		if c.places == len(r.places) {
			rep.out.Shadowed = append(rep.out.Shadowed, Shadow{r, c.by})
		}
	}
	slices.SortFunc(rep.out.Shadowed, func(a, b Shadow) int { return byName(a.Route, b.Route) })
	slices.SortFunc(rep.out.Ties, func(a, b Tie) int {
		if c := byName(a.First, b.First); c != 0 {
			return c
		}
		return byName(a.Second, b.Second)
	})
	return rep.out
}

func byName(a, b *Route) int { return strings.Compare(a.Def.ID, b.Def.ID) }

// reporter is a report in the making.
type reporter struct {
	out    Report
	hidden map[*Route]*cover // routes that never win at some of their places
	lists  map[*leaf]*coverIndex
	flats  map[*hosted][]leaf
}

// A cover is at how many places a route never wins, and because of whom.
type cover struct {
	places int
	by     []*Route
}

// visit looks at the places of n and below.
func (rep *reporter) visit(n *node) {
	if s := n.stop; s != nil {
		rep.list(rep.ends(s), nil)
		rep.list(rep.below(s), n)
		if s.param != nil {
			rep.visit(s.param)
		}
	}
	for i := range n.children {
		rep.visit(&n.children[i])
	}
}

// ends are all leaves of paths that end at s, in order; below those of free wildcards.
func (rep *reporter) ends(s *stop) []leaf {
	if s.hosts == nil {
		return s.ends
	}
	return rep.flat(&s.hosts.ends, s.ends)
}

func (rep *reporter) below(s *stop) []leaf {
	if s.hosts == nil {
		return s.below
	}
	return rep.flat(&s.hosts.below, s.below)
}

// flat is a place's one list, made once.
func (rep *reporter) flat(h *hosted, open []leaf) []leaf {
	all, ok := rep.flats[h]
	if !ok {
		all = h.all(open)
		rep.flats[h] = all
	}
	return all
}

// list looks at one place. If free wildcards hang there, n is the node where they begin.
func (rep *reporter) list(leaves []leaf, n *node) {
	deeper := n != nil && (n.stop.param != nil || n.text == "" && len(n.children) > 0)
	if len(leaves) < 2 && !deeper {
		return
	}
	open := leaves[:0:0] // those that are not hidden here
	for i, l := range leaves {
		by := rep.coverOf(leaves, i, l.route)
		if by == nil && deeper {
			by = rep.coverBelow(n, l.route)
		}
		if by == nil {
			open = append(open, l)
			continue
		}
		c := rep.hidden[l.route]
		if c == nil {
			c = &cover{}
			rep.hidden[l.route] = c
		}
		c.places++
		for _, r := range by {
			if !slices.Contains(c.by, r) {
				c.by = append(c.by, r)
			}
		}
	}
	rep.ties(open, n != nil)
}

// coverBelow is who takes all requests that go on at n before r is asked there: what hangs at a
// wildcard segment, and behind it.
//
//	PathSubtree("/a/:x")  /a/:x, /a/:x/ and what is below: nothing is left for Path("/a/**")
//
// For routes without a path it is PathSubtree("/").
func (rep *reporter) coverBelow(n *node, r *Route) []*Route {
	var by, slash []*Route
	next := n.stop.param
	if n.text == "" && next == nil { // the root of the tree: every path begins with a slash
		next = n
	} else {
		if next == nil || next.stop == nil {
			return nil
		}
		if by = rep.coverAt(rep.ends(next.stop), r); by == nil {
			return nil
		}
	}
	below := next.child('/')
	if below == nil || below.text != "/" || below.stop == nil {
		return nil
	}
	if slash = rep.coverAt(rep.ends(below.stop), r); slash == nil {
		return nil
	}
	rest := rep.coverAt(rep.below(below.stop), r)
	if rest == nil {
		if rest = rep.coverBelow(below, r); rest == nil {
			return nil
		}
	}
	return slices.Concat(by, slash, rest)
}

// coverAt is who covers r among all leaves of a place that is tried before it.
func (rep *reporter) coverAt(leaves []leaf, r *Route) []*Route {
	return rep.coverOf(leaves, len(leaves), r)
}

// coverOf is the first one of the first n leaves that has no predicate which r has not, or nil: where it is asked first, r never wins.
func (rep *reporter) coverOf(leaves []leaf, n int, r *Route) []*Route {
	const few = 8
	if len(leaves) > few {
		index := rep.lists[&leaves[0]]
		if index == nil {
			index = newCoverIndex(leaves)
			rep.lists[&leaves[0]] = index
		}
		return index.cover(n, r)
	}
	for _, l := range leaves[:n] {
		if covers(l.route, r) {
			return []*Route{l.route}
		}
	}
	return nil
}

// covers tells whether each predicate of a is one of r's, and holds for a whenever it holds for r.
func covers(a, r *Route) bool {
	if a == r || a.varies || len(a.texts) > len(r.texts) {
		return false
	}
	for _, text := range a.texts {
		if !slices.Contains(r.texts, text) {
			return false
		}
	}
	return true
}

// A coverIndex is for places with many leaves: each is listed under its rarest predicate. Who
// covers a route has that predicate in common with it, so that few are looked at.
type coverIndex struct {
	leaves []leaf
	under  map[string][]int // positions, ascending; "" for those without predicates
}

func newCoverIndex(leaves []leaf) *coverIndex {
	count := map[string]int{}
	for _, l := range leaves {
		for _, text := range l.route.texts {
			count[text]++
		}
	}
	x := &coverIndex{leaves, make(map[string][]int, len(leaves))}
	for i, l := range leaves {
		rarest := ""
		for _, text := range l.route.texts {
			if rarest == "" || count[text] < count[rarest] {
				rarest = text
			}
		}
		x.under[rarest] = append(x.under[rarest], i)
	}
	return x
}

// cover is the first one of the first n leaves that covers r, or nil.
func (x *coverIndex) cover(n int, r *Route) []*Route {
	first := n
	try := func(text string) {
		for _, i := range x.under[text] {
			if i >= first {
				return
			}
			if covers(x.leaves[i].route, r) {
				first = i
				return
			}
		}
	}
	try("")
	for _, text := range r.texts {
		try(text)
	}
	if first == n {
		return nil
	}
	return []*Route{x.leaves[first].route}
}

// WriteTo writes the report for people, one line for each route or pair.
func (rep Report) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, rep.String())
	return int64(n), err
}

func (rep Report) String() string {
	var b strings.Builder
	for _, s := range rep.Shadowed {
		names := make([]string, len(s.By))
		for i, r := range s.By {
			names[i] = where(r)
		}
		fmt.Fprintf(&b, "%s can never win: %s comes before it, and asks for nothing more\n", where(s.Route), strings.Join(names, ", "))
	}
	for _, t := range rep.Ties {
		fmt.Fprintf(&b, "%s and %s differ only in their names: a request that has the predicates of both goes to the first; Weight decides otherwise\n",
			where(t.First), where(t.Second))
	}
	if rep.More {
		fmt.Fprintf(&b, "and more ties than %d\n", MaxTies)
	}
	return b.String()
}

// where is a route's name and its place in the text.
func where(r *Route) string {
	if r.Def.Pos.Line == 0 {
		return r.Def.ID
	}
	return fmt.Sprintf("%s (%s:%v)", r.Def.ID, r.Def.File, r.Def.Pos)
}
