package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/disk"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

const dir = "node1"

func open(t *testing.T, fs disk.FS) *disk.Storage {
	t.Helper()
	s, err := disk.Open(dir, &disk.Options{FS: fs, Node: 1, Cluster: "app", SegmentSize: 4 << 10})
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// story is a small life of a node that has something of everything.
func story(t *testing.T, s *disk.Storage) {
	t.Helper()
	save := func(hs raft.HardState, sync bool, es ...raft.Entry) {
		t.Helper()
		require.NoError(t, s.Save(hs, es, sync))
	}
	command := func(i, term uint64) raft.Entry {
		return raft.Entry{Index: i, Term: term, Data: fmt.Appendf(nil, "set key%d = %0*d", i, 150, i)}
	}
	save(raft.HardState{Term: 1, VotedFor: 1}, true)
	save(raft.HardState{Term: 1, VotedFor: 1}, true, raft.Entry{Index: 1, Term: 1, Type: raft.EntryNoop})
	for i := uint64(2); i <= 20; i++ {
		save(raft.HardState{Term: 1, VotedFor: 1, Commit: i - 1}, true, command(i, 1))
	}
	three := raft.Membership{Voters: []raft.NodeID{1, 2, 3}}
	require.NoError(t, s.SaveSnapshot(raft.Snapshot{Index: 15, Term: 1, Membership: three, Data: bytes.Repeat([]byte("state "), 300)}))
	// Voters {1 2 3} become {1 2 4}, as raft encodes it, with n5 as a learner.
	joint := []byte{1, 3, 1, 2, 4, 1, 5, 3, 1, 2, 3}
	save(raft.HardState{Term: 3, Commit: 20}, true,
		raft.Entry{Index: 20, Term: 3, Type: raft.EntryNoop},
		raft.Entry{Index: 21, Term: 3, Type: raft.EntryMembership, Data: joint},
		raft.Entry{Index: 22, Term: 3, Type: raft.EntrySession, Data: []byte{0}},
		raft.Entry{Index: 23, Term: 3, Type: raft.EntrySession, Data: append([]byte{22, 1}, "x += 1"...)},
		raft.Entry{Index: 24, Term: 3, Data: []byte{0, 1, 2, 0xff, 0xfe}},
		raft.Entry{Index: 25, Term: 3, Data: bytes.Repeat([]byte{0xab}, 100)})
	require.NoError(t, s.SaveSnapshot(raft.Snapshot{Index: 20, Term: 3, Membership: three, Data: []byte("state")}))
}

func dumped(t *testing.T, fs disk.FS, args ...string) (out string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(append(args, dir), &stdout, &stderr, fs)
	return stdout.String() + stderr.String(), code
}

// golden compares with a file in testdata, which is also the documentation.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if filepath.Separator == '\\' { // in paths, and twice in JSON
		got = strings.NewReplacer(`\\`, "/", `\`, "/").Replace(got)
	}
	for line := range strings.Lines(got) {
		if !strings.HasPrefix(line, "{") {
			require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), 80, "line %q", line)
		}
	}
	file := filepath.Join("testdata", name+".txt")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, strings.ReplaceAll(string(want), "\r\n", "\n"), got)
}

func TestDumpShowsADirectory(t *testing.T) {
	fs := disk.NewMemFS()
	s := open(t, fs)
	story(t, s)
	require.NoError(t, s.Close())
	for name, args := range map[string][]string{
		"summary": {"-verify"},
		"entries": {"-entries", "-verify"},
		"range":   {"-entries", "-from", "20", "-to", "22"},
		"json":    {"-json", "-entries", "-from", "19"},
	} {
		out, code := dumped(t, fs, args...)
		golden(t, name, out)
		require.Zero(t, code)
	}
	_, err := disk.ForceNewCluster(dir, &disk.Options{FS: fs}, "rescued")
	require.NoError(t, err)
	out, code := dumped(t, fs, "-from", "24")
	golden(t, "forced", out)
	require.Zero(t, code)
}

func TestDumpOfARunningNodeChangesNothing(t *testing.T) {
	fs := disk.NewMemFS()
	s := open(t, fs)
	story(t, s)
	ops, before := fs.Ops(), fs.Dump()
	out, code := dumped(t, fs, "-verify")
	require.Zero(t, code, out)
	require.Equal(t, ops, fs.Ops())
	require.Equal(t, before, fs.Dump())
	require.Contains(t, out, "a node starts as n1 in cluster \"app\"")
	require.NoError(t, s.Save(raft.HardState{Term: 4, Commit: 25}, nil, true))
	require.NoError(t, s.Close())
}

func TestDumpShowsATornEndAndNoDamage(t *testing.T) {
	fs := disk.NewMemFS()
	s := open(t, fs)
	story(t, s)
	require.NoError(t, s.Save(raft.HardState{Term: 3}, []raft.Entry{{Index: 26, Term: 3, Data: make([]byte, 700)}}, false))
	// Power goes: the first sector of the last save is on the disk, the rest is
	// not, as a flipped bit in its payload shows it.
	after := fs.KillClone()
	wal := lastSegment(t, after)
	at := bytes.LastIndex(contents(t, after, wal), []byte{0xab, 0xab}) + 300
	require.NoError(t, after.FlipBit(wal, int64(8*at)))
	out, code := dumped(t, after, "-verify")
	golden(t, "torn", out)
	require.Zero(t, code)
}

// rotten is the story with a flipped bit at a byte of its log.
func rotten(t *testing.T, at int64) *disk.MemFS {
	t.Helper()
	fs := disk.NewMemFS()
	s := open(t, fs)
	story(t, s)
	require.NoError(t, s.Close())
	names, err := fs.List(dir + "/log")
	require.NoError(t, err)
	require.NoError(t, fs.FlipBit(filepath.Join(dir, "log", names[0]), 8*at))
	return fs
}

func TestDumpGoesOnBehindDamage(t *testing.T) {
	fs := rotten(t, 600)
	snaps, err := fs.List(dir + "/snapshots")
	require.NoError(t, err)
	require.NoError(t, fs.FlipBit(filepath.Join(dir, "snapshots", snaps[0]), 8*200))
	out, code := dumped(t, fs)
	golden(t, "damaged", out)
	require.Zero(t, code)
	again, code := dumped(t, fs, "-verify")
	require.Equal(t, out, again)
	require.Equal(t, exitWrong, code, "-verify")
	out, code = dumped(t, fs, "-verify", "-json")
	require.Equal(t, exitWrong, code, "-verify")
	for line := range strings.Lines(out) {
		require.True(t, json.Valid([]byte(line)), line)
	}
}

// A log has millions of records, and those behind a damaged header no numbers.
func TestDumpPrintsRunsBehindADamagedHeaderToo(t *testing.T) {
	fs := rotten(t, 500)
	out, code := dumped(t, fs)
	golden(t, "unnumbered", out)
	require.Zero(t, code)
}

func TestDumpNamesWhatIsWrongWithItsArguments(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, exitUsage, "dump: no directory is named: give the one that disk.Open was given, or -h for help\n"},
		{[]string{"-from", "3", "-to", "2", "x"}, exitUsage, "dump: -from 3 is behind -to 2: exchange them\n"},
		{[]string{"nowhere"}, exitWrong, "dump: raft/disk: nowhere holds no node: there is neither NODE nor log: file does not exist; give the directory that disk.Open was given\n"},
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, c.code, run(c.args, &stdout, &stderr, disk.NewMemFS()))
		require.Equal(t, c.want, stderr.String())
		require.Empty(t, stdout.String())
	}
	var stdout, stderr bytes.Buffer
	require.Zero(t, run([]string{"-h"}, &stdout, &stderr, nil))
	golden(t, "help", stderr.String())
}

func lastSegment(t *testing.T, fs disk.FS) string {
	names, err := fs.List(dir + "/log")
	require.NoError(t, err)
	last := ""
	for _, name := range names {
		if strings.HasSuffix(name, ".wal") {
			last = filepath.Join(dir, "log", name)
		}
	}
	return last
}

func contents(t *testing.T, fs disk.FS, name string) []byte {
	f, err := fs.Open(name, 0)
	require.NoError(t, err)
	defer f.Close()
	size, err := f.Size()
	require.NoError(t, err)
	b := make([]byte, size)
	_, err = f.ReadAt(b, 0)
	require.NoError(t, err)
	return b
}
