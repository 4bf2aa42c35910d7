package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/versus"
)

// The figures of a smoke run mean nothing; that every contender works in every table does.
func TestQuickRunMeasuresEveryContender(t *testing.T) {
	out, dir := t.TempDir(), t.TempDir()
	var stdout, progress bytes.Buffer
	require.NoError(t, program.Run(t.Context(), []string{"-quick", "-out", out, "-dir", dir}, &stdout, &progress))
	text := stdout.String()
	require.NotContains(t, text, "failed", progress.String())
	for _, table := range tables(&versus.Session{}) {
		_, after, found := strings.Cut(text, "### "+table.Title+"\n")
		require.True(t, found, table.Title)
		for _, cell := range table.Cells {
			for _, c := range table.Contenders {
				require.Contains(t, after, "| "+string(cell)+" | "+c.Name+" |")
			}
		}
		require.FileExists(t, filepath.Join(out, table.Name+".svg"))
	}
	results, err := os.ReadFile(filepath.Join(out, "results.md"))
	require.NoError(t, err)
	require.Equal(t, text, string(results))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left, "files were left behind")
}

func TestOnlyChoosesTablesCellsAndContenders(t *testing.T) {
	var stdout, progress bytes.Buffer
	require.NoError(t, program.Run(t.Context(), []string{"-quick", "-only", "rotation/validators=4/flagship"}, &stdout, &progress))
	require.Equal(t, 1, strings.Count(stdout.String(), "###"))
	require.Contains(t, stdout.String(), "| validators=4 | flagship |")
	require.NotContains(t, stdout.String(), "| cometbft |")
	require.NotContains(t, stdout.String(), "validators=100 |")
}

func TestWrongFlagsAreRefused(t *testing.T) {
	for _, args := range [][]string{{"-only", "("}, {"surplus"}, {"-dir", "/does/not/exist"}} {
		require.Error(t, program.Run(t.Context(), args, &bytes.Buffer{}, &bytes.Buffer{}), args)
	}
}
