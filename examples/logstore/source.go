package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"time"
)

// maxLine is the longest line; longer ones are kept in pieces.
const maxLine = 1 << 20

const readSize = 256 << 10

// source is where lines come from. It is used by one goroutine.
type source interface {
	// name is what lines are kept under.
	name() string
	// positioned reports whether the source can go on at a position: then one
	// that was stored before does.
	positioned() bool
	// seek makes the line at a position the next one.
	seek(position uint64) error
	// next returns the next line, valid until the next call, its position, and
	// that behind it. More says that another one is at hand, without waiting.
	next(ctx context.Context) (text []byte, position, behind uint64, more bool, err error)
	// size is the position of the end as it is now; 0 when nobody knows.
	size() uint64
	close() error
}

// reader is a source of lines of text.
type reader struct {
	file   *os.File // nil: a stream
	title  string
	follow bool // go on when the file grows
	in     *bufio.Reader
	at     uint64 // position of the next line
	held   []byte // the beginning of a line whose end is not written yet
}

// openFile opens a file; its positions are bytes.
func openFile(path string, follow bool) (*reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || info.IsDir() {
		f.Close()
		return nil, fmt.Errorf("%s is a folder, not a file of lines: %w", path, errors.Join(err))
	}
	title := strings.Join(strings.Fields(path), "_")
	return &reader{file: f, title: title, follow: follow, in: bufio.NewReaderSize(f, readSize)}, checkSource(title)
}

// newStream makes a source of what can be read once; its lines have no position
// to go on at.
func newStream(r io.Reader, title string) *reader {
	return &reader{title: title, in: bufio.NewReaderSize(r, readSize)}
}

func (r *reader) name() string     { return r.title }
func (r *reader) positioned() bool { return r.file != nil }

func (r *reader) close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

func (r *reader) size() uint64 {
	if r.file == nil {
		return 0
	}
	info, err := r.file.Stat()
	if err != nil {
		return 0
	}
	return uint64(info.Size())
}

// seek goes to a position; a file that is shorter is another one by now, and is
// read from its beginning.
func (r *reader) seek(position uint64) error {
	if position > r.size() {
		position = 0
	}
	_, err := r.file.Seek(int64(position), io.SeekStart)
	r.in.Reset(r.file)
	r.at, r.held = position, r.held[:0]
	return err
}

func (r *reader) next(ctx context.Context) (text []byte, position, behind uint64, more bool, err error) {
	for {
		part, err := r.in.ReadSlice('\n')
		r.held = append(r.held, part...)
		switch {
		case err == nil || len(r.held) >= maxLine || errors.Is(err, io.EOF) && len(r.held) > 0 && !r.follow:
			return r.take()
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && r.follow:
			if err := r.wait(ctx); err != nil {
				return nil, 0, 0, false, err
			}
		case err != nil:
			return nil, 0, 0, false, err
		}
	}
}

// take returns the line that is held.
func (r *reader) take() (text []byte, position, behind uint64, more bool, err error) {
	text, position = r.held, r.at
	r.at += uint64(len(text))
	r.held = r.held[:0]
	if n := len(text); n > 0 && text[n-1] == '\n' {
		if text = text[:n-1]; n > 1 && text[n-2] == '\r' {
			text = text[:n-2]
		}
	}
	return text, position, r.at, r.more(), nil
}

// more reports whether a whole line is at hand: for the end of one that is begun
// nobody knows how long one waits.
func (r *reader) more() bool {
	b, _ := r.in.Peek(r.in.Buffered())
	return bytes.IndexByte(b, '\n') >= 0
}

// wait returns after a while, when the file may be longer.
func (r *reader) wait(ctx context.Context) error {
	if r.size() < r.at+uint64(len(r.held)) { // it was cut: what is written now comes from its beginning
		return r.seek(0)
	}
	t := time.NewTimer(100 * time.Millisecond)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// generator makes up lines, the same ones in every run; its positions count them.
type generator struct {
	title  string
	lines  uint64
	length int
	every  time.Duration // 0: as fast as they are taken
	due    time.Time
	at     uint64
	seed   rand.PCG
	buf    []byte
}

func (g *generator) name() string     { return g.title }
func (g *generator) positioned() bool { return true }
func (g *generator) size() uint64     { return g.lines }
func (g *generator) close() error     { return nil }

func (g *generator) seek(position uint64) error {
	g.at = position
	return nil
}

func (g *generator) next(ctx context.Context) (text []byte, position, behind uint64, more bool, err error) {
	if g.at >= g.lines {
		return nil, 0, 0, false, io.EOF
	}
	if g.every > 0 {
		if g.due.IsZero() {
			g.due = time.Now()
		}
		t := time.NewTimer(time.Until(g.due))
		defer t.Stop()
		select {
		case <-ctx.Done():
			return nil, 0, 0, false, ctx.Err()
		case <-t.C:
		}
		g.due = g.due.Add(g.every)
	}
	g.buf = g.line(g.buf[:0])
	g.at++
	return g.buf, g.at - 1, g.at, g.at < g.lines && time.Until(g.due) <= 0, nil
}

var words = strings.Fields(`connection accepted request handled in user session cache miss hit retry timeout upstream
	slow query returned rows flushed compacted checkpoint written leader elected vote granted payment order shipped`)

// line appends line g.at: it depends on nothing else.
func (g *generator) line(dst []byte) []byte {
	g.seed.Seed(uint64(len(g.title)), g.at)
	level := "INFO"
	switch n := g.seed.Uint64() % 100; {
	case n < 2:
		level = "ERROR"
	case n < 10:
		level = "WARN"
	}
	start := len(dst)
	dst = fmt.Appendf(dst, "level=%s generated=%d msg=\"", level, g.at)
	for len(dst)-start < g.length-1 {
		dst = append(append(dst, words[g.seed.Uint64()%uint64(len(words))]...), ' ')
	}
	dst[len(dst)-1] = '"'
	return dst
}
