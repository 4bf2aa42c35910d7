package lsm

import (
	"sync"
	"sync/atomic"

	"github.com/flagship-go/flagship/lsm/bloom"
	"github.com/flagship-go/flagship/lsm/key"
	"github.com/flagship-go/flagship/lsm/skiplist"
)

// memtable holds writes that are in the log and in no table yet. Its entries
// are in a skiplist, or, of a batch too large for one and of what a reopened
// store finds in its log, in a sorted array (flat).
//
// Range deletes are few and cover many keys, so they are kept apart.
type memtable struct {
	order  key.Order
	list   *skiplist.List // nil when flat is set
	filter *bloom.Live    // nil: none
	flat   *flat

	arena *arena // of list
	// reserved is the worst case of what is being inserted; used says that
	// anything was, or is about to be. Both grow under the commit lock.
	reserved atomic.Int64
	used     bool

	// writers are the batches being inserted: a flush waits for them.
	writers sync.WaitGroup
	refs    atomic.Int32
	free    func(*memtable)

	// logFirst is the log's first record that may be in this memtable or in a
	// later one, last the last sequence number in it, once it is immutable, and
	// values the bytes in the value log that it points to.
	logFirst, last uint64
	values         int64

	spans spanList
}

// newMemtable returns an empty memtable with an arena of size bytes.
func newMemtable(size int, order key.Order, bitsPerKey int) *memtable {
	a := newArena(size)
	m := &memtable{order: order, list: skiplist.New(a.mem, order), arena: a}
	a.freeWith(m)
	if bitsPerKey > 0 {
		m.filter = bloom.NewLive(size/assumedEntry, bitsPerKey)
	}
	m.refs.Store(1)
	return m
}

// room returns what may still be reserved. An entry takes less than its worst
// case, which shows once it is inserted; one that ends between the two looks is
// counted twice.
func (m *memtable) room() int {
	reserved := int(m.reserved.Load())
	return len(m.arena.mem) - m.list.Size() - reserved
}

// assumedEntry is the arena bytes of an entry by which a memtable's filter is
// sized: with smaller entries it lets more reads through in vain.
const assumedEntry = 128

// sortFrom is the number of entries from which on a batch is sorted before it is
// inserted: places that are near each other are then sought one after the other, and
// many at once.
const sortFrom = 32

// sorted is what insertSorted works with.
type sorted struct {
	flat
	chunk [64]skiplist.Entry
}

var sorteds = sync.Pool{New: func() any { return new(sorted) }}

// insertSorted is insert for a batch of many entries.
func (m *memtable) insertSorted(data []byte) error {
	s := sorteds.Get().(*sorted)
	defer sorteds.Put(s)
	s.flat = flat{order: m.order, entries: s.entries[:0], spare: s.spare}
	if err := s.add(data, &m.spans, true); err != nil {
		return err
	}
	s.sort()
	for from := 0; from < len(s.entries); from += len(s.chunk) {
		chunk := s.chunk[:0]
		for _, e := range s.entries[from:min(from+len(s.chunk), len(s.entries))] {
			if m.filter != nil {
				m.filter.Add(bloom.Hash(m.order.Bare(s.user(e))))
			}
			chunk = append(chunk, skiplist.Entry{User: s.user(e), Trailer: e.trailer, Value: s.data[e.value:e.stop]})
		}
		if err := m.list.AddSorted(chunk); err != nil {
			return err
		}
	}
	s.data = nil
	clear(s.chunk[:])
	return nil
}

// insert adds the entries of a sealed batch. It may run beside other inserts.
func (m *memtable) insert(data []byte) error {
	r, err := openBatch(data)
	if err != nil {
		return err
	}
	if r.count >= sortFrom {
		return m.insertSorted(data)
	}
	for seq := r.seq; ; seq++ {
		e, ok, err := r.next()
		switch {
		case err != nil:
			return err
		case !ok:
			return nil
		case e.kind == key.Mark:
			seq--
			continue
		case e.kind == key.RangeDelete:
			m.spans.add(key.Span{Start: e.key, End: e.value, Seq: seq})
			continue
		}
		if m.filter != nil {
			m.filter.Add(bloom.Hash(m.order.Bare(e.key)))
		}
		if err := m.list.Add(e.key, key.Trailer(seq, e.kind), e.value); err != nil {
			return err
		}
	}
}

// get returns the newest entry of the user key k that a reader at seq sees;
// hash is the filter's of k.
func (m *memtable) get(k []byte, hash uint64, seq uint64) (trailer uint64, value []byte, ok bool) {
	if m.flat != nil {
		return m.flat.get(k, seq)
	}
	if m.filter != nil && !m.filter.MayContain(hash) {
		return 0, nil, false
	}
	return m.list.Get(k, seq)
}

// cursor returns a cursor over the entries, in mem where it is one of a list.
func (m *memtable) cursor(mem *skiplist.Cursor) key.Cursor {
	if m.flat != nil {
		return &flatCursor{f: m.flat}
	}
	mem.Init(m.list)
	return mem
}

func (m *memtable) ref() { m.refs.Add(1) }

func (m *memtable) unref() {
	if m.refs.Add(-1) > 0 {
		return
	}
	if m.arena != nil {
		m.arena.free()
	}
	if m.free != nil {
		m.free(m)
	}
}

// spanList is the range deletes of a memtable. Readers want them in pieces,
// which are made when one asks and not at every write.
type spanList struct {
	n      atomic.Int32
	pieces atomic.Pointer[spanPieces]

	mu  sync.Mutex
	all []key.Span
}

type spanPieces struct {
	of int // how many spans it is made of
	f  *key.Fragments
}

// add copies s.
func (l *spanList) add(s key.Span) {
	s.Start, s.End = append([]byte(nil), s.Start...), append([]byte(nil), s.End...)
	l.mu.Lock()
	l.all = append(l.all, s)
	l.n.Store(int32(len(l.all)))
	l.mu.Unlock()
}

func (l *spanList) len() int { return int(l.n.Load()) }

// fragments returns all range deletes added so far.
func (l *spanList) fragments(order key.Order) *key.Fragments {
	n := l.len()
	if n == 0 {
		return nil
	}
	if p := l.pieces.Load(); p != nil && p.of >= n {
		return p.f
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &spanPieces{of: len(l.all), f: order.Fragment(l.all)}
	l.pieces.Store(p)
	return p.f
}
