package lsm

import (
	"bytes"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/flagship-go/flagship/lsm/compact"
	"github.com/flagship-go/flagship/lsm/key"
	"github.com/flagship-go/flagship/lsm/manifest"
	"github.com/flagship-go/flagship/lsm/skiplist"
	"github.com/flagship-go/flagship/lsm/table"
)

// compact runs a plan: merges its tables into new ones of the target level and
// puts them in their place with one edit.
func (d *DB) compact(p *compact.Plan) error {
	state, err := d.acquire()
	if err != nil {
		return errAborted
	}
	defer state.unref()
	if p.Values != nil {
		// Until the edit, no table points to the copies.
		d.liveValues.hold(p, d.values.Head())
		defer d.liveValues.drop(p)
	}
	edit, done := &manifest.Edit{}, Event{Kind: EventCompaction, Job: p.Reason, Level: p.Level, Target: p.Target}
	for _, t := range p.Inputs {
		edit.Removed = append(edit.Removed, manifest.Removed{Level: p.Level, Num: t.Num})
	}
	for _, t := range p.Overlaps {
		edit.Removed = append(edit.Removed, manifest.Removed{Level: p.Target, Num: t.Num})
	}
	switch {
	case p.Move:
		for _, t := range p.Inputs {
			moved := *t
			moved.Level = p.Target
			edit.Added = append(edit.Added, moved)
		}
	case !p.Drop:
		if edit.Added, err = d.rewrite(state.version, p, &done); err != nil {
			return err
		}
	}
	if err := d.installEdit(edit, 0); err != nil {
		return err
	}
	added := pointers(edit.Added)
	if !p.Move && p.Level != p.Target {
		d.churn.met(valueBytes(p.Inputs)+valueBytes(p.Overlaps), valueBytes(added))
	}
	d.stats.compactions.Add(1)
	done.Inputs, done.Outputs = numbers(p.Inputs, p.Overlaps), numbers(added)
	if !p.Move && !p.Drop {
		done.Read, done.Written = compact.Size(p.Inputs)+compact.Size(p.Overlaps), compact.Size(added)
	}
	d.event(done)
	return nil
}

func pointers(tables []manifest.Table) (out []*manifest.Table) {
	for i := range tables {
		out = append(out, &tables[i])
	}
	return out
}

func numbers(groups ...[]*compact.Table) (out []uint64) {
	for _, tables := range groups {
		for _, t := range tables {
			out = append(out, t.Num)
		}
	}
	return out
}

// rewrite merges the tables of a plan, in several ranges of keys side by side when
// they are many, and returns the new tables, durable. It counts what was touched
// if somebody is told.
func (d *DB) rewrite(v *version, p *compact.Plan, done *Event) ([]manifest.Table, error) {
	d.mu.Lock()
	snapshots := d.snapshots.all()
	d.mu.Unlock()
	bounds, err := d.divide(v, p)
	if err != nil {
		return nil, err
	}
	parts := make([]*builder, len(bounds)+1)
	errs := make([]error, len(parts))
	var wg sync.WaitGroup
	for i := range parts {
		var lower, upper []byte
		if i > 0 {
			lower = bounds[i-1]
		}
		if i < len(bounds) {
			upper = bounds[i]
		}
		parts[i] = &builder{db: d, level: p.Target, values: p.Values, tick: d.pace}
		if d.opts.OnEvent != nil {
			parts[i].trace = new(Event)
		}
		part := func() { errs[i] = d.rewritePart(v, p, parts[i], snapshots, lower, upper) }
		if d.opts.Schedule != nil || len(parts) == 1 {
			part()
		} else {
			wg.Go(part)
		}
	}
	wg.Wait()
	var out []manifest.Table
	for i, b := range parts {
		if errs[i] != nil && err == nil {
			err = errs[i]
		}
		out = append(out, b.out...)
		done.add(b.trace)
	}
	if err == nil && p.Values != nil {
		err = d.values.Sync()
	}
	if err == nil {
		if err = d.opts.FS.SyncDir(d.dir); err != nil {
			err = d.fail(fmt.Errorf("lsm: syncing directory %s: %w", d.dir, err))
		}
	}
	if err != nil {
		for _, b := range parts {
			b.remove()
		}
		return nil, err
	}
	return out, nil
}

