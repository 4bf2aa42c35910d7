package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChapterGatewayKeepsItsPromises(t *testing.T) {
	temp := tempIn(t)
	root := someTree(t, 120)
	small := Chapter{Name: "gateway", Title: gatewayChapter.Title, Run: func(ctx context.Context, s *Stage) error {
		return playGateway(ctx, s, gatewaySize{every: 2, users: 100, reloads: 40})
	}}
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
	for _, part := range []string{"each of 120 paths", "60 files", "100 users none has gone back", "is killed (SIGKILL)", "was half-open", "40 reloads", "XXXXX----"} {
		require.Contains(t, all, part)
	}
	requireEmpty(t, temp)
}

func TestChapterGatewayNeedsEnoughFiles(t *testing.T) {
	root := someTree(t, gatewayLeast-1)
	var end Event
	ok, err := play(t.Context(), []Chapter{gatewayChapter}, Source{Root: root}, func(e Event) { end = e })
	require.NoError(t, err)
	require.False(t, ok)
	require.Contains(t, end.Text, "name a larger folder with -src")
}
