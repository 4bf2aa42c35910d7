package lsm

import (
	"fmt"
	"sync"
)

// The commit pipeline. A batch takes its sequence numbers and its place in the
// log under one lock, which is short: a copy into the kernel's pages. Then the
// inserts of many batches run side by side, and at the end the batches become
// visible in the order of their numbers, so that nobody sees a later one without
// an earlier one (rule L2).
//
//	batch 1  |lock: 7-9, log|  insert 7 8 9  |visible=9
//	batch 2        |lock: 10, log| insert 10 | waits  |visible=10
//	batch 3            |lock: 11-12, log|    insert 11 12     |visible=12
//
// Whoever wants its batch durable asks the log for a sync afterwards, one sync
// serving all who wait (internal/wal); where everybody does, they come as a group
// (group.go).
type pipeline struct {
	// mu is the short lock: sequence numbers, the log, the end of the value log,
	// and which memtable is written to.
	mu      sync.Mutex
	nextSeq uint64
	records [][]byte // memory for writeLog

	order sync.Mutex
	queue []*commit // in the order of sequence numbers; done ones are at the front only for a moment
	head  int
}

// commit is the state of a batch on its way.
type commit struct {
	last    uint64 // its last sequence number
	mem     *memtable
	logSeq  uint64
	payload []byte // what is inserted: the batch, or its copy with pointers
	split   []byte // memory for the copy
	turn    chan turn

	used     bool
	inserted bool
	wait     sync.WaitGroup
}

func (c *commit) reset() { c.used, c.inserted, c.mem, c.payload = false, false, nil, nil }

// enter puts c at the end of the queue; under pipeline.mu.
func (p *pipeline) enter(c *commit) {
	c.wait.Add(1)
	p.order.Lock()
	p.queue = append(p.queue, c)
	p.order.Unlock()
}

// leave marks c as inserted, makes visible what can be, and returns when c is.
func (p *pipeline) leave(c *commit, visible func(seq uint64)) {
	p.order.Lock()
	c.inserted = true
	for p.head < len(p.queue) && p.queue[p.head].inserted {
		first := p.queue[p.head]
		p.queue[p.head] = nil
		p.head++
		visible(first.last)
		first.wait.Done()
	}
	if p.head == len(p.queue) {
		p.queue, p.head = p.queue[:0], 0
	}
	p.order.Unlock()
	c.wait.Wait()
}

// Apply makes the writes of b, all of them or none. When it returns nil they are
// visible, and as durable as Options.SyncWrites and Batch.Sync ask for. With
// [ErrNoSpace] nothing is written and the batch may be applied again. A durable
// batch makes all earlier ones durable, even when it is empty. Safe for
// concurrent use, each batch by one goroutine.
func (d *DB) Apply(b *Batch) error {
	switch {
	case b.err != nil:
		return b.err
	case b.used:
		return ErrBatchUsed
	case b.db != d:
		return fmt.Errorf("lsm: batch of another store")
	case b.count == 0 && (b.Sync || d.opts.SyncWrites):
		return d.Sync()
	case b.count == 0:
		return d.writable()
	}
	large := b.room > d.opts.MemTableSize/2
	if d.opts.SyncWrites && !large {
		if err := d.commitSynced(b); err != nil {
			return err
		}
		d.afterWrite()
		return nil
	}
	if err := d.commit(b, large); err != nil {
		return err
	}
	if b.Sync || d.opts.SyncWrites {
		if err := d.syncTo(b.logSeq); err != nil {
			return err
		}
	}
	d.afterWrite()
	return nil
}

// commit takes b through the pipeline.
func (d *DB) commit(b *Batch, large bool) error {
	d.pipe.mu.Lock()
	err := d.prepare(large, b)
	d.pipe.mu.Unlock()
	switch {
	case err != nil:
		return err
	case large:
		d.pipe.leave(&b.commit, d.visible.Store)
		b.mem.writers.Done() // see place
		return nil
	}
	return d.place(b, nil)
}

// place inserts b into its memtable and makes it visible; a batch that could not be
// made durable for why is only let go.
func (d *DB) place(b *Batch, why error) error {
	err := why
	if err == nil {
		if err = b.mem.insert(b.payload); err != nil {
			// The room was reserved: this is a mistake of the store's own.
			err = d.fail(fmt.Errorf("lsm: inserting a batch: %w", err))
		}
	}
	b.mem.reserved.Add(-int64(b.room))
	d.pipe.leave(&b.commit, d.visible.Store)
	// Only now may a flush begin. Before, a snapshot could be taken that does
	// not see this batch, and needs what the batch has overwritten.
	b.mem.writers.Done()
	return err
}

// prepare gives batches their sequence numbers, their memtable and their places in the
// log. A large one comes alone. The room of several must be there before the first is
// in a memtable: a flush waits for those that are, and they for their sync.
func (d *DB) prepare(large bool, group ...*Batch) error {
	room := 0
	for _, b := range group {
		room += b.room
	}
	if err := d.makeRoom(room, large); err != nil {
		return err
	}
	if err := d.writeLog(group...); err != nil {
		return err
	}
	if large {
		return d.pushFlat(group[0])
	}
	for _, b := range group {
		d.admit(b)
	}
	return nil
}

