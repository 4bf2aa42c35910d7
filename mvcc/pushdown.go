// A query where the rows are: the region's part of a plan of package coprocessor, over
// the rows that a reader sees.

package mvcc

import (
	"bytes"
	"context"

	"github.com/flagship-go/flagship/mvcc/coprocessor"
)

// CoprocessorRequest does the region's part of a plan over the rows of Start <= key < End.
// The answer is a [*coprocessor.Partial]; if More is set there is a next page, from
// Resume on. It reads the whole range, or up to Resume, whatever the plan picks of it.
type CoprocessorRequest struct {
	ReadOptions
	Start, End []byte
	Plan       *coprocessor.Plan
	Options    *coprocessor.Options
}

func (q *CoprocessorRequest) within(r *RegionInfo) bool { return r.hasRange(q.Start, q.End) }
func (q *CoprocessorRequest) covers(key []byte) bool    { return Span{q.Start, q.End}.has(key) }

// pushed is the request with its context, which a long one looks at.
type pushed struct {
	*CoprocessorRequest
	ctx context.Context
}

func (q pushed) read(w *run) (any, error) {
	lo, hi := bounds(q.Start, q.End)
	w.iter = w.snap.Iter(WriteCF, lo, hi)
	s := &rowSource{w: w, o: &q.ReadOptions, keys: q.Plan.NeedsKeys(), values: q.Plan.NeedsValues()}
	s.locks = w.locks(lo, hi, false)
	defer s.locks.it.Close()
	s.rows.Key = func(i int) []byte { return plain(s.encoded[i]) }
	w.on = w.iter.SeekGE(lo)
	part, err := q.Plan.Run(q.ctx, s, q.Options)
	if err != nil {
		return nil, err
	}
	return part, nil
}

// rowSource gives the rows that a reader sees, a batch at a time: a coprocessor.Source.
// Write records and locks are walked side by side, as in a scan.
type rowSource struct {
	w            *run
	o            *ReadOptions
	locks        *lockCursor
	keys, values bool // which the plan needs
	rows         coprocessor.Rows
	encoded      [][]byte // keys as the engine has them, where only an error needs them
	arena        []byte   // what rows is made of; used again for each batch
	ended        bool
}

// Next collects rows. What an iterator shows is valid until it moves, so it is copied.
func (s *rowSource) Next(_ context.Context, most int) (coprocessor.Rows, error) {
	s.rows.Keys, s.rows.Values, s.encoded, s.arena = s.rows.Keys[:0], s.rows.Values[:0], s.encoded[:0], s.arena[:0]
	w := s.w
	for n, near := 0, 0; w.on && n < most; {
		k := w.iter.Key()
		enc, at, err := splitTS(k)
		if err != nil {
			return coprocessor.Rows{}, err
		}
		if bytes.Equal(enc, w.cur) {
			w.hop(false, near) // a version that is older than the one that was read
			near++
			continue
		}
		near = 0
		w.cur, w.at = append(w.cur[:0], enc...), at
		if s.locks.on {
			if err := s.locks.pass(w.cur, s.o); err != nil {
				return coprocessor.Rows{}, err
			}
		}
		found, err := w.fromAbove(s.o)
		if err == nil && found {
			n++
			err = s.take()
		}
		if err != nil {
			return coprocessor.Rows{}, err
		}
		if w.on && found {
			w.on = w.iter.Next()
		}
	}
	return s.rows, s.end()
}

// end is what is left to see to when the last key was passed: locks of keys behind it.
func (s *rowSource) end() error {
	if s.w.on || s.ended {
		return nil
	}
	s.ended = true
	if err := s.w.iter.Err(); err != nil {
		return err
	}
	return s.locks.pass(nil, s.o)
}

// take copies the row that the reader stands on.
func (s *rowSource) take() error {
	if s.keys {
		from := len(s.arena)
		arena, _, err := decodeKey(s.arena, s.w.cur)
		if err != nil {
			return err
		}
		s.arena = arena
		s.rows.Keys = append(s.rows.Keys, arena[from:])
	} else {
		s.encoded = append(s.encoded, s.copy(s.w.cur))
	}
	var value []byte
	if s.values {
		v, err := s.w.valueOf(s.w.cur, &s.w.rec)
		if err != nil {
			return err
		}
		value = s.copy(v)
	}
	s.rows.Values = append(s.rows.Values, value)
	return nil
}

func (s *rowSource) copy(b []byte) []byte {
	from := len(s.arena)
	s.arena = append(s.arena, b...)
	return s.arena[from:]
}

// fromAbove stands on the newest version of the key at hand, and goes down to the one
// that is visible, if one is: it is in w.rec.
func (w *run) fromAbove(o *ReadOptions) (found bool, err error) {
	bound := max(o.ReadTS, o.UncertainUntil)
	for near := 0; w.at > bound; near++ {
		if near < nearSeek {
			w.on = w.iter.Next()
		} else {
			w.buf = appendTS(append(w.buf[:0], w.cur...), bound)
			w.on = w.iter.SeekGE(w.buf)
		}
		if !w.stands(w.cur) {
			return false, w.iter.Err()
		}
	}
	var ok bool
	if w.rec, ok = parseWrite(w.iter.Value()); !ok {
		return false, corrupt(WriteCF, plain(w.cur))
	}
	for ; ok; ok, err = w.next(w.cur) {
		if w.rec.kind == recRollback || w.rec.kind == recLock {
			continue // V1
		}
		if w.at > o.ReadTS {
			return false, &UncertainError{Key: plain(w.cur), CommitTS: w.at}
		}
		return w.rec.kind == recPut, nil
	}
	return false, err
}
