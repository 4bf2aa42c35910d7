package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// A File is one of the input files.
type File struct {
	Name string // slash-separated, as in net/http/server.go
	Data []byte
}

// A Source is what the tour works on.
type Source struct {
	// Files are the .go files of package net and below, sorted by name.
	Files []File
	// Root is the folder that package net is in: a chapter that wants more
	// than Files reads it.
	Root string
	// Short asks chapters for less of what takes long.
	Short bool
}

// loadSource reads every .go file of package net and below. dir is the -src
// flag; if it is empty, the Go installation is looked for.
func loadSource(ctx context.Context, dir string) (Source, error) {
	if dir == "" {
		return loadInstalled(ctx)
	}
	if info, err := os.Stat(dir); err != nil {
		return Source{}, fmt.Errorf("-src: %w", err)
	} else if !info.IsDir() {
		return Source{}, fmt.Errorf("-src: %s is not a folder; name one with .go files in it", dir)
	}
	// A GOROOT/src, a GOROOT itself, or any folder of Go code.
	for _, net := range []string{filepath.Join(dir, "net"), filepath.Join(dir, "src", "net"), dir} {
		if info, err := os.Stat(net); err != nil || !info.IsDir() {
			continue
		}
		files, err := readGo(net)
		if err != nil || len(files) > 0 {
			root := dir
			if net != dir {
				root = filepath.Dir(net)
			}
			return Source{Files: files, Root: root}, err
		}
	}
	return Source{}, fmt.Errorf("-src: no .go files in %s; name a folder with Go code, such as the src folder of a Go installation", dir)
}

// loadInstalled tries the places that may know where Go is installed, the most
// reliable one first.
func loadInstalled(ctx context.Context) (Source, error) {
	var tried []string
	for _, root := range []string{askGo(ctx), os.Getenv("GOROOT")} {
		if root == "" {
			continue
		}
		net := filepath.Join(root, "src", "net")
		files, err := readGo(net)
		if err == nil && len(files) > 0 {
			return Source{Files: files, Root: filepath.Dir(net)}, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Source{}, err
		}
		tried = append(tried, net)
	}
	what := "the go command is not on the PATH, and GOROOT is not set"
	if len(tried) > 0 {
		what = "there are no .go files in " + strings.Join(tried, ", ")
	}
	return Source{}, fmt.Errorf("the tour needs the source of the Go installation, but %s; name any folder of Go code with -src DIR", what)
}

// askGo returns what the go command says, or nothing if there is none. An
// unreadable toolchain line in a go.mod around here must not matter, hence the
// folder.
func askGo(ctx context.Context) string {
	cmd := exec.CommandContext(ctx, "go", "env", "GOROOT")
	cmd.Dir = os.TempDir()
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// readGo reads the .go files of a folder and below, sorted by name. The names
// begin with the folder's own.
func readGo(dir string) ([]File, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the source: %w", err)
	}
	files, _, err := readTree(abs, math.MaxInt, func(name string) bool { return path.Ext(name) == ".go" })
	for i := range files {
		files[i].Name = path.Join(filepath.Base(abs), files[i].Name)
	}
	return files, err
}

// readTree reads the regular files of a folder and below whose names are wanted,
// sorted by name, until they would be longer than limit bytes in all; whole is
// false if that left some out.
func readTree(dir string, limit int, want func(name string) bool) (files []File, whole bool, err error) {
	tree, whole := os.DirFS(dir), true
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !want(name) {
			return err
		}
		data, err := fs.ReadFile(tree, name)
		if limit -= len(data); limit < 0 {
			whole = false
			return fs.SkipAll
		}
		files = append(files, File{name, data})
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("reading the source in %s: %w", dir, err)
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return files, whole, nil
}
