package history

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever is a history is judged, and what is not is refused.
func FuzzCheck(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.txt")
	require.NoError(f, err)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(f, err)
		for story := range strings.SplitSeq(string(text), "\n====\n") {
			story, _, _ = strings.Cut(story, "\n---")
			f.Add(story, true)
			f.Add(story, false)
		}
	}
	f.Fuzz(func(t *testing.T, text string, real bool) {
		h, err := Parse(text)
		if err != nil {
			return
		}
		r, err := Check(h, &Options{RealTime: real})
		if err != nil {
			return
		}
		for _, a := range r.Anomalies {
			require.NotEmpty(t, a.Text)
			require.NotEmpty(t, a.Steps)
		}
	})
}
