// Package route finds the route of a request, in a table that never changes.
//
// # The problem
//
// A table has a hundred thousand routes, each with a path and some predicates, and a request
// must find its own in less time than it takes to read its header. The path alone does not decide: of
// two routes with one path the header may, and if none of those behind the best path wants the request, one with
// a vaguer path may. Whoever changed one route of the many will not wait until all are
// sorted anew; and whoever wonders why a request went where it went wants to be told.
//
// # The picture
//
// Paths make a tree, in which what routes have in common is written once. Predicates are in lists at
// its leaves, the heaviest route first. A lookup is a walk down, which comes back where it was too
// hopeful:
//
//	a: Path("/shop/new") && Method("POST")          request: GET /shop/new
//	b: Path("/shop/:item") && Header("X", "1")
//	c: Path("/shop/:item")                          ""
//	d: PathSubtree("/shop")                          |
//	                                              "/shop"   ends: d
//	                                                 |
//	                                                "/"     ends: d   below: d  (4)
//	                                               /    \
//	                                    (1)  "new"        :param  (2), (3)
//	                                    ends: a           ends: b, c
//
//	1  a   a name is the most specific; but its method fails
//	2  b   then any segment: its header fails
//	3  c   wins. Else it would be
//	4  d   all that is below
//
// That order is M1 from node to node, M3 within a list. The walk never comes to a node twice, so
// that backtracking costs at most one visit to each node whose path fits.
//
// # What is matched
//
// The path is made canonical ([Canonical]) before anything looks at it, and is forwarded as it was matched
// (M2). Segments are compared decoded, each by itself: /%61dmin is /admin, since it is that to the
// server behind; but /a%2Fb is one segment, here and there. A slash at the end counts: Path("/a") does
// not match /a/, as in Skipper unless it is told otherwise. PathSubtree("/a") matches /a, /a/ and what is below.
//
// # Changes
//
// A change copies the nodes from the root down to where it is, some ten of them, and shares the others with the table
// before it (M5), which goes on serving its requests. Building a table is a change of an empty one: there
// is one algorithm, which takes a sorted list of changes down the tree. A second tree of the same kind finds routes by
// name.
//
// # What Skipper does otherwise
//
// Ties are broken by the order in which routes come in, so that two replicas may differ; here the name decides. A Path comes before
// a PathSubtree of the same path and weight. Parameters are decoded once and not twice. A pattern is
// decoded as a path is: a percent sign is written %25. Names may stand beside a colon, as in /items:batch.
//
// # Reading order
//
//	predicate.go  what a predicate is
//	path.go       one form for each path (M2)
//	pattern.go    the argument of Path and PathSubtree
//	specs.go      which predicates there are; PathRegexp
//	terms.go      what a route asks beside its path, shared
//	compile.go    a route of text becomes one of a table
//	tree.go       nodes, and how a change makes new ones (M5)
//	lookup.go     the walk (M1, M3); hosts.go: of many hosts, that of the request
//	table.go      Build and Lookup; update.go: Update
//	explain.go    the same walk, told (M6)
//	report.go     routes that can never win; ties.go: pairs that only their names set apart (M7)
package route
