package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/lsm"
)

// someTree makes a folder of n files of many sizes.
func someTree(t *testing.T, n int) string {
	root := t.TempDir()
	for i := range n {
		path := filepath.Join(root, fmt.Sprintf("d%02d", i%20), fmt.Sprintf("f%04d.go", i))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		data := bytes.Repeat(fmt.Appendf(nil, "line of %d\n", i), 1+i*53%1000)
		require.NoError(t, os.WriteFile(path, data, 0o644))
	}
	return root
}

func TestChapterLSMKeepsItsPromises(t *testing.T) {
	temp := tempIn(t)
	root := someTree(t, 1000)
	var told, broken []string
	ok, err := play(t.Context(), []Chapter{lsmChapter}, Source{Root: root}, func(e Event) {
		if e.Kind == KindClaim && !e.OK {
			broken = append(broken, "RULE tour-claim: "+e.Text)
		}
		told = append(told, fmt.Sprintf("%s %s %t %s", e.At, e.Kind, e.OK, e.Text))
	})
	require.NoError(t, err)
	require.Empty(t, broken)
	require.True(t, ok, strings.Join(told, "\n"))
	all := strings.Join(told, "\n")
	for _, part := range []string{"takes all 1000 files", "one range delete removes 100 files", "\nL6 ", ": found",
		"it is killed (SIGKILL)", "one bit is turned", "no damage"} {
		require.Contains(t, all, part)
	}
	left, err := filepath.Glob(filepath.Join(temp, "flagship-tour-*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestChapterLSMNeedsEnoughFiles(t *testing.T) {
	root := someTree(t, 99)
	var end Event
	ok, err := play(t.Context(), []Chapter{lsmChapter}, Source{Root: root}, func(e Event) { end = e })
	require.NoError(t, err)
	require.False(t, ok)
	require.Contains(t, end.Text, "name a larger folder with -src")
}

func TestTreeIsReadUpToALimitInTheOrderOfNames(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"a.go", "a/z.go", "b/y.txt", "b/z.go"} {
		require.NoError(t, os.MkdirAll(filepath.Join(root, filepath.Dir(name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(name), 0o644))
	}
	all := func(string) bool { return true }
	names := func(files []File) (out []string) {
		for _, f := range files {
			out = append(out, f.Name)
		}
		return out
	}
	files, whole, err := readTree(root, 100, all)
	require.NoError(t, err)
	require.True(t, whole)
	require.Equal(t, []string{"a.go", "a/z.go", "b/y.txt", "b/z.go"}, names(files))
	files, whole, err = readTree(root, 4+6+7, all)
	require.NoError(t, err)
	require.False(t, whole)
	require.Equal(t, []string{"a.go", "a/z.go", "b/y.txt"}, names(files))
}

func TestShelfSeesEveryDifference(t *testing.T) {
	files := []File{{"a", []byte("1")}, {"b", []byte("2")}, {"c", []byte("3")}}
	for _, c := range []struct {
		name   string
		change func(b *lsm.Batch, s *shelf)
		want   string
	}{
		{"none", func(*lsm.Batch, *shelf) {}, ""},
		{"missing", func(b *lsm.Batch, _ *shelf) { b.Delete([]byte("b")) }, `after 1 files comes "c", not "b"`},
		{"missing at the end", func(b *lsm.Batch, _ *shelf) { b.Delete([]byte("c")) }, "c and what follows is not there"},
		{"too many", func(b *lsm.Batch, _ *shelf) { b.Put([]byte("d"), nil) }, `"d" is there, and should not be`},
		{"deleted and back", func(_ *lsm.Batch, s *shelf) { s.editions[2] = gone }, `"c" is there, and should not be`},
		{"other contents", func(b *lsm.Batch, _ *shelf) { b.Put([]byte("b"), []byte("3")) }, "b is not what was written"},
		{"old edition", func(_ *lsm.Batch, s *shelf) { s.editions[0] = 1 }, "a is not what was written"},
		{"wrong edition", func(b *lsm.Batch, s *shelf) {
			b.Put([]byte("a"), edition(files[0], 2))
			s.editions[0] = 1
		}, "a is not what was written"},
		{"right edition", func(b *lsm.Batch, s *shelf) {
			b.Put([]byte("a"), edition(files[0], 2))
			s.editions[0] = 2
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			db, err := lsm.Open("shelf", &lsm.Options{InMemory: true})
			require.NoError(t, err)
			defer db.Close()
			s := newShelf(files)
			b := db.NewBatch()
			for _, f := range files {
				b.Put([]byte(f.Name), f.Data)
			}
			c.change(b, s)
			require.NoError(t, db.Apply(b))
			it, err := db.NewIter(nil)
			require.NoError(t, err)
			got, err := s.compare(it)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}
