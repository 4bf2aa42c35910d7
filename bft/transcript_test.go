package bft_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/bfttest"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write what the transcripts in testdata really say")

func newCore(self types.Address) bfttest.Core { return bft.NewCore(self) }

// TestTranscripts plays the stories of testdata/*.txt and compares every line. The words
// are those of bfttest's stage (bfttest/stage.go): a line that begins with "> " is a command, the lines below it
// are what happened, with the line of Algorithm 1 behind it.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			want := strings.ReplaceAll(string(data), "\r\n", "\n")
			got, err := bfttest.Play(want, newCore)
			require.NoError(t, err, "%s", got)
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
				return
			}
			wants, gots := strings.Split(want, "\n"), strings.Split(got, "\n")
			for i := range max(len(wants), len(gots)) {
				if i >= len(wants) || i >= len(gots) || wants[i] != gots[i] {
					t.Fatalf("%s:%d: the story goes differently from here on; -update writes how:\nwritten:\n%s\nhappened:\n%s",
						file, i+1, excerpt(wants, i), excerpt(gots, i))
				}
			}
		})
	}
}

// excerpt is the next lines of a transcript.
func excerpt(lines []string, from int) string {
	from = min(from, len(lines))
	return strings.Join(lines[from:min(from+8, len(lines))], "\n")
}