// rewritePart merges what the tables of a plan hold from lower up to upper.
func (d *DB) rewritePart(v *version, p *compact.Plan, b *builder, snapshots []uint64, lower, upper []byte) (err error) {
	defer table.Guard(debug.SetPanicOnFault(true), &err)
	inputs, overlaps := v.pick(p.Level, p.Inputs), v.pick(p.Target, p.Overlaps)
	var runs [][]*tableFile
	if p.Level == 0 {
		for i := len(inputs) - 1; i >= 0; i-- {
			runs = append(runs, inputs[i:i+1])
		}
	} else {
		runs = append(runs, inputs)
	}
	if len(overlaps) > 0 {
		runs = append(runs, overlaps)
	}
	var m merger
	var sources []source
	var spans []key.Span
	for _, run := range runs {
		c := new(levelCursor)
		c.init(v, run, true, b.trace.read())
		sources = append(sources, source{cur: c})
		for _, t := range run {
			r, err := t.reader()
			if err != nil {
				return err
			}
			if t.RangeDeletes > 0 {
				spans = append(spans, r.RangeDeletes()...)
			}
		}
	}
	m.init(d.order, sources)
	defer m.Close()
	f := d.order.Fragment(spans)
	r := d.newRetain(&m, snapshots, f)
	below := &belowCheck{v: v, level: p.Target}
	if r.bottom = below.free; d.opts.Timestamps {
		r.bottom = d.alone(p)
	}
	newest, view := newestOfStripe(r), v.view()
	b.spans = f
	b.keep = func(s key.Span) bool {
		return newest(s) && !(r.lowest(s.Seq) && p.Target > 0 && !view.Below(p.Target, s.Start, s.End))
	}
	return d.pour(r, b, lower, upper)
}

// pace is told of the bytes that a compaction has written.
func (d *DB) pace(n uint64) {
	d.stats.compactedBytes.Add(n)
	d.limit.wait(n)
}

// pick returns the files of tables in a level.
func (v *version) pick(level int, tables []*compact.Table) (out []*tableFile) {
	for _, t := range v.levels[level] {
		for _, want := range tables {
			if t.Num == want.Num {
				out = append(out, t)
				break
			}
		}
	}
	return out
}

// belowCheck tells, for user keys in ascending order, whether the levels after
// level are free of them. It goes along the tables with the keys.
type belowCheck struct {
	v     *version
	level int
	at    [compact.Levels]int
}

func (c *belowCheck) free(user []byte) bool {
	if c.level == 0 {
		return false // older tables of L0 are not looked at
	}
	order := c.v.order
	for l := c.level + 1; l < compact.Levels; l++ {
		tables := c.v.levels[l]
		for c.at[l] < len(tables) && order.CompareUser(key.UserKey(tables[c.at[l]].Largest), user) < 0 {
			c.at[l]++
		}
		if c.at[l] < len(tables) && order.CompareUser(key.UserKey(tables[c.at[l]].Smallest), user) <= 0 {
			return false
		}
	}
	return true
}

// alone tells, for a user key, whether nothing but the tables of p holds a version of it.
// An older version may have been written later, and then lies above; and tables end
// between two versions, so that it may lie beside:
//
//	L0                            [k@5 .. p]
//	L6  [a .. k@10 is deleted]    [k@4 .. q]
func (d *DB) alone(p *compact.Plan) func(user []byte) bool {
	own := map[uint64]bool{}
	for _, tables := range [][]*compact.Table{p.Inputs, p.Overlaps} {
		for _, t := range tables {
			own[t.Num] = true
		}
	}
	return func(user []byte) bool {
		s, err := d.acquire() // the store as it is now: what SetDiscard speaks of is in it
		if err != nil {
			return false
		}
		defer s.unref()
		bare := d.order.Bare(user)
		first, last := key.Append(nil, appendTS(nil, bare, math.MaxUint64), key.First), appendTS(nil, bare, 0)
		for _, run := range s.version.sorted {
			for _, t := range run[s.version.search(run, first):] {
				if d.order.CompareUser(key.UserKey(t.Smallest), last) > 0 {
					break
				}
				if !own[t.Num] {
					return false
				}
			}
		}
		for _, m := range s.mems {
			if k := m.cursor(new(skiplist.Cursor)).SeekGE(first); k != nil && bytes.Equal(d.order.Bare(key.UserKey(k)), bare) {
				return false
			}
		}
		return true
	}
}

