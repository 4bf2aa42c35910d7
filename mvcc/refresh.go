// What a transaction has read, and whether it would read the same later on.
//
// A serializable transaction reads at ReadTS and writes at CommitTS. If nothing that it
// read has changed between the two, it might as well have read at CommitTS, and so have
// happened all at once (V13):
//
//	         ReadTS                CommitTS
//	a        read 1                                   same: fine
//	b        read, not there       W@6=5              changed: conflict
//	[c, f)   read c, e             d: L(7)            somebody is about to: pushed above
//	                                                  CommitTS, or waited for
//
// The region remembers that it has been read at CommitTS, so that whoever comes later
// commits above it: the answer stays true. A key that the transaction also writes
// needs none of this. Its lock, and the check for conflicts that came with it, say more.
//
// Where clocks differ, every mode uses the same question to move its ReadTS above a
// value that may be older than it is (V12).

package mvcc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/flagship-go/flagship/mvcc/region"
)

const (
	// maxReadSet is how many bytes of keys a read set keeps before it merges
	// neighbours into ranges. Those say too much: conflicts may come that are none.
	maxReadSet = 1 << 20
	// refreshWaits is how often a refresh waits for an older transaction, which may be
	// waiting for it: a tenth of a second, about.
	refreshWaits = 10
)

// readSet is the keys and ranges that were read at the snapshot, found or not. The
// zero value is empty.
type readSet struct {
	keys  [][]byte
	spans []region.Span
	bytes int
	limit int // 0: maxReadSet; rises if ranges alone exceed it
	moves int // rises when spans change their places
}

func (r *readSet) addKey(key []byte) {
	if n := len(r.keys); n > 0 && bytes.Equal(r.keys[n-1], key) {
		return
	}
	r.keys = append(r.keys, bytes.Clone(key))
	r.grown(len(key) + 24)
}

// addSpan notes lo <= key < hi, and returns where it is.
func (r *readSet) addSpan(lo, hi []byte) (at, moves int) {
	r.spans = append(r.spans, region.Span{Start: bytes.Clone(lo), End: bytes.Clone(hi)})
	r.grown(len(lo) + len(hi) + 48)
	return len(r.spans) - 1, r.moves
}

// trim shortens a span that turned out to be read in part only.
func (r *readSet) trim(at, moves int, lo, hi []byte) {
	if moves == r.moves {
		r.spans[at] = region.Span{Start: bytes.Clone(lo), End: bytes.Clone(hi)}
	}
}

func (r *readSet) grown(n int) {
	if r.bytes += n; r.limit == 0 {
		r.limit = maxReadSet
	}
	if r.bytes <= r.limit {
		return
	}
	if r.normalize(); r.bytes > r.limit/2 {
		r.coarsen()
	}
	r.limit = max(r.limit, 2*r.bytes)
}

// normalize sorts keys and spans, joins those that touch, and drops keys within spans.
func (r *readSet) normalize() {
	slices.SortFunc(r.spans, func(a, b region.Span) int { return bytes.Compare(a.Start, b.Start) })
	joined := r.spans[:0]
	for _, s := range r.spans {
		last := len(joined) - 1
		switch {
		case s.End != nil && bytes.Compare(s.Start, s.End) >= 0: // nothing
		case last >= 0 && joined[last].End == nil: // all
		case last >= 0 && bytes.Compare(s.Start, joined[last].End) <= 0:
			if s.End == nil || bytes.Compare(s.End, joined[last].End) > 0 {
				joined[last].End = s.End
			}
		default:
			joined = append(joined, s)
		}
	}
	clear(r.spans[len(joined):])
	r.spans = joined
	slices.SortFunc(r.keys, bytes.Compare)
	i, kept, prev := 0, r.keys[:0], []byte(nil)
	for _, k := range r.keys {
		for i < len(r.spans) && r.spans[i].End != nil && bytes.Compare(r.spans[i].End, k) <= 0 {
			i++
		}
		within := i < len(r.spans) && bytes.Compare(r.spans[i].Start, k) <= 0
		if !within && !bytes.Equal(k, prev) {
			kept, prev = append(kept, k), k
		}
	}
	clear(r.keys[len(kept):])
	r.keys = kept
	r.measure()
}

// coarsen makes ranges of neighbours: eight keys or spans become one span.
func (r *readSet) coarsen() {
	all := make([]region.Span, 0, len(r.keys)+len(r.spans))
	for _, k := range r.keys {
		all = append(all, region.Span{Start: k, End: above(k)})
	}
	all = append(all, r.spans...)
	slices.SortFunc(all, func(a, b region.Span) int { return bytes.Compare(a.Start, b.Start) })
	r.keys, r.spans = nil, nil
	for chunk := range slices.Chunk(all, 8) {
		r.spans = append(r.spans, region.Span{Start: chunk[0].Start, End: chunk[len(chunk)-1].End})
	}
	r.measure()
}

func (r *readSet) measure() {
	r.bytes = 0
	for _, k := range r.keys {
		r.bytes += len(k) + 24
	}
	for _, s := range r.spans {
		r.bytes += len(s.Start) + len(s.End) + 48
	}
	r.moves++
}

