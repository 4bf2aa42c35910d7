// A query that came to the rows: the region is a source of them, as of a timestamp.

package region

import (
	"context"

	"github.com/flagship-go/flagship/mvcc/coprocessor"
)

func (q *CoprocessorRequest) within(r *Info) bool { return r.hasRange(q.Start, q.End) }

func (q *CoprocessorRequest) covers(key []byte) bool { return Span{q.Start, q.End}.Contains(key) }

// read answers a CoprocessorRequest.
func (q *CoprocessorRequest) read(w *run) (any, error) {
	s := w.scan(q.ReadOptions, q.Start, q.End, false)
	defer s.close()
	src := &rowSource{scanner: s, stays: s.stays(), keys: q.Plan.NeedsKeys(), values: q.Plan.NeedsValues()}
	part, err := q.Plan.Run(w.ctx, src, q.Options)
	if err != nil {
		return nil, err
	}
	return part, nil
}

// rowSource gives the rows that a scan finds. Where what the scanner shows is gone when it
// moves, a batch is copied; the room is used again for the next.
type rowSource struct {
	scanner      *scanner
	stays        bool // what the scanner shows
	keys, values bool // are wanted
	rows         coprocessor.Rows
	encoded      [][]byte // keys as they are in the engine
	room         []byte
	done         bool
}

func (s *rowSource) keep(b []byte) []byte {
	if s.stays {
		return b
	}
	from := len(s.room)
	s.room = append(s.room, b...)
	return s.room[from:len(s.room):len(s.room)]
}

func (s *rowSource) Next(_ context.Context, most int) (coprocessor.Rows, error) {
	s.rows.Keys, s.rows.Values, s.encoded, s.room = s.rows.Keys[:0], s.rows.Values[:0], s.encoded[:0], s.room[:0]
	s.rows.Key = func(i int) []byte { return plain(s.encoded[i]) }
	for n := 0; n < most && !s.done; n++ {
		ok, err := s.scanner.next()
		if err != nil {
			return coprocessor.Rows{}, err
		}
		if s.done = !ok; s.done {
			break
		}
		if err := s.add(); err != nil {
			return coprocessor.Rows{}, err
		}
	}
	rows := s.rows
	if !s.keys {
		rows.Keys = nil
		if !s.values {
			rows.Keys = s.encoded // to be counted, and not looked at
		}
	}
	if !s.values {
		rows.Values = nil
	}
	return rows, nil
}

// add adds the row that the scanner is on.
func (s *rowSource) add() error {
	if s.keys {
		room, key, err := appendPlain(s.room, s.scanner.enc)
		if err != nil {
			return err
		}
		s.room = room
		s.rows.Keys = append(s.rows.Keys, key)
	} else {
		s.encoded = append(s.encoded, s.keep(s.scanner.enc))
	}
	if !s.values {
		return nil
	}
	value, err := s.scanner.value()
	if err == nil {
		s.rows.Values = append(s.rows.Values, s.keep(value))
	}
	return err
}
