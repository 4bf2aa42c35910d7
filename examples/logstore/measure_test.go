package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	measure      = flag.Int("measure", 0, "measure what the flags do, in this many rounds: the table of README.md")
	measureLines = flag.Uint64("measure-lines", 1_000_000, "of how many lines")
)

// measured is what one process did: it stored lines, was killed with -9, and what
// it left was opened again.
type measured struct {
	rate, cpu, disk, recovery float64 // lines/s, µs a line, MB, ms
}

// measurement is a row of the table: the flags, and what they are compared on.
type measurement struct {
	load  string // generated, or a file that is stored three times
	flags string
	runs  []measured
}

// TestMeasureWhatFlagsDo makes the table of README.md. Rounds are interleaved, so
// that what else the machine does meets all rows; the median of each column counts.
func TestMeasureWhatFlagsDo(t *testing.T) {
	if *measure == 0 {
		t.Skip("give -measure 3 -v")
	}
	rows := []*measurement{}
	for _, flags := range []string{"", "--sync-writes", "--num-memtables=2", "--base-table-size=1MiB", "--base-table-size=32MiB",
		"--mmap-at-startup", "--mem-table-size=64MiB"} {
		rows = append(rows, &measurement{load: "short", flags: flags})
	}
	for _, flags := range []string{"", "--num-versions-to-keep=3", "--value-log-file-size=16MiB", "--value-threshold=0"} {
		rows = append(rows, &measurement{load: "again", flags: flags})
	}
	file := longLines(t, int(*measureLines)/20)
	for range *measure {
		for _, row := range rows {
			row.runs = append(row.runs, row.once(t, file))
		}
	}
	for _, load := range []string{"short", "again"} {
		fmt.Printf("\n%s:\n\n| flags | lines/s | CPU µs/line | MB on disk | open after kill -9, ms |\n|---|---:|---:|---:|---:|\n", load)
		for _, r := range rows {
			if r.load == load {
				fmt.Printf("| %s | %s | %.2f | %.0f | %.0f |\n", "`"+r.flags+"`", thousands(uint64(r.median(func(m measured) float64 { return m.rate }))),
					r.median(func(m measured) float64 { return m.cpu }), r.median(func(m measured) float64 { return m.disk }),
					r.median(func(m measured) float64 { return m.recovery }))
			}
		}
	}
}

func (r *measurement) median(of func(measured) float64) float64 {
	var all []float64
	for _, m := range r.runs {
		all = append(all, of(m))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// longLines writes a file of lines with times, of 2 KB each.
func longLines(t *testing.T, n int) string {
	path := filepath.Join(t.TempDir(), "long.log")
	var text bytes.Buffer
	g := generator{title: "long", lines: uint64(n), length: 2000}
	for i := range n {
		line, _, _, _, err := g.next(t.Context())
		require.NoError(t, err)
		fmt.Fprintf(&text, "%s %s\n", time.Unix(1_700_000_000, int64(i)).UTC().Format(time.RFC3339Nano), line)
	}
	require.NoError(t, os.WriteFile(path, text.Bytes(), 0o600))
	return path
}

var storedRate = regexp.MustCompile(`^stored ([\d,]+) lines, .*: ([\d,]+) lines/s`)

func (r *measurement) once(t *testing.T, file string) (m measured) {
	dir, err := os.MkdirTemp("", "logstore-measure-")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	args := append([]string{"serve", "-dir", dir, "-address", "127.0.0.1:0", "-log-level", "error", "-retention", "0",
		"-mem-table-size", "16MiB"}, strings.Fields(r.flags)...)
	want := fmt.Sprint(*measureLines)
	if r.load == "short" {
		args = append(args, "-generate", want)
	} else {
		want = strconv.Itoa(int(*measureLines) / 20)
		args = append(args, "-restart", "-follow=false", file)
		for range 2 { // stored before
			first := start(t, append([]string{"ingest"}, args[1:]...)...)
			go io.Copy(io.Discard, first.stderr)
			io.Copy(io.Discard, first.stdout)
			require.NoError(t, first.cmd.Wait())
		}
	}
	c := start(t, args...)
	go io.Copy(io.Discard, c.stderr)
	for m.rate == 0 {
		text, err := c.stdout.ReadString('\n')
		require.NoError(t, err)
		if found := storedRate.FindStringSubmatch(text); found != nil {
			require.Equal(t, want, strings.ReplaceAll(found[1], ",", ""))
			m.rate, err = strconv.ParseFloat(strings.ReplaceAll(found[2], ",", ""), 64)
			require.NoError(t, err)
		}
	}
	c.kill()
	lines, err := strconv.ParseFloat(want, 64)
	require.NoError(t, err)
	m.cpu = float64((c.cmd.ProcessState.UserTime() + c.cmd.ProcessState.SystemTime()).Microseconds()) / lines
	m.disk = float64(folderSize(t, dir)) / 1e6

	config, err := parse(append([]string{"ingest", "-dir", dir, "-address", "", "-log-level", "error", "-retention", "0", "-mem-table-size", "16MiB"},
		strings.Fields(r.flags)...), io.Discard)
	require.NoError(t, err)
	s, err := openStore(config)
	require.NoError(t, err)
	m.recovery = float64(s.opening.Microseconds()) / 1e3
	require.Equal(t, []string{want}, answerOf(t, s, "/query", "count=true"))
	require.NoError(t, s.close())
	return m
}

func folderSize(t *testing.T, dir string) (size int64) {
	require.NoError(t, filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	}))
	return size
}
