// Queries: the plan goes to the regions, and what comes back is put together.

package mvcc

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/flagship-go/flagship/mvcc/coprocessor"
	"github.com/flagship-go/flagship/mvcc/region"
)

// Select runs a plan over the rows that the transaction sees, and gives the result a row
// at a time; the slice is used again for the next one. Each region does its part, several
// at once; or one after the other, a page at a time, if the result is rows that are passed on as they
// come. An error ends it. It is for one loop, in which the transaction must not be used
// otherwise. o bounds the memory; nil is the default.
//
// Where the transaction has itself written rows of the table, all rows come here
// first (V14). To a serializable transaction every row of the table is read.
func (t *Txn) Select(ctx context.Context, plan *coprocessor.Plan, o *coprocessor.Options) iter.Seq2[[]coprocessor.Value, error] {
	return func(yield func([]coprocessor.Value, error) bool) {
		if err := t.open(); err != nil {
			yield(nil, err)
			return
		}
		start, end := plan.Range()
		mine := cursor{b: &t.buf, lo: start, hi: end}
		parts := t.pushDown
		switch {
		case mine.peek() != nil:
			parts = t.bringHere
		case !plan.Pages() && !t.db.opts.Serial && t.db.opts.Concurrency > 1:
			parts = t.pushDownTogether
		}
		plan.Merge(ctx, parts(ctx, &selection{plan: plan, options: o, start: start, end: end}), o)(yield)
	}
}

type partials = iter.Seq2[*coprocessor.Partial, error]

// selection is a Select under way.
type selection struct {
	plan       *coprocessor.Plan
	options    *coprocessor.Options
	start, end []byte
	// mu guards the transaction, which the regions' parts share.
	mu sync.Mutex
}

// bringHere runs the plan over what the transaction sees itself.
func (t *Txn) bringHere(ctx context.Context, q *selection) partials {
	return func(yield func(*coprocessor.Partial, error) bool) {
		next, stop := iter.Pull2(t.Scan(ctx, q.start, q.end, ScanOptions{KeysOnly: !q.plan.NeedsValues()}))
		defer stop()
		src := &scanSource{next: next}
		for more := true; more; {
			part, err := q.plan.Run(ctx, src, q.options)
			if !yield(part, err) || err != nil {
				return
			}
			more = part.More // and src stands at Resume
		}
	}
}

// scanSource gives the rows of a Scan.
type scanSource struct{ next func() (KV, error, bool) }

func (s *scanSource) Next(_ context.Context, most int) (rows coprocessor.Rows, err error) {
	for range most {
		kv, err, ok := s.next()
		if err != nil {
			return coprocessor.Rows{}, err
		}
		if !ok {
			break
		}
		rows.Keys, rows.Values = append(rows.Keys, kv.Key), append(rows.Values, kv.Value)
	}
	return rows, nil
}

// pushDown asks one region after the other.
func (t *Txn) pushDown(ctx context.Context, q *selection) partials {
	return func(yield func(*coprocessor.Partial, error) bool) {
		for from := q.start; ; {
			part, rest, err := t.ask(ctx, q, from, q.end)
			if !yield(part, err) || err != nil || rest == nil {
				return
			}
			from = rest
		}
	}
}

// pushDownTogether asks several regions at once. Parts come as they are done; those that
// are waiting to be merged are as many as requests are under way, at most.
func (t *Txn) pushDownTogether(ctx context.Context, q *selection) partials {
	return func(yield func(*coprocessor.Partial, error) bool) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		spans, err := t.cut(ctx, q)
		if err != nil {
			yield(nil, err)
			return
		}
		type answer struct {
			part *coprocessor.Partial
			err  error
		}
		answers := make(chan answer)
		var asking sync.WaitGroup
		defer asking.Wait()
		defer stop()
		asking.Go(func() {
			defer close(answers)
			err := t.db.parallel(ctx, len(spans), func(ctx context.Context, i int) error {
				for from := spans[i].Start; ; {
					part, rest, err := t.ask(ctx, q, from, spans[i].End)
					if err != nil {
						return err
					}
					select {
					case answers <- answer{part: part}:
					case <-ctx.Done():
						return ctx.Err()
					}
					if from = rest; rest == nil {
						return nil
					}
				}
			})
			if err != nil {
				select {
				case answers <- answer{err: err}:
				case <-ctx.Done():
				}
			}
		})
		for a := range answers {
			if !yield(a.part, a.err) || a.err != nil {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// cut cuts the range of a query by regions, as they are now.
func (t *Txn) cut(ctx context.Context, q *selection) (spans []region.Span, err error) {
	p := patience{db: t.db, seed: uint64(t.startTS)}
	for from := q.start; ; {
		info, err := t.db.region(ctx, from, &p)
		if err != nil {
			return nil, err
		}
		start, end := clip(&info, from, q.end)
		spans = append(spans, region.Span{Start: start, End: end})
		if end == nil || q.end != nil && bytes.Compare(end, q.end) >= 0 {
			return spans, nil
		}
		from = end
	}
}

// ask has one region do its part from a key on, and returns where the rest begins; nil
// if there is none.
func (t *Txn) ask(ctx context.Context, q *selection, from, to []byte) (part *coprocessor.Partial, rest []byte, err error) {
	q.mu.Lock()
	options := t.readOptions()
	q.mu.Unlock()
	p := patience{db: t.db, seed: uint64(options.StartTS)}
	for {
		info, err := t.db.region(ctx, from, &p)
		if err != nil {
			return nil, nil, err
		}
		r := &region.CoprocessorRequest{ReadOptions: options, Plan: q.plan, Options: q.options}
		r.Start, r.End = clip(&info, from, to)
		answer, err := t.db.call(ctx, info.Ref, r, &p)
		if err == errAgain {
			continue
		}
		if err != nil {
			err = t.db.resolver.pass(ctx, err, &options, &p)
		}
		q.mu.Lock()
		part, again, err := t.accept(ctx, r, answer, err)
		if again {
			past := options.Past
			if options = t.readOptions(); options.ReadTS == r.ReadTS {
				options.Past = past
			}
		}
		q.mu.Unlock()
		if err != nil {
			return nil, nil, err
		}
		if again {
			continue
		}
		rest := r.End
		if part.More {
			rest = part.Resume
		}
		if rest != nil && to != nil && bytes.Compare(rest, to) >= 0 {
			rest = nil
		}
		return part, rest, nil
	}
}

// accept takes the answer to a part, or says that it is to be asked for again: locks
// were cleared out of the way, or the transaction has moved up, now or meanwhile (V12).
// What was read below is then read again; what was accepted before is the same there.
func (t *Txn) accept(ctx context.Context, r *region.CoprocessorRequest, answer any, err error) (part *coprocessor.Partial, again bool, _ error) {
	uncertain, ok := errors.AsType[*region.UncertainError](err)
	switch {
	case err != nil && !ok:
		return nil, false, err
	case t.readTS != r.ReadTS:
		return nil, true, nil
	case ok:
		return nil, true, t.moveUp(ctx, uncertain)
	}
	if part, ok = answer.(*coprocessor.Partial); !ok {
		return nil, true, nil
	}
	if t.tracks {
		end := r.End
		if part.More {
			end = part.Resume
		}
		t.reads.addSpan(r.Start, end)
	}
	return part, false, nil
}
