package route

import "slices"

// IsEmpty tells whether a table has no node but its roots.
func IsEmpty(t *Table) bool { return t.paths.empty() && t.ids.empty() && t.size == 0 }

// NotShared counts the nodes of b, and those that are not a's.
func NotShared(a, b *Table) (own, all int) {
	of := map[*node]bool{}
	var visit func(n *node, f func(*node))
	visit = func(n *node, f func(*node)) {
		f(n)
		if n.stop != nil && n.stop.param != nil {
			visit(n.stop.param, f)
		}
		for i := range n.children {
			visit(&n.children[i], f)
		}
	}
	for _, n := range []*node{&a.paths, &a.ids} {
		visit(n, func(n *node) { of[n] = true })
	}
	for _, n := range []*node{&b.paths, &b.ids} {
		visit(n, func(n *node) {
			if all++; !of[n] {
				own++
			}
		})
	}
	return own, all
}

// The parts of the report's definition, for one that is slow.
var (
	Covers    = covers
	Exclusive = exclusive
)

func InOrder(routes []*Route) []*Route { return slices.SortedFunc(slices.Values(routes), order) }

func SameWeight(a, b *Route) bool { return a.weight == b.weight }
