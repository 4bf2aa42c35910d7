// Queries that go to the rows: a plan of package coprocessor runs in every region of its
// table, at the transaction's snapshot, and the transaction puts together what comes back.

package mvcc

import (
	"context"
	"errors"
	"iter"

	"github.com/flagship-go/flagship/mvcc/coprocessor"
)

// CoprocessorRequest runs a plan over Start <= key < End. The answer is a
// [*coprocessor.Partial].
type CoprocessorRequest struct {
	ReadOptions
	Start, End []byte
	Plan       *coprocessor.Plan
	Options    *coprocessor.Options
}

func (q *CoprocessorRequest) within(r *RegionInfo) bool { return r.hasRange(q.Start, q.End) }
func (q *CoprocessorRequest) covers(key []byte) bool    { return Span{q.Start, q.End}.has(key) }

// read answers it: rows are read a batch at a time, as a scan would.
func (q *CoprocessorRequest) read(w *run) (any, error) {
	src := &regionSource{w: w, scan: ScanRequest{ReadOptions: q.ReadOptions, Start: q.Start, End: q.End, KeysOnly: !q.Plan.NeedsValues()}}
	part, err := q.Plan.Run(context.Background(), src, q.Options)
	if err != nil {
		return nil, err
	}
	return part, nil
}

// regionSource is a region's rows at a snapshot.
type regionSource struct {
	w    *run
	scan ScanRequest
	done bool
	rows coprocessor.Rows
}

func (s *regionSource) Next(_ context.Context, most int) (coprocessor.Rows, error) {
	s.rows.Keys, s.rows.Values = s.rows.Keys[:0], s.rows.Values[:0]
	if s.done {
		return s.rows, nil
	}
	s.scan.Limit = most
	a, err := s.scan.read(s.w)
	if err != nil {
		return coprocessor.Rows{}, err
	}
	page := a.(*ScanResponse)
	s.done, s.scan.Start = !page.More, page.Resume
	return s.take(page.Pairs), nil
}

func (s *regionSource) take(pairs []KV) coprocessor.Rows {
	for i := range pairs {
		s.rows.Keys = append(s.rows.Keys, pairs[i].Key)
		if !s.scan.KeysOnly {
			s.rows.Values = append(s.rows.Values, pairs[i].Value)
		}
	}
	return s.rows
}

// Select runs a plan over its table as this transaction sees it. The regions do their
// parts, several at once; but where the transaction has written rows of the table itself,
// they are fetched, and it does all the work. A row is good until the next one. It is
// for one loop; an error ends it. The errors are those of Scan and of package coprocessor.
func (t *Txn) Select(ctx context.Context, plan *coprocessor.Plan, o *coprocessor.Options) iter.Seq2[[]coprocessor.Value, error] {
	lo, hi := plan.Table.Range()
	if err := t.open(); err != nil {
		return func(yield func([]coprocessor.Value, error) bool) { yield(nil, err) }
	}
	own := cursor{b: &t.buf, lo: lo, hi: hi}
	switch {
	case own.peek() != nil:
		return t.selectFetched(ctx, plan, o)
	case len(plan.Groups)+len(plan.Calls) == 0 && len(plan.OrderBy) == 0:
		// Rows pass through, in the order of keys.
		return plan.Merge(ctx, func(yield func(*coprocessor.Partial, error) bool) { t.selectInOrder(ctx, lo, hi, plan, o, yield) }, o)
	}
	return func(yield func([]coprocessor.Value, error) bool) {
		parts, err := t.selectParts(ctx, lo, hi, plan, o)
		if err != nil {
			yield(nil, err)
			return
		}
		plan.Merge(ctx, func(yield func(*coprocessor.Partial, error) bool) {
			for _, part := range parts {
				if !yield(part, nil) {
					return
				}
			}
		}, o)(yield)
	}
}

// selectFetched fetches all rows of the table and does the work here: some are in no
// region yet.
func (t *Txn) selectFetched(ctx context.Context, plan *coprocessor.Plan, o *coprocessor.Options) iter.Seq2[[]coprocessor.Value, error] {
	return func(yield func([]coprocessor.Value, error) bool) {
		lo, hi := plan.Table.Range()
		next, stop := iter.Pull2(t.Scan(ctx, lo, hi, ScanOptions{KeysOnly: !plan.NeedsValues()}))
		defer stop()
		plan.Select(ctx, o, &shippedSource{next: next, keysOnly: !plan.NeedsValues()})(yield)
	}
}

