package lsm

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/lsm/key"
	"github.com/flagship-go/flagship/lsm/manifest"
	"github.com/flagship-go/flagship/lsm/table"
	"github.com/flagship-go/flagship/lsm/vlog"
)

// builder writes the result of a flush or a compaction as tables of one level. A
// table ends when it is large enough, and only between two user keys (rule L3);
// range deletes are cut at the same places (rule L12), so that tables stay
// apart:
//
//	keys     a  c  d  |  f  f  g  |  k  m
//	range       [b----|-----------|--------p)
//	tables   [b,f)       [f,k)       [k,p)
type builder struct {
	db     *DB
	level  int
	flush  bool
	keep   spanRule
	spans  *key.Fragments
	values map[uint64]bool // files of the value log to copy out of
	tick   func(n uint64)  // told of bytes written, for pacing
	trace  *Event          // counts blocks and filters; nil: nobody asks

	file    vfs.File
	w       *table.Writer
	num     uint64
	lower   []byte // where this table's range deletes begin; nil: no bound
	user    []byte // the last user key added
	refs    map[uint64]manifest.ValueRef
	expires int64 // the newest expiry
	lasting bool  // an entry has none
	counted uint64

	point []byte
	out   []manifest.Table
}

// ended reports whether the job need not go on. Close waits for a flush, which
// makes the next start shorter, and not for a compaction.
func (b *builder) ended() bool {
	err := b.db.failure.Load()
	return err != nil && !(b.flush && *err == ErrClosed)
}

// spanRule says whether a range delete is still needed.
type spanRule func(s key.Span) bool

// add adds an entry; entries come in the order of internal keys.
func (b *builder) add(user []byte, trailer uint64, value []byte) error {
	kind := key.KindOf(trailer)
	if b.w != nil && b.w.Size() >= uint64(b.db.opts.BaseTableSize) && b.db.order.CompareUser(user, b.user) != 0 {
		if err := b.cut(user); err != nil {
			return err
		}
	}
	if b.w == nil {
		if err := b.open(); err != nil {
			return err
		}
	}
	value, err := b.reference(kind, value)
	if err != nil {
		return err
	}
	b.user = append(b.user[:0], user...)
	b.point = key.Append(b.point[:0], user, trailer)
	if err := b.w.Add(b.point, value); err != nil {
		return fmt.Errorf("lsm: writing table %d: %w", b.num, err)
	}
	if n := b.w.Size(); n-b.counted > tickBytes {
		b.tick(n - b.counted)
		b.counted = n
	}
	return nil
}

// tickBytes is how much is written between two looks at the pace.
const tickBytes = 128 << 10

func (b *builder) open() error {
	d := b.db
	d.mu.Lock()
	b.num = d.nextFile
	d.nextFile++
	d.mu.Unlock()
	f, err := d.opts.FS.Create(d.tables.path(b.num))
	if err != nil {
		return fmt.Errorf("lsm: creating table %d: %w", b.num, err)
	}
	b.file, b.counted = f, 0
	b.w = table.NewWriter(f, table.WriterOptions{
		Order: d.order, BlockSize: d.opts.BlockSize, Compression: d.opts.Compression, BitsPerKey: d.opts.BitsPerKey,
	})
	b.refs, b.expires, b.lasting = make(map[uint64]manifest.ValueRef), 0, false
	return nil
}

// reference notes what an entry points to and when it expires, and copies its
// value when that is in a file to be emptied.
func (b *builder) reference(kind key.Kind, value []byte) ([]byte, error) {
	body := value
	if kind == key.SetTTL || kind == key.PointerTTL {
		b.expires = max(b.expires, int64(binary.LittleEndian.Uint64(value)))
		body = value[8:]
	} else if kind != key.Delete {
		b.lasting = true
	}
	if kind != key.Pointer && kind != key.PointerTTL {
		return value, nil
	}
	p, err := vlog.ParsePointer(body)
	if err != nil {
		return nil, err
	}
	if b.values[p.File] {
		if p, err = b.db.moveValue(p); err != nil {
			return nil, err
		}
		value = p.Append(append([]byte(nil), value[:len(value)-len(body)]...))
	}
	ref := b.refs[p.File]
	ref.File = p.File
	ref.Bytes += uint64(p.Length) + valueOverhead
	ref.End = max(ref.End, p.Offset+uint64(p.Length))
	b.refs[p.File] = ref
	return value, nil
}

