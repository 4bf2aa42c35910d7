package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChapterErasureKeepsItsPromises(t *testing.T) {
	temp := tempIn(t)
	root := someTree(t, 1000)
	files, _, err := readTree(root, 60<<10, func(string) bool { return true })
	require.NoError(t, err)
	var told, broken []string
	ok, err := play(t.Context(), []Chapter{erasureChapter}, Source{Files: files, Root: root}, func(e Event) {
		if e.Kind == KindClaim && !e.OK {
			broken = append(broken, "RULE tour-claim: "+e.Text)
		}
		told = append(told, fmt.Sprintf("%s %s %t %s", e.At, e.Kind, e.OK, e.Text))
	})
	all := strings.Join(told, "\n")
	require.NoError(t, err)
	require.Empty(t, broken)
	require.True(t, ok, all)
	for _, part := range []string{"drive2 and drive5 are deleted", "corrupt", "offline", "two empty drives", "8 of 8 on their drives"} {
		require.Contains(t, all, part)
	}
	left, err := filepath.Glob(filepath.Join(temp, "flagship-tour-*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestParcelsAreTheProgramsOfAnInstallation(t *testing.T) {
	goroot := t.TempDir()
	for name, size := range map[string]int{"bin/go": 300, "bin/gofmt": 100, "pkg/tool/x/compile": 500, "pkg/tool/x/link": 400,
		"pkg/tool/x/vet": 200, "pkg/tool/x/nm": 50, "src/net/a.go": 10} {
		path := filepath.Join(goroot, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, make([]byte, size), 0o644))
	}
	all, err := parcels(&Stage{Root: filepath.Join(goroot, "src"), Files: []File{{"net/a.go", []byte("package a")}}})
	require.NoError(t, err)
	var names []string
	for _, p := range all {
		names = append(names, p.name)
		body, err := p.open()
		require.NoError(t, err)
		n, err := io.Copy(io.Discard, body)
		require.NoError(t, err)
		require.NoError(t, body.Close())
		if p.size >= 0 {
			require.Equal(t, p.size, n)
		}
	}
	require.Equal(t, []string{"bin/compile", "bin/link", "bin/go", "bin/vet", "bin/gofmt", "src.tar", "src/net/a.go"}, names)
}
