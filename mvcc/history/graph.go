package history

import "slices"

// edgeKind is why one transaction is before another.
type edgeKind uint8

const (
	ww  edgeKind = iota // its version was followed by the other's
	wr                  // the other read its version
	rw                  // it read a version that the other's followed
	prw                 // the same, in a scan
	rt                  // it had ended when the other began
)

func (k edgeKind) String() string {
	return [...]string{"ww", "wr", "rw", "rw (scan)", "real time"}[k]
}

// anti reports whether an edge is an anti-dependency.
func (k edgeKind) anti() bool { return k == rw || k == prw }

// kinds is a set of edgeKind.
type kinds uint8

const (
	onlyWW   kinds = 1 << ww
	deps           = onlyWW | 1<<wr
	antis    kinds = 1<<rw | 1<<prw
	realTime kinds = 1 << rt
)

func (s kinds) has(k edgeKind) bool { return s>>k&1 != 0 }

// arc is the end of an edge, and the key that proves it.
type arc struct {
	to   int32
	key  int32
	kind edgeKind
}

// graph has the edges of each node one after the other: those of node i are
// arcs[head[i]:head[i+1]].
type graph struct {
	head []int32
	arcs []arc
}

func (g *graph) len() int { return len(g.head) - 1 }

func (g *graph) from(node int32) []arc { return g.arcs[g.head[node]:g.head[node+1]] }

// edges are what a graph is made of, as they are found. No node has one to itself.
type edges struct {
	from []int32
	arcs []arc
}

func (e *edges) add(from, to int32, kind edgeKind, key int32) {
	if from != to {
		e.from = append(e.from, from)
		e.arcs = append(e.arcs, arc{to, key, kind})
	}
}

// grow makes room for n edges.
func (e *edges) grow(n int) {
	e.from, e.arcs = slices.Grow(e.from, n), slices.Grow(e.arcs, n)
}

// graph sorts the edges by where they begin.
func (e *edges) graph(nodes int) *graph {
	g := &graph{head: make([]int32, nodes+1), arcs: make([]arc, len(e.arcs))}
	for _, n := range e.from {
		g.head[n+1]++
	}
	for i := range nodes {
		g.head[i+1] += g.head[i]
	}
	at := append([]int32(nil), g.head[:nodes]...)
	for i, n := range e.from {
		g.arcs[at[n]] = e.arcs[i]
		at[n]++
	}
	return g
}

// components finds what is strongly connected (Tarjan, "Depth-First Search and Linear
// Graph Algorithms", 1972), without recursion, since a path may have a million nodes.
// Each component is a slice of nodes; those of one node are left out.
func (g *graph) components() [][]int32 {
	t := &tarjan{
		g: g, index: make([]int32, g.len()), low: make([]int32, g.len()),
		next: append([]int32(nil), g.head[:g.len()]...),
	}
	for root := range int32(g.len()) {
		if t.index[root] == 0 {
			t.visit(root)
		}
	}
	return t.found
}

type tarjan struct {
	g          *graph
	index, low []int32 // index: 0 is unseen, -1 is in a finished component
	next       []int32 // edge to follow next
	path       []int32 // from the root to where we are
	stack      []int32 // seen, and in no finished component
	counter    int32
	found      [][]int32
}

func (t *tarjan) enter(n int32) {
	t.counter++
	t.index[n], t.low[n] = t.counter, t.counter
	t.path, t.stack = append(t.path, n), append(t.stack, n)
}

func (t *tarjan) visit(root int32) {
	t.enter(root)
	for len(t.path) > 0 {
		n := t.path[len(t.path)-1]
		if at := t.next[n]; at < t.g.head[n+1] {
			t.next[n]++
			switch to := t.g.arcs[at].to; {
			case t.index[to] == 0:
				t.enter(to)
			case t.index[to] > 0: // on the stack
				t.low[n] = min(t.low[n], t.index[to])
			}
			continue
		}
		t.path = t.path[:len(t.path)-1]
		if len(t.path) > 0 {
			p := t.path[len(t.path)-1]
			t.low[p] = min(t.low[p], t.low[n])
		}
		if t.low[n] == t.index[n] {
			t.leave(n)
		}
	}
}

// leave takes the component of which n was met first from the stack.
func (t *tarjan) leave(n int32) {
	at := len(t.stack) - 1
	for t.stack[at] != n {
		at--
	}
	for _, m := range t.stack[at:] {
		t.index[m] = -1
	}
	if len(t.stack)-at > 1 {
		t.found = append(t.found, append([]int32(nil), t.stack[at:]...))
	}
	t.stack = t.stack[:at]
}
