package gateway

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/flagship-go/flagship/gateway/eskip"
)

// FileSource reads routes from one file and watches it, by looking at it again and again:
// that works on every system and every file system, also through a rename over it.
// Content is what counts, and it has to be the same at two looks in a row: half of a file that
// somebody is writing is not a configuration. So a change takes between one and two intervals.
type FileSource struct {
	Path string
	// Interval between two looks. 0: 500 ms.
	Interval time.Duration
}

// String is "file PATH".
func (s FileSource) String() string { return "file " + s.Path }

// Watch looks at the file, at once and then again and again.
func (s FileSource) Watch(ctx context.Context, apply func(Configuration, error) error) error {
	return watch(ctx, s.Interval, apply, func() (look, error) {
		text, err := os.ReadFile(s.Path)
		return look{{s.Path, string(text)}}, err
	})
}

// DirSource is a FileSource for all files of a directory that end in .eskip; they make one
// configuration together, and are checked together. An id that two of them have is an error that names both places.
type DirSource struct {
	Path     string
	Interval time.Duration
}

// String is "directory PATH".
func (s DirSource) String() string { return "directory " + s.Path }

// Watch looks at the files, at once and then again and again.
func (s DirSource) Watch(ctx context.Context, apply func(Configuration, error) error) error {
	return watch(ctx, s.Interval, apply, func() (look, error) {
		entries, err := os.ReadDir(s.Path) // sorted by name
		if err != nil {
			return nil, err
		}
		var l look
		for _, e := range entries {
			if e.IsDir() || !strings.HasSuffix(e.Name(), ".eskip") {
				continue
			}
			path := filepath.Join(s.Path, e.Name())
			text, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				continue // taken away between the two calls
			}
			if err != nil {
				return nil, err
			}
			l = append(l, file{path, string(text)})
		}
		return l, nil
	})
}

// A look is what was there: files by name. An error is one too, as a file without a name.
type look []file

type file struct{ name, text string }

// watcher tells news from what it has told, and from what is still being written.
//
//	look      A   A   A+  A+B  A+B  A+B  A+B
//	told      A   -   -   -    A+B  -    -
type watcher struct {
	looked     bool
	last, told look
}

// see takes the next look and says whether it is news: never told, and the same twice in a row.
func (w *watcher) see(l look) bool {
	if !w.looked {
		w.looked, w.last, w.told = true, l, l
		return true
	}
	settled := slices.Equal(l, w.last)
	w.last = l
	if !settled || slices.Equal(l, w.told) {
		return false
	}
	w.told = l
	return true
}

// watch looks, and has what is new applied, until ctx is done.
func watch(ctx context.Context, every time.Duration, apply func(Configuration, error) error, read func() (look, error)) error {
	if every == 0 {
		every = 500 * time.Millisecond
	}
	w, t := watcher{}, teller{apply: apply}
	for {
		l, err := read()
		if err != nil {
			l = look{{"", err.Error()}}
		}
		if w.see(l) {
			c := Configuration{}
			if err == nil {
				c, err = parseFiles(l)
			}
			t.tell(c, err)
		} else if slices.Equal(l, w.told) {
			t.nothingNew()
		}
		if err := wait(ctx, every); err != nil {
			return err
		}
	}
}

// parseFiles makes one configuration of all files. Errors of all of them are told.
func parseFiles(l look) (Configuration, error) {
	hash := sha256.New()
	var c Configuration
	var errs eskip.ErrorList
	for _, f := range l {
		fmt.Fprintf(hash, "%d %s", len(f.text), f.text)
		routes, err := eskip.Parse(f.name, f.text)
		errs = located(errs, &eskip.Route{File: f.name}, eskip.Pos{}, err)
		c.Routes = append(c.Routes, routes...)
	}
	c.Version = fmt.Sprintf("%x", hash.Sum(nil)[:6])
	if len(errs) > 0 {
		return Configuration{Version: c.Version}, errs
	}
	return c, nil
}

// wait waits, and ends early with the context's error.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
