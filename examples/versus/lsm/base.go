package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// bases are stores that were filled once, each contender's in a directory.
// Samples open them, or a copy.
type bases struct {
	o    *session
	name string
	data data
	dirs map[string]string
}

func newBases(o *session, name string, d data) *bases {
	return &bases{o: o, name: name, data: d, dirs: map[string]string{}}
}

// dir returns the directory of a filled, settled and closed store.
func (b *bases) dir(c contender) (string, error) {
	if dir := b.dirs[c.name]; dir != "" {
		return dir, nil
	}
	dir := filepath.Join(b.o.Dir, b.name+"-"+c.name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	s, err := c.open(dir, usual)
	if err != nil {
		return "", err
	}
	if err := errors.Join(fill(s, b.data.value, 0, b.data.keys), s.Flush()); err != nil {
		return "", errors.Join(err, s.Close())
	}
	settle(b.o.Quick, afterFilling)
	if err := s.Close(); err != nil {
		return "", err
	}
	b.dirs[c.name] = dir
	return dir, nil
}

// copy returns the directory of a copy, which is the caller's.
func (b *bases) copy(c contender) (string, error) {
	from, err := b.dir(c)
	if err != nil {
		return "", err
	}
	to, err := os.MkdirTemp(b.o.Dir, b.name+"-"+c.name+"-copy-")
	if err != nil {
		return "", err
	}
	return to, os.CopyFS(to, os.DirFS(from))
}

// What settle waits for: a store that was just filled, and one that was settled before
// it was closed.
const (
	afterFilling = time.Second
	afterOpening = 250 * time.Millisecond
)

// settle waits until the background work is done: until the process has written
// nothing for so long.
func settle(quick bool, quiet time.Duration) {
	limit := time.Minute
	if quick {
		quiet = 50 * time.Millisecond
	}
	begin, last, since := time.Now(), written(), time.Now()
	for time.Since(since) < quiet && time.Since(begin) < limit {
		time.Sleep(quiet / 20)
		if now := written(); now != last {
			last, since = now, time.Now()
		}
	}
}

// runner is one sample: work on a store, which it closes and removes.
type runner struct {
	store
	remove string // directory
}

func (r *runner) close() error {
	err := r.store.Close()
	if r.remove != "" {
		err = errors.Join(err, os.RemoveAll(r.remove))
	}
	return err
}

// verify reads a few of the keys that must be there: a store that loses what it
// is given has no rate.
func verify(s store, d data) error {
	var k, v []byte
	for i := 0; i < d.keys; i += 1 + d.keys/100 {
		var found bool
		var err error
		k = keyOf(k, uint64(i))
		if v, found, err = s.Get(v[:0], k); err != nil || !found {
			return fmt.Errorf("key %d of %d: found %v, %w", i, d.keys, found, err)
		}
		if len(v) != d.value {
			return fmt.Errorf("key %d of %d has a value of %d bytes, not %d", i, d.keys, len(v), d.value)
		}
	}
	return nil
}
