// Real time: a transaction that ended before another began is before it. There are as
// many such pairs as the square of transactions, but a chain of posts says the same with
// three edges each:
//
//	T0 |----|
//	        v
//	posts   0 ------> 1 ---------> 2       a post for each end, in order
//	        |         ^            ^
//	        v         |            |
//	T1      |---------|            |       after post 0
//	T2 |---------------------------|       after none: T0 had not ended

package history

import (
	"cmp"
	"slices"
)

// linkTime adds the posts, as nodes behind the transactions, and returns how many nodes
// there are then.
func (c *checker) linkTime() int {
	txns := c.h.Txns
	var ends []int32 // committed transactions, in the order in which they ended
	for t := range txns {
		if txns[t].Status == OK {
			ends = append(ends, int32(t))
		}
	}
	slices.SortFunc(ends, func(a, b int32) int { return cmp.Compare(txns[a].End, txns[b].End) })
	post := func(i int) int32 { return int32(len(txns) + i) }
	for i, t := range ends {
		c.edges.add(t, post(i), rt, -1)
		if i > 0 {
			c.edges.add(post(i-1), post(i), rt, -1)
		}
	}
	for t := range txns {
		if !c.live(int32(t)) {
			continue
		}
		i, _ := slices.BinarySearchFunc(ends, txns[t].Start, func(e int32, at int) int { return cmp.Compare(txns[e].End, at) })
		if i > 0 {
			c.edges.add(post(i-1), int32(t), rt, -1)
		}
	}
	return len(txns) + len(ends)
}

// withoutTime takes the posts, which are nodes from txns on, out of a cycle: what leads
// to one leads to the transaction behind.
func withoutTime(cycle []step, txns int32) []step {
	for cycle[0].node >= txns {
		cycle = append(cycle[1:], cycle[0])
	}
	var out []step
	for _, s := range cycle {
		if s.node < txns {
			out = append(out, s)
		} else {
			out[len(out)-1].arc.to = s.arc.to
		}
	}
	return out
}
