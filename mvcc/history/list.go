// Lists: a read shows the whole order of what was appended before it. So the longest
// read of a key gives the order of its versions, and each read its place in it.
//
//	T0 append x 1     T1 append x 2     T2 read x [1]     T3 read x [1 2]
//
//	order of x      1          2        (of T3's read)
//	written by      T0 --ww--> T1
//	                 \        ^  \
//	                  wr     rw   wr
//	                   v    /      v
//	read by             T2         T3

package history

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// order is the elements of a list in the order in which they were appended.
type order struct {
	longest int32 // 1 + the read that shows it
	writer  []int32
	// next is, of each place and the end, the first write from there on that
	// is of a committed transaction; -1: none.
	next []int32
	// unread are writes of committed transactions that no read shows: so they are behind
	// all that the longest read shows.
	unread []int32
}

// maxUnread is how many unread writes of a key, or successors of a version whose order is
// not known, get edges: an edge more for each would make edges the square of writes.
const maxUnread = 8

// orderLists finds the longest read of each list, and who wrote what it shows.
func (c *checker) orderLists() {
	c.orders = make([]order, len(c.names))
	for i := range c.reads {
		r := &c.reads[i]
		if o := &c.orders[r.key]; c.list[r.key] && (o.longest == 0 || len(c.readOp(r).List) > len(c.longest(o))) {
			o.longest = int32(i + 1)
		}
	}
	used := make([]bool, len(c.writes))
	turns := make([]turn, len(c.h.Txns))
	for k := range c.orders {
		if c.orders[k].longest != 0 {
			c.orderList(int32(k), used)
			c.ownOrder(int32(k), turns)
		}
	}
}

// turn is how many of a transaction's elements of a list have come.
type turn struct{ key, nth int32 }

// ownOrder looks whether the elements that one transaction appended are all there, in the
// order in which it appended them. (What is between them is found as a cycle.)
func (c *checker) ownOrder(k int32, turns []turn) {
	o := &c.orders[k]
	for _, w := range o.writer {
		if w < 0 || c.h.Txns[c.writes[w].txn].Status == Failed {
			continue
		}
		by := c.writes[w]
		mine := &turns[by.txn]
		if mine.key != k+1 {
			*mine = turn{key: k + 1}
		}
		if by.nth != mine.nth {
			reader := c.reads[o.longest-1].txn
			c.report(Anomaly{Name: Internal, Steps: []Step{
				{Txn: int(by.txn), Edge: wr.String(), Key: c.keyName(k), Why: fmt.Sprintf("T%d appended %d not where T%d read it: %s", by.txn, by.value, reader, showList(c.longest(o)))},
				{Txn: int(reader)},
			}})
			return
		}
		mine.nth++
	}
}

func (c *checker) longest(o *order) []int { return c.readOp(&c.reads[o.longest-1]).List }

func (c *checker) orderList(k int32, used []bool) {
	o := &c.orders[k]
	list, reader := c.longest(o), c.reads[o.longest-1].txn
	o.writer = make([]int32, len(list))
	for i, v := range list {
		w := c.find(k, v)
		switch {
		case w < 0:
			c.report(Anomaly{Name: Garbage, Steps: []Step{{Txn: int(reader), Why: fmt.Sprintf("read %s %s, and nobody appended %d", c.keyName(k), showList(list), v)}}})
		case used[w]:
			c.report(Anomaly{Name: Duplicate, Steps: []Step{{Txn: int(reader), Why: fmt.Sprintf("read %s %s, with %d twice", c.keyName(k), showList(list), v)}}})
			w = -1
		default:
			used[w] = true
			c.seen[c.writes[w].txn] = true
			if by := c.writes[w].txn; c.h.Txns[by].Status == Failed {
				c.aborted(by, reader, k, v, showList(list))
			}
		}
		o.writer[i] = w
	}
}

// aborted reports a read of what a failed transaction wrote.
func (c *checker) aborted(writer, reader int32, k int32, v int, shown string) {
	c.report(Anomaly{Name: G1a, Steps: []Step{
		{Txn: int(writer), Edge: wr.String(), Key: c.keyName(k), Why: fmt.Sprintf("T%d failed, and T%d read its %d: %s", writer, reader, v, shown)},
		{Txn: int(reader)},
	}})
}

// linkLists adds the edges of lists. Who is committed is known by now.
func (c *checker) linkLists() {
	for k := range c.orders {
		if c.list[k] {
			c.linkOrder(int32(k))
		}
	}
	broken := make([]bool, len(c.names)) // an incompatible read of the key is reported
	for i := range c.reads {
		if r := &c.reads[i]; c.list[r.key] {
			c.linkListRead(r, broken)
		}
	}
}

