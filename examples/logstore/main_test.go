package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/internal/child"
	"github.com/flagship-go/flagship/lsm"
)

var kills = flag.Int("kills", 4, "how often the tests with kill -9 kill their child")

func TestMain(m *testing.M) {
	child.Main(cli)
	os.Exit(m.Run())
}

// rule reports a broken rule in the form that the kill matrix reads.
func rule(t *testing.T, id string, kept bool, format string, args ...any) {
	t.Helper()
	if !kept {
		t.Fatalf("RULE %s: %s", id, fmt.Sprintf(format, args...))
	}
}

// process is the command, running.
type process struct {
	*child.Process
	t      *testing.T
	url    string
	stderr io.ReadCloser
}

// start starts a process; when it listens it is known where.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	cmd := child.Command(args...)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	return &process{Process: child.Start(t, cmd), t: t, stderr: stderr}
}

// listens waits until the process does.
func (c *process) listens() *process {
	c.t.Helper()
	text, err := c.Stdout.ReadString('\n')
	if err != nil {
		why, _ := io.ReadAll(c.stderr)
		require.Fail(c.t, "the child does not listen", "%s", why)
	}
	var ok bool
	c.url, ok = strings.CutPrefix(strings.TrimSpace(text), "listening on ")
	require.True(c.t, ok, text)
	go io.Copy(io.Discard, c.Stdout)
	return c
}

// run runs the command in this process, and returns what it printed.
func run(t *testing.T, code int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	got := cli(t.Context(), args, &out, &errs)
	require.Equal(t, code, got, "%v: %s", args, errs.String())
	return out.String(), errs.String()
}

// stored returns the texts of a source that are in a directory, in order.
func stored(t *testing.T, dir, source string) (texts []string) {
	t.Helper()
	out, _ := run(t, 0, "query", "-dir", dir, "-source", source)
	for line := range strings.Lines(out) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 3)
		require.Len(t, parts, 3)
		texts = append(texts, parts[2])
	}
	return texts
}

// storedPosition finds in the log of a child what it says to have stored.
var storedPosition = regexp.MustCompile(`msg=stored source=(\S+) lines=\d+ position=(\d+)`)

// A file and generated lines are stored by processes that are killed, as often as
// one likes, while they store; -kills=100 is the long form.
func TestEachLineIsStoredOnceThoughProcessesAreKilled(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "app.log")
	var text bytes.Buffer
	const n = 20000
	for i := range n {
		fmt.Fprintf(&text, "line %d of the file\n", i)
	}
	require.NoError(t, os.WriteFile(file, text.Bytes(), 0o600))
	args := []string{"ingest", "-dir", dir, "-address", "", "-log-level", "debug", "-batch", "7", "-writers", "3",
		"-mem-table-size", "64KiB", "-generate", "6000", "-value-threshold", "100", file}
	killed := 0
	for range *kills {
		c := start(t, args...)
		last := rand.IntN(600)
		acked := map[string]uint64{}
		lines := bufio.NewScanner(c.stderr)
		for seen := 0; lines.Scan(); {
			if m := storedPosition.FindStringSubmatch(lines.Text()); m != nil {
				position, err := strconv.ParseUint(m[2], 10, 64)
				require.NoError(t, err)
				acked[m[1]] = max(acked[m[1]], position)
				if seen++; seen == last {
					c.Cmd.Process.Kill()
					killed++
				}
			}
		}
		c.Cmd.Wait()
		requireOnce(t, dir, file, text.Bytes(), acked)
	}
	c := start(t, args...)
	io.Copy(io.Discard, c.stderr)
	require.NoError(t, c.Cmd.Wait())
	requireOnce(t, dir, file, text.Bytes(), map[string]uint64{file: uint64(text.Len()), "generated-0": 2000, "generated-1": 2000, "generated-2": 2000})
	rule(t, "G2", len(stored(t, dir, file)) == n, "of %d lines of the file %d are there", n, len(stored(t, dir, file)))
	t.Logf("%d kills", killed)
}

