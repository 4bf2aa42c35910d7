package lsmtest

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"
)

// player plays a log on a store and on the model, and compares.
type player struct {
	impl *Implementation
	set  Set
	fs   *MemFS // nil: the operating system's
	dir  string

	store Store
	state state
	clock atomic.Int64 // nanoseconds since epoch; any goroutine of the store may ask
	snaps map[string]*heldSnapshot
	iters map[string]*heldIterator
	saved int // checkpoints made
	full  *filler

	// before is called when a batch is about to be applied, after when it was,
	// and is durable if sync; nil: nobody asks.
	before func(next state)
	after  func(now state, durable bool)
}

type heldSnapshot struct {
	Snapshot
	state state
}

type heldIterator struct {
	Iterator
	cursor
	placed bool // it was positioned: before, Next and Prev mean nothing
}

// epoch is when every story begins.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newPlayer(impl *Implementation, set Set, fs *MemFS, dir string) *player {
	return &player{
		impl: impl, set: set, fs: fs, dir: dir, state: state{},
		snaps: map[string]*heldSnapshot{}, iters: map[string]*heldIterator{},
	}
}

// now is the time of the story.
func (p *player) now() time.Time { return epoch.Add(time.Duration(p.clock.Load())) }

// options are those for a directory of the player's file system.
func (p *player) options(dir string) Options {
	o := Options{Dir: dir, Set: p.set, Merge: mergeAll, Now: p.now}
	if p.fs != nil {
		o.FS = p.fs
	}
	return o
}

func (p *player) open() (err error) {
	p.store, err = p.impl.Open(p.options(p.dir))
	if err != nil {
		p.store = nil
		return fmt.Errorf("it does not open: %w", err)
	}
	return nil
}

// play runs the whole log; the error names the step.
func (p *player) play(l Log) error {
	defer p.release()
	if err := p.open(); err != nil {
		return err
	}
	for i, s := range l {
		if err := p.step(s); err != nil {
			return fmt.Errorf("step %d, %s: %w", i+1, s.short(), err)
		}
	}
	p.letGo()
	if err := p.store.Close(); err != nil {
		return fmt.Errorf("closing at the end: %w", err)
	}
	return nil
}

// short is a step in an error.
func (s step) short() string {
	if text := s.String(); len(text) <= 100 {
		return text
	}
	return s.String()[:100] + "..."
}

// release closes what a failed story has left open.
func (p *player) release() {
	p.letGo()
	if p.store != nil {
		p.store.Close()
		p.store = nil
	}
}

// letGo closes iterators and snapshots.
func (p *player) letGo() {
	for name, it := range p.iters {
		it.Close()
		delete(p.iters, name)
	}
	for name, s := range p.snaps {
		s.Close()
		delete(p.snaps, name)
	}
}

// idle says that a step asks for what the implementation does not claim: stories
// are told without it.
func (p *player) idle(s step) bool {
	c := &p.impl.Claims
	switch s.verb {
	case "flush", "compact":
		return !c.Maintenance
	case "back":
		return !c.Reverse
	case "move":
		return !c.Reverse && (s.move == "last" || s.move == "prev" || s.move == "lt")
	case "snap", "iterin":
		return !c.Snapshots
	case "verify":
		return !c.Verify
	case "checkpoint":
		return !c.Checkpoint
	case "get", "scan":
		return s.name != "" && p.snaps[s.name] == nil
	}
	return false
}

func (p *player) step(s step) error {
	if p.idle(s) {
		return nil
	}
	switch s.verb {
	case "put", "batch":
		return p.apply(s)
	case "get":
		r, st := p.reader(s.name)
		return p.get(r, st, s.key)
	case "scan", "back":
		r, st := p.reader(s.name)
		return p.scan(r, st, s)
	case "snap", "drop":
		return p.snapshot(s)
	case "iter", "iterin", "move", "close":
		return p.iterator(s)
	case "clock":
		// What is held shows its moment; with a clock that goes on, nobody could
		// say what that is.
		p.letGo()
		p.clock.Add(int64(s.wait))
		return nil
	case "reopen":
		return p.reopen()
	}
	return p.maintain(s.verb)
}

func (p *player) apply(s step) error {
	next := p.state.apply(s.ops, p.now())
	if p.before != nil {
		p.before(next)
	}
	// What is applied is copied: the caller's buffers are written over.
	ops := make([]Op, len(s.ops))
	for i, op := range s.ops {
		ops[i] = Op{op.Kind, slices.Clone(op.Key), slices.Clone(op.Value), op.TTL}
	}
	if err := p.store.Apply(ops, s.sync); err != nil {
		return err
	}
	for _, op := range ops {
		spoil(op.Key)
		spoil(op.Value)
	}
	p.state = next
	if p.after != nil {
		p.after(next, s.sync && !empty(s.ops))
	}
	return nil
}

