package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite testdata/*.txt")

func chapter(name string, run func(ctx context.Context, s *Stage) error) Chapter {
	return Chapter{Name: name, Title: "the story of " + name, Run: run}
}

func good(_ context.Context, s *Stage) error {
	s.Claim(true, "all is well")
	return nil
}

// TestMain lets the test binary be the process that a chapter kills.
func TestMain(m *testing.M) {
	if os.Getenv(victimEnv) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// tempIn sends temporary folders into one that the test can look into.
func tempIn(t *testing.T) string {
	dir := t.TempDir()
	for _, env := range []string{"TMPDIR", "TMP", "TEMP"} {
		t.Setenv(env, dir)
	}
	return dir
}

func requireEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestEveryChapterIsJudgedAndItsFilesAreRemoved(t *testing.T) {
	temp := tempIn(t)
	files := []File{{"net/a.go", []byte("a")}}
	var ends []Event
	dirs := map[string]bool{}
	seen := func(run func(s *Stage) error) func(context.Context, *Stage) error {
		return func(_ context.Context, s *Stage) error {
			require.Equal(t, files, s.Files)
			dirs[s.Dir] = true
			require.NoError(t, os.WriteFile(filepath.Join(s.Dir, "left"), nil, 0o600))
			return run(s)
		}
	}
	ok, err := play(t.Context(), []Chapter{
		chapter("good", seen(func(s *Stage) error { s.Claim(true, "yes"); s.Claim(true, "yes"); return nil })),
		chapter("false", seen(func(s *Stage) error { s.Claim(false, "no"); s.Claim(true, "yes"); return nil })),
		chapter("broken", seen(func(s *Stage) error { s.Claim(true, "yes"); return errors.New("the disk is full") })),
		chapter("silent", seen(func(*Stage) error { return nil })),
	}, Source{Files: files}, func(e Event) {
		if e.Kind == KindEnd {
			e.At = 0
			ends = append(ends, e)
		}
	})
	require.NoError(t, err)
	require.False(t, ok)
	require.Equal(t, []Event{
		{Chapter: "good", Kind: KindEnd, OK: true, Done: 2, Total: 2},
		{Chapter: "false", Kind: KindEnd, Text: "1 of 2 claims did not hold", Done: 1, Total: 2},
		{Chapter: "broken", Kind: KindEnd, Text: "the disk is full", Done: 1, Total: 1},
		{Chapter: "silent", Kind: KindEnd, Text: "it claimed nothing, so it proved nothing"},
	}, ends)
	require.Len(t, dirs, 4, "each chapter has a folder of its own")
	requireEmpty(t, temp)
}

func TestStreamIsInOrderFromAllGoroutines(t *testing.T) {
	var got []Event
	ok, err := play(t.Context(), []Chapter{chapter("many", func(_ context.Context, s *Stage) error {
		s.Say("%d goroutines", 8)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for i := range 100 {
					s.Event("n1", "did it", i)
					s.Progress("work", i, 100)
					s.Claim(true, "claim %d", i)
				}
			})
		}
		wg.Wait()
		return nil
	})}, Source{}, func(e Event) { got = append(got, e) })
	require.NoError(t, err)
	require.True(t, ok)
	require.Len(t, got, 1+1+8*300+1)
	require.Equal(t, KindBegin, got[0].Kind)
	require.Equal(t, "the story of many", got[0].Text)
	require.Equal(t, "8 goroutines", got[1].Text)
	last := got[len(got)-1]
	require.Equal(t, KindEnd, last.Kind)
	require.Equal(t, 800, last.Total)
	for i, e := range got {
		require.Equal(t, "many", e.Chapter)
		require.GreaterOrEqual(t, e.At, got[max(i-1, 0)].At)
	}
}

func TestInterruptStopsTheTourAndRemovesItsFiles(t *testing.T) {
	temp := tempIn(t)
	ctx, cancel := context.WithCancel(t.Context())
	started, ran := false, false
	var stdout, stderr bytes.Buffer
	code := cli(ctx, []Chapter{
		chapter("waits", func(ctx context.Context, s *Stage) error {
			started = true
			s.Claim(true, "so far so good")
			require.NoError(t, os.WriteFile(filepath.Join(s.Dir, "left"), nil, 0o600))
			cancel()
			<-ctx.Done()
			return ctx.Err()
		}),
		chapter("after", func(context.Context, *Stage) error { ran = true; return nil }),
	}, []string{"-src", goTree(t)}, &stdout, &stderr)
	require.Equal(t, interrupted, code)
	require.True(t, started)
	require.False(t, ran, "the next chapter does not begin")
	require.Contains(t, stdout.String(), ": interrupted")
	require.Contains(t, stderr.String(), "tour: interrupted")
	requireEmpty(t, temp)
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestTourEndsWhenItsReaderGoesAway(t *testing.T) {
	temp := tempIn(t)
	var stderr bytes.Buffer
	code := cli(t.Context(), []Chapter{chapter("waits", func(ctx context.Context, s *Stage) error {
		s.Say("hello?")
		<-ctx.Done()
		return ctx.Err()
	})}, []string{"-src", goTree(t)}, broken{}, &stderr)
	require.Equal(t, interrupted, code)
	requireEmpty(t, temp)
}

func TestAChapterThatHangsIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last Event
		ok, err := play(t.Context(), []Chapter{chapter("hangs", func(ctx context.Context, _ *Stage) error {
			<-ctx.Done()
			return ctx.Err()
		})}, Source{}, func(e Event) { last = e })
		require.NoError(t, err)
		require.False(t, ok)
		require.Equal(t, "not done after 5m0s", last.Text)
		require.Equal(t, chapterLimit, last.At)
	})
}

func TestFlagsChooseChapters(t *testing.T) {
	all := []Chapter{chapter("raft", good), chapter("lsm", good), chapter("mvcc", good)}
	for _, c := range []struct{ args, want string }{
		{"", "raft lsm mvcc"},
		{"-chapter lsm", "lsm"},
		{"-chapter mvcc,raft", "raft mvcc"},
		{"-chapter mvcc -chapter raft -chapter mvcc", "raft mvcc"},
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, 0, cli(t.Context(), all, append(strings.Fields(c.args), "-list"), &stdout, &stderr))
		var names []string
		for line := range strings.Lines(stdout.String()) {
			names = append(names, strings.Fields(line)[0])
		}
		require.Equal(t, c.want, strings.Join(names, " "), c.args)
	}
}

func TestExitCodeTellsSuccessFromFailureFromMisuse(t *testing.T) {
	bad := chapter("bad", func(_ context.Context, s *Stage) error { s.Claim(false, "two is three"); return nil })
	all := []Chapter{chapter("good", good), bad}
	src := goTree(t)
	for _, c := range []struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		{[]string{"-src", src, "-chapter", "good", "-check"}, 0, `^good: ok, 1 claims, \d+\.\d\ds\n$`, `^$`},
		{[]string{"-src", src, "-check"}, 1, `bad: FAIL: two is three\nbad: FAILED: 1 of 1 claims did not hold\n$`, `^$`},
		{[]string{"-src", src}, 1, `(?m)^  FAIL  two is three$`, `^$`},
		{[]string{"-src", src, "-json", "-chapter", "good"}, 0, `"kind":"claim","text":"all is well","ok":true}\n`, `^$`},
		{[]string{"-h"}, 0, `^$`, `usage: tour`},
		{[]string{"-chapter", "nope"}, 2, `^$`, `tour: there is no chapter "nope"; there are: good, bad\n`},
		{[]string{"-nope"}, 2, `^$`, `flag provided but not defined`},
		{[]string{"raft"}, 2, `^$`, `unexpected argument "raft"; a chapter is chosen with -chapter`},
		{[]string{"-check", "-json"}, 2, `^$`, `exclude each other`},
		{[]string{"-src", filepath.Join(src, "nowhere")}, 2, `^$`, `tour: -src: `},
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, c.code, cli(t.Context(), all, c.args, &stdout, &stderr), "%v", c.args)
		require.Regexp(t, c.stdout, stdout.String(), "%v", c.args)
		require.Regexp(t, c.stderr, stderr.String(), "%v", c.args)
	}
}

func TestTheRealChaptersHaveDistinctNames(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range chapters() {
		require.Regexp(t, `^[a-z]+$`, c.Name)
		require.NotEmpty(t, c.Title)
		require.False(t, seen[c.Name])
		seen[c.Name] = true
	}
}

// story is one stream with everything in it.
var story = []Event{
	{Kind: KindBegin, Text: "a cluster that loses its leader"},
	{Kind: KindSay, Text: "Three nodes take every file of package net, one proposal a file, and each keeps all of them."},
	{Kind: KindEvent, At: 12 * time.Millisecond, Actor: "n2", Text: "is the leader of term 1, with the votes of n2 and n3"},
	{Kind: KindPicture, At: 50 * time.Millisecond, Text: "n1  leads     |==>     |\n    n2        |    <== | follows, and says so at some length, which is cut here, at the edge\n"},
	{Kind: KindProgress, At: 100 * time.Millisecond, Text: "files", Done: 1, Total: 40},
	{Kind: KindProgress, At: 110 * time.Millisecond, Text: "files", Done: 2, Total: 40}, // too soon to draw
	{Kind: KindProgress, At: 200 * time.Millisecond, Text: "files", Done: 12, Total: 40},
	{Kind: KindEvent, At: 300 * time.Millisecond, Text: "the network splits", Data: map[string]int{"term": 2}},
	{Kind: KindProgress, At: 310 * time.Millisecond, Text: "files", Done: 30, Total: 40},
	{Kind: KindProgress, At: 320 * time.Millisecond, Text: "files", Done: 40, Total: 40},
	{Kind: KindEvent, At: time.Second, Actor: "a-node-with-a-very-long-name-indeed", Text: "is back"},
	{Kind: KindClaim, At: 2 * time.Second, OK: true, Text: "every file reads back identical from every node: 40 files, 4.1 MB"},
	{Kind: KindClaim, At: 2 * time.Second, Text: "no term has two leaders"},
	{Kind: KindEnd, At: 2500 * time.Millisecond, Text: "1 of 2 claims did not hold", Done: 1, Total: 2},
	{Chapter: "lsm", Kind: KindBegin, Text: "nothing"},
	{Chapter: "lsm", Kind: KindEnd, OK: true, Done: 3, Total: 3},
}

func TestRenderersTellTheSameStory(t *testing.T) {
	for name, renderer := range map[string]func(*bytes.Buffer) Sink{
		"plain.txt":  func(b *bytes.Buffer) Sink { return newTerminal(b, screen{width: 80}) },
		"narrow.txt": func(b *bytes.Buffer) Sink { return newTerminal(b, screen{width: 7}) },
		"live.txt":   func(b *bytes.Buffer) Sink { return newTerminal(b, screen{width: 500, live: true, color: true}) },
		"terse.txt":  func(b *bytes.Buffer) Sink { return newTerse(b) },
		"json.txt":   func(b *bytes.Buffer) Sink { return newJSON(b) },
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			sink := renderer(&out)
			for _, e := range story {
				if e.Chapter == "" {
					e.Chapter = "raft"
				}
				sink(e)
			}
			got := strings.NewReplacer("\x1b", "<esc>", "\r", "<cr>").Replace(out.String())
			path := filepath.Join("testdata", name)
			if *update {
				require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, strings.ReplaceAll(string(want), "\r\n", "\n"), got)
			if name == "narrow.txt" {
				for line := range strings.Lines(got) {
					require.LessOrEqual(t, len(line)-1, minWidth, line)
				}
			}
		})
	}
}

func TestJSONSurvivesDataThatCannotBeEncoded(t *testing.T) {
	var out bytes.Buffer
	newJSON(&out)(Event{Kind: KindEvent, Text: "x", Data: func() {}})
	var e Event
	require.NoError(t, json.Unmarshal(out.Bytes(), &e))
	require.Contains(t, e.Data, "not encodable")
}

func TestScreenFollowsTheEnvironment(t *testing.T) {
	t.Setenv("COLUMNS", "")
	require.Equal(t, screen{width: 80}, screenOf(&bytes.Buffer{}))
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	require.NoError(t, err)
	defer f.Close()
	require.Equal(t, screen{width: 80}, screenOf(f), "a file is no terminal")
	t.Setenv("COLUMNS", "120")
	require.Equal(t, screen{width: 120}, screenOf(f))
}

// goTree makes a folder that looks like GOROOT/src.
func goTree(t *testing.T) string {
	root := t.TempDir()
	for name, text := range map[string]string{
		"net/net.go": "package net", "net/http/server.go": "package http", "net/README": "not Go", "other/o.go": "package other",
	} {
		path := filepath.Join(root, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return root
}

func TestSourceIsPackageNetOrWhatThereIs(t *testing.T) {
	want := []File{{"net/http/server.go", []byte("package http")}, {"net/net.go", []byte("package net")}}
	src := goTree(t)
	got, err := loadSource(t.Context(), src)
	require.NoError(t, err)
	require.Equal(t, Source{Files: want, Root: src}, got, "a GOROOT/src")

	root := t.TempDir()
	require.NoError(t, os.Rename(src, filepath.Join(root, "src")))
	src = filepath.Join(root, "src")
	got, err = loadSource(t.Context(), root)
	require.NoError(t, err)
	require.Equal(t, Source{Files: want, Root: src}, got, "a GOROOT")

	got, err = loadSource(t.Context(), filepath.Join(src, "other"))
	require.NoError(t, err)
	require.Equal(t, Source{Files: []File{{"other/o.go", []byte("package other")}}, Root: filepath.Join(src, "other")}, got, "a folder of Go code")

	require.NoError(t, os.RemoveAll(filepath.Join(src, "net")))
	require.NoError(t, os.Mkdir(filepath.Join(src, "net"), 0o755))
	got, err = loadSource(t.Context(), src)
	require.NoError(t, err)
	require.Equal(t, Source{Files: []File{{"src/other/o.go", []byte("package other")}}, Root: src}, got, "an empty net is passed over")
}

func TestSourceErrorsNameTheRemedy(t *testing.T) {
	empty := t.TempDir()
	_, err := loadSource(t.Context(), empty)
	require.ErrorContains(t, err, "no .go files in "+empty)
	_, err = loadSource(t.Context(), filepath.Join(empty, "nowhere"))
	require.ErrorIs(t, err, os.ErrNotExist)
	file := filepath.Join(goTree(t), "net", "net.go")
	_, err = loadSource(t.Context(), file)
	require.ErrorContains(t, err, "is not a folder")

	t.Setenv("PATH", "")
	t.Setenv("GOROOT", empty)
	_, err = loadSource(t.Context(), "")
	require.ErrorContains(t, err, "there are no .go files in "+filepath.Join(empty, "src", "net"))
	require.ErrorContains(t, err, "name any folder of Go code with -src DIR")
}

func TestSourceOfTheInstallationIsFound(t *testing.T) {
	got, err := loadSource(t.Context(), "")
	require.NoError(t, err)
	require.Greater(t, len(got.Files), 200)
	names := map[string]bool{}
	for _, f := range got.Files {
		require.Regexp(t, `^net/.*\.go$`, f.Name)
		names[f.Name] = true
	}
	require.True(t, names["net/http/server.go"])
	require.Len(t, names, len(got.Files))
}
