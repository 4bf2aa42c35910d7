package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// A Result is one row of the matrix.
type Result struct {
	Bug     string  `json:"bug"`
	Rule    string  `json:"rule"`
	Source  string  `json:"source"`
	Path    string  `json:"path"`
	Verdict Verdict `json:"verdict"`
	Seconds float64 `json:"seconds"`          // of test time; building is not counted
	Line    string  `json:"line,omitempty"`   // the report that decided
	Detail  string  `json:"detail,omitempty"` // for every verdict but killed
	Output  string  `json:"output,omitempty"` // of the killer or the compiler
}

// A matrix runs every bug against its killers.
type matrix struct {
	module
	bugs     []*Bug
	whole    bool          // all tests of a killer's package instead of it
	again    bool          // run a killer that did not kill once more
	limit    time.Duration // of test time, for each killer
	parallel int

	compiler *compiler         // of the bugs that are passed over
	dirs     map[string]string // a killer's folder as written, to the folder on disk
	sick     map[Killer]Result // killers that cannot judge: why, in Detail and Output
}

// run plants each bug and passes the rows on in the order of the bugs. An error
// means that the matrix itself could not go on.
func (m *matrix) run(ctx context.Context, row func(Result)) error {
	if err := m.baseline(ctx); err != nil {
		return err
	}
	if err := m.prepareCompiler(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results := make([]chan Result, len(m.bugs))
	for i := range results {
		results[i] = make(chan Result, 1)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	next := make(chan int)
	for range m.parallel {
		wg.Go(func() {
			for i := range next {
				r, err := m.try(ctx, i)
				if err != nil {
					cancel(err)
					return
				}
				results[i] <- r
			}
		})
	}
	wg.Go(func() {
		defer close(next)
		for i := range m.bugs {
			select {
			case next <- i:
			case <-ctx.Done():
				return
			}
		}
	})
	for _, c := range results {
		select {
		case r := <-c:
			row(r)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// killersOf returns what judges the bug: its killers, or with -whole one killer
// for each package they are in.
func (m *matrix) killersOf(b *Bug) []Killer {
	if !m.whole {
		return b.Tests
	}
	var all []Killer
	seen := map[string]bool{}
	for _, k := range b.Tests {
		if !seen[k.Dir] {
			seen[k.Dir] = true
			all = append(all, Killer{Dir: k.Dir, Run: "."})
		}
	}
	return all
}

// baseline runs each distinct killer once without a bug. One that fails there,
// or runs nothing, is noted as sick: its kills would prove nothing.
func (m *matrix) baseline(ctx context.Context) error {
	m.dirs, m.sick = map[string]string{}, map[Killer]Result{}
	binaries := map[string]string{}
	builds := map[string]string{} // what the compiler said, by folder
	done := map[Killer]bool{}
	for _, b := range m.bugs {
		for _, k := range m.killersOf(b) {
			if done[k] || b.Elsewhere || b.PassedOver {
				continue
			}
			done[k] = true
			if _, ok := m.dirs[k.Dir]; !ok {
				found, err := packageDirs(ctx, m.root, "./"+filepath.ToSlash(filepath.Clean(filepath.FromSlash(k.Dir))))
				if err != nil {
					return fmt.Errorf("%s: test %s: %w", b.Path, k, err)
				}
				m.dirs[k.Dir] = found[0]
				binaries[k.Dir] = filepath.Join(m.tmp, fmt.Sprintf("base%d.exe", len(binaries)))
				builds[k.Dir], err = m.buildTest(ctx, found[0], "", binaries[k.Dir])
				if err != nil {
					return err
				}
			}
			if complaint := builds[k.Dir]; complaint != "" {
				m.sick[k] = Result{Detail: fmt.Sprintf("%s does not build without any bug", k), Output: complaint}
				continue
			}
			e, err := m.runTest(ctx, binaries[k.Dir], m.dirs[k.Dir], k.Run, m.tmp, true, m.limit)
			if err != nil {
				return err
			}
			if detail := checkBaseline(k, e); detail != "" {
				m.sick[k] = Result{Detail: detail, Output: e.output}
			}
		}
	}
	return nil
}

// prepareCompiler makes the compiler of the packages whose bugs are passed over.
func (m *matrix) prepareCompiler(ctx context.Context) (err error) {
	dirs := map[string]bool{}
	for _, b := range m.bugs {
		if b.PassedOver && !b.Elsewhere {
			dirs[filepath.Dir(b.target())] = true
		}
	}
	if len(dirs) > 0 {
		m.compiler, err = newCompiler(ctx, m.root, slices.Sorted(maps.Keys(dirs))...)
	}
	return err
}

// try plants bug i in a folder of its own and lets its killers judge it. The
// first that does not kill decides.
func (m *matrix) try(ctx context.Context, i int) (Result, error) {
	b := m.bugs[i]
	r := Result{Bug: b.Name, Rule: b.Rule, Source: b.Source, Path: b.Path}
	if b.Elsewhere {
		r.Verdict = elsewhere
		return r, nil
	}
	if b.PassedOver {
		r.Verdict = compiles
		if text, err := b.planted(); err != nil {
			r.Verdict, r.Detail = stale, err.Error()
		} else if r.Output = m.compiler.complaint(b.target(), text); r.Output != "" {
			r.Verdict, r.Detail = unbuilt, fmt.Sprintf("%s: the planted code does not compile", b.Path)
		}
		return r, nil
	}
	killers := m.killersOf(b)
	for _, k := range killers {
		if sick, ok := m.sick[k]; ok {
			r.Verdict, r.Detail, r.Output = badKiller, sick.Detail, sick.Output
			return r, nil
		}
	}
	tmp := filepath.Join(m.tmp, fmt.Sprintf("bug%d", i))
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return r, fmt.Errorf("making a folder for %s: %w", b.Name, err)
	}
	// Sixty test binaries would be some hundred megabytes; each goes at once.
	defer os.RemoveAll(tmp)
	overlay, err := plant(b, tmp)
	if old := (*errStale)(nil); errors.As(err, &old) {
		r.Verdict, r.Detail = stale, old.Error()
		return r, nil
	}
	if err != nil {
		return r, err
	}
	return m.confront(ctx, r, b, killers, tmp, overlay)
}

// confront runs the killers one after the other; those of one package share a
// binary. Its name ends as Windows needs it, which harms nowhere else.
func (m *matrix) confront(ctx context.Context, r Result, b *Bug, killers []Killer, tmp, overlay string) (Result, error) {
	binaries := map[string]string{}
	for _, k := range killers {
		binary, ok := binaries[k.Dir]
		if !ok {
			binary = filepath.Join(tmp, fmt.Sprintf("planted%d.exe", len(binaries)))
			complaint, err := m.buildTest(ctx, m.dirs[k.Dir], overlay, binary)
			if err != nil {
				return r, err
			}
			if complaint != "" {
				r.Verdict, r.Output = unbuilt, complaint
				r.Detail = fmt.Sprintf("%s: the planted code, or a test with it, does not compile; a build failure is no kill", b.Path)
				return r, nil
			}
			binaries[k.Dir] = binary
		}
		if err := m.face(ctx, &r, b, k, binary, tmp); err != nil {
			return r, err
		}
		if m.again && (r.Verdict == lived || r.Verdict == wrongRule || r.Verdict == timedOut) {
			if err := m.face(ctx, &r, b, k, binary, tmp); err != nil {
				return r, err
			}
			r.Line = "(second try) " + r.Line
		}
		if r.Verdict != killed {
			return r, nil
		}
	}
	return r, nil
}

// face runs one killer, and adds what comes of it to r.
func (m *matrix) face(ctx context.Context, r *Result, b *Bug, k Killer, binary, tmp string) error {
	e, err := m.runTest(ctx, binary, m.dirs[k.Dir], k.Run, tmp, false, m.limit)
	if err != nil {
		return err
	}
	r.Seconds += e.seconds
	r.Output += e.output
	r.Verdict, r.Line, r.Detail = judge(b, k, e)
	return nil
}
