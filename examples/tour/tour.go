package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// chapterLimit ends a chapter that hangs. The slowest machines need a fraction
// of it.
const chapterLimit = 5 * time.Minute

// chapters lists what there is, in the order of a first visit.
func chapters() []Chapter {
	return []Chapter{raftChapter, lsmChapter, erasureChapter, mvccChapter, gatewayChapter, bftChapter}
}

// choose returns the chapters with the given names, in the order of all; no
// names mean all of them.
func choose(all []Chapter, names []string) ([]Chapter, error) {
	var known []string
	for _, c := range all {
		known = append(known, c.Name)
	}
	for _, n := range names {
		if !slices.Contains(known, n) {
			return nil, fmt.Errorf("there is no chapter %q; there are: %s", n, strings.Join(known, ", "))
		}
	}
	if len(names) == 0 {
		return all, nil
	}
	return slices.DeleteFunc(slices.Clone(all), func(c Chapter) bool { return !slices.Contains(names, c.Name) }), nil
}

// play runs the chapters one after the other and reports whether all succeeded.
// An error means that the tour itself could not go on, or was interrupted.
func play(ctx context.Context, chosen []Chapter, src Source, sink Sink) (ok bool, err error) {
	root, err := os.MkdirTemp("", "flagship-tour-")
	if err != nil {
		return false, fmt.Errorf("making a temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(root)) }()
	ok = true
	for _, c := range chosen {
		good, err := playOne(ctx, c, src, filepath.Join(root, c.Name), sink)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if err != nil {
			return false, err
		}
		ok = ok && good
	}
	return ok, nil
}

// playOne runs a chapter in the folder dir, which it makes and removes.
func playOne(ctx context.Context, c Chapter, src Source, dir string, sink Sink) (bool, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return false, fmt.Errorf("making a folder for chapter %s: %w", c.Name, err)
	}
	inner, cancel := context.WithTimeout(ctx, chapterLimit)
	defer cancel()
	s := &Stage{Files: src.Files, Root: src.Root, Dir: dir, Short: src.Short, chapter: c.Name, start: time.Now(), sink: sink}
	s.emit(Event{Kind: KindBegin, Text: c.Title})
	why := ""
	switch err := c.Run(inner, s); {
	case ctx.Err() != nil:
		why = "interrupted"
	case inner.Err() != nil:
		why = fmt.Sprintf("not done after %v", chapterLimit)
	case err != nil:
		why = err.Error()
	case s.claims == 0:
		why = "it claimed nothing, so it proved nothing"
	case s.held < s.claims:
		why = fmt.Sprintf("%d of %d claims did not hold", s.claims-s.held, s.claims)
	}
	s.emit(Event{Kind: KindEnd, OK: why == "", Text: why, Done: s.held, Total: s.claims})
	if err := os.RemoveAll(dir); err != nil {
		return false, fmt.Errorf("removing the folder of chapter %s: %w", c.Name, err)
	}
	return why == "", nil
}