// without returns the keys that are not among the changes which commit locks.
func (r *readSet) without(changes *buffer) [][]byte {
	if changes.n == 0 {
		return r.keys
	}
	var keys [][]byte
	for _, k := range r.keys {
		if c := changes.get(k); c == nil || c.kind == region.MutCheckAbsent {
			keys = append(keys, k)
		}
	}
	return keys
}

// refresh fails with a [*ConflictError] if something that was read at from is not the
// same at to.
func (t *Txn) refresh(ctx context.Context, keys [][]byte, from, to TS) error {
	t.db.count.refreshes.Add(1)
	p := patience{db: t.db, seed: uint64(t.startTS)}
	spans := t.reads.spans
	var past []TS
	waits := 0
	for len(keys) > 0 || len(spans) > 0 {
		at := firstOf(keys, spans)
		info, err := t.db.region(ctx, at, &p)
		if err != nil {
			return err
		}
		q := &region.RefreshRequest{StartTS: t.startTS, From: from, To: to, Past: past}
		q.Keys, q.Spans = keys, spans
		var restKeys [][]byte
		var restSpans []region.Span
		if info.End != nil {
			q.Keys, restKeys, q.Spans, restSpans = cutAt(info.End, keys, spans)
		}
		_, err = t.db.call(ctx, info.Ref, q, &p)
		switch locked, isLock := errors.AsType[*LockedError](err); {
		case err == nil:
			keys, spans = restKeys, restSpans
			p, waits = patience{db: t.db, seed: p.seed}, 0 // the next region has its own
		case err == errAgain:
		case isLock:
			m, err := t.db.resolver.meet(ctx, locked.Locks, to, to, &p)
			if err != nil {
				return err
			}
			past = append(slices.Clip(past), m.past...)
			if m.alive == nil {
				continue
			}
			// An async commit cannot be pushed: it is decided, or will be soon. A younger one
			// that waits for us gives way, and an older one does not: so we do.
			if m.alive.StartTS < t.startTS {
				waits++
			}
			if waits > refreshWaits || p.over() {
				return t.conflict(ReadConflict, m.alive, to)
			}
			if err := p.wait(ctx); err != nil {
				return err
			}
		default:
			return err
		}
	}
	return nil
}

func firstOf(keys [][]byte, spans []region.Span) []byte {
	if len(keys) == 0 || len(spans) > 0 && bytes.Compare(spans[0].Start, keys[0]) < 0 {
		return spans[0].Start
	}
	return keys[0]
}

// cutAt cuts keys and spans, in order, at the end of a region.
func cutAt(end []byte, keys [][]byte, spans []region.Span) (keysIn, keysOut [][]byte, spansIn, spansOut []region.Span) {
	n, _ := slices.BinarySearchFunc(keys, end, bytes.Compare)
	m := 0
	for m < len(spans) && bytes.Compare(spans[m].Start, end) < 0 {
		m++
	}
	spansIn, spansOut = spans[:m], spans[m:]
	if m > 0 && (spans[m-1].End == nil || bytes.Compare(spans[m-1].End, end) > 0) {
		spansIn = slices.Clone(spansIn)
		spansIn[m-1].End = end
		spansOut = append([]region.Span{{Start: end, End: spans[m-1].End}}, spansOut...)
	}
	return keys[:n], keys[n:], spansIn, spansOut
}

// validate is refresh for the commit of a serializable transaction at a CommitTS. What
// it writes itself is not asked about.
func (t *Txn) validate(ctx context.Context, from, to TS) error {
	return t.refresh(ctx, t.reads.without(&t.buf), from, to)
}

// moveUp raises ReadTS above a value that may be older than the transaction by
// another clock, if what was read before would be the same there (V12). While the
// transaction has no lock anywhere it has no identity yet that others know, and its StartTS
// moves too, so that writing the key is no conflict.
//
//	ReadTS      the value    UncertainUntil = first ReadTS + MaxOffset
//	  10            14             20
//	                 now is 15:    what was read at 10 is the same at 15?
//	                15             20      UncertainUntil stays: a value above it was
//	                                       written after we began, by any clock
func (t *Txn) moveUp(ctx context.Context, e *region.UncertainError) error {
	if err := t.db.clock.Observe(e.CommitTS); err != nil {
		return fmt.Errorf("mvcc: transaction %v: %w", t.startTS, err)
	}
	to, err := t.db.clock.Now(ctx)
	if err != nil {
		return err
	}
	t.reads.normalize()
	err = t.refresh(ctx, t.reads.keys, t.readTS, to)
	if c, ok := errors.AsType[*ConflictError](err); ok {
		moved := *c
		moved.Reason = UncertainRead
		return &moved
	}
	if err != nil {
		return err
	}
	t.readTS = to
	t.uncertainUntil = max(t.uncertainUntil, to)
	t.past = nil
	if !t.beating.Load() && t.primary == nil {
		t.startTS = to
	}
	return nil
}

// conflict is the error about a transaction that is not decided.
func (t *Txn) conflict(reason ConflictReason, l *LockInfo, now TS) error {
	return &ConflictError{Reason: reason, Key: l.Key, StartTS: t.startTS, OtherStartTS: l.StartTS, Age: max(0, now.Since(l.StartTS))}
}
