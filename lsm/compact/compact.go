// Package compact decides which tables of a log-structured merge tree are merged
// next. It decides and does nothing: a View of the tree goes in, a Plan comes
// out, and the same view gives the same plan.
//
//	L0   [c----------------q]  [b-------x]      tables overlap; newer ones first
//	L1                                          empty: below the base level's turn
//	L5   [a----f][g----m][n----z]               tables of one level never overlap
//	L6   [a-b][c-d][e-g][h-k][l-p][q-t][u-z]    each level is larger by a factor
//
// A compaction takes tables of one level and all that overlap them in the target
// level, and replaces them by their merged content in the target level. What
// keeps the tree right, whatever is picked, is [View.Conflicts] and these rules:
//
//  1. Of L0, a table goes down only with all older ones that overlap it, else an
//     older entry would end above a newer one.
//  2. No level is skipped that holds entries in the range: the target is the
//     next level that is not empty, or above it.
//  3. Two compactions that run at a time do not meet in any level and range.
package compact

import (
	"bytes"

	"github.com/flagship-go/flagship/lsm/key"
	"github.com/flagship-go/flagship/lsm/manifest"
)

// Levels is the number of levels of a tree.
const Levels = 7

// Table is what is known of a table without reading it.
type Table = manifest.Table

// View is a tree to pick from, and what is going on in it.
type View struct {
	Order key.Order
	// Levels holds the tables: those of L0 from old to new, of the others in
	// the order of their keys.
	Levels [Levels][]*Table
	// Layers is the number of L0's layers: how many of its tables a read of one
	// key may have to ask.
	Layers int
	// Layer is the layer of each table of L0, from 0 for the lowest.
	Layer []int
	// Running are the compactions under way.
	Running []*Plan
	// Oldest is the oldest sequence number that an open snapshot reads, or the
	// newest of all when there is none: what is above may not be dropped.
	Oldest uint64
	// Now is the time in Unix nanoseconds, for what expires.
	Now int64
}

// Plan is a compaction to be run.
type Plan struct {
	// Reason says why, in a word.
	Reason string
	// Level is where Inputs are, and Target the level of the result.
	Level, Target int
	// Inputs are tables of Level, Overlaps those of Target that meet them.
	Inputs, Overlaps []*Table
	// Move says that the inputs are put into the target level as they are.
	Move bool
	// Drop says that the inputs hold nothing that is still wanted.
	Drop bool
	// Values are files of the value log to be copied out of.
	Values map[uint64]bool

	// Start and End are the first and the last user key concerned.
	Start, End []byte
}

// Policy picks compactions. Pick returns nil when nothing needs to be done, and
// no plan that conflicts with the view. It is called by one goroutine at a time.
type Policy interface {
	Pick(v *View) *Plan
}

// Size returns the bytes of tables.
func Size(tables []*Table) (n uint64) {
	for _, t := range tables {
		n += t.Size
	}
	return n
}

// Overlapping returns the tables of a level that may hold user keys from start to
// end, both included; nil for either end of the level.
func (v *View) Overlapping(level int, start, end []byte) []*Table {
	var out []*Table
	for _, t := range v.Levels[level] {
		if v.meets(t, start, end) {
			out = append(out, t)
		}
	}
	return out
}

func (v *View) meets(t *Table, start, end []byte) bool {
	return (end == nil || v.Order.CompareUser(key.UserKey(t.Smallest), end) <= 0) &&
		(start == nil || v.Order.CompareUser(start, key.UserKey(t.Largest)) <= 0)
}

// Bounds returns the first and the last user key of tables.
func (v *View) Bounds(groups ...[]*Table) (start, end []byte) {
	for _, tables := range groups {
		for _, t := range tables {
			if s := key.UserKey(t.Smallest); start == nil || v.Order.CompareUser(s, start) < 0 {
				start = s
			}
			if e := key.UserKey(t.Largest); end == nil || v.Order.CompareUser(e, end) > 0 {
				end = e
			}
		}
	}
	return start, end
}

// Complete fills in the overlaps and the range of a plan with inputs.
func (v *View) Complete(p *Plan) *Plan {
	p.Start, p.End = v.Bounds(p.Inputs)
	if p.Target != p.Level {
		p.Overlaps = v.Overlapping(p.Target, p.Start, p.End)
		p.Start, p.End = v.Bounds(p.Inputs, p.Overlaps)
	}
	return p
}

// Conflicts reports whether p meets a compaction under way: in a level that both
// use, over keys that both have.
func (v *View) Conflicts(p *Plan) bool {
	for _, r := range v.Running {
		if max(p.Level, r.Level) <= min(p.Target, r.Target) &&
			v.Order.CompareUser(p.Start, r.End) <= 0 && v.Order.CompareUser(r.Start, p.End) <= 0 {
			return true
		}
	}
	return false
}

// Below reports whether a level after level holds tables that meet the range, both
// ends included.
func (v *View) Below(level int, start, end []byte) bool {
	for l := level + 1; l < Levels; l++ {
		for _, t := range v.Levels[l] {
			if v.meets(t, start, end) {
				return true
			}
		}
	}
	return false
}

// CloseL0 returns the tables of L0 that must go down together with those of
// seed: all older ones that overlap them, and theirs.
func (v *View) CloseL0(seed []*Table) []*Table {
	in := make(map[uint64]bool)
	for _, t := range seed {
		in[t.Num] = true
	}
	all := v.Levels[0] // old to new
	for i := len(all) - 1; i >= 0; i-- {
		if !in[all[i].Num] {
			continue
		}
		for _, older := range all[:i] {
			if v.meets(older, key.UserKey(all[i].Smallest), key.UserKey(all[i].Largest)) {
				in[older.Num] = true
			}
		}
	}
	var out []*Table
	for _, t := range all {
		if in[t.Num] {
			out = append(out, t)
		}
	}
	return out
}

// Manual returns the compaction that moves what a level holds between two user
// keys one level down, or rewrites it in place on the last; nil bounds are open.
// It is nil when there is nothing.
func (v *View) Manual(level, target int, start, end []byte) *Plan {
	inputs := v.Overlapping(level, start, end)
	if len(inputs) == 0 {
		return nil
	}
	if level == 0 {
		inputs = v.CloseL0(inputs)
	}
	return v.Complete(&Plan{Reason: "manual", Level: level, Target: target, Inputs: inputs})
}

// Rewrite returns the compaction that copies the values in files out of the first
// table that points there and can be worked on now; nil when there is none.
func (v *View) Rewrite(files map[uint64]bool) *Plan {
	for level := range v.Levels {
		for _, t := range v.Levels[level] {
			for _, ref := range t.Values {
				if !files[ref.File] {
					continue
				}
				p := v.Complete(&Plan{Reason: "values", Level: level, Target: level, Inputs: []*Table{t}, Values: files})
				if !v.Conflicts(p) {
					return p
				}
				break
			}
		}
	}
	return nil
}

// older reports whether a comes before b, for choices that are otherwise equal.
func older(a, b *Table) bool {
	if a.MinSeq != b.MinSeq {
		return a.MinSeq < b.MinSeq
	}
	return bytes.Compare(a.Smallest, b.Smallest) < 0
}
