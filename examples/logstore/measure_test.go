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
	rate, cpu      float64 // lines/s, processor µs a line
	disk, settled  float64 // MB when it was killed, and compacted
	wall, recovery float64 // ms of opening: by the clock, and of processors
}

// measurement is a row of the table: the flags, and what they are compared on.
type measurement struct {
	load  string // generated, or a file that is stored three times
	flags string
	runs  []measured
}

// TestMeasureWhatFlagsDo makes the table of README.md. Rounds are interleaved, so
// that what else the machine does meets all rows. Of what the clock says the best
// counts, the rest being the machine's other work; of everything else the median.
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
		fmt.Printf("\n%s:\n\n| flags | lines/s | CPU µs/line | MB at the kill | MB compacted | open after kill -9, ms | CPU ms |\n|---|---:|---:|---:|---:|---:|---:|\n", load)
		for _, r := range rows {
			if r.load == load {
				fmt.Printf("| `%s` | %s | %.2f | %.0f | %.0f | %.0f | %.0f |\n", r.flags,
					thousands(uint64(r.at(1, func(m measured) float64 { return m.rate }))),
					r.at(0.5, func(m measured) float64 { return m.cpu }), r.at(0.5, func(m measured) float64 { return m.disk }),
					r.at(0.5, func(m measured) float64 { return m.settled }), r.at(0, func(m measured) float64 { return m.wall }),
					r.at(0.5, func(m measured) float64 { return m.recovery }))
			}
		}
	}
}

// at returns the part-th of what of returns, in ascending order.
func (r *measurement) at(part float64, of func(measured) float64) float64 {
	var all []float64
	for _, m := range r.runs {
		all = append(all, of(m))
	}
	slices.Sort(all)
	return all[int(part*float64(len(all)-1))]
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
			io.Copy(io.Discard, first.Stdout)
			require.NoError(t, first.Cmd.Wait())
		}
	}
	c := start(t, args...)
	go io.Copy(io.Discard, c.stderr)
	for m.rate == 0 {
		text, err := c.Stdout.ReadString('\n')
		require.NoError(t, err)
		if found := storedRate.FindStringSubmatch(text); found != nil {
			require.Equal(t, want, strings.ReplaceAll(found[1], ",", ""))
			m.rate, err = strconv.ParseFloat(strings.ReplaceAll(found[2], ",", ""), 64)
			require.NoError(t, err)
		}
	}
	c.Kill()
	lines, err := strconv.ParseFloat(want, 64)
	require.NoError(t, err)
	m.cpu = r.processors(c) * 1e6 / lines
	m.disk = folderSize(t, dir)
	r.reopen(t, dir, want, &m)
	return m
}

func (r *measurement) processors(c *process) (seconds float64) {
	return (c.Cmd.ProcessState.UserTime() + c.Cmd.ProcessState.SystemTime()).Seconds()
}

// reopen opens what a killed process has left: in another process, which does
// nothing else, and then here, to compact and look.
func (r *measurement) reopen(t *testing.T, dir, want string, m *measured) {
	nothing := filepath.Join(t.TempDir(), "empty.log")
	require.NoError(t, os.WriteFile(nothing, nil, 0o600))
	args := append([]string{"ingest", "-dir", dir, "-address", "", "-retention", "0", "-mem-table-size", "16MiB"}, strings.Fields(r.flags)...)
	c := start(t, append(args, nothing)...)
	log, err := io.ReadAll(c.stderr)
	require.NoError(t, err)
	require.NoError(t, c.Cmd.Wait())
	m.recovery = r.processors(c) * 1e3
	found := regexp.MustCompile(`msg=opened .* took=(\S+)`).FindSubmatch(log)
	require.NotNil(t, found, string(log))
	took, err := time.ParseDuration(string(found[1]))
	require.NoError(t, err)
	m.wall = float64(took.Milliseconds())

	config, err := parse(append(args, "-log-level", "error"), io.Discard)
	require.NoError(t, err)
	s, err := openStore(config)
	require.NoError(t, err)
	require.Equal(t, []string{want}, answerOf(t, s, "/query", "count=true"))
	require.NoError(t, s.db.Compact(nil, nil))
	for quiet := 0; quiet < 10; quiet++ { // the value log is cleaned a little later
		if s.db.Metrics().Running > 0 {
			quiet = 0
		}
		<-time.After(10 * time.Millisecond)
	}
	require.NoError(t, s.close())
	m.settled = folderSize(t, dir)
}

// folderSize returns the megabytes of the files in a folder and below.
func folderSize(t *testing.T, dir string) (size float64) {
	require.NoError(t, filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += float64(info.Size()) / 1e6
		}
		return err
	}))
	return size
}
