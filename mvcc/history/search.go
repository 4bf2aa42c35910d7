// Cycles: who is in one, which one to show, and what it is called.

package history

import "math"

// search judges each set of transactions of which all are before all.
func (c *checker) search(g *graph) {
	s := &searcher{c: c, local: make([]int32, g.len())}
	for _, component := range g.components() {
		s.judge(g, component)
	}
}

type searcher struct {
	c      *checker
	local  []int32 // of a node in the component, 1 + its number there
	budget int     // edges to follow while looking for short cycles
}

// searchBudget is how many edges are followed, in a component, to find a cycle that is
// shorter, or of another kind; nearby is how many from one node at first, for short
// cycles are near. Above the budget the best one found so far is shown.
const (
	searchBudget = 20_000_000
	nearby       = 2_000
	anywhere     = math.MaxInt
)

// judge reports the worst cycle of a component: the first in the order of names. Those
// that need real time are worse than none, so they come second.
func (s *searcher) judge(g *graph, component []int32) {
	sub := s.sub(g, component)
	s.budget = searchBudget
	report := func(cycle []step, name Name, real bool) bool {
		if cycle != nil {
			s.report(component, cycle, name, real)
		}
		return cycle != nil
	}
	snapshots := func(time kinds) bool { // what snapshot isolation does not allow
		real := time != 0
		return report(s.shortest(sub.only(onlyWW|time)), G0, real) ||
			report(s.shortest(sub.only(deps|time)), G1c, real) ||
			report(s.nonadjacent(sub.only(deps|antis|time)), GSingle, real)
	}
	if snapshots(0) {
		return
	}
	skewed := report(s.shortest(sub.only(deps|antis)), G2Item, false)
	if s.c.o.RealTime && !snapshots(realTime) && !skewed {
		report(s.shortest(sub), G2Item, true)
	}
}

// sub is the component as a graph of its own: node i is component[i].
func (s *searcher) sub(g *graph, component []int32) *graph {
	for i, n := range component {
		s.local[n] = int32(i + 1)
	}
	var e edges
	for i, n := range component {
		for _, a := range g.from(n) {
			if to := s.local[a.to]; to != 0 {
				e.add(int32(i), to-1, a.kind, a.key)
			}
		}
	}
	for _, n := range component {
		s.local[n] = 0
	}
	return e.graph(len(component))
}

// only is the graph with edges of some kinds.
func (g *graph) only(k kinds) *graph {
	out := &graph{head: make([]int32, len(g.head))}
	for n := range int32(g.len()) {
		for _, a := range g.from(n) {
			if k.has(a.kind) {
				out.arcs = append(out.arcs, a)
			}
		}
		out.head[n+1] = int32(len(out.arcs))
	}
	return out
}

// step is a node of a cycle, and the edge to the next.
type step struct {
	node int32
	arc  arc
}

// shortest returns a short cycle: the shortest, if the graph is small enough to try
// every node. Nil: there is none.
func (s *searcher) shortest(g *graph) []step {
	var best []step
	components := g.components()
	b := newBreadth(g)
	for _, component := range components {
		for _, n := range component {
			if s.budget < 0 || len(best) == 2 {
				break
			}
			if cycle := s.try(b, n, n, len(best)-1, nearby); cycle != nil {
				best = cycle
			}
		}
	}
	if best == nil && len(components) > 0 {
		n := components[0][0]
		best = s.try(b, n, n, -1, anywhere)
	}
	return best
}

// try looks for a path of at most most edges, if that is not negative, and pays for it.
func (s *searcher) try(b *breadth, from, to int32, most, edges int) []step {
	if most < 0 {
		most = math.MaxInt
	}
	path, left := b.path(from, to, most, edges)
	s.budget -= edges - left
	return path
}

// nonadjacent returns a cycle in which no two anti-dependencies follow one another; if
// there is one with a single anti-dependency, such a one. Snapshot isolation has none of
// either: an anti-dependency goes from the start of a transaction to the commit of
// another, all other edges from a commit to a start, so time would go round.
//
// Each node n becomes two: 2n for who has come to it by a dependency, and may go on by
// any edge, and 2n+1 for who has come by an anti-dependency, and may not by another. A
// cycle of this graph is what is sought (the same idea as in Huang et al., "Efficient
// Black-box Checking of Snapshot Isolation in Databases", VLDB 2023).
func (s *searcher) nonadjacent(g *graph) []step {
	var e edges
	for n := range int32(g.len()) {
		for _, a := range g.from(n) {
			if a.kind.anti() {
				e.add(2*n, 2*a.to+1, a.kind, a.key)
				continue
			}
			e.add(2*n, 2*a.to, a.kind, a.key)
			e.add(2*n+1, 2*a.to, a.kind, a.key)
		}
	}
	double := e.graph(2 * g.len())
	components := double.components()
	if len(components) == 0 {
		return nil
	}
	if cycle := s.single(g, double, components); cycle != nil {
		return cycle
	}
	cycle := s.shortest(double)
	for i := range cycle {
		cycle[i].node /= 2
		cycle[i].arc.to /= 2
	}
	return cycle
}

