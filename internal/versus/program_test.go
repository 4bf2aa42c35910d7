package versus

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// counting is a table of two contenders, in two cells, that do one operation.
func counting() *Table {
	once := func(_ context.Context, w *Work) error {
		w.NewClient().Next()
		return nil
	}
	return &Table{Name: "count", Title: "Counting", Ops: 1, Ours: "we", Reference: "they",
		Contenders: []Contender{contender("we", once), contender("they", once)},
		Cells:      []Cell{"n=1", "n=2"}, Quick: []Cell{"n=1"},
		Goals: []Goal{{Metric: OpsPerSec, AtLeast: 1, Of: "they", Cells: []Cell{"n=1", "n=2"}}},
	}
}

func TestProgram(t *testing.T) {
	var dir string
	var loud bool
	p := &Program{Command: "go run .", Rounds: 2, Length: time.Millisecond, QuickLength: time.Millisecond, Temp: true,
		Flags: func(f *flag.FlagSet) { f.BoolVar(&loud, "loud", false, "") },
		Measure: func(ctx context.Context, s *Session) error {
			dir = s.Dir
			require.DirExists(t, dir)
			_, err := s.Measure(ctx, counting())
			return err
		}}
	run := func(args ...string) (string, error) {
		var stdout, stderr bytes.Buffer
		err := p.Run(t.Context(), args, &stdout, &stderr)
		if dir != "" {
			require.NoDirExists(t, dir, "the temporary directory stays")
		}
		return stdout.String(), err
	}
	base, out := t.TempDir(), filepath.Join(t.TempDir(), "new")
	text, err := run("-loud", "-dir", base, "-out", out)
	require.NoError(t, err)
	require.True(t, loud)
	require.Equal(t, base, filepath.Dir(dir))
	for _, want := range []string{"### Counting\n", "| n=1 | we |", "| n=2 | they |", "`go run . -loud -dir " + base} {
		require.Contains(t, text, want)
	}
	require.Equal(t, 1, strings.Count(text, "Median of 2"))
	results, err := os.ReadFile(filepath.Join(out, "results.md"))
	require.NoError(t, err)
	require.Equal(t, text, string(results))
	require.FileExists(t, filepath.Join(out, "count.svg"))

	text, err = run("-quick")
	require.NoError(t, err)
	require.NotContains(t, text, "n=2", "-quick measures the quick cells")
	text, err = run("-only", "count/n=2/we")
	require.NoError(t, err)
	require.NotContains(t, text, "n=1")
	require.NotContains(t, text, "they", "a goal without its peer is not judged")
	text, err = run("-only", "nothing")
	require.NoError(t, err)
	require.Empty(t, text)
	for _, args := range [][]string{{"-only", "("}, {"surplus"}, {"-dir", filepath.Join(base, "none")}, {"-cpuprofile", filepath.Join(base, "none", "p")}} {
		_, err := run(args...)
		require.Error(t, err, args)
	}
}
