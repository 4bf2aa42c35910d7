// Which part of a table a query can find its rows in, by what it says of the key.
//
//	key (a, b, c)     WHERE a = 1 AND b > 7 AND c = 3
//	                  from  prefix | 1 | just after 7
//	                  to    prefix | just after 1
//
// The columns of the key are read in order: as long as each is said to be equal to
// something, the keys begin alike; the first that is said to be above or below bounds
// them, and those after it say nothing. The conditions stay in the filter, so a range
// need only be large enough.

package coprocessor

import "slices"

// Range is where the rows of the table are that the plan may need: start <= key < end. A
// nil end is no bound; if start >= end there are none. The slices are the caller's.
func (p *Plan) Range() (start, end []byte) {
	start, end, _ = p.keyRange()
	return start, end
}

// keyRange also returns the conditions that the range was made of.
func (p *Plan) keyRange() (start, end []byte, used []*Expr) {
	conditions := conjuncts(p.Where)
	prefix := p.Table.Prefix
	for _, column := range p.Table.key {
		start, end = slices.Clone(prefix), after(prefix)
		equal := -1
		for i, e := range conditions {
			op, v, ok := e.bounds(column)
			if !ok {
				continue
			}
			used = append(used, e)
			key := appendKeyValue(slices.Clone(prefix), v)
			switch op {
			case OpEq:
				equal = i
				start, end = later(start, key), earlier(end, after(key))
			case OpGe:
				start = later(start, key)
			case OpGt:
				start = later(start, after(key))
			case OpLe:
				end = earlier(end, after(key))
			case OpLt:
				end = earlier(end, key)
			}
		}
		if equal < 0 || end != nil && string(start) >= string(end) {
			return start, end, used
		}
		_, v, _ := conditions[equal].bounds(column)
		prefix = appendKeyValue(slices.Clone(prefix), v)
	}
	return slices.Clone(prefix), after(prefix), used
}

// bounds reports whether the expression compares that column with a literal, as
// column op v.
func (e *Expr) bounds(column int) (op Op, v Value, ok bool) {
	if !e.Op.compares() || e.Op == OpNe {
		return 0, Value{}, false
	}
	op, l, r := e.Op, e.Args[0], e.Args[1]
	if l.Op == OpLiteral {
		// 5 < a is a > 5.
		op = map[Op]Op{OpEq: OpEq, OpLt: OpGt, OpLe: OpGe, OpGt: OpLt, OpGe: OpLe}[op]
		l, r = r, l
	}
	ok = l.Op == OpColumn && l.index == column && r.Op == OpLiteral && !r.Value.IsNull()
	return op, r.Value, ok
}

// after is the first key that does not begin with a prefix, and is behind those that do;
// nil if there is none.
func after(prefix []byte) []byte {
	end := slices.Clone(prefix)
	for len(end) > 0 && end[len(end)-1] == 0xff {
		end = end[:len(end)-1]
	}
	if len(end) == 0 {
		return nil
	}
	end[len(end)-1]++
	return end
}

func later(a, b []byte) []byte {
	if string(a) < string(b) {
		return b
	}
	return a
}

// earlier is the earlier of two ends, where nil is none.
func earlier(a, b []byte) []byte {
	if a == nil || b != nil && string(b) < string(a) {
		return b
	}
	return a
}
