package compact

import "github.com/flagship-go/flagship/lsm/key"

// Leveled keeps every level below a size that grows by a factor from level to
// level, so that a read asks few tables and the space above the last level is a
// fraction of it.
//
// The levels' sizes are counted up from the last one (RocksDB's dynamic level
// bytes): its target is what it holds, the one above may have a Ratio of it, and
// so on, until a target would be below BaseSize. That is the base level, the
// target of L0; the levels between are empty. So even a small tree keeps nearly
// all of its data in one level.
type Leveled struct {
	Order key.Order
	// L0Trigger is the number of L0's layers from which on L0 is compacted.
	L0Trigger int
	// BaseSize is the size in bytes that the base level may have.
	BaseSize uint64
	// Ratio is how much larger each level may be than the one above.
	Ratio int
	// TableSize is the size at which compactions end a table.
	TableSize uint64
}

// Pick implements [Policy].
func (l *Leveled) Pick(v *View) *Plan {
	if p := l.expired(v); p != nil {
		return p
	}
	base, targets := l.Targets(v)
	type candidate struct {
		level int
		score float64
	}
	var todo []candidate
	if n := float64(v.Layers) / float64(l.L0Trigger); n >= 1 {
		todo = append(todo, candidate{0, n})
	}
	for level := base; level < Levels-1; level++ {
		if n := float64(Size(v.Levels[level])) / float64(targets[level]); n > 1 {
			todo = append(todo, candidate{level, n})
		}
	}
	for len(todo) > 0 {
		best := 0
		for i := range todo {
			if todo[i].score > todo[best].score {
				best = i
			}
		}
		var p *Plan
		if level := todo[best].level; level == 0 {
			p = l.pickL0(v, base)
		} else {
			p = l.pickLevel(v, level)
		}
		if p != nil {
			return p
		}
		todo = append(todo[:best], todo[best+1:]...)
	}
	if p := l.hiddenValues(v, base); p != nil {
		return p
	}
	return l.tombstones(v)
}

// Targets returns the base level and the size that each level may have.
func (l *Leveled) Targets(v *View) (base int, targets [Levels]uint64) {
	var largest uint64
	first := Levels - 1
	for level := Levels - 1; level > 0; level-- {
		if n := Size(v.Levels[level]); n > 0 {
			first, largest = level, max(largest, n)
		}
	}
	size := max(largest, l.BaseSize)
	for base = Levels - 1; base > 1 && size > l.BaseSize; base-- {
		targets[base] = size
		size /= uint64(l.Ratio)
	}
	targets[base] = max(size, l.BaseSize)
	// Rule 2: what lies above the computed base is not jumped over.
	for ; base > first; base-- {
		targets[base-1] = l.BaseSize
	}
	return base, targets
}

// pickL0 chooses the table of L0 that takes the most layers along for the least
// to rewrite below, or puts small tables of L0 together when the base is busy.
func (l *Leveled) pickL0(v *View, base int) *Plan {
	var best *Plan
	var bestGain float64
	for i, t := range v.Levels[0] {
		if v.Layer[i] != v.topLayer(t) {
			continue
		}
		p := v.Complete(&Plan{Reason: "L0", Level: 0, Target: base, Inputs: v.CloseL0([]*Table{t})})
		if v.Conflicts(p) {
			continue
		}
		above, below := float64(Size(p.Inputs)), float64(Size(p.Overlaps))
		gain := float64(v.Layer[i]+1) * above / (above + below + 1)
		if best == nil || gain > bestGain {
			best, bestGain = p, gain
		}
	}
	if best == nil {
		return nil
	}
	best = l.widen(v, best)
	// A lone table over nothing needs no rewriting.
	best.Move = len(best.Inputs) == 1 && len(best.Overlaps) == 0
	return best
}

