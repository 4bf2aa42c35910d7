package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/lsm"
)

// testStore opens a store in dir; lines of a file go to it with store.
func testStore(t *testing.T, dir string, args ...string) (*config, *store) {
	t.Helper()
	c, err := parse(append([]string{"ingest", "-dir", dir, "-address", "", "-log-level", "error"}, args...), io.Discard)
	require.NoError(t, err)
	s, err := openStore(c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.close()) })
	return c, s
}

func storeText(t *testing.T, c *config, s *store, source, text string) {
	t.Helper()
	in := &ingester{config: c, store: s}
	src, b := newStream(strings.NewReader(text), source), &batch{}
	for {
		err := in.fill(t.Context(), src, b)
		require.NoError(t, s.append(source, b.lines, false, 0))
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
	}
}

// answerOf returns the texts of an answer, without times.
func answerOf(t *testing.T, s *store, kind, question string) (texts []string) {
	t.Helper()
	v, err := url.ParseQuery(question)
	require.NoError(t, err)
	q, err := parseQuery(v, time.Now())
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, s.answer(t.Context(), kind, q, &out, func() {}))
	for line := range strings.Lines(out.String()) {
		texts = append(texts, strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:]))
	}
	return texts
}

func TestLinesComeInTheOrderOfTheirTimes(t *testing.T) {
	c, s := testStore(t, t.TempDir())
	storeText(t, c, s, "b", "2026-11-26T18:11:22Z d\n2026-11-26T18:11:22.5Z f\n2026-11-26T18:11:21.999999999Z c\n")
	storeText(t, c, s, "a", "2026-11-26T20:11:22.25+02:00 e\n[2025-01-01T00:00:00Z] a\ntime=2026-11-26T18:10:00Z b\r\n2026-11-26T18:12:00Z error=g")
	for question, want := range map[string]string{
		"":                                      "a b c d e f error=g",
		"prefix=2026-11-26T18:11":               "c d e f",
		"prefix=2026-11-26T18:11:22":            "d e f",
		"prefix=2026":                           "b c d e f error=g",
		"from=2026-11-26T18:11:22":              "d e f error=g",
		"to=2026-11-26T18:11:22":                "a b c",
		"from=2026-11&to=2026-11-26T18:11:22.3": "b c d e",
		"from=2026-11-26T19:11:22%2B01:00&to=2026-11-26T18:11:23": "d e f",
		"source=a":                  "a b e error=g",
		"contains=error":            "error=g",
		"limit=2":                   "a b",
		"count=true":                "7",
		"count=true&contains=error": "1",
		"source=c":                  "",
	} {
		got := strings.Join(answerOf(t, s, "/query", question), " ")
		rule(t, "G4", got == want, "%q is answered with %q, not %q", question, got, want)
	}
	require.Equal(t, []string{"f", "error=g"}, answerOf(t, s, "/tail", "n=2"))
	require.Equal(t, []string{"c", "d"}, answerOf(t, s, "/tail", "n=2&source=b&to=2026-11-26T18:11:22.1"))
}

func TestALineIsGoneWhenItsTimeIsOver(t *testing.T) {
	var passed atomic.Int64 // compactions ask for the time as well
	c, err := parse([]string{"ingest", "-dir", t.TempDir(), "-retention", "1h", "-log-level", "error", "-value-threshold", "1KiB"}, io.Discard)
	require.NoError(t, err)
	c.clock = func() time.Time {
		return time.Date(2026, 11, 26, 18, 0, 0, 0, time.UTC).Add(time.Duration(passed.Load()))
	}
	s, err := openStore(c)
	require.NoError(t, err)
	defer s.close()
	long := strings.Repeat("x", 2000)
	storeText(t, c, s, "a", "old\n"+long+"\n")
	passed.Add(int64(40 * time.Minute))
	storeText(t, c, s, "a", "new\n")
	require.Len(t, answerOf(t, s, "/query", ""), 3)
	passed.Add(int64(30 * time.Minute))
	got := answerOf(t, s, "/query", "")
	rule(t, "G5", slices.Equal(got, []string{"new"}), "of three lines, of which two are too old, %d are there", len(got))
	require.NoError(t, s.db.Compact(nil, nil))
	var entries uint64
	for _, l := range s.db.Metrics().Levels {
		entries += l.Entries
	}
	rule(t, "G5", entries == 2, "after compaction tables have %d entries, not the new line and the format", entries)
	passed.Add(int64(time.Hour))
	require.Empty(t, answerOf(t, s, "/query", ""))
}

