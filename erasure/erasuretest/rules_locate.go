package erasuretest

import (
	"math/rand/v2"
	"slices"
)

func locateRules() []Rule {
	rules := []Rule{
		{ID: "locate", Text: "Any corrupt shards, at most one for two parity shards, are named, and no others.", story: locate},
		{ID: "locate-clean", Text: "Of shards that agree none is named, and none is written to.", story: locateClean},
		{ID: "locate-missing", Text: "Shards may be missing: each costs one parity shard.", story: locateMissing},
		{ID: "locate-refuses", Text: "Where more are corrupt it is an error, not a guess.", story: locateRefuses},
	}
	for i := range rules {
		rules[i].Capability = "Locate"
	}
	return rules
}

func (e *exam) locator(g geometry) Locator {
	l, ok := e.coder(g).(Locator)
	if !ok {
		failf("%v: the codec has no method Locate", g)
	}
	return l
}

// corrupt changes bytes of these shards: a few, or most.
func corrupt(r *rand.Rand, shards [][]byte, which []int) {
	for _, i := range which {
		s := shards[i]
		s[r.IntN(len(s))] ^= byte(1 + r.IntN(255)) // one for sure
		at := r.IntN(len(s))
		if r.IntN(2) == 0 {
			for k := range s[:at] {
				s[k] += byte(1 + r.IntN(255))
			}
		}
	}
}

// locates judges one story: these missing, these corrupt.
func locates(l Locator, g geometry, want [][]byte, missing, bad []int, r *rand.Rand) {
	shards := without(want, missing)
	corrupt(r, shards, bad)
	var really []int
	for _, i := range bad {
		if !slices.Equal(shards[i], want[i]) {
			really = append(really, i)
		}
	}
	slices.Sort(really)
	before := clone(shards)
	got, err := l.Locate(shards)
	must(err, "%v: with %v corrupt and %v missing", g, really, missing)
	if !slices.Equal(got, really) {
		failf("%v: with %v corrupt and %v missing, %v are named", g, really, missing, got)
	}
	same(shards, before, "%v: Locate", g)
}

func locate(e *exam) {
	for _, g := range append(smallGeometries(), geometry{20, 9}, geometry{100, 28}, geometry{128, 128}) {
		if g.parity < 2 {
			continue
		}
		limit := lossSample
		switch {
		case g.total() > 32:
			limit = 1
		case e.exhaustive:
			limit = 1 << 17
		}
		l := e.locator(g)
		want := encoded(l, g, 90)
		r := random(g.data, g.parity, 7)
		subsets(g.total(), g.parity/2, limit, r, func(bad []int) { locates(l, g, want, nil, bad, r) })
	}
}

func locateClean(e *exam) {
	for _, g := range smallGeometries() {
		l := e.locator(g)
		for _, size := range []int{1, 100, 5000} {
			locates(l, g, encoded(l, g, size), nil, nil, nil)
		}
	}
}

func locateMissing(e *exam) {
	for _, g := range []geometry{{4, 4}, {5, 3}, {10, 6}, {3, 9}} {
		l := e.locator(g)
		want := encoded(l, g, 90)
		r := random(g.data, g.parity, 8)
		for range 4 * lossSample {
			order := r.Perm(g.total())
			missing := r.IntN(g.parity)
			bad := r.IntN((g.parity-missing)/2 + 1)
			locates(l, g, want, order[:missing], order[missing:missing+bad], r)
		}
	}
}

func locateRefuses(e *exam) {
	for _, g := range []geometry{{4, 1}, {4, 2}, {5, 3}, {10, 4}, {4, 8}} {
		l := e.locator(g)
		r := random(g.data, g.parity, 9)
		for range lossSample {
			shards := encoded(l, g, 200)
			bad := r.Perm(g.total())[:g.parity/2+1]
			for _, i := range bad {
				fill(r, shards[i])
			}
			if got, err := l.Locate(shards); err == nil {
				failf("%v: with %v corrupt, %v are named", g, bad, got)
			}
		}
	}
	// An odd parity shard locates nothing, but it always sees one more.
	for _, g := range []geometry{{4, 1}, {5, 3}, {6, 5}, {3, 7}} {
		l := e.locator(g)
		r := random(g.data, g.parity, 10)
		for range 5 * lossSample {
			shards := encoded(l, g, 1)
			bad := r.Perm(g.total())[:g.parity/2+1]
			corrupt(r, shards, bad)
			if got, err := l.Locate(shards); err == nil {
				failf("%v: with %v corrupt in one column, %v are named", g, bad, got)
			}
		}
	}
	g := geometry{4, 2}
	l := e.locator(g)
	if got, err := l.Locate(without(encoded(l, g, 10), []int{0, 5})); err == nil {
		failf("%v: with all parity used for missing shards, %v are named", g, got)
	}
}
