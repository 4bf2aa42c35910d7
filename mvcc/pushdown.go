// A query where the rows are: the region's part of a plan of package coprocessor, over
// the rows that a reader sees.

package mvcc

import (
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
	s := &rowSource{
		scanner: w.scan(q.ReadOptions, q.Start, q.End, false),
		keys:    q.Plan.NeedsKeys(),
		values:  q.Plan.NeedsValues(),
	}
	defer s.close()
	s.rows.Key = func(i int) []byte { return plain(s.encoded[i]) }
	part, err := q.Plan.Run(q.ctx, s, q.Options)
	if err != nil {
		return nil, err
	}
	return part, nil
}

// rowSource is a scan as a coprocessor.Source: the rows that a reader sees, a batch at a
// time.
type rowSource struct {
	*scanner
	keys, values bool // which the plan needs
	rows         coprocessor.Rows
	encoded      [][]byte // keys as the engine has them, where only an error needs them
	arena        []byte   // what rows is made of; used again for each batch
	ended        bool
}

// Next collects rows. What a scanner shows is valid until it moves, so it is copied.
func (s *rowSource) Next(_ context.Context, most int) (coprocessor.Rows, error) {
	s.rows.Keys, s.rows.Values = s.rows.Keys[:0], s.rows.Values[:0]
	s.encoded, s.arena = s.encoded[:0], s.arena[:0]
	for n := 0; n < most && !s.ended; n++ {
		ok, err := s.next()
		if err == nil && ok {
			err = s.take()
		}
		if err != nil {
			return coprocessor.Rows{}, err
		}
		s.ended = !ok
	}
	return s.rows, nil
}

// take copies the row that the scanner stands on.
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
		v, err := s.value()
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
