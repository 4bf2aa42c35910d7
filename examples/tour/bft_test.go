package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

// bftFile has as many lines, each with a transfer.
func bftFile(lines int) File {
	var text strings.Builder
	for i := range lines {
		fmt.Fprintf(&text, "%c%c := f(%d) // pays %c\n", 'a'+i%7, 'a'+i%3, i, 'a'+i%11)
	}
	return File{"net/long.go", []byte(text.String())}
}

func TestChapterBFTKeepsItsPromises(t *testing.T) {
	temp := tempIn(t)
	small := Chapter{Name: "bft", Title: bftChapter.Title, Run: func(ctx context.Context, s *Stage) error {
		return playBFT(ctx, s, bftSize{wave: 8, waves: 2, killAt: 4})
	}}
	var told, broken []string
	ok, err := play(t.Context(), []Chapter{small}, Source{Files: []File{{"net/a.go", []byte("package net\n")}, bftFile(100)}}, func(e Event) {
		if e.Kind == KindClaim && !e.OK {
			broken = append(broken, "RULE tour-claim: "+e.Text)
		}
		told = append(told, fmt.Sprintf("%s %s %t %s", e.At, e.Kind, e.OK, e.Text))
	})
	all := strings.Join(told, "\n")
	require.NoError(t, err)
	require.Empty(t, broken)
	require.True(t, ok, all)
	for _, part := range []string{"net/long.go", "is killed (SIGKILL)", "timeout propose", "block-syncs", "o---", "L22-24", "L36-40", "L49-51", "its twin",
		"evidence against v3", "three continue", "balances add up at every height"} {
		require.Contains(t, all, part)
	}
	requireEmpty(t, temp)
}

func TestChapterBFTNeedsEnoughLines(t *testing.T) {
	for _, f := range []File{bftFile(bftLeast - 1), {"net/same.go", []byte(strings.Repeat("same same\n", bftLeast))}} {
		var end Event
		ok, err := play(t.Context(), []Chapter{bftChapter}, Source{Files: []File{f}}, func(e Event) { end = e })
		require.NoError(t, err)
		require.False(t, ok)
		require.Contains(t, end.Text, "name a larger folder with -src")
	}
}

func TestTheBooksAreThoseOfTheLines(t *testing.T) {
	l, err := readLedger([]File{{"a.go", []byte("x\n")}, {"b.go", []byte(strings.Repeat("if err != nil { // why\nfor\nerr = f(err)\n", bftLeast))}})
	require.NoError(t, err)
	require.Equal(t, "b.go", l.file)
	first, second := l.take(), l.take()
	require.Equal(t, []any{"if", "why", 1, uint64(23)}, []any{first.from.word, first.to.word, first.line, first.amount})
	require.Equal(t, []any{"err", "err", 3, uint64(13)}, []any{second.from.word, second.to.word, second.line, second.amount})
	first.book()
	second.book()
	require.Equal(t, []uint64{bftOpening - 23, bftOpening + 23, bftOpening}, []uint64{first.from.balance, first.to.balance, second.to.balance})
	require.NotEqual(t, first.sign(), first.sign(), "each has the next sequence")
}

// TestDiagramShowsWhoHasCountedWhat draws a round of three, of which the third is late and lies.
func TestDiagramShowsWhoHasCountedWhat(t *testing.T) {
	c, w := &bftChain{}, newBFTWatch()
	for i := range c.keys {
		c.keys[i] = []byte{byte(i)}
	}
	v := types.ValueID{Hash: types.Hash{0xab, 0xcd}}
	begin := time.Unix(1, 0)
	hear := func(i int, ms int, e bft.Event) {
		e.Height, e.Time = 7, begin.Add(time.Duration(ms)*time.Millisecond)
		w.hear(i)(e)
	}
	vote := func(from int, kind types.VoteType, value types.ValueID) bft.Event {
		return bft.Event{Kind: bft.EventVote, Type: kind, Value: value, Who: c.address(from)}
	}
	hear(0, 0, bft.Event{Kind: bft.EventHeight})
	hear(0, 1, bft.Event{Kind: bft.EventSigned, Value: v, Line: 19})
	hear(1, 2, bft.Event{Kind: bft.EventProposal, Value: v, Who: c.address(0)})
	hear(1, 3, bft.Event{Kind: bft.EventSigned, Type: types.Prevote, Value: v, Line: 24})
	hear(0, 4, vote(1, types.Prevote, v))
	hear(2, 5, vote(1, types.Prevote, v))
	hear(1, 6, vote(2, types.Prevote, types.NilValue))
	hear(1, 7, bft.Event{Kind: bft.EventEvidence, Who: c.address(2)})
	hear(2, 8, bft.Event{Kind: bft.EventTimeout, Step: types.StepPrecommit, Round: 1})
	hear(0, 9, bft.Event{Kind: bft.EventDecided, Value: v, Line: 51})
	hear(1, 12, bft.Event{Kind: bft.EventDecided, Value: v, Line: 51})
	require.Equal(t, strings.Join([]string{
		"    ms  v1         v2         v3         v4 down    height 7",
		"   1.0  o---------->          |             propose abcd0000         L11-19",
		"   3.0  <----------o---------->             prevote abcd0000         L22-24",
		"   6.0  |          <----------*             prevote nil, its twin",
		"   7.0  |          !          |             evidence against v3 (K2)",
		"   8.0  |          |          t             timeout precommit, r1    L65",
		"  12.0  #          #          |             decide abcd0000          L49-51",
	}, "\n"), w.diagram(7, c))
}