// writeLog gives batches their sequence numbers and their places in the log, all of
// them or none.
func (d *DB) writeLog(group ...*Batch) error {
	seq := d.pipe.nextSeq
	records := d.pipe.records[:0]
	for _, b := range group {
		b.seal(seq)
		b.payload = b.data
		if b.large > 0 {
			if err := d.separate(b); err != nil {
				return err
			}
		}
		records = append(records, b.payload)
		seq += uint64(b.count)
		b.last = seq - 1
	}
	if d.log != nil {
		last, err := d.log.Append(records...)
		if err != nil {
			return d.writeError(fmt.Errorf("lsm: writing the log: %w", err))
		}
		for i, b := range group {
			b.logSeq = last - uint64(len(group)-1-i)
		}
	}
	for _, r := range records {
		d.stats.logged.Add(uint64(len(r)))
	}
	clear(records)
	d.pipe.records = records
	d.pipe.nextSeq = seq
	return nil
}

// admit lets b, which is in the log, into the memtable and the queue.
func (d *DB) admit(b *Batch) {
	b.used = true
	b.mem = d.mutable
	b.mem.used = true
	b.mem.reserved.Add(int64(b.room))
	b.mem.writers.Add(1)
	d.pipe.enter(&b.commit)
}

// makeRoom returns when a batch may be written: there is a memtable with room for
// it, and flushes and compactions are not too far behind. Under pipe.mu.
func (d *DB) makeRoom(room int, large bool) error {
	if err := d.writable(); err != nil {
		return err
	}
	full := room > d.mutable.room() || d.mutable.values > d.valueRoom || large && d.mutable.used
	if !full && !large && !d.slow.Load() {
		return nil
	}
	if err := d.stall(full || large); err != nil {
		return err
	}
	if full {
		d.rotate()
	}
	return nil
}

// rotate makes the memtable immutable, and begins another. Under pipe.mu.
func (d *DB) rotate() {
	m := newMemtable(d.opts.MemTableSize, d.order, d.opts.BitsPerKey)
	m.free = d.freeMemtable
	d.mu.Lock()
	d.markMemtable(m)
	if d.mutable != nil {
		d.mutable.last = d.pipe.nextSeq - 1
	}
	d.mutable = m
	d.mems = append(d.mems[:len(d.mems):len(d.mems)], m)
	old := d.publish(d.state.Load().version)
	d.kick()
	d.mu.Unlock()
	old.unref()
}

// freeMemtable is called when nobody reads m any more.
func (d *DB) freeMemtable(m *memtable) {
	d.liveValues.drop(m)
}

// markMemtable notes where the logs are when m begins. Under pipe.mu and d.mu.
func (d *DB) markMemtable(m *memtable) {
	if d.log != nil {
		m.logFirst = d.log.LastSeq() + 1
	}
	d.liveValues.hold(m, d.values.Head())
	if d.valueRoom = d.valueLimit(); d.churn.high() {
		// The memtable's values begin a file, which can be judged once it is flushed.
		if err := d.values.Seal(); err != nil {
			d.opts.Logger.Warn("lsm: value log", "dir", d.dir, "err", err)
		}
	}
}

// valueLimit returns how many bytes of values a memtable may point to: what no
// table points to cannot be told from garbage, so where much is overwritten it
// must be a small part of what is live.
func (d *DB) valueLimit() int64 {
	limit := d.opts.ValueLogFileSize / 2
	if d.churn.high() {
		limit = min(limit, max(d.liveValues.bytes.Load()/16, smallestValueRoom))
	}
	return limit
}

const smallestValueRoom = 4 << 20

// pushFlat puts a batch that is already in the log behind the memtable, as one of
// its own, and begins another for what follows. Under pipe.mu.
func (d *DB) pushFlat(b *Batch) error {
	if b.large == 0 {
		b.data = nil // the memtable keeps it
	} else {
		b.split = nil
	}
	m, err := newFlatMemtable(d.order, b.payload)
	if err != nil {
		return d.fail(fmt.Errorf("lsm: sorting a batch: %w", err))
	}
	m.logFirst, m.last, m.free = d.mutable.logFirst, d.pipe.nextSeq-1, d.freeMemtable
	b.mem = m
	m.writers.Add(1)
	d.liveValues.hold(m, d.liveValues.held(d.mutable))
	d.mu.Lock()
	d.markMemtable(d.mutable)
	// The memtable is unused, makeRoom saw to that: it goes behind the batch.
	last := len(d.mems) - 1
	d.mems = append(d.mems[:last:last], m, d.mutable)
	old := d.publish(d.state.Load().version)
	d.kick()
	d.mu.Unlock()
	old.unref()
	b.used = true
	d.pipe.enter(&b.commit)
	return nil
}

// syncTo makes the log durable up to a record, and first all values that it may
// point to: not only those of this record, for the records before it become
// durable too (rule L10).
func (d *DB) syncTo(seq uint64) error {
	if d.log == nil {
		return nil
	}
	if err := d.values.Sync(); err != nil {
		return d.fail(fmt.Errorf("lsm: syncing the value log: %w", err))
	}
	if err := d.log.Sync(seq); err != nil {
		return d.fail(fmt.Errorf("lsm: syncing the log: %w", err))
	}
	return nil
}

// Sync makes every write that has returned durable.
func (d *DB) Sync() error {
	if err := d.writable(); err != nil || d.log == nil {
		return err
	}
	return d.syncTo(d.log.LastSeq())
}
