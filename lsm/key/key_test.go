package key

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// broken fails the test for a rule (see doc.go).
func broken(t testing.TB, rule, format string, args ...any) {
	t.Helper()
	t.Fatalf("RULE %s: %s", rule, fmt.Sprintf(format, args...))
}

var orders = []Order{Plain, Timestamped}

// randomUser returns a short user key of few different bytes, so that random
// keys are near each other.
func (o Order) randomUser(rng *rand.Rand) []byte {
	k := make([]byte, rng.IntN(4))
	for i := range k {
		k[i] = []byte{0, 'a', 'b', 0xff}[rng.IntN(4)]
	}
	if o == Timestamped {
		k = binary.BigEndian.AppendUint64(k, ^rng.Uint64N(3))
	}
	return k
}

func (o Order) randomKey(rng *rand.Rand) []byte {
	return Append(nil, o.randomUser(rng), Trailer(rng.Uint64N(3), Kind(rng.IntN(3))))
}

func TestSplitUndoesAppend(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 1000 {
		user := Plain.randomUser(rng)
		trailer := Trailer(rng.Uint64N(MaxSeq+1), Kind(rng.IntN(256)))
		ikey := Append([]byte("before"), user, trailer)[len("before"):]
		gotUser, gotTrailer := Split(ikey)
		require.Equal(t, user, gotUser)
		require.Equal(t, trailer, gotTrailer)
		require.Equal(t, user, UserKey(ikey))
		require.Equal(t, trailer, TrailerOf(ikey))
		require.Equal(t, trailer, Trailer(SeqOf(trailer), KindOf(trailer)))
	}
}

// The oracle compares what the parts mean, one after the other.
func TestOrderIsKeyThenNewestTimestampThenNewestSequence(t *testing.T) {
	for _, o := range orders {
		rng := rand.New(rand.NewPCG(2, uint64(o)))
		for range 100000 {
			a, b := o.randomKey(rng), o.randomKey(rng)
			want := bytes.Compare(o.Bare(UserKey(a)), o.Bare(UserKey(b)))
			if want == 0 && o == Timestamped {
				ta := ^binary.BigEndian.Uint64(UserKey(a)[len(UserKey(a))-8:])
				tb := ^binary.BigEndian.Uint64(UserKey(b)[len(UserKey(b))-8:])
				want = compareUint(tb, ta)
			}
			if want == 0 {
				want = compareUint(TrailerOf(b), TrailerOf(a))
			}
			if got := o.Compare(a, b); got != want {
				broken(t, "K1", "order %d: Compare(%q, %q) = %d, want %d", o, a, b, got, want)
			}
		}
	}
}