// single returns a short cycle with one anti-dependency: that edge, and from its end a
// path of dependencies back. It looks at those that are in a component of double.
func (s *searcher) single(g, double *graph, components [][]int32) (best []step) {
	b := newBreadth(g.only(deps | realTime))
	for _, edges := range []int{nearby, anywhere} {
		for _, component := range components {
			for _, n := range component {
				if n%2 != 0 {
					continue
				}
				for _, a := range double.from(n) {
					if a.to%2 == 0 {
						continue
					}
					if s.budget < 0 || len(best) == 2 {
						return best
					}
					if back := s.try(b, a.to/2, n/2, len(best)-2, edges); back != nil {
						a.to /= 2
						best = append([]step{{n / 2, a}}, back...)
					}
				}
			}
		}
		if best != nil {
			break
		}
	}
	return best
}

// breadth searches a graph breadth first, again and again.
type breadth struct {
	g     *graph
	seen  []int32 // the search that has seen the node last
	by    []int32 // from where
	arc   []int32 // by which edge of that
	queue []int32
	round int32
}

func newBreadth(g *graph) *breadth {
	n := g.len()
	return &breadth{g: g, seen: make([]int32, n), by: make([]int32, n), arc: make([]int32, n)}
}

// path returns a shortest path of at least one edge and at most most, or nil. It follows
// no more than so many edges, and returns how many were left.
func (b *breadth) path(from, to int32, most, edges int) (path []step, left int) {
	b.round++
	b.queue = append(b.queue[:0], from)
	depth, end := 0, 1 // end of the nodes of this depth
	for at := 0; at < len(b.queue); at++ {
		if at == end {
			depth, end = depth+1, len(b.queue)
		}
		if depth >= most {
			return nil, edges
		}
		n := b.queue[at]
		for i := b.g.head[n]; i < b.g.head[n+1]; i++ {
			if edges == 0 {
				return nil, 0
			}
			edges--
			next := b.g.arcs[i].to
			if b.seen[next] == b.round {
				continue
			}
			b.seen[next], b.by[next], b.arc[next] = b.round, n, i
			if next == to {
				return b.back(from, to), edges
			}
			b.queue = append(b.queue, next)
		}
	}
	return nil, edges
}

func (b *breadth) back(from, to int32) []step {
	var out []step
	for n := to; ; {
		out = append(out, step{b.by[n], b.g.arcs[b.arc[n]]})
		if n = b.by[n]; n == from {
			break
		}
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}

// report names a cycle, whose nodes are places in component, and reports it.
func (s *searcher) report(component []int32, cycle []step, name Name, real bool) {
	c := s.c
	for i := range cycle {
		cycle[i].node, cycle[i].arc.to = component[cycle[i].node], component[cycle[i].arc.to]
	}
	cycle = withoutTime(cycle, int32(len(c.h.Txns)))
	count := 0
	for _, st := range cycle {
		if st.arc.kind.anti() {
			count++
		}
		if name == G2Item && st.arc.kind == prw {
			name = G2
		}
	}
	if name == GSingle && count > 1 {
		name = LongFork
	}
	if len(cycle) == 2 {
		a, b := cycle[0], cycle[1]
		worse := !real && name.broken() < LostUpdate.broken()
		if !worse && (c.pairs[[2]int32{a.node, b.node}] || c.pairs[[2]int32{b.node, a.node}]) {
			return // a lost update, which is reported
		}
		if count > 0 && a.arc.key == b.arc.key && a.arc.kind != wr && b.arc.kind != wr {
			name = LostUpdate
		}
	}
	a := Anomaly{Name: name, RealTime: real, Cycle: true}
	for _, st := range cycle {
		a.Steps = append(a.Steps, c.explain(st))
	}
	c.report(a)
}
