package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// jobMark begins the line with a child's figures.
const jobMark = "figures: "

// jobs are what a child may be told to do.
var jobs = map[string]func(j job, c contender) (figures, error){
	"values": loadValues, "settled": loadSettled, "crash": loadAndWait, "reopen": reopen,
}

// runJob does a job, says its figures and returns the exit code.
func runJob(order string, out io.Writer) int {
	var j job
	err := json.Unmarshal([]byte(order), &j)
	if err == nil {
		do, chosen := jobs[j.Kind], named(j.Contender)
		if do == nil || len(chosen) == 0 {
			err = fmt.Errorf("no job %q for %q", j.Kind, j.Contender)
		} else {
			var f figures
			if f, err = do(j, chosen[0]); err == nil {
				err = say(out, f)
			}
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if j.Kind == "crash" {
		// The parent kills this process; if it has gone, the job ends by itself.
		time.Sleep(time.Minute)
	}
	return 0
}

func say(out io.Writer, f figures) error {
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "\n%s%s\n", jobMark, text)
	return err
}

// loadValues fills a store with values of 1 KiB and closes it.
func loadValues(j job, c contender) (figures, error) {
	const size = 1024
	s, err := c.open(j.Dir, usual)
	if err != nil {
		return nil, err
	}
	w := watch()
	if err := errors.Join(fill(s, size, 0, j.Keys), s.Close()); err != nil {
		return nil, err
	}
	return w.figures(j.Keys, j.Keys*(16+size)), nil
}

// loadSettled writes a set of several times the cache, overwrites half of it, and
// waits for the compactions.
func loadSettled(j job, c contender) (figures, error) {
	const size = 1024
	s, err := c.open(j.Dir, settings{cache: 32 << 20, memtable: 8 << 20})
	if err != nil {
		return nil, err
	}
	w := watch()
	if err := errors.Join(fill(s, size, 0, j.Keys), fill(s, size, j.Keys/4, j.Keys*3/4)); err != nil {
		return nil, err
	}
	n := j.Keys + j.Keys/2
	f := w.figures(n, n*(16+size))
	settle(j.Quick, afterFilling)
	if err := verify(s, data{j.Keys, size}); err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	// The work that was left for later counts, the time of waiting does not.
	after := w.figures(n, n*(16+size))
	f["cpu"], f["amplification"], f["memory"] = after["cpu"], after["amplification"], after["memory"]
	space, err := diskSize(j.Dir)
	f["space"] = float64(space) / float64(j.Keys*(16+size))
	return f, err
}

// loadAndWait fills a store without syncing; then comes the kill.
func loadAndWait(j job, c contender) (figures, error) {
	s, err := c.open(j.Dir, usual)
	if err != nil {
		return nil, err
	}
	var k []byte
	for i := range uint64(j.Keys) {
		k = keyOf(k, i)
		if err := s.Put(k, valueOf(i, 100)); err != nil {
			return nil, err
		}
	}
	return figures{}, nil
}

// reopen opens the store of a process that was killed, up to the first answer,
// and counts what is missing.
func reopen(j job, c contender) (figures, error) {
	w := watch()
	s, err := c.open(j.Dir, usual)
	if err != nil {
		return nil, err
	}
	k := keyOf(nil, 0)
	if _, _, err := s.Get(nil, k); err != nil {
		return nil, err
	}
	f := w.figures(1, 1)
	f["seconds"] = time.Since(w.start).Seconds()
	var v []byte
	for i := range uint64(j.Keys) {
		var found bool
		k = keyOf(k, i)
		if v, found, err = s.Get(v[:0], k); err != nil {
			return nil, err
		}
		if !found {
			f["lost"]++
		}
	}
	if _, ok := f["lost"]; !ok {
		f["lost"] = 0
	}
	return f, s.Close()
}

// watcher measures from its beginning on.
type watcher struct {
	start   time.Time
	cpu     time.Duration
	written uint64
	peak    atomic.Uint64
}

func watch() *watcher {
	w := &watcher{start: time.Now(), cpu: cpuTime(), written: written()}
	go func() {
		// It ends with the process, which has no other work than this job.
		for {
			w.look()
			time.Sleep(5 * time.Millisecond)
		}
	}()
	return w
}

func (w *watcher) look() {
	if now := anonymous(); now > w.peak.Load() {
		w.peak.Store(now)
	}
}

func (w *watcher) figures(ops, given int) figures {
	w.look()
	return figures{
		"rate": float64(ops) / time.Since(w.start).Seconds(), "cpu": float64(cpuTime()-w.cpu) / float64(ops),
		"amplification": float64(written()-w.written) / float64(given), "memory": float64(w.peak.Load()),
	}
}

// diskSize returns the blocks that the files of a directory take.
func diskSize(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			total += allocated(info)
		}
		return err
	})
	return total, err
}
