package lsmtest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/internal/wal"
)

// reference is the smallest store that keeps every rule: the model in memory,
// and a write-ahead log of what was applied. Its bug, if it has one, is what the
// kit must find.
type reference struct {
	o   Options
	bug string
	log *wal.Log

	mu      sync.RWMutex
	state   state
	closed  bool
	failed  error
	waiting [][]byte // bug: records that are not in the log yet

	flushed state // what the last Flush saw
	flushes int
	merges  atomic.Int64
	graves  map[string]entry // what was deleted
	ghosts  map[string]entry // what was deleted by ranges
	snaps   []*refSnapshot
	old     map[string]entry // what a TTL value has hidden
	stale   bool             // bug: iterators made before are broken
}

var errRefClosed = errors.New("reference: closed")

func referenceImpl(bug string) Implementation {
	return Implementation{
		Name: "reference " + bug,
		Claims: Capabilities{EmptyKeys: true, Reverse: true, Snapshots: true, Maintenance: true, RangeDelete: true, Merge: true, TTL: true,
			Checkpoint: true, Verify: true, ReadOnly: true, Locked: true, Memory: true, Crash: true, Damage: true, NoSpace: true, SyncFailure: true, Kill: true},
		Open:   func(o Options) (Store, error) { return openReference(o, bug) },
		Sets:   []Set{{Name: "default"}, {Name: "second"}, {Name: "third"}, {Name: "forgets", MayDrop: true}},
		Damage: refDamage,
		Runs:   Runs{Logs: 3, Crashes: 300, Damages: 60, Faults: 30},
	}
}

func refDamage(err error) (string, int64, bool) {
	var damage *wal.CorruptError
	var newer *wal.VersionError
	switch {
	case errors.As(err, &damage):
		return damage.File, damage.Offset, true
	case errors.As(err, &newer):
		return newer.File, 0, true
	}
	return "", 0, false
}