// requireOnce checks that of each source the beginning is there, once, and as far
// as was acknowledged.
func requireOnce(t *testing.T, dir, file string, text []byte, acked map[string]uint64) {
	t.Helper()
	if len(acked) == 0 {
		return // it was killed before it stored a line
	}
	got := stored(t, dir, file)
	all := strings.Split(string(text), "\n")
	size := uint64(0)
	for i, line := range got {
		rule(t, "G2", i < len(all) && line == all[i], "line %d of the file is %q", i, line)
		size += uint64(len(line) + 1)
	}
	rule(t, "G1", size >= acked[file], "of the file %d bytes were stored, and %d are there", acked[file], size)
	for i := range 3 {
		g := generator{title: fmt.Sprintf("generated-%d", i), length: 120, lines: 2000}
		got := stored(t, dir, g.title)
		for i, line := range got {
			want, _, _, _, err := g.next(t.Context())
			rule(t, "G2", err == nil && line == string(want), "line %d of %s is %q", i, g.title, line)
		}
		rule(t, "G1", uint64(len(got)) >= acked[g.title], "of %s %d lines were stored, and %d are there", g.title, acked[g.title], len(got))
	}
}

func post(url, source, body string) (string, error) {
	r, err := http.Post(url+"/ingest?source="+source, "text/plain", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if r.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", r.Status, b)
	}
	return string(b), err
}

func TestLinesThatWereAnsweredForSurviveKills(t *testing.T) {
	dir := t.TempDir()
	var mu sync.Mutex
	acked := map[string]bool{}
	for round := range *kills {
		c := start(t, "serve", "-dir", dir, "-address", "127.0.0.1:0", "-mem-table-size", "64KiB").listens()
		go io.Copy(io.Discard, c.stderr)
		last := 1 + rand.IntN(100)
		var writers sync.WaitGroup
		for w := range 4 {
			writers.Go(func() {
				for i := 0; ; i++ {
					line := fmt.Sprintf("2026-01-02T03:04:05Z round %d writer %d line %d", round, w, i)
					if _, err := post(c.url, "web", line+"\n"); err != nil {
						return // killed
					}
					mu.Lock()
					acked[line] = true
					if last--; last == 0 {
						c.Cmd.Process.Kill()
					}
					mu.Unlock()
				}
			})
		}
		writers.Wait()
		c.Kill()
		there := map[string]int{}
		for _, text := range stored(t, dir, "web") {
			there[text]++
		}
		for line := range acked {
			rule(t, "G1", there[line] == 1, "%q was answered for, and is there %d times", line, there[line])
		}
	}
	t.Logf("%d kills, %d lines answered for, all there", *kills, len(acked))
}

func TestSecondInstanceOnADirectoryIsRefusedByName(t *testing.T) {
	dir := t.TempDir()
	c := start(t, "serve", "-dir", dir, "-address", "127.0.0.1:0").listens()
	go io.Copy(io.Discard, c.stderr)
	refused(t, dir, "directory "+dir+" is in use by another process")
	require.Zero(t, c.Term())
}

// refused starts an ingestion that must not begin.
func refused(t *testing.T, dir, why string) {
	t.Helper()
	var stderr bytes.Buffer
	code := cli(t.Context(), []string{"ingest", "-dir", dir, "-address", "", "-generate", "1"}, io.Discard, &stderr)
	rule(t, "G3", code == 1 && strings.Contains(stderr.String(), why), "exit %d, without a word of %q: %s", code, why, stderr.String())
}

