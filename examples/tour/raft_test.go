package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/raft"
)

// someFiles are enough for a chapter, and of many sizes.
func someFiles(n int) (files []File) {
	for i := range n {
		files = append(files, File{fmt.Sprintf("net/f%03d.go", i), bytes.Repeat([]byte{byte(i)}, i*i)})
	}
	return files
}

func TestChapterRaftKeepsItsPromises(t *testing.T) {
	temp := tempIn(t)
	var told []string
	var broken []string
	ok, err := play(t.Context(), []Chapter{raftChapter}, Source{Files: someFiles(150)}, func(e Event) {
		if e.Kind == KindClaim && !e.OK {
			broken = append(broken, "RULE tour-claim: "+e.Text)
		}
		told = append(told, fmt.Sprintf("%s %s %t %s", e.At, e.Kind, e.OK, e.Text))
	})
	require.NoError(t, err)
	require.Empty(t, broken)
	require.True(t, ok, strings.Join(told, "\n"))
	all := strings.Join(told, "\n")
	for _, part := range []string{"is stopped while it leads", "is cut off from both others", "the process is killed (SIGKILL)",
		"loses its disk for good", "makes it a voter in the place of", "150 files from 3 nodes"} {
		require.Contains(t, all, part)
	}
	requireEmpty(t, temp)
}

func TestChapterRaftNeedsEnoughFiles(t *testing.T) {
	var end Event
	ok, err := play(t.Context(), []Chapter{raftChapter}, Source{Files: someFiles(19)}, func(e Event) { end = e })
	require.NoError(t, err)
	require.False(t, ok)
	require.Contains(t, end.Text, "name a larger folder with -src")
}

func TestWatchSeesWhatMustNotBe(t *testing.T) {
	lead := func(id raft.NodeID, term uint64) raft.Event {
		return raft.Event{Node: id, Kind: raft.EventRole, Role: raft.Leader, Term: term}
	}
	commit := func(id raft.NodeID, index uint64) raft.Event {
		return raft.Event{Node: id, Kind: raft.EventCommitted, Index: index}
	}
	for _, c := range []struct {
		name   string
		events []raft.Event
		broken string
	}{
		{"all well", []raft.Event{lead(1, 1), lead(2, 2), lead(2, 2), commit(1, 5), commit(2, 3), commit(1, 6)}, ""},
		{"two leaders", []raft.Event{lead(1, 1), lead(2, 1)}, "no term has two leaders"},
		{"commit goes back", []raft.Event{commit(1, 5), commit(1, 4)}, "no node's commit index goes back"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var claims []Event
			s := &Stage{sink: func(e Event) {
				if e.Kind == KindClaim {
					claims = append(claims, e)
				}
			}}
			w := newRaftWatch(s)
			for _, e := range c.events {
				w.observe(e)
			}
			w.summary(1)
			require.Len(t, claims, 2)
			for _, e := range claims {
				require.Equal(t, c.broken == "" || !strings.HasPrefix(e.Text, c.broken), e.OK, e.Text)
			}
		})
	}
}

func TestFileStoreSurvivesItsSnapshot(t *testing.T) {
	var a, b fileStore
	files := someFiles(5)
	for i, f := range files {
		require.Empty(t, a.Apply(uint64(i+1), encodeFile(f)))
	}
	w, err := a.Snapshot()
	require.NoError(t, err)
	require.Empty(t, a.Apply(6, encodeFile(File{"late", nil})), "the state goes on while the snapshot is written")
	var buf bytes.Buffer
	n, err := w.WriteTo(&buf)
	require.NoError(t, err)
	require.EqualValues(t, buf.Len(), n)
	require.NoError(t, b.Restore(bytes.NewReader(buf.Bytes())))
	require.Empty(t, b.missing(files))
	require.Equal(t, []string{"late"}, b.missing([]File{{"late", nil}}))
	require.Len(t, b.contents(), 5)

	require.Error(t, b.Restore(bytes.NewReader(buf.Bytes()[:buf.Len()-1])), "a torn snapshot is an error")
	require.Len(t, b.contents(), 5, "and changes nothing")
	require.Error(t, b.Restore(bytes.NewReader([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 1})), "nor does a length of no sense")
	require.Equal(t, errBadCommand.Error(), string(a.Apply(7, []byte{9, 1})))
	require.Equal(t, errBadCommand.Error(), string(a.Apply(8, nil)))
}
