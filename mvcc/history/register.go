// Registers: a read shows one version only, and says nothing of the order of the others.
// What is known of it: nothing is before everything, and a transaction that reads one
// version and writes another puts the second after the first. (In real time also: what
// was written after another write had returned comes after it.)

package history

import (
	"cmp"
	"fmt"
	"slices"
)

// readRegisters finds out who wrote what was read.
func (c *checker) readRegisters() {
	for i := range c.reads {
		r := &c.reads[i]
		if c.list[r.key] {
			continue
		}
		r.n = -1
		v := c.readOp(r).Value
		if v == 0 {
			continue
		}
		w := c.find(r.key, v)
		if w < 0 {
			c.report(Anomaly{Name: Garbage, Steps: []Step{{Txn: int(r.txn), Why: fmt.Sprintf("read %s %d, which nobody wrote", c.keyName(r.key), v)}}})
			r.n = garbage
			continue
		}
		r.n = w
		by := c.writes[w]
		c.seen[by.txn] = true
		if c.h.Txns[by.txn].Status == Failed {
			c.aborted(by.txn, r.txn, r.key, v, fmt.Sprint(v))
		}
		if by.txn == r.txn {
			c.early(r, v)
		} else if !by.final {
			c.intermediate(by.txn, r.txn, r.key, v, fmt.Sprint(v))
		}
	}
}

// garbage is the version of a read that shows none.
const garbage = -2

// versions are, of each register's write, writes that are known to come after it: the
// first few.
type versions struct {
	after   [][]int32 // of each write
	initial [][]int32 // of each key: after nothing
}

// linkRegisters adds the edges of registers. Who is committed is known by now.
func (c *checker) linkRegisters() {
	v := &versions{after: make([][]int32, len(c.writes)), initial: make([][]int32, len(c.names))}
	for k := range c.names {
		if c.list[k] {
			continue
		}
		c.firstVersions(int32(k), v)
		if c.o.RealTime {
			c.timeVersions(int32(k), v)
		}
	}
	for i := range c.reads {
		if r := &c.reads[i]; !c.list[r.key] && r.n != garbage {
			c.linkOverwrite(r, v)
		}
	}
	for i := range c.reads {
		if r := &c.reads[i]; !c.list[r.key] && r.n != garbage {
			c.linkRegisterRead(r, v)
		}
	}
}

// firstVersions puts writes after nothing.
func (c *checker) firstVersions(k int32, v *versions) {
	var all []int32
	for w := c.start[k]; w < c.start[k+1]; w++ {
		if c.writes[w].final && c.live(c.writes[w].txn) {
			all = append(all, w)
		}
	}
	v.initial[k] = c.firstToEnd(all)
}

// timeVersions puts after each write one that began after it had ended: of those the
// first to end.
func (c *checker) timeVersions(k int32, v *versions) {
	var order []int32
	for w := c.start[k]; w < c.start[k+1]; w++ {
		if c.writes[w].final && c.h.Txns[c.writes[w].txn].Status == OK {
			order = append(order, w)
		}
	}
	txn := func(w int32) *Txn { return &c.h.Txns[c.writes[w].txn] }
	slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(txn(a).Start, txn(b).Start) })
	earliest := slices.Clone(order) // of those from here on, the first to end
	for i := len(order) - 2; i >= 0; i-- {
		if txn(earliest[i+1]).End < txn(earliest[i]).End {
			earliest[i] = earliest[i+1]
		}
	}
	for _, w := range order {
		i, _ := slices.BinarySearchFunc(order, txn(w).End, func(x int32, end int) int {
			if txn(x).Start > end {
				return 1
			}
			return -1
		})
		if i < len(order) {
			v.after[w] = append(v.after[w], earliest[i])
		}
	}
}

// linkOverwrite puts what the reader of a version, or of nothing, wrote after that version.
func (c *checker) linkOverwrite(r *read, v *versions) {
	mine := c.finalWrite(r.txn, r.key)
	if mine < 0 {
		return
	}
	after := &v.initial[r.key]
	if r.n >= 0 {
		after = &v.after[r.n]
		if by := c.writes[r.n].txn; c.live(by) {
			c.edges.add(by, r.txn, ww, r.key)
		}
	}
	if len(*after) < 2*maxUnread && !slices.Contains(*after, mine) {
		*after = append(*after, mine)
	}
}

// finalWrite returns the last write of a transaction to a key, or -1.
func (c *checker) finalWrite(t, k int32) int32 {
	ops := c.h.Txns[t].Ops
	for i := len(ops) - 1; i >= 0; i-- {
		if ops[i].Kind != Read && c.key[int(c.first[t])+i] == k {
			return c.find(k, ops[i].Value)
		}
	}
	return -1
}

// linkRegisterRead adds the edges to and from a reader of a register.
func (c *checker) linkRegisterRead(r *read, v *versions) {
	after := v.initial[r.key]
	if r.n >= 0 {
		after = v.after[r.n]
		if by := c.writes[r.n].txn; c.live(by) {
			c.edges.add(by, r.txn, wr, r.key)
		}
	}
	kind := rw
	if c.readOp(r).Scan {
		kind = prw
	}
	for _, w := range after {
		c.edges.add(r.txn, c.writes[w].txn, kind, r.key)
	}
}