func TestDirectoryOfANewerBuildOrAnotherProgramIsRefusedByName(t *testing.T) {
	for key, value := range map[string]string{formatKey: "logstore 2", "other": ""} {
		dir := t.TempDir()
		db, err := lsm.Open(dir, nil)
		require.NoError(t, err)
		require.NoError(t, db.Put([]byte(key), []byte(value)))
		require.NoError(t, db.Close())
		if key == formatKey {
			refused(t, dir, `holds format "logstore 2", and this build knows "logstore 1"`)
		} else {
			refused(t, dir, "is a store of package lsm, but of another program")
		}
	}
}

func TestSignalEndsItWellAndTellsItsStreams(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("windows knows no SIGTERM")
	}
	dir := t.TempDir()
	c := start(t, "serve", "-dir", dir, "-address", "127.0.0.1:0").listens()
	go io.Copy(io.Discard, c.stderr)
	_, err := post(c.url, "web", "first\n")
	require.NoError(t, err)
	r, err := http.Get(c.url + "/tail?f=true")
	require.NoError(t, err)
	defer r.Body.Close()
	lines := bufio.NewReader(r.Body)
	text, err := lines.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, text, "web first")
	code := c.Term()
	rule(t, "G6", code == 0, "after SIGTERM the exit code is %d", code)
	_, err = lines.ReadString('\n')
	rule(t, "G6", err == io.EOF, "a stream was not ended, but cut: %v", err)
	require.NoFileExists(t, filepath.Join(dir, addressFile))

	// The generator is stopped in the midst, and goes on there.
	c = start(t, "ingest", "-dir", dir, "-address", "127.0.0.1:0", "-generate", "1000000000", "-retention", "0").listens()
	go io.Copy(io.Discard, c.stderr)
	r, err = http.Get(c.url + "/tail?n=0&f=true")
	require.NoError(t, err)
	defer r.Body.Close()
	_, err = bufio.NewReader(r.Body).ReadString('\n')
	require.NoError(t, err)
	code = c.Term()
	rule(t, "G6", code == 0, "after SIGTERM the exit code is %d", code)
	require.NotEmpty(t, stored(t, dir, "generated-3"))
}

func TestTailAsksTheProcessThatHasTheDirectory(t *testing.T) {
	dir := t.TempDir()
	c := start(t, "serve", "-dir", dir, "-address", "127.0.0.1:0").listens()
	go io.Copy(io.Discard, c.stderr)
	for _, line := range []string{"one", "two", "three"} {
		answer, err := post(c.url, "web", line)
		require.NoError(t, err)
		require.JSONEq(t, `{"lines":1}`, answer)
	}
	out, _ := run(t, 0, "tail", "-n", "2", "-dir", dir)
	require.Regexp(t, `^\S+Z web two\n\S+Z web three\n$`, out)
	out, _ = run(t, 0, "query", "-count", "-dir", dir)
	require.Equal(t, "3\n", out)
	out, _ = run(t, 0, "stats", "-dir", dir)
	require.Contains(t, out, "stored by this process  3 lines")

	follow := start(t, "tail", "-n", "1", "-f", "-dir", dir)
	text, err := follow.Stdout.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, text, "web three")
	_, err = post(c.url, "web", "four")
	require.NoError(t, err)
	text, err = follow.Stdout.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, text, "web four")
	require.Zero(t, follow.Term())
	require.Zero(t, c.Term())

	_, errs := run(t, 1, "tail", "-f", "-dir", dir)
	require.Contains(t, errs, "start one with: logstore serve -dir "+dir)
}

