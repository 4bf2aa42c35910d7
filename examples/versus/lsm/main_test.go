package main

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	// The tables of child processes start the running program again.
	if order := os.Getenv(jobEnv); order != "" {
		os.Exit(runJob(order, os.Stdout))
	}
	os.Exit(m.Run())
}

// TestEverythingRuns measures all tables with few keys: each contender is in
// each, and none fails.
func TestEverythingRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("half a minute")
	}
	var out bytes.Buffer
	require.NoError(t, program().Run(t.Context(), []string{"-quick", "-dir", t.TempDir()}, &out, io.Discard))
	for _, want := range []string{
		"| op=fillrandom | flagship |", "| op=batch1000 | goleveldb |", "| op=scan | bbolt |", "| workload=E | badger |",
		"| writers=64 | pebble |", "| badger-vlog |", "| flagship-vlog |", "keys lost",
	} {
		require.Contains(t, out.String(), want)
	}
	require.NotContains(t, out.String(), "failed")
}

func TestKeysAreDistinctAndSpread(t *testing.T) {
	seen := map[string]bool{}
	first := map[byte]int{}
	for n := range uint64(10_000) {
		k := string(keyOf(nil, n))
		require.Len(t, k, 16)
		require.False(t, seen[k], "key %d is another's", n)
		seen[k] = true
		first[k[0]]++
	}
	require.Len(t, first, 16)
}

// TestZipf: the first of a thousand is drawn about as often as 1/r^0.99 says.
func TestZipf(t *testing.T) {
	const n, draws = 1000, 200_000
	z := newZipf(n)
	rng := rand.New(rand.NewPCG(1, 1))
	counts := make([]int, n)
	for range draws {
		counts[z.rank(rng)]++
	}
	require.InDelta(t, draws/z.zetan, counts[0], draws/z.zetan*0.05)
	require.Greater(t, counts[0], counts[1])
	require.Greater(t, counts[1], counts[10])
	require.Greater(t, counts[10], counts[500])
}

func TestWrongUseIsTold(t *testing.T) {
	for _, args := range [][]string{{"surplus"}, {"-only", "("}, {"-keys", "3"}} {
		err := program().Run(t.Context(), args, io.Discard, io.Discard)
		require.Error(t, err, strings.Join(args, " "))
	}
}