// linkOrder adds the ww edges of a list.
func (c *checker) linkOrder(k int32) {
	o := &c.orders[k]
	o.next = make([]int32, len(o.writer)+1)
	next := int32(-1)
	o.next[len(o.writer)] = next
	for i := len(o.writer) - 1; i >= 0; i-- {
		if w := o.writer[i]; w >= 0 && c.live(c.writes[w].txn) {
			if next >= 0 {
				c.edges.add(c.writes[w].txn, c.writes[next].txn, ww, k)
			}
			next = w
		}
		o.next[i] = next
	}
	shown := 0
	for _, w := range o.writer {
		if w >= 0 {
			shown++
		}
	}
	if shown == len(c.writesOf(k)) {
		return
	}
	c.findUnread(k)
	last := c.lastLive(o)
	for _, w := range o.unread {
		if last >= 0 {
			c.edges.add(c.writes[last].txn, c.writes[w].txn, ww, k)
		}
	}
}

// lastLive is the last write of a list that is of a committed transaction, or -1.
func (c *checker) lastLive(o *order) int32 {
	for i := len(o.writer) - 1; i >= 0; i-- {
		if w := o.writer[i]; w >= 0 && c.live(c.writes[w].txn) {
			return w
		}
	}
	return -1
}

func (c *checker) findUnread(k int32) {
	o := &c.orders[k]
	shown := map[int32]bool{}
	for _, w := range o.writer {
		shown[w] = true
	}
	var all []int32
	for w := c.start[k]; w < c.start[k+1]; w++ {
		if !shown[w] && c.live(c.writes[w].txn) {
			all = append(all, w)
		}
	}
	o.unread = c.firstToEnd(all)
}

// firstToEnd returns maxUnread of some writes of a key: those of the transactions that ended
// first, which whoever began later than any of the others has to have seen, too.
func (c *checker) firstToEnd(all []int32) []int32 {
	if len(all) <= maxUnread {
		return all
	}
	end := func(w int32) int {
		if t := &c.h.Txns[c.writes[w].txn]; t.Status == OK {
			return t.End
		}
		return math.MaxInt
	}
	slices.SortStableFunc(all, func(a, b int32) int { return cmp.Compare(end(a), end(b)) })
	return slices.Clone(all[:maxUnread])
}

// linkListRead adds the edges to and from a reader of a list.
func (c *checker) linkListRead(r *read, broken []bool) {
	o, list := &c.orders[r.key], c.seenList(r)
	if full := c.readOp(r).List; !samePrefix(full, c.longest(o)) {
		if !broken[r.key] {
			broken[r.key] = true
			other := c.reads[o.longest-1].txn
			c.report(Anomaly{Name: Incompatible, Steps: []Step{
				{Txn: int(r.txn), Edge: "not a beginning", Key: c.keyName(r.key), Why: fmt.Sprintf("T%d read %s, and T%d %s", r.txn, showList(full), other, showList(c.longest(o)))},
				{Txn: int(other)},
			}})
		}
		return
	}
	writer := int32(-1) // of the version that was read
	if n := len(list); n > 0 {
		if w := o.writer[n-1]; w >= 0 {
			by := c.writes[w]
			writer = by.txn
			if by.txn == r.txn {
				c.early(r, list[n-1])
			} else if !by.final {
				c.intermediate(by.txn, r.txn, r.key, list[n-1], showList(list))
			}
			if c.live(by.txn) {
				c.edges.add(by.txn, r.txn, wr, r.key)
			}
		}
	}
	kind := rw
	if c.readOp(r).Scan {
		kind = prw
	}
	if w := o.next[len(list)]; w >= 0 {
		if c.writes[w].txn != writer { // else it is G1b, which is reported
			c.edges.add(r.txn, c.writes[w].txn, kind, r.key)
		}
		return
	}
	for _, w := range o.unread {
		if c.writes[w].txn != writer {
			c.edges.add(r.txn, c.writes[w].txn, kind, r.key)
		}
	}
}

// intermediate reports a read of what a transaction wrote, and then wrote over.
func (c *checker) intermediate(writer, reader, k int32, v int, shown string) {
	c.report(Anomaly{Name: G1b, Steps: []Step{
		{Txn: int(writer), Edge: wr.String(), Key: c.keyName(k), Why: fmt.Sprintf("T%d wrote on after %d, and T%d read %s", writer, v, reader, shown)},
		{Txn: int(reader)},
	}})
}

// early reports a read of what the transaction writes later.
func (c *checker) early(r *read, v int) {
	c.report(Anomaly{Name: Internal, Steps: []Step{{Txn: int(r.txn), Why: fmt.Sprintf("read %s %d before it was there", c.keyName(r.key), v)}}})
}

// samePrefix reports whether the shorter one begins the longer one.
func samePrefix(short, long []int) bool {
	if len(short) > len(long) {
		return false
	}
	for i, v := range short {
		if v != long[i] {
			return false
		}
	}
	return true
}
