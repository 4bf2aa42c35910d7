package rs

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var rewrite = flag.Bool("rewrite", false, "write the traces of testdata anew")

func golden(t *testing.T, file string, steps []Step) {
	t.Helper()
	var b strings.Builder
	for i, s := range steps {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(s.String())
	}
	if *rewrite {
		require.NoError(t, os.WriteFile(file, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, strings.ReplaceAll(string(want), "\r\n", "\n"), b.String())
}

func TestTraces(t *testing.T) {
	for file, o := range map[string]Options{"vandermonde": {}, "cauchy": {Generator: Cauchy(6, 4)}} {
		c, err := NewWith(4, 2, o)
		require.NoError(t, err)
		shards, err := c.Split([]byte("flagship"))
		require.NoError(t, err)
		steps, err := c.ExplainEncode(shards)
		require.NoError(t, err)
		golden(t, "testdata/encode-"+file+".txt", steps)
		require.NoError(t, c.Encode(shards))
		lost := shards[1]
		shards[1], shards[4] = nil, nil
		steps, err = c.ExplainReconstruct(shards)
		require.NoError(t, err)
		golden(t, "testdata/reconstruct-"+file+".txt", steps)
		require.Nil(t, shards[1], "nothing is written")
		require.NoError(t, c.Reconstruct(shards))
		require.Equal(t, lost, shards[1])
		require.Contains(t, steps[len(steps)-2].Text, "= 61", "the byte a, which was lost")
	}
}

func TestTracesNeedWhatTheOperationNeeds(t *testing.T) {
	c, err := New(2, 1)
	require.NoError(t, err)
	_, err = c.ExplainReconstruct([][]byte{{1}, nil, nil})
	require.ErrorIs(t, err, ErrTooFewShards)
	_, err = c.ExplainEncode([][]byte{{1}, nil, nil})
	require.ErrorIs(t, err, ErrMissing)
	_, err = c.ExplainEncode(nil)
	require.ErrorIs(t, err, ErrShardCount)
	steps, err := c.ExplainReconstruct([][]byte{{1}, {2}, {3}})
	require.NoError(t, err)
	require.Contains(t, steps[3].Text, "none")
}