func openReference(o Options, bug string) (*reference, error) {
	s := &reference{o: o, bug: bug, state: state{}, flushed: state{}, graves: map[string]entry{}, ghosts: map[string]entry{}, old: map[string]entry{}}
	if bug == "open-writes-a-file" {
		f, err := o.FS.Create(fmt.Sprintf("opened-%d", o.FS.(*vfs.Mem).Ops()))
		if err == nil {
			_, err = f.Write(make([]byte, 100))
		}
		if err != nil {
			return nil, err
		}
	}
	var err error
	s.log, _, err = wal.Open(o.Dir, &wal.Options{FS: o.FS, SegmentSize: 4 << 10})
	if errors.Is(err, ErrLocked) && bug == "lock-without-name" {
		err = errors.New("busy")
	}
	if err != nil {
		return nil, err
	}
	var all [][]byte
	for r, err := range s.log.Records(s.log.FirstSeq()) {
		if err != nil && bug == "damage-is-the-end" {
			break
		}
		if err == nil {
			all = append(all, slices.Clone(r.Data))
			err = s.replay(r.Data)
		}
		if err != nil {
			s.log.Close()
			return nil, err
		}
	}
	if err := s.checkClosed(); err != nil {
		s.log.Close()
		return nil, err
	}
	if n := len(all); bug == "open-forgets" && n > 0 {
		s.state = state{}
		for _, b := range all[:n-1] {
			s.replay(b)
		}
	}
	if bug == "open-rewrites" && len(all) > 0 {
		if err := s.log.TruncateBack(0); err != nil {
			return nil, err
		}
		if _, err := s.log.Append(all...); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *reference) replay(b []byte) error {
	l, err := ParseLog(string(b[8:]))
	if err != nil {
		return err
	}
	now := time.Unix(0, int64(binary.LittleEndian.Uint64(b)))
	s.state = s.next(l[0].ops, now)
	return nil
}

// next is the state after a batch, as far as the bug lets it.
func (s *reference) next(ops []Op, now time.Time) state {
	ops = slices.Clone(ops)
	for i := range ops {
		if s.bug != "keeps-the-buffer" {
			ops[i].Key, ops[i].Value = slices.Clone(ops[i].Key), slices.Clone(ops[i].Value)
		}
	}
	ops = s.spoilOps(ops)
	before := s.state
	st := s.state.apply(ops, now)
	for _, op := range ops {
		s.spoilState(st, before, op)
	}
	return st
}

// spoilOps is the bugs in what is applied.
func (s *reference) spoilOps(ops []Op) []Op {
	switch s.bug {
	case "batch-backwards":
		slices.Reverse(ops)
	case "batch-cut":
		ops = ops[:min(len(ops), 1000)]
	case "empty-key-ignored":
		ops = slices.DeleteFunc(ops, func(op Op) bool { return len(op.Key) == 0 })
	case "second-set-keeps-deleted":
		if s.o.Set.Name == "second" {
			ops = slices.DeleteFunc(ops, func(op Op) bool { return op.Kind == Delete && strings.HasPrefix(string(op.Key), "k1") })
		}
	}
	for i := range ops {
		op := &ops[i]
		switch {
		case s.bug == "first-put-wins" && op.Kind == Put && s.state[string(op.Key)].has:
			*op = Op{Kind: Delete, Key: []byte("no such key")}
		case s.bug == "c-strings":
			if n := strings.IndexByte(string(op.Key), 0); n >= 0 {
				op.Key = op.Key[:n]
			}
		case s.bug == "long-values-cut":
			op.Value = op.Value[:min(len(op.Value), 600_000)]
		case s.bug == "range-with-its-end" && op.Kind == DeleteRange:
			op.Value = append(slices.Clip(op.Value), 0)
		case s.bug == "ttl-for-ever" && op.Kind == PutTTL:
			op.Kind = Put
		}
	}
	return ops
}

// spoilState is the bugs in what comes of it.
func (s *reference) spoilState(st, before state, op Op) {
	k := string(op.Key)
	switch op.Kind {
	case Delete:
		s.graves[k] = before[k]
	case PutTTL:
		s.old[k] = before[k]
	case Put:
		if e := before[k]; s.bug == "put-keeps-ttl" && !e.expires.IsZero() {
			st[k] = entry{base: op.Value, has: true, expires: e.expires}
		}
	case DeleteRange:
		n := 0
		for _, key := range slices.Sorted(maps.Keys(before)) {
			if key < k || key >= string(op.Value) {
				continue
			}
			e := before[key]
			s.ghosts[key] = e
			_, flushed := s.flushed[key]
			switch n++; {
			case s.bug == "range-of-memory-only" && flushed, s.bug == "range-of-hundred" && n > 100:
				st[key] = e
			case s.bug == "range-keeps-operands" && len(e.operands) > 0:
				st[key] = entry{operands: e.operands}
			}
		}
		if s.bug == "range-in-snapshots" {
			for _, snap := range s.snaps {
				snap.state = snap.state.apply([]Op{op}, s.o.Now())
			}
		}
	}
}

func (s *reference) Apply(ops []Op, sync bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed && s.bug != "closed-goes-on":
		return errRefClosed
	case s.o.ReadOnly && s.bug != "read-only-writes":
		return errors.New("reference: read-only")
	case s.failed != nil:
		return s.failed
	}
	now := time.Now()
	if s.o.Now != nil {
		now = s.o.Now()
	}
	record := binary.LittleEndian.AppendUint64(nil, uint64(now.UnixNano()))
	record = append(record, step{verb: "batch", ops: ops}.String()...)
	if err := s.write(record, sync); err != nil {
		return err
	}
	if s.bug == "batch-in-pieces" {
		for _, op := range ops {
			s.state = s.next([]Op{op}, now)
			s.mu.Unlock()
			time.Sleep(time.Microsecond)
			s.mu.Lock()
		}
		return nil
	}
	s.state = s.next(ops, now)
	return nil
}

func (s *reference) write(record []byte, sync bool) error {
	if s.bug == "buffered-until-sync" && !sync {
		s.waiting = append(s.waiting, record)
		return nil
	}
	last, err := s.log.Append(append(s.waiting, record)...)
	s.waiting = nil
	if err == nil && sync && s.bug != "never-syncs" {
		err = s.log.Sync(last)
	}
	switch {
	case err == nil:
	case s.bug == "failure-not-told":
		return nil
	case s.bug == "full-disk-is-the-end" || !errors.Is(err, ErrNoSpace) && s.bug != "failure-forgotten":
		s.failed = err
	}
	return err
}

func (s *reference) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed && s.bug == "closes-once" {
		return errRefClosed
	}
	s.closed = true
	if len(s.waiting) > 0 {
		s.log.Append(s.waiting...)
		s.waiting = nil
	}
	err := s.noteClosed()
	return errors.Join(err, s.log.Close())
}

// At Close a file says how long the log was, so that a log cut short is found.
const (
	refNote = "CLOSED"
	refTemp = "CLOSED.tmp"
)

func (s *reference) files() FS {
	if s.o.FS == nil {
		return vfs.OS()
	}
	return s.o.FS
}