// valueOverhead is about what a value takes in the value log besides itself.
const valueOverhead = 6

// moveValue copies a value to the end of the value log.
func (d *DB) moveValue(p vlog.Pointer) (vlog.Pointer, error) {
	v, err := d.values.Read(p, nil)
	if err != nil {
		return p, err
	}
	d.valuesMu.Lock()
	defer d.valuesMu.Unlock()
	moved, err := d.values.Append([][]byte{v}, nil)
	if err != nil {
		return p, fmt.Errorf("lsm: rewriting a value: %w", err)
	}
	d.stats.rewritten.Add(uint64(len(v)))
	return moved[0], nil
}

// cut ends the table before the user key next, nil: at the end of the range.
func (b *builder) cut(next []byte) error {
	next = bytes.Clone(next) // the range deletes that end there outlive the caller's key
	spans := b.spansOf(b.lower, next)
	if b.w == nil && len(spans) == 0 {
		return nil
	}
	if b.w == nil {
		if err := b.open(); err != nil {
			return err
		}
	}
	for _, s := range spans {
		if err := b.w.AddRangeDelete(s); err != nil {
			return fmt.Errorf("lsm: writing table %d: %w", b.num, err)
		}
	}
	p, err := b.w.Finish()
	if err == nil {
		err = b.file.Sync()
	}
	if cerr := b.file.Close(); err == nil {
		err = cerr
	}
	b.w = nil
	b.out = append(b.out, manifest.Table{Num: b.num}) // for remove
	if err != nil {
		return fmt.Errorf("lsm: writing table %d: %w", b.num, err)
	}
	b.tick(p.Size - min(p.Size, b.counted)) // counted is an estimate
	if len(spans) > 0 || b.lasting {
		b.expires = 0
	}
	b.trace.built(p, b.db.opts.BitsPerKey > 0)
	t := manifest.Table{
		Num: b.num, Level: b.level, Size: p.Size, Entries: p.Entries, Deletes: p.Deletes, RangeDeletes: p.RangeDeletes,
		Smallest: slices.Clone(p.Smallest), Largest: slices.Clone(p.Largest), MinSeq: p.MinSeq, MaxSeq: p.MaxSeq,
		Created: b.db.opts.Clock().Unix(), Expires: b.expires,
	}
	for _, ref := range b.refs {
		t.Values = append(t.Values, ref)
	}
	slices.SortFunc(t.Values, func(x, y manifest.ValueRef) int { return cmp.Compare(x.File, y.File) })
	b.out[len(b.out)-1] = t
	b.lower = next
	return nil
}

// spansOf returns the range deletes of a table that holds the user keys from
// lower up to, and without, upper.
func (b *builder) spansOf(lower, upper []byte) []key.Span {
	if b.spans == nil {
		return nil
	}
	var out []key.Span
	for _, s := range b.spans.Clip(lower, upper) {
		if b.keep(s) {
			out = append(out, s)
		}
	}
	return out
}

// remove deletes everything that was written, after a failure.
func (b *builder) remove() {
	if b.w != nil {
		b.file.Close()
		b.out = append(b.out, manifest.Table{Num: b.num})
	}
	for _, t := range b.out {
		b.db.opts.FS.Remove(b.db.tables.path(t.Num))
	}
}

// limiter paces writing to a number of bytes per second; nil does not.
type limiter struct {
	mu   sync.Mutex
	rate float64
	next time.Time // when the bytes let through so far are due
	stop chan struct{}
}

// wait returns when n more bytes are due, or after end.
func (l *limiter) wait(n uint64) {
	if l == nil {
		return
	}
	l.mu.Lock()
	now := time.Now()
	if l.next.Before(now) {
		l.next = now
	}
	pause := l.next.Sub(now)
	l.next = l.next.Add(time.Duration(float64(n) / l.rate * float64(time.Second)))
	l.mu.Unlock()
	due := time.NewTimer(pause)
	defer due.Stop()
	select {
	case <-due.C:
	case <-l.stop:
	}
}

// end lets go who waits. It is called once.
func (l *limiter) end() {
	if l != nil {
		close(l.stop)
	}
}
