package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/lsm"
)

// format is what this build writes. A store says of itself what it holds.
const format = "logstore 1"

// store is lines on package lsm, and who follows them. It is safe for concurrent
// use.
type store struct {
	db        *lsm.DB
	dir       string
	retention time.Duration // 0: for ever
	opening   time.Duration // how long it took to open

	serial  atomic.Uint64 // positions of lines that have none of their own
	batches sync.Pool
	lines   atomic.Uint64
	bytes   atomic.Uint64
	appends atomic.Uint64
	spent   atomic.Int64 // in appends

	mu        sync.Mutex
	followers map[*follower]struct{}
}

// openStore opens the store of a directory, or makes one there.
func openStore(c *config) (*store, error) {
	start := time.Now()
	db, err := lsm.Open(c.dir, c.options())
	if errors.Is(err, vfs.ErrLocked) {
		return nil, fmt.Errorf("directory %s is in use by another process: %w", c.dir, err)
	}
	if err != nil {
		return nil, err
	}
	s := &store{db: db, dir: c.dir, retention: c.retention, followers: map[*follower]struct{}{}}
	if err := s.checkFormat(c.readOnly); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s.serial.Store(uint64(start.UnixNano())) // so that no process uses one again
	s.opening = time.Since(start)
	return s, nil
}

// checkFormat refuses what another program or a newer build has written.
func (s *store) checkFormat(readOnly bool) error {
	got, err := s.db.Get([]byte(formatKey))
	switch {
	case err == nil && string(got) == format:
		return nil
	case err == nil:
		return fmt.Errorf("directory %s holds format %q, and this build knows %q: take the newer build that wrote it", s.dir, got, format)
	case !errors.Is(err, lsm.ErrNotFound):
		return err
	}
	for _, err := range s.db.Range(nil, nil) {
		if err != nil {
			return err
		}
		return fmt.Errorf("directory %s is a store of package lsm, but of another program: give another -dir", s.dir)
	}
	if readOnly {
		return nil
	}
	return s.db.Put([]byte(formatKey), []byte(format))
}

// position returns up to where a source is stored.
func (s *store) position(source string) (uint64, error) {
	v, err := s.db.Get([]byte(positionPrefix + source))
	switch {
	case errors.Is(err, lsm.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, err
	case len(v) != 8:
		return 0, fmt.Errorf("the position of source %s has %d bytes, not 8", source, len(v))
	}
	return binary.LittleEndian.Uint64(v), nil
}

// append stores lines of a source, all or none. With positions the source is
// stored up to position with the same batch: whatever happens, a line is there if
// and only if the source goes on behind it (rule G2).
func (s *store) append(source string, lines []line, positioned bool, position uint64) error {
	start := time.Now()
	b, ok := s.batches.Get().(*lsm.Batch)
	if !ok {
		b = s.db.NewBatch()
	}
	b.Reset()
	size := 0
	for _, l := range lines {
		size += len(l.text)
		if s.retention > 0 {
			b.PutTTL(l.key, l.text, s.retention)
		} else {
			b.Put(l.key, l.text)
		}
	}
	if positioned {
		b.Put([]byte(positionPrefix+source), binary.LittleEndian.AppendUint64(nil, position))
	}
	if err := s.db.Apply(b); err != nil {
		return err
	}
	s.batches.Put(b)
	s.lines.Add(uint64(len(lines)))
	s.bytes.Add(uint64(size))
	s.appends.Add(1)
	s.spent.Add(int64(time.Since(start)))
	s.publish(lines)
	return nil
}

// followRoom is how many lines a follower may be behind.
const followRoom = 1 << 14

// follower is who wants every line that arrives. One that is too slow misses
// lines, and is told where, and how many: ingestion does not wait for it.
type follower struct {
	lines  chan followed
	missed int // since the last one there was room for; guarded by the store's mu
}

// followed is a line on its way to a follower, and how many are missing before it.
type followed struct {
	line
	missed int
}

func (s *store) follow() *follower {
	f := &follower{lines: make(chan followed, followRoom)}
	s.mu.Lock()
	s.followers[f] = struct{}{}
	s.mu.Unlock()
	return f
}

func (s *store) unfollow(f *follower) {
	s.mu.Lock()
	delete(s.followers, f)
	s.mu.Unlock()
}

func (s *store) publish(lines []line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.followers) == 0 {
		return
	}
	for _, l := range lines {
		l = line{bytes.Clone(l.key), bytes.Clone(l.text)}
		for f := range s.followers {
			select {
			case f.lines <- followed{l, f.missed}:
				f.missed = 0
			default:
				f.missed++
			}
		}
	}
}

// missing returns how many lines are missing behind all that f has been given, if
// it has taken them.
func (s *store) missing(f *follower) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(f.lines) == 0 {
		n, f.missed = f.missed, 0
	}
	return n
}

func (s *store) close() error { return s.db.Close() }
