package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// progress tells how far ingestion is: on a terminal a line that is drawn again
// and again, elsewhere a line of the log now and then.
type progress struct {
	in      *ingester
	sources []source
	w       io.Writer
	live    bool
	start   time.Time
	lines   uint64 // at the last report
	bytes   uint64
	at      time.Time
	open    bool // a line stands at the cursor
}

const (
	drawEvery = 200 * time.Millisecond
	tellEvery = 2 * time.Second
)

func newProgress(in *ingester, sources []source, w io.Writer) *progress {
	now := time.Now()
	return &progress{in: in, sources: sources, w: w, live: isTerminal(w), start: now, at: now}
}

// isTerminal reports whether lines that are written can be drawn again.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// run reports until stop is closed.
func (p *progress) run(stop <-chan struct{}) {
	every := tellEvery
	if p.live {
		every = drawEvery
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-stop:
			if p.open {
				fmt.Fprint(p.w, "\r\x1b[K")
			}
			return
		case <-t.C:
			p.report(time.Now())
		}
	}
}

func (p *progress) report(now time.Time) {
	s := p.in.store
	lines, bytes := s.lines.Load(), s.bytes.Load()
	took := now.Sub(p.at).Seconds()
	rate, throughput := float64(lines-p.lines)/took, float64(bytes-p.bytes)/took
	quiet := lines == p.lines
	p.lines, p.bytes, p.at = lines, bytes, now
	part, known := p.part()
	if !p.live {
		if !quiet {
			p.in.log.Info("storing", "lines", lines, "lines/s", int(rate), "MB/s", round1(throughput/1e6), "done", percent(part, known))
		}
		return
	}
	bar := ""
	if known {
		const width = 24
		full := min(int(part*width), width)
		bar = "[" + strings.Repeat("#", full) + strings.Repeat(".", width-full) + "] " + percent(part, known) + "  "
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s%s lines  %s/s  %.1f MB/s", bar, thousands(lines), thousands(uint64(rate)), throughput/1e6)
	p.open = true
}

// part is how much of the sources is stored; known is false if one has no end.
func (p *progress) part() (part float64, known bool) {
	var done, total uint64
	for i, s := range p.sources {
		n := s.size()
		if n == 0 && !s.positioned() {
			return 0, false
		}
		total += n
		done += min(p.in.done[i].Load(), n)
	}
	return float64(done) / float64(max(total, 1)), total > 0
}

func percent(part float64, known bool) string {
	if !known {
		return "unknown"
	}
	return fmt.Sprintf("%d%%", int(part*100))
}

func round1(f float64) float64 { return float64(int(f*10)) / 10 }

// thousands writes 1234567 as 1,234,567.
func thousands(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
