package erasuretest

import "slices"

func lossRules() []Rule {
	return []Rule{
		{ID: "any-loss", Text: "Any shards, as many as there are parity shards, are reconstructed from the others, which stay as they are.", story: anyLoss},
		{ID: "large-loss", Text: "So they are of many shards.", story: largeLoss},
		{ID: "too-few", Text: "When more are lost it is an error, and nothing is made up.", story: tooFew},
		{ID: "data-only", Text: "ReconstructData makes the data and leaves missing parity missing.", story: dataOnly},
		{ID: "only-required", Text: "ReconstructSome makes what is asked for, right, and nothing else.", story: onlyRequired},
		{ID: "in-place", Text: "A missing shard with the capacity is written in its own memory, and not beyond its length.", story: inPlace},
		{ID: "geometries-apart", Text: "What is remembered of one geometry is not used for another.", story: geometriesApart},
	}
}

// lossSample is how many patterns of a geometry are tried where not all are.
const lossSample = 40

func anyLoss(e *exam) {
	limit := lossSample
	if e.exhaustive {
		limit = 1 << 17
	}
	for _, g := range smallGeometries() {
		c := e.coder(g)
		want := encoded(c, g, 35)
		subsets(g.total(), g.parity, limit, random(g.data, g.parity), func(lost []int) {
			got := without(want, lost)
			must(c.Reconstruct(got), "%v: the loss of %v", g, lost)
			same(got, want, "%v: the loss of %v", g, lost)
		})
	}
}

func largeLoss(e *exam) {
	for _, g := range largeGeometries() {
		c := e.coder(g)
		want := encoded(c, g, 67)
		r := random(g.data, g.parity)
		for range 3 {
			lost := r.Perm(g.total())[:g.parity]
			got := without(want, lost)
			must(c.Reconstruct(got), "%v: the loss of %d", g, len(lost))
			same(got, want, "%v: the loss of %d", g, len(lost))
		}
	}
}

func tooFew(e *exam) {
	for _, g := range smallGeometries() {
		c := e.coder(g)
		want := encoded(c, g, 20)
		r := random(g.data, g.parity, 1)
		lost := r.Perm(g.total())[:g.parity+1]
		for name, reconstruct := range map[string]func([][]byte) error{"Reconstruct": c.Reconstruct, "ReconstructData": c.ReconstructData} {
			left := without(want, lost)
			got := clone(left)
			onlyParity := !slices.ContainsFunc(lost, func(i int) bool { return i < g.data })
			if err := reconstruct(got); err == nil && !onlyParity {
				failf("%v: %s makes up shards when %d are lost", g, name, len(lost))
			}
			same(got, left, "%v: %s of too few", g, name)
		}
	}
}

func dataOnly(e *exam) {
	for _, g := range []geometry{{1, 2}, {4, 2}, {5, 3}, {10, 4}} {
		c := e.coder(g)
		shards := encoded(c, g, 100)
		subsets(g.total(), g.parity, lossSample, random(g.total()), func(lost []int) {
			want := clone(shards)
			for _, i := range lost {
				if i >= g.data {
					want[i] = nil
				}
			}
			got := without(shards, lost)
			must(c.ReconstructData(got), "%v: the loss of %v", g, lost)
			same(got, want, "%v: the data of the loss of %v", g, lost)
		})
	}
}

func onlyRequired(e *exam) {
	for _, g := range []geometry{{1, 2}, {4, 2}, {5, 3}, {10, 4}} {
		c := e.coder(g)
		shards := encoded(c, g, 100)
		r := random(g.total(), 2)
		subsets(g.total(), g.parity, lossSample, r, func(lost []int) {
			required, want := make([]bool, g.total()), without(shards, lost)
			for _, i := range lost {
				if r.IntN(2) == 0 {
					required[i], want[i] = true, shards[i]
				}
			}
			got := without(shards, lost)
			must(c.ReconstructSome(got, required), "%v: some of the loss of %v", g, lost)
			same(got, want, "%v: some of the loss of %v", g, lost)
		})
	}
}

func inPlace(e *exam) {
	for _, g := range []geometry{{4, 2}, {5, 3}, {10, 4}} {
		c := e.coder(g)
		for _, size := range []int{1, 33, 100, 4097} {
			got, intact := fenced(g, size)
			must(c.Encode(got), "%v: encoding", g)
			want := clone(got)
			lost := random(g.total(), size).Perm(g.total())[:g.parity]
			for _, i := range lost {
				clear(got[i])
				got[i] = got[i][:0]
			}
			own := clone(got)
			copy(own, got)
			must(c.Reconstruct(got), "%v: the loss of %v", g, lost)
			same(got, want, "%v: the loss of %v, in its own memory", g, lost)
			for _, i := range lost {
				if &own[i][:1][0] != &got[i][0] {
					failf("%v: shard %d had memory for itself and was given other", g, i)
				}
			}
			if i := intact(); i >= 0 {
				failf("%v: reconstruction wrote outside shard %d", g, i)
			}
		}
	}
}

func geometriesApart(e *exam) {
	a, b := geometry{4, 4}, geometry{5, 3}
	ca, cb := e.coder(a), e.coder(b)
	sa, sb := encoded(ca, a, 50), encoded(cb, b, 50)
	lost := []int{0, 2}
	for range 2 {
		ga, gb := without(sa, lost), without(sb, lost)
		must(ca.Reconstruct(ga), "%v", a)
		must(cb.Reconstruct(gb), "%v", b)
		same(ga, sa, "%v: the loss of %v beside %v", a, lost, b)
		same(gb, sb, "%v: the loss of %v beside %v", b, lost, a)
	}
}
