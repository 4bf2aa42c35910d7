package lsm

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/flagship-go/flagship/lsm/compact"
	"github.com/flagship-go/flagship/lsm/vlog"
)

// Background work comes in jobs: a flush of the immutable memtables, or a
// compaction. What the next job is, is decided under DB.mu from the state alone;
// who runs it is another question. Without Options.Schedule each job has a
// goroutine, which ends with it. With it, nothing runs but what Schedule picks, on
// the goroutine of the write that asked: one seed, one order of events.
type jobs struct {
	flushing bool
	plans    []*compact.Plan // running
	paused   int
	begun    uint64 // jobs so far: they are numbered
	workers  sync.WaitGroup
	// err is why the last job failed when trying again may help: the disk is
	// full; failed is its number. Who waits for a job is told of one that began
	// later than the wait, for only that has seen the disk as it is now.
	err    error
	failed uint64
	// step is held by who runs a job of Schedule.
	step sync.Mutex
}

func (j *jobs) running() int {
	n := len(j.plans)
	if j.flushing {
		n++
	}
	return n
}

// job is one unit of background work.
type job struct {
	name string
	num  uint64
	mems []*memtable   // of a flush
	plan *compact.Plan // of a compaction
}

// flushJob returns the flush that could begin. Under d.mu.
func (d *DB) flushJob() *job {
	if d.jobs.flushing || len(d.mems) < 2 {
		return nil
	}
	mems := slices.Clone(d.mems[:len(d.mems)-1])
	return &job{name: fmt.Sprintf("flush %d", len(mems)), mems: mems}
}

// compactJob returns the compaction that could begin. Under d.mu.
func (d *DB) compactJob() *job {
	if len(d.jobs.plans) >= d.opts.MaxCompactions {
		return nil
	}
	p := d.pickPlan(d.view())
	if p == nil {
		return nil
	}
	return &job{name: fmt.Sprintf("%s L%d-L%d %d+%d", p.Reason, p.Level, p.Target, len(p.Inputs), len(p.Overlaps)), plan: p}
}

// view returns the tree as a policy sees it. Under d.mu.
func (d *DB) view() *compact.View {
	view := d.state.Load().version.view()
	view.Running = d.jobs.plans
	view.Now = d.opts.Clock().UnixNano()
	view.Oldest = d.snapshots.oldest(d.visible.Load())
	if d.opts.Timestamps {
		view.Oldest = 0 // deletes of versions are not dropped by sequence number
	}
	return view
}

// pickPlan returns the compaction that could begin: what the policy picks, which
// copies live values out of files of mostly garbage on its way, or one that does
// only that. After a job for which there was no room the next one copies none: what
// it puts out of the tree makes room. Under d.mu.
func (d *DB) pickPlan(view *compact.View) *compact.Plan {
	p, files := d.opts.Policy.Pick(view), d.garbageFiles()
	switch {
	case len(files) == 0 || p != nil && (p.Move || p.Drop):
	case p != nil && d.jobs.err != nil:
	case p != nil:
		p.Values = files
	default:
		p = view.Rewrite(files)
	}
	return p
}

// garbageFiles returns the files of the value log to be emptied, none while a
// compaction is at it. Under d.mu.
func (d *DB) garbageFiles() map[uint64]bool {
	if d.copying() {
		return nil
	}
	first := d.liveValues.settled()
	live := d.state.Load().version.values()
	var usage []vlog.Usage
	total := int64(0)
	for _, f := range d.values.Files() {
		if f.Sealed && f.Num < first {
			usage = append(usage, vlog.Usage{File: f.Num, Size: f.Size, Live: live[f.Num]})
		}
		total += live[f.Num]
	}
	d.liveValues.bytes.Store(total)
	files := make(map[uint64]bool)
	for _, f := range vlog.Pick(usage, d.opts.MaxValueAmplification) {
		files[f] = true
	}
	return files
}

// copying tells whether a compaction copies values. Under d.mu.
func (d *DB) copying() bool {
	return slices.ContainsFunc(d.jobs.plans, func(p *compact.Plan) bool { return p.Values != nil })
}

// begin marks j as running, and end as done. Under d.mu.
func (d *DB) begin(j *job) {
	d.jobs.begun++
	j.num = d.jobs.begun
	if j.plan != nil {
		d.jobs.plans = append(d.jobs.plans, j.plan)
	} else {
		d.jobs.flushing = true
	}
}

func (d *DB) end(j *job) {
	if j.plan != nil {
		d.jobs.plans = slices.DeleteFunc(slices.Clone(d.jobs.plans), func(p *compact.Plan) bool { return p == j.plan })
	} else {
		d.jobs.flushing = false
	}
	d.jobChanged()
}

// jobChanged tells those who wait, and decides whether writes must ask. Under d.mu.
func (d *DB) jobChanged() {
	if s := d.state.Load(); s != nil {
		d.slow.Store(len(s.version.layers) >= d.opts.L0Stop)
	}
	d.changed.Broadcast()
}

// kick starts what jobs can be started. Under d.mu.
func (d *DB) kick() {
	if d.opts.Schedule != nil {
		return
	}
	for {
		j := d.nextJob()
		if j == nil {
			return
		}
		d.begin(j)
		d.jobs.workers.Add(1)
		go func() {
			defer d.jobs.workers.Done()
			err := d.run(j)
			d.mu.Lock()
			defer d.mu.Unlock()
			d.end(j)
			if err == nil {
				d.kick()
			}
		}()
	}
}

// nextJob returns a job that could begin: flushes first, for writes may wait.
// Under d.mu.
func (d *DB) nextJob() *job {
	if d.closed || d.opts.ReadOnly || d.failure.Load() != nil || d.jobs.paused > 0 {
		return nil
	}
	if j := d.flushJob(); j != nil {
		return j
	}
	return d.compactJob()
}

