package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChapterMVCCKeepsItsPromises(t *testing.T) {
	temp := tempIn(t)
	root := someTree(t, 100)
	small := Chapter{Name: "mvcc", Title: mvccChapter.Title, Run: func(ctx context.Context, s *Stage) error { return playMVCC(ctx, s, 400, 5000) }}
	var told, broken []string
	ok, err := play(t.Context(), []Chapter{small}, Source{Root: root}, func(e Event) {
		if e.Kind == KindClaim && !e.OK {
			broken = append(broken, "RULE tour-claim: "+e.Text)
		}
		told = append(told, fmt.Sprintf("%s %s %t %s", e.At, e.Kind, e.OK, e.Text))
	})
	require.NoError(t, err)
	require.Empty(t, broken)
	require.True(t, ok, strings.Join(told, "\n"))
	all := strings.Join(told, "\n")
	for _, part := range []string{"400 accounts", "is stopped", "is split", "starts again", "at a word", "5000 rows are on all 3 nodes", "shipped out"} {
		require.Contains(t, all, part)
	}
	requireEmpty(t, temp)
}

func TestChapterMVCCNeedsEnoughLines(t *testing.T) {
	var end Event
	ok, err := play(t.Context(), []Chapter{{Name: "mvcc", Run: func(ctx context.Context, s *Stage) error {
		a := &mvccActs{Stage: s, ctx: ctx, rows: 10}
		return a.questions()
	}}}, Source{Root: t.TempDir()}, func(e Event) { end = e })
	require.NoError(t, err)
	require.False(t, ok)
	require.Contains(t, end.Text, "name a larger folder with -src")
}