// shippedSource is the rows of a scan.
type shippedSource struct {
	next     func() (KV, error, bool)
	keysOnly bool
	rows     coprocessor.Rows
}

func (s *shippedSource) Next(_ context.Context, most int) (coprocessor.Rows, error) {
	s.rows.Keys, s.rows.Values = s.rows.Keys[:0], s.rows.Values[:0]
	for len(s.rows.Keys) < most {
		kv, err, ok := s.next()
		if err != nil {
			return coprocessor.Rows{}, err
		}
		if !ok {
			break
		}
		s.rows.Keys = append(s.rows.Keys, kv.Key)
		if !s.keysOnly {
			s.rows.Values = append(s.rows.Values, kv.Value)
		}
	}
	return s.rows, nil
}

// selectInOrder gives the parts of one region after the other. Where a value may be older
// than the transaction, it moves up, and goes on behind what it has (V12).
func (t *Txn) selectInOrder(ctx context.Context, lo, hi []byte, plan *coprocessor.Plan, o *coprocessor.Options, yield func(*coprocessor.Partial, error) bool) {
	for stopped := false; !stopped; {
		err := t.selectRange(ctx, lo, hi, plan, o, func(part *coprocessor.Partial, read Span) bool {
			if t.tracks {
				t.reads.addSpan(read.Start, read.End)
			}
			lo = read.End
			stopped = !yield(part, nil)
			return !stopped
		})
		if uncertain, ok := errors.AsType[*UncertainError](err); ok {
			err = t.moveUp(ctx, uncertain)
			if err == nil {
				continue
			}
		}
		if err != nil {
			yield(nil, err)
		}
		return
	}
}

// selectParts gets the parts of all regions, several at once, all at the same ReadTS.
func (t *Txn) selectParts(ctx context.Context, lo, hi []byte, plan *coprocessor.Plan, o *coprocessor.Options) ([]*coprocessor.Partial, error) {
	for {
		ranges, err := t.cut(ctx, lo, hi)
		if err != nil {
			return nil, err
		}
		parts := make([][]*coprocessor.Partial, len(ranges))
		err = t.db.parallel(ctx, len(ranges), func(ctx context.Context, i int) error {
			return t.selectRange(ctx, ranges[i].Start, ranges[i].End, plan, o, func(part *coprocessor.Partial, _ Span) bool {
				parts[i] = append(parts[i], part)
				return true
			})
		})
		if uncertain, ok := errors.AsType[*UncertainError](err); ok {
			if err := t.moveUp(ctx, uncertain); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		if t.tracks {
			t.reads.addSpan(lo, hi)
		}
		var all []*coprocessor.Partial
		for _, p := range parts {
			all = append(all, p...)
		}
		return all, nil
	}
}

// cut cuts a range by regions, as they are now.
func (t *Txn) cut(ctx context.Context, lo, hi []byte) (ranges []Span, err error) {
	p := patience{db: t.db, seed: uint64(t.startTS)}
	for {
		info, err := t.db.region(ctx, lo, &p)
		if err != nil {
			return nil, err
		}
		var s Span
		s.Start, s.End = info.clip(lo, hi)
		ranges = append(ranges, s)
		if s.End == nil || hi != nil && string(s.End) >= string(hi) {
			return ranges, nil
		}
		lo = s.End
	}
}

// selectRange gets the parts of a range, in order, and says what each has read. It ends
// when got says so.
func (t *Txn) selectRange(ctx context.Context, lo, hi []byte, plan *coprocessor.Plan, o *coprocessor.Options, got func(*coprocessor.Partial, Span) bool) error {
	options := t.readOptions()
	p := patience{db: t.db, seed: uint64(t.startTS)}
	for {
		info, err := t.db.region(ctx, lo, &p)
		if err != nil {
			return err
		}
		q := &CoprocessorRequest{ReadOptions: options, Plan: plan, Options: o}
		q.Start, q.End = info.clip(lo, hi)
		answer, err := t.db.call(ctx, info.RegionRef, q, &p)
		if err == errAgain {
			continue
		}
		if err != nil {
			if err := t.clearLocks(ctx, err, &options.Past, &p); err != nil {
				return err
			}
			continue
		}
		part := answer.(*coprocessor.Partial)
		read := Span{q.Start, q.End}
		if part.More {
			read.End = part.Resume
		}
		if !got(part, read) || !part.More && (q.End == nil || hi != nil && string(q.End) >= string(hi)) {
			return nil
		}
		lo = read.End
		p = patience{db: t.db, seed: uint64(t.startTS)}
	}
}
