package main

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// A compiler tells whether planted code compiles by type checking its package alone: some milliseconds, where building and linking
// a test takes seconds. Tests of the package are not looked at. It is safe for concurrent use.
type compiler struct {
	mu       sync.Mutex // the importer is for one goroutine
	fset     *token.FileSet
	importer types.Importer
	files    map[string]map[string]*ast.File // by folder and name; nil: not parsed yet
}

// newCompiler asks the go command once for the files of the packages in dirs, and for what is compiled of all that they import.
func newCompiler(ctx context.Context, root string, dirs ...string) (*compiler, error) {
	c := &compiler{fset: token.NewFileSet(), files: map[string]map[string]*ast.File{}}
	const template = `{{.ImportPath}}|{{.Export}}|{{.Dir}}|{{if not .Standard}}{{join .GoFiles "|"}}{{end}}`
	lines, err := goList(ctx, root, []string{"-export", "-deps"}, template, dirs...)
	if err != nil {
		return nil, err
	}
	exports := map[string]string{}
	for _, line := range lines {
		fields := strings.Split(line, "|")
		if len(fields) < 4 {
			return nil, fmt.Errorf("listing the packages of bugs: a line %q", line)
		}
		exports[fields[0]] = fields[1]
		files := map[string]*ast.File{}
		for _, name := range fields[3:] {
			files[name] = nil
		}
		c.files[fields[2]] = files
	}
	c.importer = importer.ForCompiler(c.fset, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" { // planted code alone imports it
			export, err := goList(ctx, root, []string{"-export"}, "{{.Export}}", path)
			if err != nil {
				return nil, err
			}
			exports[path] = export[0]
		}
		return os.Open(exports[path])
	})
	return c, nil
}

// complaint is what is wrong with a file's package when text is in its place; "": nothing.
func (c *compiler) complaint(path, text string) string {
	dir, file := filepath.Dir(path), filepath.Base(path)
	c.mu.Lock()
	defer c.mu.Unlock()
	files, ok := c.files[dir]
	if !ok {
		return fmt.Sprintf("%s is no package", dir)
	}
	if filepath.Ext(file) != ".go" { // a file that the package embeds
		return ""
	}
	if _, ok := files[file]; !ok {
		return fmt.Sprintf("%s is no file of the package in %s", file, dir)
	}
	planted, err := parser.ParseFile(c.fset, file, text, parser.SkipObjectResolution)
	if err != nil {
		return err.Error()
	}
	all := []*ast.File{planted}
	for name, parsed := range files {
		if name == file {
			continue
		}
		if parsed == nil {
			if parsed, err = parser.ParseFile(c.fset, filepath.Join(dir, name), nil, parser.SkipObjectResolution); err != nil {
				return err.Error()
			}
			files[name] = parsed
		}
		all = append(all, parsed)
	}
	var wrong []error
	config := types.Config{Importer: c.importer, Sizes: types.SizesFor("gc", runtime.GOARCH), Error: func(err error) { wrong = append(wrong, err) }}
	_, _ = config.Check(dir, c.fset, all, nil) // each error was given to config.Error
	if err := errors.Join(wrong...); err != nil {
		return err.Error()
	}
	return ""
}
