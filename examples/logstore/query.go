package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/flagship-go/flagship/lsm"
)

// query is a question: its fields are the flags of commands tail and query, and
// the parameters of /tail and /query.
type query struct {
	from, to, prefix string // beginnings of times
	source, contains string
	limit            int
	count, versions  bool
	last             int // tail: how many lines
	follow           bool
}

// parseQuery reads a question.
func parseQuery(v url.Values, now time.Time) (q query, err error) {
	note := func(name string, e error) {
		if e != nil && err == nil {
			err = fmt.Errorf("%s: %w", name, e)
		}
	}
	for name := range v {
		if !slices.Contains([]string{"from", "to", "prefix", "source", "contains", "limit", "count", "all-versions", "n", "f"}, name) {
			note(name, fmt.Errorf("there is no such parameter"))
		}
	}
	for name, field := range map[string]*string{"from": &q.from, "to": &q.to, "prefix": &q.prefix} {
		var e error
		*field, e = bound(v.Get(name), now)
		note(name, e)
	}
	if q.prefix != "" && q.from+q.to != "" {
		note("prefix", fmt.Errorf("it replaces from and to"))
	}
	number := func(name string, field *int) {
		if text := v.Get(name); text != "" {
			n, e := strconv.ParseUint(text, 10, 31)
			*field = int(n)
			note(name, e)
		}
	}
	flag := func(name string, field *bool) {
		if text := v.Get(name); text != "" {
			b, e := strconv.ParseBool(text)
			*field = b
			note(name, e)
		}
	}
	q.last = 10
	q.source, q.contains = v.Get("source"), v.Get("contains")
	number("limit", &q.limit)
	number("n", &q.last)
	flag("count", &q.count)
	flag("all-versions", &q.versions)
	flag("f", &q.follow)
	return q, err
}

// bounds are those of the keys that can be of interest.
func (q *query) bounds() *lsm.IterOptions {
	if q.prefix != "" || q.from+q.to == "" {
		return &lsm.IterOptions{Prefix: []byte(linePrefix + q.prefix), AllVersions: q.versions}
	}
	o := &lsm.IterOptions{Lower: []byte(linePrefix + q.from), Upper: []byte("m"), AllVersions: q.versions} // m follows l
	if q.to != "" {
		o.Upper = []byte(linePrefix + q.to)
	}
	return o
}

// wants reports whether a line that is within the bounds is one asked for.
func (q *query) wants(l line) bool {
	if q.source != "" {
		if _, source, ok := splitKey(l.key); !ok || source != q.source {
			return false
		}
	}
	return q.contains == "" || bytes.Contains(l.text, []byte(q.contains))
}

// query writes the lines asked for, in the order of their times.
func (s *store) query(ctx context.Context, q query, w io.Writer) (err error) {
	it, err := s.db.NewIter(q.bounds())
	if err != nil {
		return err
	}
	defer func() {
		if cerr := it.Close(); err == nil {
			err = cerr
		}
	}()
	var buf []byte
	n := 0
	for ok := it.First(); ok && (q.limit == 0 || n < q.limit); ok = it.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		l := line{it.Key(), nil}
		if !q.count || q.contains != "" {
			if l.text = it.Value(); it.Err() != nil {
				break
			}
		}
		if !q.wants(l) {
			continue
		}
		n++
		if q.count {
			continue
		}
		if buf = buf[:0]; q.versions {
			buf = fmt.Appendf(buf, "#%d ", it.Version())
		}
		if _, err := w.Write(l.show(buf)); err != nil {
			return err
		}
	}
	if q.count && it.Err() == nil {
		_, err = fmt.Fprintln(w, n)
	}
	return err
}

// tail writes the last lines, and with follow those that arrive, until ctx ends
// or nobody reads. flush is called when there is nothing more to write for now.
func (s *store) tail(ctx context.Context, q query, w io.Writer, flush func()) error {
	var f *follower
	if q.follow {
		f = s.follow() // before the last lines are read, so that none is missed
		defer s.unfollow(f)
	}
	last, err := s.last(q)
	if err != nil {
		return err
	}
	shown := map[string]bool{}
	for _, l := range last {
		shown[string(l.key)] = q.follow
		if _, err := w.Write(l.show(nil)); err != nil {
			return err
		}
	}
	flush()
	for q.follow {
		var l followed
		select {
		case <-ctx.Done():
			return nil
		case l = <-f.lines:
		}
		if err := tellMissing(w, l.missed); err != nil {
			return err
		}
		if q.wants(l.line) && !shown[string(l.key)] {
			if _, err := w.Write(l.show(nil)); err != nil {
				return err
			}
		}
		if len(f.lines) == 0 {
			if err := tellMissing(w, s.missing(f)); err != nil {
				return err
			}
			flush()
		}
	}
	return nil
}

func tellMissing(w io.Writer, n int) (err error) {
	if n > 0 {
		_, err = fmt.Fprintf(w, "(%d lines are left out here: this reader is too slow for them)\n", n)
	}
	return err
}

// last returns the newest lines asked for, oldest first.
func (s *store) last(q query) (lines []line, err error) {
	it, err := s.db.NewIter(q.bounds())
	if err != nil {
		return nil, err
	}
	for ok := it.Last(); ok && len(lines) < q.last; ok = it.Prev() {
		if l := (line{it.Key(), it.Value()}); q.wants(l) {
			lines = append(lines, line{bytes.Clone(l.key), bytes.Clone(l.text)})
		}
	}
	slices.Reverse(lines)
	return lines, it.Close()
}
