package versus

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// The chart's measures, in pixels. Text cannot be measured without a font, so
// each column is as wide as its longest text at charWidth a character, which the
// usual sans-serif faces stay below on average, and longer text is cut or wrapped.
const (
	chartWidth = 760
	margin     = 16
	charWidth  = 7
	barHeight  = 16
	barStep    = 22
	lineStep   = 17
	nameChars  = 24 // the longest name shown whole
	valueChars = 30 // "1.23 M ops/s, 456 µs CPU/op", with reserve
)

// The colours follow the reader's theme. Ours is told from the peers by weight
// as well, for those who do not see the hue.
const chartStyle = `<style>
text{font:12px system-ui,"Segoe UI",Helvetica,Arial,sans-serif;fill:#1f2328}
.title{font-size:15px;font-weight:600}.cell{font-weight:600}.dim{fill:#59636e}.bold{font-weight:600}.bad{fill:#b42318}
.page{fill:#ffffff}.ours{fill:#0a66c2}.peer{fill:#a3adb8}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.dim{fill:#9aa4ae}.bad{fill:#ff8f84}
.page{fill:#0d1117}.ours{fill:#4ea1ff}.peer{fill:#5b6570}}
</style>
`

// A chart is a picture being drawn from top to bottom.
type chart struct {
	strings.Builder
	y int
}

func (c *chart) text(x int, class, format string, args ...any) {
	fmt.Fprintf(c, `<text x="%d" y="%d" class="%s">%s</text>`+"\n", x, c.y, class, escape(fmt.Sprintf(format, args...)))
}

// SVG writes the rates as one self-contained bar chart. The bars of a cell are
// relative to its fastest contender, since cells differ by orders of magnitude;
// the figures stand beside them.
func (r *Report) SVG(w io.Writer) error {
	var c chart
	c.y = margin + 14
	for _, line := range wrap(r.Title, (chartWidth-2*margin)/9) {
		c.text(margin, "title", "%s", line)
		c.y += 20
	}
	for _, line := range wrap("Operations per second, relative to the fastest of each cell. "+r.method()+".", lineChars) {
		c.text(margin, "dim", "%s", line)
		c.y += lineStep
	}
	longest := 0
	for _, v := range r.Contenders {
		longest = max(longest, min(utf8.RuneCountInString(v.Name), nameChars))
	}
	left := margin + longest*(charWidth+1) + 12 // ours is set in bold
	full := chartWidth - margin - left - valueChars*charWidth
	for _, cell := range r.Cells {
		c.y += 16
		for _, line := range wrap(string(cell), lineChars) {
			c.text(margin, "cell", "%s", line)
			c.y += lineStep
		}
		r.drawCell(&c, cell, left, full)
	}
	c.y += 14
	for _, fact := range append(r.provenance(), r.Command) {
		for _, line := range wrap(fact, lineChars) {
			c.text(margin, "dim", "%s", line)
			c.y += lineStep
		}
	}
	_, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" role="img" aria-label="%[3]s">
%[4]s<rect class="page" width="100%%" height="100%%"/>
%[5]s</svg>
`, chartWidth, c.y-lineStep+margin, escape(r.Title), chartStyle, c.String())
	return err
}

const lineChars = (chartWidth - 2*margin) / charWidth

// drawCell draws a bar for each contender, in order.
func (r *Report) drawCell(c *chart, cell Cell, left, full int) {
	fastest := 0.0
	for _, v := range r.Contenders {
		rate, _ := r.Value(cell, v.Name, OpsPerSec)
		fastest = max(fastest, rate)
	}
	for _, v := range r.Contenders {
		weight, fill := "", "peer"
		if v.Name == r.Ours {
			weight, fill = "bold", "ours"
		}
		top := c.y - 4
		c.y = top + barHeight - 4
		c.text(margin, weight, "%s", cut(v.Name, nameChars))
		rate, ok := r.Value(cell, v.Name, OpsPerSec)
		if !ok || fastest == 0 {
			c.text(left, "bad", "failed")
		} else {
			length := max(1, int(float64(full)*rate/fastest))
			fmt.Fprintf(c, `<rect x="%d" y="%d" width="%d" height="%d" rx="2" class="%s"/>`+"\n", left, top, length, barHeight, fill)
			label := OpsPerSec.format(rate) + " ops/s"
			if cpu, ok := r.Value(cell, v.Name, CPUPerOp); ok {
				label += ", " + CPUPerOp.format(cpu) + " CPU/op"
			}
			c.text(left+length+8, weight, "%s", label)
		}
		c.y = top + barStep + 4
	}
}

func cut(s string, limit int) string {
	r := []rune(s)
	if len(r) <= limit {
		return s
	}
	return string(r[:limit-1]) + "…"
}

// wrap breaks s into lines of at most limit characters, at spaces if it can.
func wrap(s string, limit int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(s) {
		for utf8.RuneCountInString(word) > limit {
			if line != "" {
				lines, line = append(lines, line), ""
			}
			r := []rune(word)
			lines, word = append(lines, string(r[:limit])), string(r[limit:])
		}
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= limit:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder does not fail
	return b.String()
}
