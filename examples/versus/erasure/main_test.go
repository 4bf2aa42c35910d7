package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/reedsolomon"
	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/erasure/erasuretest"
)

func TestQuickRunMeasuresEveryContender(t *testing.T) {
	out := t.TempDir()
	var stdout, progress bytes.Buffer
	require.NoError(t, program.Run(t.Context(), []string{"-quick", "-out", out, "-only", "data=4/.*size=(4096|65536)"}, &stdout, &progress))
	require.NotContains(t, progress.String(), "failed")
	for _, table := range tables() {
		require.Contains(t, stdout.String(), "### "+table.Title+"\n")
		for _, c := range table.Contenders {
			require.Contains(t, stdout.String(), "| data=4/parity=2/size=4096 | "+c.Name+" |")
		}
		require.FileExists(t, filepath.Join(out, table.Name+".svg"))
	}
	results, err := os.ReadFile(filepath.Join(out, "results.md"))
	require.NoError(t, err)
	require.Equal(t, stdout.String(), string(results))
}

func TestGoalsNameCellsOfTheirTable(t *testing.T) {
	for _, table := range tables() {
		for _, g := range table.goals {
			for _, geometry := range g.geometries {
				for _, size := range g.sizes {
					require.Contains(t, table.Cells, cell(geometry, size))
				}
			}
		}
	}
}

func TestWrongFlagsAreRefused(t *testing.T) {
	for _, args := range [][]string{{"-only", "("}, {"surplus"}} {
		require.Error(t, program.Run(t.Context(), args, &bytes.Buffer{}, &bytes.Buffer{}), args)
	}
}

// The production library under our conformance kit, in all its shapes.
func TestKlauspostKeepsTheRules(t *testing.T) {
	for name, options := range map[string][]reedsolomon.Option{
		"default":       nil,
		"one goroutine": {reedsolomon.WithMaxGoroutines(1)},
		"no inversions": {reedsolomon.WithInversionCache(false)},
	} {
		t.Run(name, func(t *testing.T) {
			erasuretest.Codec(t, func(data, parity int) (reedsolomon.Encoder, error) {
				return reedsolomon.New(data, parity, options...)
			})
		})
	}
}
