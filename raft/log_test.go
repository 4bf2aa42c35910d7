package raft

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func logOf(terms ...uint64) *raftLog {
	l := &raftLog{}
	l.entries.add(entries(1, terms...)...)
	return l
}

func terms(l *raftLog) []uint64 {
	var ts []uint64
	for _, e := range l.entries.slice(0, l.entries.len()) {
		ts = append(ts, e.Term)
	}
	return ts
}

func TestMergeRemovesOnlyWhatConflicts(t *testing.T) {
	for _, tc := range []struct {
		name    string
		ours    []uint64
		first   uint64
		news    []uint64
		want    []uint64
		removed uint64
	}{
		{"append to empty", nil, 1, []uint64{1, 1}, []uint64{1, 1}, 0},
		{"append at the end", []uint64{1, 1}, 3, []uint64{2}, []uint64{1, 1, 2}, 0},
		{"a late prefix costs nothing", []uint64{1, 1, 2, 2, 2}, 1, []uint64{1, 1, 2}, []uint64{1, 1, 2, 2, 2}, 0},
		{"the same again", []uint64{1, 1, 2}, 2, []uint64{1, 2}, []uint64{1, 1, 2}, 0},
		{"overlap and more", []uint64{1, 1}, 2, []uint64{1, 3}, []uint64{1, 1, 3}, 0},
		{"conflict at the start", []uint64{1, 1, 2, 2}, 3, []uint64{3, 3}, []uint64{1, 1, 3, 3}, 3},
		{"conflict in the middle", []uint64{1, 1, 2, 2, 2}, 3, []uint64{2, 4}, []uint64{1, 1, 2, 4}, 4},
		{"shorter after a conflict", []uint64{1, 2, 2, 2, 2}, 2, []uint64{3}, []uint64{1, 3}, 2},
		{"nothing", []uint64{1, 2}, 3, nil, []uint64{1, 2}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := logOf(tc.ours...)
			require.Equal(t, tc.removed, l.merge(entries(tc.first, tc.news...)))
			require.Equal(t, tc.want, terms(l))
		})
	}
}

func TestTruncationLeavesHandedOutEntriesAlone(t *testing.T) {
	l := logOf(1, 1, 1, 1)
	handed := l.unsaved()
	l.saved, l.durable = 4, 3
	l.merge(entries(2, 5, 5))
	require.Equal(t, entries(1, 1, 1, 1, 1), handed, "a Ready under way must not change")
	require.Equal(t, uint64(1), l.saved, "what took their place is to be stored")
	require.Equal(t, uint64(1), l.durable)
}

func TestCommittedEntriesAreNeverTruncated(t *testing.T) {
	l := logOf(1, 1, 1)
	l.commitTo(2)
	require.Panics(t, func() { l.truncate(2) }, "RULE committed-kept: entry 2 is committed, and was removed (§5.4)")
	require.NotPanics(t, func() { l.truncate(3) })
}

func TestUpToDateComparesTermsBeforeLengths(t *testing.T) {
	l := logOf(1, 1, 3)
	require.True(t, l.upToDate(3, 3), "equal")
	require.True(t, l.upToDate(4, 3), "longer")
	require.True(t, l.upToDate(1, 4), "short, but of a later term")
	require.False(t, l.upToDate(2, 3), "shorter")
	require.False(t, l.upToDate(100, 2), "long, but of an older term")
}

func TestSliceIsBoundedInBytesButNeverEmpty(t *testing.T) {
	l := logOf(1, 1, 1, 1) // each of entryOverhead+1 bytes
	require.Len(t, l.slice(1, 4, 1000), 4)
	require.Len(t, l.slice(1, 4, 2*(entryOverhead+1)), 2)
	require.Len(t, l.slice(2, 4, 0), 1)
	require.Empty(t, l.slice(3, 2, 1000))
}

func TestCompactKeepsTheTermOfItsLastEntry(t *testing.T) {
	l := logOf(1, 2, 2, 3)
	l.compact(3)
	require.Equal(t, uint64(4), l.first())
	require.Equal(t, uint64(4), l.last())
	term, known := l.term(3)
	require.True(t, known)
	require.Equal(t, uint64(2), term)
	_, known = l.term(2)
	require.False(t, known)
	l.compact(4)
	require.Equal(t, uint64(3), l.lastTerm(), "an empty log still knows how it ended")
	require.True(t, l.matches(4, 3))
}

// The hint is defined as the last index whose term is not above the probe's;
// the oracle looks at all of them.
func TestHintIsTheLastIndexThatMayAgree(t *testing.T) {
	l := logOf(1, 1, 2, 2, 5, 5, 7)
	for index := uint64(1); index <= 9; index++ {
		for term := range uint64(9) {
			want := uint64(0)
			for i := uint64(1); i <= min(index, l.last()); i++ {
				if got, _ := l.term(i); got <= term {
					want = i
				}
			}
			got, gotTerm := l.hint(index, term)
			require.Equal(t, want, got, "probe %d/t%d", index, term)
			wantTerm, _ := l.term(want)
			require.Equal(t, wantTerm, gotTerm)
		}
	}
}

func TestWindowCountsMessagesAndBytes(t *testing.T) {
	var w window
	last, freed := uint64(0), uint64(0)
	for round := range uint64(200) { // the ring wraps and grows meanwhile
		for range round%7 + 1 {
			last += 3
			w.add(last, 10)
		}
		freed = min(last, freed+round%11)
		w.free(freed)
		waiting := 0
		for l := uint64(3); l <= last; l += 3 {
			if l > freed {
				waiting++
			}
		}
		require.Equal(t, waiting, w.n)
		require.Equal(t, 10*waiting, w.bytes)
	}
	require.True(t, w.full(w.n, 1<<30))
	require.True(t, w.full(1<<30, w.bytes))
	require.False(t, w.full(w.n+1, w.bytes+1))
	w.clear()
	require.False(t, w.full(1, 1))
}