// divide returns the user keys that cut a large plan into parts of about equal
// size, one for each compaction that may run.
func (d *DB) divide(v *version, p *compact.Plan) (bounds [][]byte, err error) {
	defer table.Guard(debug.SetPanicOnFault(true), &err)
	size := compact.Size(p.Inputs) + compact.Size(p.Overlaps)
	parts := min(d.opts.MaxCompactions, int(size/uint64(4*d.opts.BaseTableSize)))
	if parts < 2 || p.Level == p.Target {
		return nil, nil
	}
	var cuts [][]byte
	for _, t := range append(v.pick(p.Level, p.Inputs), v.pick(p.Target, p.Overlaps)...) {
		r, err := t.reader()
		if err != nil {
			return nil, err
		}
		cuts = append(cuts, r.Middle(cutsPerTable)...)
	}
	slices.SortFunc(cuts, d.order.CompareUser)
	cuts = slices.CompactFunc(cuts, func(a, b []byte) bool { return d.order.CompareUser(a, b) == 0 })
	for i := 1; i < parts; i++ {
		if at := i * len(cuts) / parts; at < len(cuts) && (len(bounds) == 0 || d.order.CompareUser(bounds[len(bounds)-1], cuts[at]) < 0) {
			bounds = append(bounds, cuts[at])
		}
	}
	return bounds, nil
}

// cutsPerTable is how finely a table is looked at to divide a compaction.
const cutsPerTable = 8

// Compact moves everything between two keys, nil for either end, to the last level
// that holds anything: deleted and overwritten entries that nobody sees any more
// are gone afterwards, and what they held of the value log. It flushes first, and does
// not return before it is done.
func (d *DB) Compact(start, end []byte) error {
	if err := d.Flush(); err != nil {
		return err
	}
	if d.opts.Timestamps {
		if start != nil {
			start = appendTS(nil, start, ^uint64(0))
		}
		if end != nil {
			end = appendTS(nil, end, 0)
		}
	}
	for level := 0; level < compact.Levels; level++ {
		if err := d.compactLevel(level, start, end); err != nil {
			return err
		}
	}
	return d.compactValues()
}

// compactLevel moves what a level holds between two user keys to the next level
// that holds anything. The last level is rewritten where it holds deletes.
func (d *DB) compactLevel(level int, start, end []byte) error {
	var p *compact.Plan
	d.mu.Lock()
	err := d.wait(func() bool {
		if d.jobs.paused > 0 {
			return false
		}
		view := d.view()
		target := level + 1
		for target < compact.Levels && len(view.Levels[target]) == 0 {
			target++
		}
		if target == compact.Levels {
			if target--; level > 0 {
				p = manualLast(view, level, start, end)
				return p == nil || !view.Conflicts(p)
			}
		}
		p = view.Manual(level, target, start, end)
		return p == nil || !view.Conflicts(p)
	})
	if err != nil || p == nil {
		d.mu.Unlock()
		return err
	}
	return d.runManual(p)
}

// runManual does a plan on the caller's goroutine. It is called under d.mu, and unlocks it.
func (d *DB) runManual(p *compact.Plan) error {
	err := d.runHere(&job{name: "manual", plan: p})
	d.kick()
	d.mu.Unlock()
	return err
}

// compactValues copies what lives out of files of mostly garbage until there are none. The
// memtable holds all files since it began (valueRefs), and so what compactions have copied there, and
// copied again. If nothing was written since, it points to none of them.
func (d *DB) compactValues() error {
	d.pipe.mu.Lock()
	if err := d.writable(); err != nil {
		d.pipe.mu.Unlock()
		return err
	}
	if !d.mutable.used {
		d.liveValues.hold(d.mutable, d.values.Head())
	}
	d.pipe.mu.Unlock()
	d.liveValues.sweep()
	d.mu.Lock()
	begun := d.jobs.plans // they hold files, too, until they are done
	d.mu.Unlock()
	for {
		var p *compact.Plan
		d.mu.Lock()
		err := d.wait(func() bool {
			if d.jobs.paused > 0 || d.copying() || slices.ContainsFunc(begun, func(p *compact.Plan) bool { return slices.Contains(d.jobs.plans, p) }) {
				return false
			}
			files := d.garbageFiles()
			p = d.view().Rewrite(files)
			return p != nil || d.jobs.running() == 0 || len(files) == 0
		})
		if err != nil || p == nil {
			d.mu.Unlock()
			return err
		}
		if err := d.runManual(p); err != nil {
			return err
		}
	}
}

// manualLast returns the rewriting of the part of the last level that holds
// deletes: from the first such table to the last, for between two of the new
// tables there must be no old one.
func manualLast(v *compact.View, level int, start, end []byte) *compact.Plan {
	tables := v.Overlapping(level, start, end)
	deletes := func(t *compact.Table) bool { return t.Deletes+t.RangeDeletes > 0 }
	first := slices.IndexFunc(tables, deletes)
	if first < 0 {
		return nil
	}
	last := len(tables)
	for !deletes(tables[last-1]) {
		last--
	}
	return v.Complete(&compact.Plan{Reason: "manual", Level: level, Target: level, Inputs: tables[first:last]})
}