func TestVersionsOfALineThatIsStoredAgainAreKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f.log")
	c, s := testStore(t, t.TempDir(), "-num-versions-to-keep", "2", "-restart", file)
	for _, text := range []string{"one", "two", "six"} {
		require.NoError(t, os.WriteFile(file, []byte("2026-11-26T18:11:22Z "+text+"\n"), 0o600))
		sources, err := c.openSources()
		require.NoError(t, err)
		in := &ingester{config: c, store: s}
		in.begin(sources)
		require.NoError(t, in.run(t.Context(), sources))
	}
	require.Equal(t, []string{"six"}, answerOf(t, s, "/query", ""))
	require.NoError(t, s.db.Compact(nil, nil))
	require.Equal(t, []string{"six", "two"}, answerOf(t, s, "/query", "all-versions=true"))
}

func TestAFileIsFollowedAndItsUnfinishedLineIsNotStored(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.log")
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	write := func(text string) {
		_, err := f.WriteString(text)
		require.NoError(t, err)
	}
	src, err := openFile(path, true)
	require.NoError(t, err)
	defer src.close()
	next := func() string {
		text, _, _, _, err := src.next(t.Context())
		require.NoError(t, err)
		return string(text)
	}
	write("one\ntw")
	require.Equal(t, "one", next())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, _, _, err = src.next(ctx)
	require.ErrorIs(t, err, context.Canceled, "two is not finished")
	write("o\nthree\n")
	require.Equal(t, "two", next())
	require.Equal(t, "three", next())
	require.NoError(t, f.Truncate(0))
	_, err = f.Seek(0, io.SeekStart)
	require.NoError(t, err)
	write("new\n")
	require.Equal(t, "new", next(), "a file that was cut is read from its beginning")
}

// A file that is cut while its last line is not finished is read from its
// beginning, wherever in that line the cut is.
func TestAFileCutInsideItsUnfinishedLineIsReadFromItsBeginning(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.log")
	require.NoError(t, os.WriteFile(path, []byte("unfinished"), 0o600))
	src, err := openFile(path, true)
	require.NoError(t, err)
	defer src.close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, _, _, err = src.next(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, os.Truncate(path, 0))
	_, _, _, _, err = src.next(ctx) // sees that it was cut
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, os.WriteFile(path, []byte("the first line\nand the second\n"), 0o600))
	text, position, _, _, err := src.next(t.Context())
	require.NoError(t, err)
	rule(t, "G2", string(text) == "the first line" && position == 0, "of a file that was cut, and written anew, the first line is %q at %d", text, position)
}

// A line whose end is not written yet does not hold up the lines before it.
func TestALineIsStoredWhileTheNextOneIsNotFinished(t *testing.T) {
	c, s := testStore(t, t.TempDir())
	in, out := io.Pipe()
	defer out.Close()
	src, b := newStream(in, "a"), &batch{}
	filled := make(chan error, 1)
	go func() { filled <- (&ingester{config: c, store: s}).fill(t.Context(), src, b) }()
	_, err := out.Write([]byte("one\ntwo\nthr"))
	require.NoError(t, err)
	written := make(chan error, 1)
	go func() {
		_, err := out.Write([]byte("ee\n")) // until it is read, or out is closed
		written <- err
	}()
	require.NoError(t, <-filled)
	rule(t, "G7", len(b.lines) == 2, "two lines are complete, and %d are stored, with the end of the third", len(b.lines))
	require.NoError(t, (&ingester{config: c, store: s}).fill(t.Context(), src, b))
	require.Len(t, b.lines, 1)
	require.Equal(t, "three", string(b.lines[0].text))
	require.NoError(t, <-written)
}

func TestASourceThatIsNamedTwiceIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f.log")
	require.NoError(t, os.WriteFile(file, []byte("one\ntwo\n"), 0o600))
	dir := t.TempDir()
	for _, files := range [][]string{{file, file}, {"-", "-"}} {
		var errs bytes.Buffer
		code := cli(t.Context(), append([]string{"ingest", "-dir", dir, "-address", ""}, files...), io.Discard, &errs)
		rule(t, "G2", code == 1 && strings.Contains(errs.String(), "is named twice"), "exit %d of storing %q: %s", code, files, errs.String())
	}
}