// empty reports whether operations do nothing, whatever there is. To sync them
// promises nothing about what came before.
func empty(ops []Op) bool {
	return !slices.ContainsFunc(ops, func(op Op) bool {
		return op.Kind != DeleteRange || bytes.Compare(op.Key, op.Value) < 0
	})
}

// spoil writes over a buffer that nobody may look at any more.
func spoil(b []byte) {
	for i := range b {
		b[i] = 0xee
	}
}

func (p *player) snapshot(s step) error {
	if s.verb == "drop" {
		held := p.snaps[s.name]
		if held == nil {
			return nil
		}
		delete(p.snaps, s.name)
		return held.Close()
	}
	if p.snaps[s.name] != nil {
		return nil
	}
	store, ok := p.store.(Snapshotter)
	if !ok {
		return errors.New("the store has no Snapshot, and Capabilities.Snapshots is claimed")
	}
	snap, err := store.Snapshot()
	if err != nil {
		return err
	}
	p.snaps[s.name] = &heldSnapshot{snap, p.state}
	return nil
}

func (p *player) iterator(s step) error {
	held := p.iters[s.name]
	switch s.verb {
	case "close":
		if held == nil {
			return nil
		}
		delete(p.iters, s.name)
		return held.Close()
	case "move":
		if held == nil || !held.placed && (s.move == "next" || s.move == "prev") {
			return nil
		}
		held.placed = true
		return held.step(s, p.set.MayDrop)
	}
	if held != nil {
		return nil
	}
	r, st := p.reader(s.of)
	it, err := r.NewIter(s.low, s.high)
	if err != nil {
		return err
	}
	p.iters[s.name] = &heldIterator{Iterator: it, cursor: cursor{st.pairs(s.low, s.high, p.now()), -1}}
	return nil
}

// step moves the iterator and the model's.
func (it *heldIterator) step(s step, drop bool) error {
	back, _ := it.Iterator.(ReverseIterator)
	if back == nil && (s.move == "last" || s.move == "prev" || s.move == "lt") {
		return errors.New("the iterator has no Last, SeekLT and Prev, and Capabilities.Reverse is claimed")
	}
	want := it.cursor.move(s.move, s.key)
	var got bool
	switch s.move {
	case "first":
		got = it.First()
	case "last":
		got = back.Last()
	case "next":
		got = it.Next()
	case "prev":
		got = back.Prev()
	case "ge":
		got = it.SeekGE(s.key)
	case "lt":
		got = back.SeekLT(s.key)
	}
	if err := it.Err(); err != nil || drop {
		return err
	}
	switch {
	case got && !want:
		return fmt.Errorf("the iterator is at %s and should be at the end", show(string(it.Key())))
	case !got && want:
		return fmt.Errorf("the iterator is at the end and should be at %s", show(it.pairs[it.at].key))
	case !got:
		return nil
	}
	return compare([]pair{{string(it.Key()), string(it.Value())}}, it.pairs[it.at:it.at+1], false)
}

func (p *player) reopen() error {
	p.letGo()
	err := p.store.Close()
	p.store = nil
	if err != nil {
		return fmt.Errorf("closing: %w", err)
	}
	if p.after != nil {
		p.after(p.state, true)
	}
	return p.open()
}

func (p *player) maintain(verb string) error {
	switch verb {
	case "flush", "compact":
		m, ok := p.store.(Maintainer)
		if !ok {
			return errors.New("the store has no Flush and Compact, and Capabilities.Maintenance is claimed")
		}
		if verb == "compact" {
			return m.Compact()
		}
		err := m.Flush()
		if err == nil && p.after != nil {
			p.after(p.state, true)
		}
		return err
	case "verify":
		v, ok := p.store.(Verifier)
		if !ok {
			return errors.New("the store has no Verify, and Capabilities.Verify is claimed")
		}
		return v.Verify()
	}
	return p.checkpoint()
}

// checkpoint makes a copy of the store and reads it.
func (p *player) checkpoint() error {
	c, ok := p.store.(Checkpointer)
	if !ok {
		return errors.New("the store has no Checkpoint, and Capabilities.Checkpoint is claimed")
	}
	p.saved++
	dir := filepath.Join(filepath.Dir(p.dir), fmt.Sprintf("%s-checkpoint-%d", filepath.Base(p.dir), p.saved))
	if err := c.Checkpoint(dir); err != nil {
		return err
	}
	return p.inspect(dir, p.state)
}

// inspect opens the store of a directory, beside the player's, and compares it.
func (p *player) inspect(dir string, want state) error {
	store, err := p.impl.Open(p.options(dir))
	if err != nil {
		return fmt.Errorf("it does not open: %w", err)
	}
	defer store.Close()
	got, err := readAll(store, nil, nil)
	if err != nil {
		return err
	}
	if err := compare(got, want.pairs(nil, nil, p.now()), p.set.MayDrop); err != nil {
		return err
	}
	return store.Close()
}