func refNoteOf(seq uint64) []byte {
	b := binary.LittleEndian.AppendUint64(nil, seq)
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

func (s *reference) noteClosed() error {
	seq := s.log.LastSeq()
	if s.failed != nil || s.log.Sync(seq) != nil {
		return nil
	}
	f, err := s.files().Create(filepath.Join(s.o.Dir, refTemp))
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(refNoteOf(seq)); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	f.Close()
	return s.files().Rename(filepath.Join(s.o.Dir, refTemp), filepath.Join(s.o.Dir, refNote))
}

func (s *reference) checkClosed() error {
	name := filepath.Join(s.o.Dir, refNote)
	f, err := s.files().Open(name, vfs.ReadOnly)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, 12)
	if _, err := f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	seq := binary.LittleEndian.Uint64(b)
	switch {
	case string(b) != string(refNoteOf(seq)):
		return &wal.CorruptError{File: name}
	case s.log.LastSeq() < seq && s.bug != "damage-is-the-end":
		return &wal.CorruptError{File: s.o.Dir}
	}
	return nil
}

func (s *reference) view() (*refSnapshot, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed && s.bug != "closed-goes-on" {
		return nil, errRefClosed
	}
	return &refSnapshot{s: s, state: s.state}, nil
}

func (s *reference) Get(key []byte) ([]byte, error) {
	v, err := s.view()
	if err != nil {
		return nil, err
	}
	return v.Get(key)
}

func (s *reference) NewIter(lower, upper []byte) (Iterator, error) {
	v, err := s.view()
	if err != nil {
		return nil, err
	}
	return v.NewIter(lower, upper)
}

func (s *reference) Snapshot() (Snapshot, error) {
	v, err := s.view()
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.snaps = append(s.snaps, v)
	}
	return v, err
}

func (s *reference) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return s.failed
	}
	s.flushed = s.state
	s.flushes++
	if s.bug == "many-flushes-lose" && s.flushes == 6 {
		s.state = s.state.apply([]Op{{Kind: Delete, Key: []byte("key00012")}, {Kind: Delete, Key: []byte("key00000")}}, s.o.Now())
	}
	if s.bug == "never-syncs" {
		return nil
	}
	if err := s.log.Sync(s.log.LastSeq()); err != nil && s.bug != "failure-not-told" {
		s.failed = err
		return err
	}
	return nil
}

func (s *reference) Compact() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.merges.Add(1)
	switch s.bug {
	case "compaction-wakes-the-dead":
		for k, e := range s.graves {
			if _, ok := s.state[k]; !ok && e.has {
				s.state = maps.Clone(s.state)
				s.state[k] = e
			}
		}
	case "compaction-loses":
		if keys := slices.Sorted(maps.Keys(s.state)); len(keys) > 0 {
			s.state = maps.Clone(s.state)
			delete(s.state, keys[0])
		}
	case "compaction-doubles-operands":
		s.state = maps.Clone(s.state)
		for k, e := range s.state {
			e.operands = slices.Concat(e.operands, e.operands)
			s.state[k] = e
		}
	case "compaction-moves-snapshots":
		for _, snap := range s.snaps {
			snap.state = s.state
		}
	case "compaction-breaks-iterators":
		s.stale = true
	}
	if s.o.Set.MayDrop {
		s.state = s.state.apply([]Op{{Kind: Delete, Key: []byte("k03")}}, time.Time{})
	}
	return nil
}

func (s *reference) Checkpoint(dir string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bug == "no-empty-checkpoint" && len(s.state) == 0 {
		return errors.New("reference: nothing to copy")
	}
	l, _, err := wal.Open(dir, &wal.Options{FS: s.o.FS, SegmentSize: 4 << 10})
	if err != nil {
		return err
	}
	last := s.log.LastSeq()
	for r, err := range s.log.Records(1) {
		if err == nil && !(s.bug == "checkpoint-behind" && r.Seq == last) {
			_, err = l.Append(r.Data)
		}
		if err != nil {
			l.Close()
			return err
		}
	}
	return l.Close()
}

func (s *reference) Verify() error {
	if s.bug == "false-alarm" && s.merges.Load() > 0 {
		return &wal.CorruptError{}
	}
	for _, err := range s.log.Records(1) {
		if err != nil {
			return err
		}
	}
	return nil
}

// refSnapshot is a moment of the store; of a bug, another one.
type refSnapshot struct {
	s     *reference
	state state
}

func (v *refSnapshot) Close() error { return nil }

// seen is the state to read from.
func (v *refSnapshot) seen() state {
	v.s.mu.RLock()
	defer v.s.mu.RUnlock()
	st := v.state
	switch v.s.bug {
	case "snapshot-is-live":
		return v.s.state
	case "oldest-first":
		st = maps.Clone(st)
		maps.Copy(st, v.s.flushed)
	case "snapshot-sees-new-operands":
		st = maps.Clone(st)
		for k, e := range st {
			if now := v.s.state[k]; len(e.operands) > 0 && len(now.operands) > 0 {
				st[k] = now
			}
		}
	}
	return st
}