// run runs a job and judges its error.
func (d *DB) run(j *job) error {
	start := d.opts.Clock()
	var err error
	if j.plan != nil {
		err = d.compact(j.plan)
	} else {
		err = d.flush(j.mems)
	}
	switch {
	case err == nil:
		d.setJobErr(j, nil)
	case errors.Is(err, errAborted):
		if why := d.failure.Load(); why != nil {
			err = *why
		}
	case noSpace(err) && d.failure.Load() == nil:
		d.setJobErr(j, err)
		d.opts.Logger.Warn("lsm: no space", "dir", d.dir, "job", j.name, "err", err)
	default:
		err = d.fail(err)
	}
	d.event(Event{Kind: EventJob, Job: j.name, Duration: d.opts.Clock().Sub(start), Err: err})
	return err
}

var errAborted = errors.New("lsm: job ended early, the store is being closed")

func (d *DB) setJobErr(j *job, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.jobs.err, d.jobs.failed = err, j.num
}

// afterWrite lets Options.Schedule run a job.
func (d *DB) afterWrite() {
	if d.opts.Schedule == nil {
		return
	}
	d.jobs.step.Lock()
	defer d.jobs.step.Unlock()
	var ready []*job
	var names []string
	d.mu.Lock()
	defer d.mu.Unlock()
	state, begun := d.state.Load(), d.jobs.begun
	if !d.closed && d.failure.Load() == nil && d.jobs.paused == 0 {
		for _, j := range []*job{d.flushJob(), d.compactJob()} {
			if j != nil {
				ready, names = append(ready, j), append(names, j.name)
			}
		}
	}
	if len(ready) == 0 {
		return
	}
	d.mu.Unlock()
	i := d.opts.Schedule(names)
	d.mu.Lock()
	// What was offered is gone if another goroutine has come meanwhile.
	if i >= 0 && i < len(ready) && d.jobs.begun == begun && d.jobs.paused == 0 && d.state.Load() == state {
		d.runHere(ready[i]) // what failed is told by the next write that depends on it
	}
}

// runHere runs a job on this goroutine. It is called, and returns, with d.mu held: who
// looks for a job next must find this one begun.
func (d *DB) runHere(j *job) error {
	d.begin(j)
	d.mu.Unlock()
	err := d.run(j)
	d.mu.Lock()
	d.end(j)
	return err
}

// wait returns when done does, or with an error when that cannot be expected any
// more. It is called, and returns, with d.mu held. With Options.Schedule it runs
// jobs meanwhile, and without progress is left to who else runs them.
func (d *DB) wait(done func() bool) error {
	since := d.jobs.begun
	for {
		if d.closed { // done would look at a state that is gone
			return ErrClosed
		}
		if done() {
			return nil
		}
		if err := d.failure.Load(); err != nil {
			return *err
		}
		if d.jobs.err != nil && d.jobs.failed > since {
			return d.jobs.err
		}
		// What could not begin when the last job ended may be able to now: a reader
		// that closes lets go of files, and tells nobody.
		d.kick()
		j := (*job)(nil)
		if d.opts.Schedule != nil {
			j = d.nextJob()
		}
		switch {
		case j == nil && d.jobs.running() == 0 && d.jobs.paused == 0:
			if done() {
				return nil
			}
			return errors.New("lsm: writes must wait, and no job can help: the compaction policy picks nothing")
		case j == nil:
			d.changed.Wait()
			continue
		}
		if err := d.runHere(j); err != nil {
			return err
		}
	}
}

// stall returns when a write may go on; with rotate it needs room for one more
// memtable. Under pipe.mu: the writes behind it wait too.
func (d *DB) stall(rotate bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	reason := d.stallReason(rotate)
	if reason == "" {
		return nil
	}
	start := time.Now()
	d.tell(Event{Kind: EventStallBegin, Job: reason})
	err := d.wait(func() bool { return d.stallReason(rotate) == "" })
	took := time.Since(start)
	d.stats.stalls.Add(1)
	d.stats.stalled.Add(int64(took))
	d.tell(Event{Kind: EventStallEnd, Job: reason, Duration: took, Err: err})
	return err
}

// tell is event without d.mu, which a snapshot needs, and Metrics.
func (d *DB) tell(e Event) {
	d.mu.Unlock()
	defer d.mu.Lock()
	d.event(e)
}

func (d *DB) stallReason(rotate bool) string {
	switch {
	case rotate && len(d.mems) >= d.opts.NumMemtables:
		return "memtables"
	case len(d.state.Load().version.layers) >= d.opts.L0Stop:
		return "L0"
	case rotate && d.churn.high() && d.valuesTooMany():
		return "values"
	}
	return ""
}

// valuesTooMany reports whether the value log is over one and a half times what is
// live, or L0 may hide that it is, and a compaction is under way or could be that
// helps. Files that only an old reader pins are not counted: waiting does not make
// them go. Under d.mu.
func (d *DB) valuesTooMany() bool {
	state := d.state.Load()
	live, first := state.version.values(), d.liveValues.settled()
	var size, total int64
	for _, f := range d.values.Files() {
		if live[f.Num] > 0 || f.Num >= first {
			size += f.Size
		}
		total += live[f.Num]
	}
	d.liveValues.bytes.Store(total)
	view := d.view()
	hidden := valueBytes(view.Levels[0])
	if size <= total*3/2 && (view.Layers < 2 || hidden < total/4) || size-total+hidden < d.opts.ValueLogFileSize/4 {
		return false
	}
	return len(d.jobs.plans) > 0 || d.pickPlan(view) != nil
}