// A line that cannot be read is an error, and not an empty line.
func TestALineThatIsDamagedIsNotShown(t *testing.T) {
	dir := t.TempDir()
	c, err := parse([]string{"ingest", "-dir", dir, "-log-level", "error"}, io.Discard)
	require.NoError(t, err)
	s, err := openStore(c)
	require.NoError(t, err)
	long := strings.Repeat("x", 5000)
	storeText(t, c, s, "a", long+"\n")
	require.NoError(t, s.db.Flush())
	damaged := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == "wal" {
			return filepath.SkipDir // the log comes and goes
		}
		if err != nil || d.IsDir() {
			return err
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		b, err := io.ReadAll(f)
		if i := bytes.Index(b, []byte(long)); err == nil && i >= 0 {
			damaged++
			_, err = f.WriteAt([]byte("y"), int64(i+2000))
		}
		return err
	}))
	require.Equal(t, 1, damaged)
	var out bytes.Buffer
	err = s.query(t.Context(), query{}, &out)
	require.Error(t, err)
	rule(t, "G4", out.Len() == 0, "of a line that is damaged there is shown %q", out.String())
	s.close()
}

func TestFollowersThatAreSlowAreToldWhatTheyMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{followers: map[*follower]struct{}{}}
		f := s.follow()
		var lines []line
		for i := range followRoom + 5 {
			lines = append(lines, line{appendKey(nil, time.Unix(0, 0), "a", uint64(i)), nil})
		}
		s.publish(lines)
		require.Len(t, f.lines, followRoom)
		require.Equal(t, 5, f.missed)
		s.unfollow(f)
		s.publish(lines)
		require.Equal(t, 5, f.missed)
	})
}

// held is a reader that takes its first line only when it is let.
type held struct {
	let, told chan struct{}
	begun     chan struct{}
	lines     int // before it is told that some are missing
}

func (h *held) Write(b []byte) (int, error) {
	if b[0] == '(' {
		close(h.told)
		return len(b), nil
	}
	if h.lines++; h.lines == 1 {
		close(h.begun)
		<-h.let
	}
	return len(b), nil
}

func TestLinesThatAreLeftOutAreToldWhereTheyAreMissing(t *testing.T) {
	_, s := testStore(t, t.TempDir())
	h := &held{make(chan struct{}), make(chan struct{}), make(chan struct{}), 0}
	ctx, cancel := context.WithCancel(t.Context())
	follows, ended := make(chan struct{}), make(chan error, 1)
	flush := sync.OnceFunc(func() { close(follows) })
	go func() { ended <- s.tail(ctx, query{follow: true}, h, flush) }()
	<-follows
	var lines []line
	for i := range followRoom + 6 {
		lines = append(lines, line{appendKey(nil, time.Unix(0, 0), "a", uint64(i)), nil})
	}
	s.publish(lines[:1])
	<-h.begun
	s.publish(lines[1:])
	close(h.let)
	<-h.told
	cancel()
	require.NoError(t, <-ended)
	rule(t, "G8", h.lines == 1+followRoom, "of %d lines the last 5 are missing, and it is told behind line %d", len(lines), h.lines)
}

func TestLongLinesAreKeptInPieces(t *testing.T) {
	text := strings.Repeat("x", maxLine+100)
	src := newStream(strings.NewReader(text+"\nshort\n"), "a")
	var got []string
	for {
		part, position, behind, _, err := src.next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		require.LessOrEqual(t, uint64(len(part)), behind-position)
		require.LessOrEqual(t, len(part), maxLine+readSize)
		got = append(got, string(part))
	}
	require.Equal(t, "short", got[len(got)-1])
	require.Equal(t, text, strings.Join(got[:len(got)-1], ""))
}

func TestGeneratedLinesAreTheSameFromAnyPosition(t *testing.T) {
	a := &generator{title: "generated-0", lines: 10, length: 200}
	var all []string
	for range 10 {
		text, _, _, _, err := a.next(t.Context())
		require.NoError(t, err)
		require.InDelta(t, 200, len(text), 20)
		require.Contains(t, string(text), "generated=")
		all = append(all, string(text))
	}
	_, _, _, _, err := a.next(t.Context())
	require.ErrorIs(t, err, io.EOF)
	b := &generator{title: "generated-0", lines: 10, length: 200}
	require.NoError(t, b.seek(7))
	text, position, behind, more, err := b.next(t.Context())
	require.NoError(t, err)
	require.Equal(t, all[7], string(text))
	require.EqualValues(t, 7, position)
	require.EqualValues(t, 8, behind)
	require.True(t, more)
}

func TestGeneratorKeepsItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &generator{title: "g", lines: 11, length: 60, every: 100 * time.Millisecond}
		start := time.Now()
		for range 11 {
			_, _, _, more, err := g.next(t.Context())
			require.NoError(t, err)
			require.False(t, more)
		}
		require.Equal(t, time.Second, time.Since(start))
	})
}

