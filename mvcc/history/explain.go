// Why an edge is there, in words.

package history

import (
	"fmt"
	"slices"
)

// explain says why the transaction of a step is before the one that its edge leads to.
func (c *checker) explain(s step) Step {
	from, to, k := s.node, s.arc.to, s.arc.key
	out := Step{Txn: int(from), Edge: s.arc.kind.String()}
	if s.arc.kind == rt {
		out.Why = fmt.Sprintf("T%d ended at %d, and T%d began at %d", from, c.h.Txns[from].End, to, c.h.Txns[to].Start)
		return out
	}
	out.Key = c.keyName(k)
	if c.list[k] {
		out.Why = c.explainList(from, to, k, s.arc.kind)
	} else {
		out.Why = c.explainRegister(from, to, k, s.arc.kind)
	}
	return out
}

// externalRead is a transaction's first read of a key, which must be there.
func (c *checker) externalRead(t, k int32) *read {
	i := slices.IndexFunc(c.reads, func(r read) bool { return r.txn == t && r.key == k })
	return &c.reads[i]
}

func (c *checker) explainList(from, to, k int32, kind edgeKind) string {
	o := &c.orders[k]
	switch kind {
	case wr:
		list := c.seenList(c.externalRead(to, k))
		return fmt.Sprintf("T%d appended %d, and T%d read %s", from, list[len(list)-1], to, showList(list))
	case ww:
		before, after := c.neighbours(o, from, to)
		if before < 0 { // no read shows the second
			last, unread := c.lastLive(o), c.unreadOf(o, to)
			return fmt.Sprintf("T%d appended %d, and T%d %d behind it, for no read shows that", from, c.writes[last].value, to, c.writes[unread].value)
		}
		return fmt.Sprintf("T%d appended %d, and T%d %d behind it", from, c.writes[before].value, to, c.writes[after].value)
	}
	r := c.externalRead(from, k)
	w := c.unreadOf(o, to)
	if n := o.next[r.n]; n >= 0 {
		w = n
	}
	return fmt.Sprintf("T%d read %s, and T%d appended %d behind it", from, showList(c.seenList(r)), to, c.writes[w].value)
}

// neighbours are writes of two transactions of which one follows the other, or -1.
func (c *checker) neighbours(o *order, from, to int32) (before, after int32) {
	for i, w := range o.writer {
		if w < 0 || c.writes[w].txn != from {
			continue
		}
		if n := o.next[i+1]; n >= 0 && c.writes[n].txn == to {
			return w, n
		}
	}
	return -1, -1
}

func (c *checker) unreadOf(o *order, t int32) int32 {
	for _, w := range o.unread {
		if c.writes[w].txn == t {
			return w
		}
	}
	return -1
}

func (c *checker) explainRegister(from, to, k int32, kind edgeKind) string {
	switch kind {
	case wr:
		return fmt.Sprintf("T%d wrote %d, and T%d read it", from, c.readOp(c.externalRead(to, k)).Value, to)
	case ww:
		return fmt.Sprintf("T%d wrote %d, and T%d read it and wrote %d", from, c.readOp(c.externalRead(to, k)).Value, to, c.writes[c.finalWrite(to, k)].value)
	}
	found := "nil"
	if v := c.readOp(c.externalRead(from, k)).Value; v != 0 {
		found = fmt.Sprint(v)
	}
	return fmt.Sprintf("T%d read %s, and T%d wrote %d over it", from, found, to, c.writes[c.finalWrite(to, k)].value)
}