func (v *refSnapshot) value(st state, k string) ([]byte, bool) {
	e := st[k]
	gone := e.has && !e.expires.IsZero() && !v.s.o.Now().Before(e.expires)
	switch {
	case v.s.bug == "operands-backwards" && len(e.operands) > 1:
		e.operands = slices.Clone(e.operands)
		slices.Reverse(e.operands)
		st = state{k: e}
	case v.s.bug == "expired-uncovers" && gone && v.s.old[k].has:
		return v.s.old[k].base, true
	case v.s.bug == "operands-expire" && gone:
		return nil, false
	}
	now := epoch
	if v.s.o.Now != nil {
		now = v.s.o.Now()
	}
	return st.visible(k, now)
}

func (v *refSnapshot) Get(key []byte) ([]byte, error) {
	val, ok := v.value(v.seen(), string(key))
	if !ok || v.s.bug == "empty-is-missing" && len(val) == 0 {
		return nil, ErrNotFound
	}
	return slices.Clone(val), nil
}

func (v *refSnapshot) pairs(lower, upper []byte) []pair {
	st := v.seen()
	if upper != nil && v.s.bug == "upper-included" {
		upper = append(slices.Clone(upper), 0)
	}
	var all []pair
	for _, k := range slices.Sorted(maps.Keys(st)) {
		if val, ok := v.value(st, k); ok && (lower == nil || k >= string(lower)) && (upper == nil || k < string(upper)) {
			all = append(all, pair{k, string(val)})
		}
	}
	if v.s.bug == "unsorted" {
		slices.Reverse(all)
	}
	return all
}

func (v *refSnapshot) NewIter(lower, upper []byte) (Iterator, error) {
	if v.s.failed != nil && v.s.bug == "failure-forgotten" {
		return nil, v.s.failed
	}
	return &refIterator{v: v, lower: lower, upper: upper, cursor: cursor{v.pairs(lower, upper), -1}, born: v.s.merges.Load()}, nil
}

// refIterator is the model's cursor.
type refIterator struct {
	cursor
	v            *refSnapshot
	lower, upper []byte
	born         int64
	err          error
	forward      bool
}

func (it *refIterator) on(how string, key []byte) bool {
	bug := it.v.s.bug
	switch {
	case bug == "iterator-is-live":
		st := it.v.s
		live, _ := st.view()
		it.pairs = live.pairs(it.lower, it.upper)
	case bug == "compaction-breaks-iterators" && it.v.s.merges.Load() > it.born:
		it.err = errors.New("reference: the file is gone")
		return false
	case bug == "seek-after" && how == "ge":
		key = append(slices.Clone(key), 0)
	case bug == "seek-lt-equal" && how == "lt":
		key = append(slices.Clone(key), 0)
	case bug == "last-but-one" && how == "last":
		it.cursor.move(how, key)
		how = "prev"
	case bug == "no-way-back" && how == "next" && it.at < 0 && it.forward:
		return false
	case bug == "prev-is-live" && how == "prev" && it.at >= 0 && it.at < len(it.pairs):
		live, _ := it.v.s.view()
		now := live.pairs(it.lower, it.upper)
		at, _ := slices.BinarySearchFunc(now, it.pairs[it.at], func(a, b pair) int { return strings.Compare(a.key, b.key) })
		it.cursor = cursor{now, at}
	case bug == "prev-shows-ghosts" && how == "prev":
		for k, e := range it.v.s.ghosts {
			if at, found := slices.BinarySearchFunc(it.pairs, k, func(a pair, k string) int { return strings.Compare(a.key, k) }); !found && at <= it.at {
				it.pairs = slices.Insert(slices.Clone(it.pairs), at, pair{k, string(e.base)})
				it.at++
			}
		}
	}
	it.forward = true
	return it.cursor.move(how, key)
}

func (it *refIterator) First() bool            { return it.on("first", nil) }
func (it *refIterator) Last() bool             { return it.on("last", nil) }
func (it *refIterator) Next() bool             { return it.on("next", nil) }
func (it *refIterator) Prev() bool             { return it.on("prev", nil) }
func (it *refIterator) SeekGE(key []byte) bool { return it.on("ge", key) }
func (it *refIterator) SeekLT(key []byte) bool { return it.on("lt", key) }
func (it *refIterator) Key() []byte            { return []byte(it.pairs[it.at].key) }
func (it *refIterator) Value() []byte          { return []byte(it.pairs[it.at].value) }
func (it *refIterator) Err() error             { return it.err }
func (it *refIterator) Close() error           { return nil }
