// A history, prepared: keys are numbered from 0 on, writes lie by key, and of each
// transaction it is known what it read from others.

package history

import (
	"cmp"
	"fmt"
	"slices"
)

// checker is what is known of a history. Transactions and keys are numbers, so that what
// is known of them lies in slices.
type checker struct {
	h *History
	o Options

	first []int32 // of each transaction, the number of its first operation
	key   []int32 // of each operation, in a row
	names []int   // of each key, the caller's
	list  []bool  // of each key

	writes []write // those of key k are writes[start[k]:start[k+1]], by value
	start  []int32
	seen   []bool // of each transaction: something that it wrote was read

	reads []read

	orders []order // of each key that is a list

	edges  edges
	result Result
	pairs  map[[2]int32]bool // lost updates that are reported
}

// write is a value that a transaction appended or wrote: of its writes to the key the
// nth, from 0 on, and perhaps the final one.
type write struct {
	value int
	txn   int32
	nth   int32
	final bool
}

// read is the first read of a key by a transaction, and what it found of others': the
// first n elements of a list, or the register's write n of the key's, -1 for nothing.
type read struct {
	txn, key, op int32
	n            int32
}

func (c *checker) readOp(r *read) *Op { return &c.h.Txns[r.txn].Ops[r.op] }

// seenList is what a read of a list found of others'.
func (c *checker) seenList(r *read) []int { return c.readOp(r).List[:r.n] }

// live reports whether a transaction is committed.
func (c *checker) live(t int32) bool {
	s := c.h.Txns[t].Status
	return s == OK || s == Unknown && c.seen[t]
}

func (c *checker) writesOf(k int32) []write { return c.writes[c.start[k]:c.start[k+1]] }

// find returns which of a key's writes has a value, or -1.
func (c *checker) find(k int32, value int) int32 {
	i, ok := slices.BinarySearchFunc(c.writesOf(k), value, func(w write, v int) int { return cmp.Compare(w.value, v) })
	if !ok {
		return -1
	}
	return c.start[k] + int32(i)
}

// index numbers the keys and sorts the writes. It fails for a history that cannot be one.
func (c *checker) index() error {
	ops := 0
	c.first = make([]int32, len(c.h.Txns)+1)
	for t := range c.h.Txns {
		txn := &c.h.Txns[t]
		if txn.Status != Unknown && txn.End < txn.Start {
			return fmt.Errorf("history: T%d ended at %d, and began at %d: give events numbers that grow", t, txn.End, txn.Start)
		}
		ops += len(txn.Ops)
		if ops > maxOps {
			return fmt.Errorf("history: more than %d operations", maxOps)
		}
		c.first[t+1] = int32(ops)
	}
	c.key = make([]int32, 0, ops)
	c.numberKeys()
	c.seen = make([]bool, len(c.h.Txns))
	if err := c.sortKeys(); err != nil {
		return err
	}
	return c.sortWrites()
}

// maxOps keeps what is counted here, and edges too, in 32 bits.
const maxOps = 1 << 27

// numberKeys numbers keys as they come. Those that are small numbers themselves need no
// map.
func (c *checker) numberKeys() {
	lo, hi, ops := 0, 0, 0
	for t := range c.h.Txns {
		for i := range c.h.Txns[t].Ops {
			k := c.h.Txns[t].Ops[i].Key
			lo, hi, ops = min(lo, k), max(hi, k), ops+1
		}
	}
	dense := lo == 0 && hi <= 4*ops+1024
	var table []int32
	sparse := map[int]int32{}
	if dense {
		table = make([]int32, hi+1)
	}
	for t := range c.h.Txns {
		for i := range c.h.Txns[t].Ops {
			k := c.h.Txns[t].Ops[i].Key
			var n int32
			if dense {
				n = table[k]
			} else {
				n = sparse[k]
			}
			if n == 0 {
				c.names = append(c.names, k)
				n = int32(len(c.names))
				if dense {
					table[k] = n
				} else {
					sparse[k] = n
				}
			}
			c.key = append(c.key, n-1)
		}
	}
}

// sortKeys finds out which keys are lists.
func (c *checker) sortKeys() error {
	c.list = make([]bool, len(c.names))
	register := make([]bool, len(c.names))
	for t := range c.h.Txns {
		for i := range c.h.Txns[t].Ops {
			op, k := &c.h.Txns[t].Ops[i], c.key[int(c.first[t])+i]
			switch {
			case op.Kind == Append || op.Kind == Read && len(op.List) > 0:
				c.list[k] = true
			case op.Kind == Write || op.Value != 0:
				register[k] = true
			}
			if c.list[k] && register[k] {
				return fmt.Errorf("history: key %s is appended to, or read as a list, and written, or read as a register, by T%d: use two keys",
					c.h.keyName(op.Key), t)
			}
			if op.Kind != Read && op.Value == 0 {
				return fmt.Errorf("history: T%d writes 0 to key %s: 0 is what a read finds where nothing is; use another value", t, c.h.keyName(op.Key))
			}
		}
	}
	return nil
}

