package lsm

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/flagship-go/flagship/lsm/manifest"
	"github.com/flagship-go/flagship/lsm/vlog"
)

// valueRefs knows which files of the value log may still be read. A file goes
// when no table in any version points there, and it is older than the first
// file to which a memtable, or a rewrite under way, may point.
//
//	files      3     4     5     6 (head)
//	tables     -     2     -     -           3 goes, 4 stays: two tables point there
//	memtable                <----------      5 and 6 stay: a write may point there
type valueRefs struct {
	bytes atomic.Int64 // live bytes in the newest version

	mu     sync.Mutex
	tables map[uint64]int // file: tables that point there
	holds  map[any]uint64 // holder: first file it may point to
	// remove is called with a file that may go; nil: none goes.
	log    *vlog.Log
	keep   bool
	failed func(error)
}

// hold keeps the files from first on for holder.
func (r *valueRefs) hold(holder any, first uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.holds == nil {
		r.holds = make(map[any]uint64)
	}
	r.holds[holder] = first
}

// held returns what holder holds.
func (r *valueRefs) held(holder any) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.holds[holder]
}

// drop ends a hold.
func (r *valueRefs) drop(holder any) {
	r.mu.Lock()
	delete(r.holds, holder)
	r.mu.Unlock()
	r.sweep()
}

func (r *valueRefs) addTable(values []manifest.ValueRef) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tables == nil {
		r.tables = make(map[uint64]int)
	}
	for _, v := range values {
		r.tables[v.File]++
	}
}

func (r *valueRefs) dropTable(values []manifest.ValueRef) {
	if len(values) == 0 {
		return
	}
	r.mu.Lock()
	for _, v := range values {
		if r.tables[v.File]--; r.tables[v.File] == 0 {
			delete(r.tables, v.File)
		}
	}
	r.mu.Unlock()
	r.sweep()
}

// settled returns the first file to which something may point that is not a
// table: of the files before, all that is live is known.
func (r *valueRefs) settled() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.settledLocked()
}

func (r *valueRefs) settledLocked() uint64 {
	first := uint64(math.MaxUint64)
	for _, f := range r.holds {
		first = min(first, f)
	}
	return first
}

// sweep removes the files that nothing points to.
func (r *valueRefs) sweep() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keep || r.log == nil {
		return
	}
	first := r.settledLocked()
	for _, f := range r.log.Files() {
		if !f.Sealed || f.Num >= first || r.tables[f.Num] > 0 {
			continue
		}
		if err := r.log.Remove(f.Num); err != nil {
			r.failed(err)
			return
		}
	}
}

// stop keeps every file from now on: the store is being closed, and tables that
// are let go are not garbage.
func (r *valueRefs) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keep = true
}

// churn is how much of the values that jobs meet turns out to be dead, lately, in
// percent. While keys are only loaded there is no reason to look for garbage, and
// looking costs writes.
type churn struct{ percent atomic.Int64 }

// met notes that of in bytes of values a job has left out.
func (c *churn) met(in, out int64) {
	if in > 0 {
		c.percent.Store((3*c.percent.Load() + 100*max(in-out, 0)/in) / 4)
	}
}

func (c *churn) high() bool { return c.percent.Load() >= 3 }

// valueBytes returns the bytes of values that tables point to.
func valueBytes(tables []*manifest.Table) (n int64) {
	for _, t := range tables {
		for _, ref := range t.Values {
			n += int64(ref.Bytes)
		}
	}
	return n
}
