// Ranges: pages of the snapshot, region by region, and the buffer laid over them.

package mvcc

import (
	"bytes"
	"context"
	"iter"

	"github.com/flagship-go/flagship/mvcc/region"
)

// ScanOptions say how a range is read. The zero value is all of it, upwards.
type ScanOptions struct {
	Reverse  bool // from the last key down
	Limit    int  // at most; 0 is no limit
	KeysOnly bool // values are nil
}

const (
	firstPage = 64 // rows; each page is four times the last one
	lastPage  = 4096
)

// Scan ranges over lo <= key < hi, where nil is no bound, as this transaction has
// written it over the snapshot. Writes in the body of the loop show if they are still
// ahead. It is for one loop; an error ends it. Slices are the caller's.
func (t *Txn) Scan(ctx context.Context, lo, hi []byte, o ScanOptions) iter.Seq2[KV, error] {
	if len(hi) == 0 {
		hi = nil
	}
	return func(yield func(KV, error) bool) {
		s := scan{
			t: t, o: o, lo: lo, hi: hi, rows: firstPage, page: -1,
			p:      patience{db: t.db, seed: uint64(t.startTS)},
			cursor: cursor{b: &t.buf, lo: lo, hi: hi, reverse: o.Reverse},
		}
		if o.Limit < 0 || hi != nil && bytes.Compare(lo, hi) >= 0 {
			return
		}
		for n := 0; ; {
			kv, ok, err := s.next(ctx)
			if err != nil {
				yield(KV{}, err)
				return
			}
			if !ok {
				return
			}
			n++
			s.left = o.Limit - n
			if !yield(kv, nil) || n == o.Limit {
				s.stop(kv.Key)
				return
			}
		}
	}
}

// scan is a range that is being read.
type scan struct {
	t      *Txn
	o      ScanOptions
	lo, hi []byte // not fetched yet
	done   bool   // all is
	pairs  []KV   // fetched, not returned
	rows   int    // of the next page
	left   int    // of the limit
	p      patience
	cursor cursor

	page, moves int // the page's place in the read set
	pageSpan    region.Span
}

// next returns the next key with a value.
func (s *scan) next(ctx context.Context) (KV, bool, error) {
	for {
		if err := s.t.open(); err != nil {
			return KV{}, false, err
		}
		if len(s.pairs) == 0 && !s.done {
			if err := s.fetch(ctx); err != nil {
				return KV{}, false, err
			}
			continue
		}
		c := s.cursor.peek()
		if c == nil {
			if len(s.pairs) == 0 {
				return KV{}, false, nil
			}
			return s.pop(), true, nil
		}
		if len(s.pairs) > 0 {
			cmp := bytes.Compare(s.pairs[0].Key, c.key)
			if s.o.Reverse {
				cmp = -cmp
			}
			if cmp < 0 {
				return s.pop(), true, nil
			}
			if cmp == 0 {
				s.pairs = s.pairs[1:]
			}
		}
		// The buffer is first, or hides the snapshot's value (V14).
		s.cursor.next()
		v := c.visible()
		if v == nil {
			continue
		}
		kv := KV{Key: bytes.Clone(c.key)}
		if !s.o.KeysOnly {
			kv.Value = bytes.Clone(v)
		}
		return kv, true, nil
	}
}

func (s *scan) pop() KV {
	kv := s.pairs[0]
	s.pairs = s.pairs[1:]
	s.cursor.pass(kv.Key)
	return kv
}

// fetch reads the next page: at most what one region has.
func (s *scan) fetch(ctx context.Context) error {
	t := s.t
	for {
		info, err := t.db.around(ctx, s.lo, s.hi, s.o.Reverse, &s.p)
		if err != nil {
			return err
		}
		q := &region.ScanRequest{ReadOptions: t.readOptions(), Limit: s.rows, Bytes: scanBytes, Reverse: s.o.Reverse, KeysOnly: s.o.KeysOnly}
		if s.left > 0 {
			q.Limit = min(s.rows, s.left)
		}
		q.Start, q.End = clip(&info, s.lo, s.hi)
		answer, err := t.db.call(ctx, info.Ref, q, &s.p)
		if err == errAgain {
			continue
		}
		if err != nil {
			if err := t.clear(ctx, err, &s.p); err != nil {
				return err
			}
			continue
		}
		s.p = patience{db: t.db, seed: s.p.seed} // the next page has its own
		s.took(q, answer.(*region.ScanResponse))
		return nil
	}
}

// took takes a page, and moves the bound behind it.
func (s *scan) took(q *region.ScanRequest, a *region.ScanResponse) {
	s.pairs = a.Pairs
	s.rows = min(4*s.rows, lastPage)
	read := region.Span{Start: q.Start, End: q.End}
	if s.o.Reverse {
		if a.More {
			read.Start = a.Resume
		}
		s.hi = read.Start
		s.done = bytes.Compare(read.Start, s.lo) <= 0
	} else {
		if a.More {
			read.End = a.Resume
		}
		s.lo = read.End
		s.done = read.End == nil || s.hi != nil && bytes.Compare(read.End, s.hi) >= 0
	}
	if s.t.tracks {
		s.pageSpan = read
		s.page, s.moves = s.t.reads.addSpan(read.Start, read.End)
	}
}

// stop says that the scan ended at a key: what was fetched behind it was not read.
func (s *scan) stop(key []byte) {
	if s.page < 0 {
		return
	}
	if s.o.Reverse {
		s.t.reads.trim(s.page, s.moves, key, s.pageSpan.End)
	} else {
		s.t.reads.trim(s.page, s.moves, s.pageSpan.Start, above(key))
	}
}