// sortWrites sorts writes by key, and those of a key by value.
func (c *checker) sortWrites() error {
	c.start = make([]int32, len(c.names)+1)
	for t := range c.h.Txns {
		for i := range c.h.Txns[t].Ops {
			if c.h.Txns[t].Ops[i].Kind != Read {
				c.start[c.key[int(c.first[t])+i]+1]++
			}
		}
	}
	for k := range c.names {
		c.start[k+1] += c.start[k]
	}
	c.writes = make([]write, c.start[len(c.names)])
	at := append([]int32(nil), c.start[:len(c.names)]...)
	writer := make([]int32, len(c.names)) // 1 + the transaction that wrote the key last
	for t := range c.h.Txns {
		for i := range c.h.Txns[t].Ops {
			op, k := &c.h.Txns[t].Ops[i], c.key[int(c.first[t])+i]
			if op.Kind == Read {
				continue
			}
			w := write{value: op.Value, txn: int32(t), final: true}
			if writer[k] == int32(t+1) {
				before := &c.writes[at[k]-1]
				before.final, w.nth = false, before.nth+1
			}
			c.writes[at[k]], writer[k] = w, int32(t+1)
			at[k]++
		}
	}
	for k := range c.names {
		of := c.writesOf(int32(k))
		byValue := func(a, b write) int { return cmp.Compare(a.value, b.value) }
		if !slices.IsSortedFunc(of, byValue) {
			slices.SortFunc(of, byValue)
		}
		for i := 1; i < len(of); i++ {
			if of[i].value == of[i-1].value {
				return fmt.Errorf("history: T%d and T%d both write %d to key %s: nobody could tell whose was read; use each value once",
					of[i-1].txn, of[i].txn, of[i].value, c.h.keyName(c.names[k]))
			}
		}
	}
	return nil
}

// within is what a transaction knows of a key, of itself.
type within struct {
	txn   int32 // 1 + whose this is
	known bool  // it has read or written it: value and list are what must be there
	value int
	list  []int
	own   []int // appended to list since
}

// follow reads each committed transaction from its first operation to its last: whether
// it agrees with itself, and what it read from others.
func (c *checker) follow() {
	state := make([]within, len(c.names))
	for t := range c.h.Txns {
		if c.h.Txns[t].Status != OK {
			continue
		}
		for i := range c.h.Txns[t].Ops {
			op, k := &c.h.Txns[t].Ops[i], c.key[int(c.first[t])+i]
			s := &state[k]
			if s.txn != int32(t+1) {
				*s = within{txn: int32(t + 1), own: s.own[:0]}
			}
			switch {
			case op.Kind == Append:
				s.own = append(s.own, op.Value)
			case op.Kind == Write:
				s.known, s.value = true, op.Value
			case !s.agrees(op, c.list[k]):
				c.internal(t, k, op, s)
			case !s.known:
				s.known, s.value = true, op.Value
				n := len(op.List) - len(s.own)
				if c.list[k] {
					s.list = op.List[:n]
				}
				c.reads = append(c.reads, read{txn: int32(t), key: k, op: int32(i), n: int32(n)})
			}
		}
	}
}

// agrees reports whether a read may follow what its transaction knows.
func (s *within) agrees(op *Op, list bool) bool {
	if !list {
		return !s.known || op.Value == s.value
	}
	n := len(op.List) - len(s.own)
	if n < 0 || !slices.Equal(op.List[n:], s.own) {
		return false
	}
	return !s.known || slices.Equal(op.List[:n], s.list)
}

func (c *checker) internal(t int, k int32, op *Op, s *within) {
	var expected string
	if !c.list[k] {
		expected = fmt.Sprint(s.value)
		if s.value == 0 {
			expected = "nil"
		}
	} else if s.known {
		expected = showList(append(slices.Clone(s.list), s.own...))
	} else {
		expected = "a list that ends with " + showList(s.own)
	}
	c.report(Anomaly{Name: Internal, Steps: []Step{{Txn: t, Why: fmt.Sprintf("%s, where by itself there is %s", c.h.describe(op, c.list[k]), expected)}}})
}
