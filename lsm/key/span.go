package key

import (
	"cmp"
	"slices"
	"sort"
)

// Span is a range tombstone: it hides the entries of the user keys from Start
// up to, and without, End that are older than Seq.
type Span struct {
	Start, End []byte
	Seq        uint64
}

// Fragments is a set of range tombstones, cut so that the pieces do not overlap:
// then those over a key are found by a binary search.
//
//	spans    7    [b-----------h)
//	         5 [a-------e)
//	pieces     [a  ][b  ][e    )
//	seqs       5    7,5  7
//
// It is immutable, and safe for concurrent use. A nil *Fragments is the empty
// set.
type Fragments struct {
	order  Order
	spans  []Span // whole, by start, then newest first
	pieces []piece
}

// piece is a part of the keys over which the same tombstones lie.
type piece struct {
	start, end []byte
	seqs       []uint64 // newest first
}

// Fragment returns the set of the given tombstones, nil if they cover nothing.
// Tombstones of one sequence number that touch become one again: they were cut
// where a table ends. The keys are kept, not copied; spans itself is not kept.
func (o Order) Fragment(spans []Span) *Fragments {
	joined := o.join(spans)
	if len(joined) == 0 {
		return nil
	}
	f := &Fragments{order: o, spans: joined}
	var active []Span
	pending := joined
	for _, b := range o.bounds(joined) {
		if n := len(f.pieces); n > 0 && f.pieces[n-1].end == nil {
			f.pieces[n-1].end = b
		}
		active = slices.DeleteFunc(active, func(s Span) bool { return o.CompareUser(s.End, b) <= 0 })
		for len(pending) > 0 && o.CompareUser(pending[0].Start, b) == 0 {
			active, pending = append(active, pending[0]), pending[1:]
		}
		if len(active) > 0 {
			f.pieces = append(f.pieces, piece{start: b, seqs: newestFirst(active)})
		}
	}
	return f
}

// join returns spans sorted by start, newest first, without the empty ones, and
// those of one sequence number joined where they touch or overlap.
func (o Order) join(spans []Span) []Span {
	out := make([]Span, 0, len(spans))
	for _, s := range spans {
		if o.CompareUser(s.Start, s.End) < 0 {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b Span) int {
		return cmp.Or(cmp.Compare(b.Seq, a.Seq), o.CompareUser(a.Start, b.Start))
	})
	n := 0
	for _, s := range out {
		if n > 0 && out[n-1].Seq == s.Seq && o.CompareUser(s.Start, out[n-1].End) <= 0 {
			if o.CompareUser(s.End, out[n-1].End) > 0 {
				out[n-1].End = s.End
			}
			continue
		}
		out[n] = s
		n++
	}
	out = out[:n]
	slices.SortStableFunc(out, func(a, b Span) int { return o.CompareUser(a.Start, b.Start) })
	return out
}

// bounds returns every start and end once, sorted.
func (o Order) bounds(spans []Span) [][]byte {
	out := make([][]byte, 0, 2*len(spans))
	for _, s := range spans {
		out = append(out, s.Start, s.End)
	}
	slices.SortFunc(out, o.CompareUser)
	return slices.CompactFunc(out, func(a, b []byte) bool { return o.CompareUser(a, b) == 0 })
}

func newestFirst(spans []Span) []uint64 {
	seqs := make([]uint64, len(spans))
	for i, s := range spans {
		seqs[i] = s.Seq
	}
	slices.SortFunc(seqs, func(a, b uint64) int { return cmp.Compare(b, a) })
	return seqs
}

// Cover returns the newest sequence number, up to maxSeq, of a tombstone over
// userKey; 0 if there is none.
func (f *Fragments) Cover(userKey []byte, maxSeq uint64) uint64 {
	if f == nil {
		return 0
	}
	i := sort.Search(len(f.pieces), func(i int) bool {
		return f.order.CompareUser(f.pieces[i].end, userKey) > 0
	})
	if i == len(f.pieces) || f.order.CompareUser(f.pieces[i].start, userKey) > 0 {
		return 0
	}
	for _, seq := range f.pieces[i].seqs {
		if seq <= maxSeq {
			return seq
		}
	}
	return 0
}

// Clip returns the tombstones cut to the user keys from start up to, and
// without, end, by start and then newest first. A nil bound is open.
func (f *Fragments) Clip(start, end []byte) []Span {
	if f == nil {
		return nil
	}
	var out []Span
	for _, s := range f.spans {
		if start != nil && f.order.CompareUser(s.Start, start) < 0 {
			s.Start = start
		}
		if end != nil && f.order.CompareUser(s.End, end) > 0 {
			s.End = end
		}
		if f.order.CompareUser(s.Start, s.End) < 0 {
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(a, b Span) int {
		return cmp.Or(f.order.CompareUser(a.Start, b.Start), cmp.Compare(b.Seq, a.Seq))
	})
	return out
}

// All returns the tombstones, by start and then newest first.
func (f *Fragments) All() []Span { return f.Clip(nil, nil) }