func TestMetricsHealthAndPprofAreServed(t *testing.T) {
	dir := t.TempDir()
	c := start(t, "serve", "-dir", dir, "-address", "127.0.0.1:0", "-admin-address", "127.0.0.1:0").listens()
	admin := ""
	log := bufio.NewScanner(c.stderr)
	for admin == "" && log.Scan() {
		if _, rest, ok := strings.Cut(log.Text(), "msg=admin address="); ok {
			admin = "http://" + rest
		}
	}
	go io.Copy(io.Discard, c.stderr)
	_, err := post(c.url, "web", "one\ntwo\n")
	require.NoError(t, err)
	get := func(url string) string {
		r, err := http.Get(url)
		require.NoError(t, err)
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, r.StatusCode, string(b))
		return string(b)
	}
	for _, base := range []string{c.url, admin} {
		require.JSONEq(t, `{"health":"true"}`, get(base+"/health"))
		metrics := get(base + "/metrics")
		require.Contains(t, metrics, "\nlogstore_lines_total 2\n")
		for line := range strings.Lines(metrics) {
			require.Regexp(t, `^(# (HELP|TYPE) [a-z_0-9]+ .+|[a-z_0-9]+(\{level="\d"\})? [-+.e0-9]+)\n$`, line)
		}
	}
	require.Contains(t, get(admin+"/debug/pprof/goroutine?debug=1"), "goroutine profile")
	r, err := http.Get(c.url + "/query?form=5m")
	require.NoError(t, err)
	b, _ := io.ReadAll(r.Body)
	r.Body.Close()
	require.Equal(t, http.StatusBadRequest, r.StatusCode)
	require.Equal(t, "form: there is no such parameter\n", string(b))
	require.Zero(t, c.Term())
}

func TestDemonstrationIsBoundedAndStoresNothingTwice(t *testing.T) {
	dir := t.TempDir()
	out, _ := run(t, 0, "-dir", dir, "-generate", "1003")
	require.Contains(t, out, "stored 1,003 lines")
	require.Contains(t, out, "logstore serve")
	out, _ = run(t, 0, "-dir", dir, "-generate", "1003")
	require.Contains(t, out, "nothing was new")
	out, _ = run(t, 0, "query", "-dir", dir, "-count")
	require.Equal(t, "1003\n", out)
}

func TestMisuseIsAnErrorThatHelps(t *testing.T) {
	for args, want := range map[string]string{
		"nope":                         `there is no command "nope"; there are: ingest serve tail query stats`,
		"tail extra":                   `unexpected argument "extra"`,
		"query -from yesterday":        `-from: "yesterday" is no time: want`,
		"query -from 5m -prefix 2026":  "-prefix: it replaces from and to",
		"ingest -num-memtables 1":      "-num-memtables must be at least 2",
		"ingest -base-table-size 8XB":  "want bytes, or a number with KiB, MiB or GiB",
		"ingest -source a\tb":          `the name of source "a\tb" has spaces`,
		"serve -retention -1h":         "-retention is negative; 0 keeps lines for ever",
		"ingest --sync-write":          "flag provided but not defined: -sync-write",
		"-address 127.0.0.1:1":         "flag provided but not defined: -address",
		"ingest -generate 1 -rate -2 ": "-rate is negative",
	} {
		_, errs := run(t, 2, strings.Split(strings.TrimSpace(args), " ")...)
		require.Contains(t, errs, want, args)
	}
	for _, command := range commands {
		_, errs := run(t, 0, strings.Fields(command+" -h")...)
		require.Contains(t, errs, "usage: logstore")
		require.Contains(t, errs, "-dir")
	}
	dir, admin := t.TempDir(), "127.0.0.1:999999"
	require.NoError(t, os.WriteFile(filepath.Join(dir, addressFile), []byte("http://of-a-killed-process"), 0o600))
	_, errs := run(t, 1, "serve", "-dir", dir, "-address", "", "-admin-address", admin)
	require.Contains(t, errs, "choose another with -admin-address")
	require.NoFileExists(t, filepath.Join(dir, addressFile))
	_, errs = run(t, 1, "ingest", "-dir", t.TempDir(), filepath.Join(t.TempDir(), "nowhere.log"))
	require.Contains(t, errs, "nowhere.log")
	_, errs = run(t, 1, "query", "-dir", filepath.Join(t.TempDir(), "nowhere"))
	require.Contains(t, errs, "nowhere")
}
