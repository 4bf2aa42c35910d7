package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// A screen says what the terminal can do.
type screen struct {
	width int  // columns
	live  bool // a line can be rewritten
	color bool
}

const (
	minWidth = 30
	maxWidth = 100 // longer lines are hard to read
)

// Colours are those of the reader's theme, so they can be read on any ground.
const (
	bold  = "\x1b[1m"
	dim   = "\x1b[2m"
	green = "\x1b[32m"
	red   = "\x1b[31m"
	plain = "\x1b[0m"
)

// A terminal tells the tour to a reader.
type terminal struct {
	w io.Writer
	screen
	open  bool          // a progress line stands at the cursor
	drawn time.Duration // when it was last drawn
	step  int           // the last quarter of the progress that was printed
	first bool
}

func newTerminal(w io.Writer, s screen) Sink {
	s.width = min(max(s.width, minWidth), maxWidth)
	t := &terminal{w: w, screen: s, first: true}
	return t.show
}

func (t *terminal) show(e Event) {
	switch e.Kind {
	case KindBegin:
		if !t.first {
			t.line("")
		}
		t.first = false
		t.block(bold, "", e.Chapter+": "+e.Text)
		t.line(t.paint(dim, strings.Repeat("-", min(t.width, utf8.RuneCountInString(e.Chapter+": "+e.Text)))))
	case KindSay:
		t.block("", "", e.Text)
	case KindEvent:
		lead := fmt.Sprintf("%8s  ", seconds(e.At))
		if e.Actor != "" {
			lead += e.Actor + "  "
		}
		t.block(dim, lead, e.Text)
	case KindPicture:
		for l := range strings.Lines(e.Text) {
			t.line(cut(strings.TrimRight(l, " \n"), t.width))
		}
	case KindProgress:
		t.progress(e)
	case KindClaim:
		if e.OK {
			t.block(green, "  ok    ", e.Text)
		} else {
			t.block(red, "  FAIL  ", e.Text)
		}
	case KindEnd:
		if e.OK {
			t.block(bold, "", fmt.Sprintf("%s done: %d of %d claims held, %s", e.Chapter, e.Done, e.Total, seconds(e.At)))
		} else {
			t.block(red, "", fmt.Sprintf("%s FAILED after %s: %s", e.Chapter, seconds(e.At), e.Text))
		}
	}
}

// progress redraws one line, or where lines cannot be redrawn prints one at each
// quarter.
func (t *terminal) progress(e Event) {
	if e.Total <= 0 {
		return
	}
	label := fmt.Sprintf("  %s %d/%d", e.Text, e.Done, e.Total)
	if !t.live {
		step := e.Done * 4 / e.Total
		if step != t.step && step > 0 {
			t.block(dim, "  ", strings.TrimSpace(label))
		}
		t.step = step % 4
		return
	}
	finished := e.Done >= e.Total
	if t.open && !finished && e.At-t.drawn < 50*time.Millisecond && e.At >= t.drawn {
		return
	}
	t.drawn = e.At
	bar := ""
	if room := min(24, t.width-1-utf8.RuneCountInString(label)-3); room >= 4 {
		full := min(room*e.Done/e.Total, room)
		bar = " [" + strings.Repeat("#", full) + strings.Repeat(".", room-full) + "]"
	}
	// The last column stays free: writing it would wrap on some terminals.
	fmt.Fprint(t.w, "\r\x1b[K", t.paint(dim, cut(label+bar, t.width-1)))
	t.open = true
	if finished {
		fmt.Fprintln(t.w)
		t.open = false
	}
}

// line prints one line, in the place of an unfinished progress line.
func (t *terminal) line(s string) {
	if t.open {
		fmt.Fprint(t.w, "\r\x1b[K")
		t.open = false
	}
	fmt.Fprintln(t.w, s)
}

// block prints text wrapped to the width. The lead stands before the first line,
// and the others are indented by as much.
func (t *terminal) block(color, lead, text string) {
	indent := utf8.RuneCountInString(lead)
	if indent > t.width/2 {
		t.line(t.paint(color, cut(strings.TrimRight(lead, " "), t.width)))
		lead, indent = "    ", 4
	}
	for _, l := range wrap(text, t.width-indent) {
		t.line(t.paint(color, lead+l))
		lead = strings.Repeat(" ", indent)
	}
}

func (t *terminal) paint(color, s string) string {
	if !t.color || color == "" || s == "" {
		return s
	}
	return color + s + plain
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2fs", d.Seconds()) }

func cut(s string, limit int) string {
	r := []rune(s)
	return string(r[:min(limit, len(r))])
}

// wrap breaks text at spaces into lines of at most width characters; longer
// words are broken.
func wrap(text string, width int) []string {
	var lines []string
	line := []rune{}
	for word := range strings.FieldsSeq(text) {
		w := []rune(word)
		if len(line) > 0 && len(line)+1+len(w) > width {
			lines, line = append(lines, string(line)), line[:0]
		}
		if len(line) > 0 {
			line = append(line, ' ')
		}
		line = append(line, w...)
		for len(line) > width {
			lines = append(lines, string(line[:width]))
			line = line[width:]
		}
	}
	return append(lines, string(line))
}