func compareUint(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func TestASeekKeyIsBeforeAllEntriesItMaySee(t *testing.T) {
	seek := Append(nil, []byte("k"), Trailer(7, MaxKind))
	require.Negative(t, Plain.Compare(seek, Append(nil, []byte("k"), Trailer(7, Merge))))
	require.Positive(t, Plain.Compare(seek, Append(nil, []byte("k"), Trailer(8, Delete))))
	first := Append(nil, []byte("k"), First)
	require.Negative(t, Plain.Compare(first, Append(nil, []byte("k"), Trailer(MaxSeq, RangeDelete))))
	require.Positive(t, Plain.Compare(first, Append(nil, []byte("j\xff"), Trailer(0, Delete))))
}

func TestSeparatorIsBeyondOneAndNotBeyondTheOther(t *testing.T) {
	for _, o := range orders {
		rng := rand.New(rand.NewPCG(3, uint64(o)))
		for range 200000 {
			a, b := o.randomKey(rng), o.randomKey(rng)
			switch c := o.Compare(a, b); {
			case c == 0:
				continue
			case c > 0:
				a, b = b, a
			}
			s := o.Separator([]byte("x"), a, b)[1:]
			if o.Compare(s, a) <= 0 || o.Compare(s, b) > 0 || len(s) > max(len(a), len(b)) {
				broken(t, "K2", "order %d: %q is no separator of %q and %q", o, s, a, b)
			}
			// Whoever seeks between the two finds b where it is: not before s.
			seek := Append(nil, o.randomUser(rng), Trailer(rng.Uint64N(3), MaxKind))
			if rng.IntN(2) == 0 {
				seek = Append(nil, UserKey(b), TrailerOf(seek))
			}
			between := o.Compare(a, seek) < 0 && o.Compare(seek, b) <= 0
			if between && bytes.Equal(UserKey(seek), UserKey(b)) && o.Compare(seek, s) < 0 {
				broken(t, "K2", "order %d: a reader who seeks %q is sent before %q, away from %q", o, seek, s, b)
			}
			if s := o.Successor([]byte("x"), a)[1:]; o.CompareUser(UserKey(s), UserKey(a)) <= 0 || len(s) > len(a)+1 {
				broken(t, "K2", "order %d: %q is no successor of %q", o, s, a)
			}
		}
	}
}

func TestSeparatorIsShort(t *testing.T) {
	a := Append(nil, []byte("appetite"), Trailer(9, Set))
	b := Append(nil, []byte("application"), Trailer(7, Set))
	require.Equal(t, Append(nil, []byte("appl"), First), Plain.Separator(nil, a, b))
	require.Equal(t, Append(nil, []byte("b"), First), Plain.Successor(nil, a))
	require.Equal(t, Append(nil, []byte("\xff\x00"), First), Plain.Successor(nil, Append(nil, []byte("\xff"), 5)))
}

// model is the tombstones as they were given; it answers by looking at each.
type model []Span

func (m model) cover(o Order, user []byte, maxSeq uint64) (newest uint64) {
	for _, s := range m {
		if s.Seq <= maxSeq && o.CompareUser(s.Start, user) <= 0 && o.CompareUser(user, s.End) < 0 {
			newest = max(newest, s.Seq)
		}
	}
	return newest
}

func (o Order) randomSpans(rng *rand.Rand) []Span {
	spans := make([]Span, rng.IntN(9))
	for i := range spans {
		spans[i] = Span{Start: o.randomUser(rng), End: o.randomUser(rng), Seq: 1 + rng.Uint64N(6)}
	}
	return spans
}

func TestFragmentsCoverWhatTheSpansCover(t *testing.T) {
	for _, o := range orders {
		rng := rand.New(rand.NewPCG(4, uint64(o)))
		for range 20000 {
			spans := o.randomSpans(rng)
			f := o.Fragment(spans)
			for range 10 {
				user, seq := o.randomUser(rng), rng.Uint64N(8)
				if got, want := f.Cover(user, seq), model(spans).cover(o, user, seq); got != want {
					broken(t, "K3", "Cover(%q, %d) = %d, want %d, of %v", user, seq, got, want, spans)
				}
			}
		}
	}
}

func TestClippedSpansCoverTheirRangeAndNothingElse(t *testing.T) {
	for _, o := range orders {
		rng := rand.New(rand.NewPCG(5, uint64(o)))
		for range 20000 {
			f := o.Fragment(o.randomSpans(rng))
			var start, end []byte
			if rng.IntN(4) > 0 {
				start = o.randomUser(rng)
			}
			if rng.IntN(4) > 0 {
				end = o.randomUser(rng)
			}
			clipped := f.Clip(start, end)
			require.True(t, slices.IsSortedFunc(clipped, func(a, b Span) int { return o.CompareUser(a.Start, b.Start) }))
			for range 10 {
				user, seq := o.randomUser(rng), rng.Uint64N(8)
				want := f.Cover(user, seq)
				if start != nil && o.CompareUser(user, start) < 0 || end != nil && o.CompareUser(user, end) >= 0 {
					want = 0
				}
				if got := model(clipped).cover(o, user, seq); got != want {
					broken(t, "K3", "clipped to [%q,%q), %v covers %q up to %d by %d, want %d", start, end, clipped, user, seq, got, want)
				}
			}
		}
	}
}

func TestATombstoneCutInPiecesIsJoinedAgain(t *testing.T) {
	whole := []Span{{Start: []byte("b"), End: []byte("x"), Seq: 7}}
	f := Plain.Fragment(whole)
	pieces := append(f.Clip([]byte("m"), nil), f.Clip(nil, []byte("m"))...)
	require.Len(t, pieces, 2)
	require.Equal(t, whole, Plain.Fragment(pieces).All())
}

func TestNoTombstonesAreANilSet(t *testing.T) {
	require.Nil(t, Plain.Fragment(nil))
	require.Nil(t, Plain.Fragment([]Span{{Start: []byte("b"), End: []byte("b"), Seq: 1}, {Start: []byte("c"), End: []byte("b"), Seq: 1}}))
	var f *Fragments
	require.Zero(t, f.Cover([]byte("k"), MaxSeq))
	require.Empty(t, f.All())
}
