package route

import (
	"maps"
	"slices"
)

// ties looks for pairs among the leaves of one place of which only the name decides who is tried first:
// those that order calls equal before it comes to the name. A pair of PathSubtrees meets at three places, and is
// told at the last one.
func (rep *reporter) ties(leaves []leaf, below bool) {
	for len(leaves) > 1 {
		first := leaves[0].route
		n := 1
		for n < len(leaves) && leaves[n].route.weight == first.weight && leaves[n].route.subtree == first.subtree {
			n++
		}
		if n > 1 && (below || !first.subtree) {
			rep.alike(leaves[:n], nil)
		}
		leaves = leaves[n:]
	}
}

// alike looks for ties among leaves of one weight. If they are many it sorts them by what they ask for in some
// dimension (method, host), as only those with a value in common can meet:
//
//	GET  a c        a-c and b-d are compared, the other pairs are not,
//	PUT  b d        and e, which asks for no method, is compared with all
//	-    e
//
// used are the dimensions by which they are sorted already.
func (rep *reporter) alike(leaves []leaf, used []string) {
	const few = 16
	if rep.out.More {
		return
	}
	var dimension string
	if len(leaves) > few {
		dimension = widest(leaves, used)
	}
	if dimension == "" {
		for i := range leaves {
			for j := i + 1; j < len(leaves) && !rep.out.More; j++ {
				rep.pair(leaves[i].route, leaves[j].route)
			}
		}
		return
	}
	used = append(slices.Clip(used), dimension)
	parts := map[string][]leaf{}
	var open []leaf // without a value, or with several
	for _, l := range leaves {
		if values := l.route.values(dimension); len(values) == 1 {
			parts[values[0]] = append(parts[values[0]], l)
		} else {
			open = append(open, l)
		}
	}
	for _, o := range open {
		for _, l := range leaves {
			if len(l.route.values(dimension)) == 1 && !rep.out.More {
				rep.pair(o.route, l.route)
			}
		}
	}
	for _, value := range slices.Sorted(maps.Keys(parts)) {
		rep.alike(parts[value], used)
	}
	rep.alike(open, used)
}

// pair notes two routes, unless no request has the predicates of both.
func (rep *reporter) pair(a, b *Route) {
	switch {
	case exclusive(a, b):
	case len(rep.out.Ties) == MaxTies:
		rep.out.More = true
	case byName(a, b) < 0:
		rep.out.Ties = append(rep.out.Ties, Tie{a, b})
	default:
		rep.out.Ties = append(rep.out.Ties, Tie{b, a})
	}
}

// widest is the dimension in which most of the leaves ask for one value, or "" if fewer than half do in any.
func widest(leaves []leaf, used []string) string {
	count := map[string]int{}
	for _, l := range leaves {
		for _, t := range l.tests {
			if k, is := original(t).(KeyedPredicate); is {
				if d, values := k.Key(); len(values) == 1 && !slices.Contains(used, d) {
					count[d]++
				}
			}
		}
	}
	best, most := "", len(leaves)/2
	for d, n := range count {
		if n > most || n == most && best != "" && d < best {
			best, most = d, n
		}
	}
	return best
}

// exclusive tells whether no request has the predicates of both, as far as these know.
func exclusive(a, b *Route) bool {
	for _, x := range a.tests {
		for _, y := range b.tests {
			if excludes(original(x), original(y)) {
				return true
			}
		}
	}
	return false
}

func excludes(x, y Predicate) bool {
	if e, is := x.(ExcludingPredicate); is && e.Excludes(y) {
		return true
	}
	a, is := x.(KeyedPredicate)
	if !is {
		return false
	}
	b, is := y.(KeyedPredicate)
	if !is {
		return false
	}
	dimension, values := a.Key()
	other, others := b.Key()
	return dimension == other && !slices.ContainsFunc(values, func(v string) bool { return slices.Contains(others, v) })
}