// widen adds tables of L0 to a plan that lie within its range already: they come
// at no cost below.
func (l *Leveled) widen(v *View, p *Plan) *Plan {
	seed := append([]*Table(nil), p.Inputs...)
	for _, t := range v.Levels[0] {
		if v.Order.CompareUser(p.Start, key.UserKey(t.Smallest)) <= 0 &&
			v.Order.CompareUser(key.UserKey(t.Largest), p.End) <= 0 {
			seed = append(seed, t)
		}
	}
	wide := v.Complete(&Plan{Reason: p.Reason, Level: 0, Target: p.Target, Inputs: v.CloseL0(seed)})
	if v.Conflicts(wide) {
		return p
	}
	return wide
}

// topLayer returns the highest layer of L0 within the range of t.
func (v *View) topLayer(t *Table) int {
	top := 0
	for i, other := range v.Levels[0] {
		if v.meets(other, key.UserKey(t.Smallest), key.UserKey(t.Largest)) {
			top = max(top, v.Layer[i])
		}
	}
	return top
}

// pickLevel chooses the table of a level that is cheapest to move down: the one
// with the least below it for its size.
func (l *Leveled) pickLevel(v *View, level int) *Plan {
	var best *Plan
	var bestCost float64
	for _, t := range v.Levels[level] {
		p := v.Complete(&Plan{Reason: "size", Level: level, Target: level + 1, Inputs: []*Table{t}})
		if v.Conflicts(p) {
			continue
		}
		// Deleted entries free space below: they count as if they were there.
		worth := float64(t.Size) * (1 + float64(t.Deletes)/float64(t.Entries+1))
		cost := float64(Size(p.Overlaps)) / (worth + 1)
		if best == nil || cost < bestCost || cost == bestCost && older(t, best.Inputs[0]) {
			best, bestCost = p, cost
		}
	}
	if best != nil {
		best.Move = len(best.Overlaps) == 0 && best.Inputs[0].RangeDeletes == 0
	}
	return best
}

// expired finds tables all of whose entries have expired, over nothing that they
// hide: they go without being read.
func (l *Leveled) expired(v *View) *Plan {
	for level := range v.Levels {
		for _, t := range v.Levels[level] {
			if t.Expires == 0 || t.Expires > v.Now || t.RangeDeletes > 0 {
				continue
			}
			p := v.Complete(&Plan{Reason: "expired", Level: level, Target: level, Inputs: []*Table{t}, Drop: true})
			if !v.Below(level, p.Start, p.End) && !v.olderInL0(t, level) && !v.Conflicts(p) {
				return p
			}
		}
	}
	return nil
}

func (v *View) olderInL0(t *Table, level int) bool {
	return level == 0 && len(v.CloseL0([]*Table{t})) > 1
}

// hiddenValues brings L0 down early when its tables may hide a large part of the
// value log: pointers are small, so that sizes alone would let dead values lie
// for long.
func (l *Leveled) hiddenValues(v *View, base int) *Plan {
	if v.Layers < 2 {
		return nil
	}
	upper, all := values(v.Levels[0]), uint64(0)
	for level := range v.Levels {
		all += values(v.Levels[level])
	}
	if upper == 0 || upper < (all-upper)/8 {
		return nil
	}
	if p := l.pickL0(v, base); p != nil {
		p.Reason = "hidden values"
		return p
	}
	return nil
}

func values(tables []*Table) (n uint64) {
	for _, t := range tables {
		for _, ref := range t.Values {
			n += ref.Bytes
		}
	}
	return n
}

// tombstones finds a table at the bottom of its range that is full of deletes
// which a snapshot held when it was written, and holds no longer.
func (l *Leveled) tombstones(v *View) *Plan {
	for level := 1; level < Levels; level++ {
		for _, t := range v.Levels[level] {
			if t.Deletes*4 < t.Entries && t.RangeDeletes == 0 || t.MaxSeq > v.Oldest || t.Deletes+t.RangeDeletes == 0 {
				continue
			}
			p := v.Complete(&Plan{Reason: "tombstones", Level: level, Target: level, Inputs: []*Table{t}})
			if !v.Below(level, p.Start, p.End) && !v.Conflicts(p) {
				return p
			}
		}
	}
	return nil
}
