// Queries: a plan goes to the regions of its range, and what they answer is merged.

package mvcc

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/flagship-go/flagship/mvcc/coprocessor"
)

// Select runs a plan over the rows as this transaction sees them. A row is valid until
// the next one. It is for one loop; an error ends it.
func (t *Txn) Select(ctx context.Context, p *coprocessor.Plan, o *coprocessor.Options) iter.Seq2[[]coprocessor.Value, error] {
	return func(yield func([]coprocessor.Value, error) bool) {
		if err := t.open(); err != nil {
			yield(nil, err)
			return
		}
		for row, err := range t.rows(ctx, p, o) {
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

func (t *Txn) rows(ctx context.Context, p *coprocessor.Plan, o *coprocessor.Options) iter.Seq2[[]coprocessor.Value, error] {
	lo, hi := p.Range()
	switch {
	case hi != nil && bytes.Compare(lo, hi) >= 0:
		return p.Select(ctx, o) // no row can be
	case (&cursor{b: &t.buf, lo: lo, hi: hi}).peek() != nil:
		// What it has written is in no region yet: the rows come here instead.
		next, stop := iter.Pull2(t.Scan(ctx, lo, hi, ScanOptions{KeysOnly: !p.NeedsValues()}))
		return func(yield func([]coprocessor.Value, error) bool) {
			defer stop()
			p.Select(ctx, o, &scannedRows{next: next})(yield)
		}
	case p.Pages():
		return p.Merge(ctx, t.pages(ctx, p, o, lo, hi), o)
	}
	return p.Merge(ctx, t.allParts(ctx, p, o, lo, hi), o)
}

// scannedRows is a scan as a coprocessor.Source.
type scannedRows struct {
	next func() (KV, error, bool)
	rows coprocessor.Rows
}

func (s *scannedRows) Next(_ context.Context, most int) (coprocessor.Rows, error) {
	s.rows.Keys, s.rows.Values = s.rows.Keys[:0], s.rows.Values[:0]
	for len(s.rows.Keys) < most {
		kv, err, ok := s.next()
		if err != nil {
			return coprocessor.Rows{}, err
		}
		if !ok {
			break
		}
		s.rows.Keys, s.rows.Values = append(s.rows.Keys, kv.Key), append(s.rows.Values, kv.Value)
	}
	return s.rows, nil
}

// pages asks one region after the other, and no further than the client reads.
func (t *Txn) pages(ctx context.Context, plan *coprocessor.Plan, o *coprocessor.Options, lo, hi []byte) iter.Seq2[*coprocessor.Partial, error] {
	return func(yield func(*coprocessor.Partial, error) bool) {
		p := patience{db: t.db, seed: uint64(t.startTS)}
		for rest := (Span{lo, hi}); !rest.empty(); {
			q := &CoprocessorRequest{ReadOptions: t.readOptions(), Plan: plan, Options: o}
			part, read, err := t.db.ask(ctx, q, rest, &p)
			if err != nil {
				if err = t.clear(ctx, err, &t.past, &p); err == nil {
					continue
				}
				yield(nil, err)
				return
			}
			if t.tracks {
				t.reads.addSpan(read.Start, read.End)
			}
			rest.Start = read.End
			if !yield(part, nil) || read.End == nil {
				return
			}
		}
	}
}

func (s Span) empty() bool { return s.End != nil && bytes.Compare(s.Start, s.End) >= 0 }

// ask sends the request to the region where the span begins, and says how far it went.
func (d *DB) ask(ctx context.Context, q *CoprocessorRequest, s Span, p *patience) (*coprocessor.Partial, Span, error) {
	for {
		info, err := d.region(ctx, s.Start, p)
		if err != nil {
			return nil, s, err
		}
		q.Start, q.End = info.clip(s.Start, s.End)
		answer, err := d.call(ctx, info.RegionRef, q, p)
		if err == errAgain {
			continue
		}
		if err != nil {
			return nil, s, err
		}
		part, read := answer.(*coprocessor.Partial), Span{q.Start, q.End}
		if part.More {
			read.End = part.Resume
		}
		return part, read, nil
	}
}

// allParts asks all regions, several at once, and all as of the same time.
func (t *Txn) allParts(ctx context.Context, plan *coprocessor.Plan, o *coprocessor.Options, lo, hi []byte) iter.Seq2[*coprocessor.Partial, error] {
	return func(yield func(*coprocessor.Partial, error) bool) {
		var parts []*coprocessor.Partial
		for done := false; !done; {
			var err error
			parts, err = t.partsOnce(ctx, plan, o, Span{lo, hi})
			if uncertain, ok := errors.AsType[*UncertainError](err); ok {
				err = t.moveUp(ctx, uncertain)
			} else {
				done = true
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
		if t.tracks {
			t.reads.addSpan(lo, hi)
		}
		for _, part := range parts {
			if !yield(part, nil) {
				return
			}
		}
	}
}

func (t *Txn) partsOnce(ctx context.Context, plan *coprocessor.Plan, o *coprocessor.Options, whole Span) ([]*coprocessor.Partial, error) {
	p := patience{db: t.db, seed: uint64(t.startTS)}
	var spans []Span
	for rest := whole; !rest.empty(); {
		info, err := t.db.region(ctx, rest.Start, &p)
		if err != nil {
			return nil, err
		}
		start, end := info.clip(rest.Start, rest.End)
		spans = append(spans, Span{start, end})
		if rest.Start = end; end == nil {
			break
		}
	}
	// In the order of keys, whoever answers first: a sum of floats is the same each time.
	answers, pasts := make([][]*coprocessor.Partial, len(spans)), make([][]TS, len(spans))
	err := t.db.parallel(ctx, len(spans), func(ctx context.Context, i int) error {
		p := patience{db: t.db, seed: uint64(t.startTS) + uint64(i)}
		options := t.readOptions()
		// A region that was split since is several.
		for rest := spans[i]; !rest.empty(); {
			part, read, err := t.db.ask(ctx, &CoprocessorRequest{ReadOptions: options, Plan: plan, Options: o}, rest, &p)
			if err != nil {
				err = t.clearLocks(ctx, err, &options.Past, &p)
				if pasts[i] = options.Past; err != nil {
					return err
				}
				continue
			}
			answers[i] = append(answers[i], part)
			if rest.Start = read.End; read.End == nil {
				break
			}
		}
		return nil
	})
	for _, past := range pasts {
		if len(past) > len(t.past) {
			t.past = past // the rest is learnt again, if need be
		}
	}
	return slices.Concat(answers...), err
}
