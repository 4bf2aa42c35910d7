package history

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite what testdata/*.txt expect")

// Each file of testdata has histories, and behind --- what is found in them. A line "check
// real time" before a history asks for that. They are to be read.
func TestScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			var out strings.Builder
			for i, part := range strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n====\n") {
				if i > 0 {
					out.WriteString("\n====\n")
				}
				story, _, _ := strings.Cut(part+"\n", "\n---\n")
				out.WriteString(story + "\n---\n" + strings.TrimRight(tell(story), "\n"))
			}
			out.WriteString("\n")
			if *update {
				require.NoError(t, os.WriteFile(path, []byte(out.String()), 0o644))
				return
			}
			require.Equal(t, string(text), out.String(), "RULE %s: see %s", rule(path), path)
		})
	}
}

// rule is the id that a planted bug of a script names.
func rule(path string) string { return strings.TrimSuffix(filepath.Base(path), ".txt") }

func tell(story string) string {
	o := &Options{}
	if rest, ok := strings.CutPrefix(story, "check real time\n"); ok {
		story, o.RealTime = rest, true
	}
	h, err := Parse(story)
	if err != nil {
		return err.Error()
	}
	r, err := Check(h, o)
	if err != nil {
		return err.Error()
	}
	if len(r.Anomalies) == 0 {
		return "none"
	}
	var texts []string
	for _, a := range r.Anomalies {
		texts = append(texts, a.Text)
	}
	return strings.Join(texts, "\n")
}