func TestTimesAreFoundInLines(t *testing.T) {
	arrived := time.Date(2000, 1, 2, 3, 4, 5, 6, time.UTC)
	for text, want := range map[string]string{
		"2026-11-26T18:11:22Z x":              "2026-11-26T18:11:22.000000000Z",
		"2026-11-26T18:11:22.5+02:00":         "2026-11-26T16:11:22.500000000Z",
		"[2026-11-26T18:11:22.123Z] x":        "2026-11-26T18:11:22.123000000Z",
		"time=2026-11-26T18:11:22.1Z level=x": "2026-11-26T18:11:22.100000000Z",
		"2026-13-26T18:11:22Z x":              "2000-01-02T03:04:05.000000006Z",
		"2026-11-26T18:11:22 x":               "2000-01-02T03:04:05.000000006Z",
		"0000-01-01T00:00:00+05:00 x":         "2000-01-02T03:04:05.000000006Z",
		"short":                               "2000-01-02T03:04:05.000000006Z",
		"":                                    "2000-01-02T03:04:05.000000006Z",
	} {
		key := appendKey(nil, timeOf([]byte(text), arrived), "a/b", 31)
		require.Equal(t, "l"+want+"/a/b/000000000000001f", string(key), text)
		at, source, ok := splitKey(key)
		require.True(t, ok)
		require.Equal(t, want, at)
		require.Equal(t, "a/b", source)
	}
	_, _, ok := splitKey([]byte("l2026"))
	require.False(t, ok)
}

func TestBoundsAreBeginningsOfTimes(t *testing.T) {
	now := time.Date(2026, 11, 26, 18, 11, 22, 0, time.UTC)
	for text, want := range map[string]string{
		"": "", "2": "2", "2026-11": "2026-11", "2026-11-26 18:1": "2026-11-26T18:1",
		"2026-11-26T18:11:22+01:00": "2026-11-26T17:11:22.000000000Z",
		"5m":                        "2026-11-26T18:06:22.000000000Z", "now": "2026-11-26T18:11:22.000000000Z",
	} {
		got, err := bound(text, now)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"yesterday", "2026/11", "2026-11-26T18:11:22.0000000000", "20261", "-"} {
		_, err := bound(text, now)
		require.Error(t, err, text)
	}
}

func TestFlagsSetTheOptionsTheyAreNamedAfter(t *testing.T) {
	c, err := parse(strings.Fields("ingest --sync-writes --num-versions-to-keep 3 --value-log-file-size 1GiB --base-table-size 4194304 "+
		"--num-memtables 7 --mmap-at-startup --mem-table-size 16MiB --value-threshold 512"), io.Discard)
	require.NoError(t, err)
	o := c.options()
	o.Logger = nil
	require.Equal(t, &lsm.Options{SyncWrites: true, NumVersionsToKeep: 3, ValueLogFileSize: 1 << 30, BaseTableSize: 4 << 20,
		NumMemtables: 7, MmapAtStartup: true, MemTableSize: 16 << 20, ValueThreshold: 512}, o)
	for text, want := range map[string]string{"0": "0", "1000": "1000", "1024": "1KiB", "3MiB": "3MiB", "2097152KiB": "2GiB"} {
		var s size
		require.NoError(t, s.Set(text))
		require.Equal(t, want, s.String())
	}
	var s size
	for _, text := range []string{"", "-1", "MiB", "99999999999999999999", "9999999999GiB"} {
		require.Error(t, s.Set(text), text)
	}
}

func TestProgressTellsRateAndPart(t *testing.T) {
	var out bytes.Buffer
	c := &config{log: slog.New(slog.NewTextHandler(&out, nil))}
	in := &ingester{config: c, store: &store{}}
	sources := []source{&generator{lines: 100}, &generator{lines: 300}}
	in.begin(sources)
	p := newProgress(in, sources, &out)
	p.live, p.at = true, time.Unix(100, 0)
	in.done[1].Store(100)
	in.store.lines.Store(1234)
	in.store.bytes.Store(5_000_000)
	p.report(time.Unix(102, 0))
	require.Equal(t, "\r\x1b[K[######..................] 25%  1,234 lines  617/s  2.5 MB/s", out.String())
	out.Reset()
	p.sources = append(p.sources, newStream(strings.NewReader(""), "a"))
	in.store.lines.Store(2234)
	p.report(time.Unix(103, 0))
	require.Equal(t, "\r\x1b[K2,234 lines  1,000/s  0.0 MB/s", out.String())
	out.Reset()
	p.live = false
	p.report(time.Unix(104, 0))
	require.Empty(t, out.String(), "where lines cannot be drawn again, silence is not told")
	in.store.lines.Store(3234)
	p.report(time.Unix(105, 0))
	require.Contains(t, out.String(), fmt.Sprintf("msg=storing lines=3234 lines/s=%d", 1000))
	require.Equal(t, "999", thousands(999))
	require.Equal(t, "1,000,000", thousands(1_000_000))
}
