package versus

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// Markdown writes the report as a section: goals, table, failures, and where the
// figures come from.
func (r *Report) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n", r.Title)
	for _, o := range r.Outcomes() {
		verdict := "missed"
		if o.Met {
			verdict = "met"
		}
		got := "not measured"
		if o.Known {
			got = formatRatio(o.Ratio)
		}
		fmt.Fprintf(&b, "* **%s**: %s at %s (%s)\n", verdict, o.Goal, o.Cell, got)
	}
	if len(r.Goals) > 0 {
		b.WriteByte('\n')
	}
	r.writeTable(&b)
	r.writeFailures(&b)
	fmt.Fprintf(&b, "\n%s.\n", r.method())
	for _, line := range r.provenance() {
		fmt.Fprintf(&b, "%s  \n", line)
	}
	fmt.Fprintf(&b, "`%s`\n", r.Command)
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) writeTable(b *strings.Builder) {
	columns := []string{"cell", "contender"}
	for _, m := range metrics {
		if !r.has(m) {
			continue
		}
		columns = append(columns, string(m))
		if m == OpsPerSec {
			columns = append(columns, "spread")
		}
		if m == OpsPerSec || m == CPUPerOp {
			columns = append(columns, "vs best peer")
			if r.Reference != "" {
				columns = append(columns, "vs "+r.Reference)
			}
		}
	}
	writeRow(b, columns)
	rule := []string{"---", "---"}
	for range columns[2:] {
		rule = append(rule, "---:")
	}
	writeRow(b, rule)
	for _, res := range r.Results {
		writeRow(b, r.row(res, len(columns)))
	}
}

// row formats one result; columns that it has nothing for hold a dash.
func (r *Report) row(res Result, width int) []string {
	row := []string{string(res.Cell), res.Contender}
	if res.Err != "" {
		row = append(row, "failed")
		for len(row) < width {
			row = append(row, "-")
		}
		return row
	}
	for _, m := range metrics {
		if !r.has(m) {
			continue
		}
		f, ok := res.Figures[m]
		text, spread := "-", "-"
		if ok {
			text = m.format(f.Median)
			spread = fmt.Sprintf("±%.0f %%", 50*(f.Max-f.Min)/math.Max(f.Median, math.SmallestNonzeroFloat64))
		}
		row = append(row, text)
		if m == OpsPerSec {
			row = append(row, spread)
		}
		if m == OpsPerSec || m == CPUPerOp {
			row = append(row, r.ratioText(res, "", m))
			if r.Reference != "" {
				row = append(row, r.ratioText(res, r.Reference, m))
			}
		}
	}
	return row
}

func (r *Report) ratioText(res Result, other string, m Metric) string {
	ratio, ok := r.Ratio(res.Cell, res.Contender, other, m)
	if !ok {
		return "-"
	}
	return formatRatio(ratio)
}

// formatRatio keeps two digits of what is far below one.
func formatRatio(ratio float64) string {
	if ratio < 0.1 {
		return fmt.Sprintf("%.2gx", ratio)
	}
	return fmt.Sprintf("%.2fx", ratio)
}

func (r *Report) writeFailures(b *strings.Builder) {
	first := true
	for _, res := range r.Results {
		if res.Err == "" {
			continue
		}
		if first {
			b.WriteString("\nFailures:\n\n")
			first = false
		}
		line, _, _ := strings.Cut(res.Err, "\n")
		fmt.Fprintf(b, "* %s at %s: %s\n", res.Contender, res.Cell, line)
	}
}

func writeRow(b *strings.Builder, cells []string) {
	for _, c := range cells {
		b.WriteString("| " + strings.ReplaceAll(c, "|", `\|`) + " ")
	}
	b.WriteString("|\n")
}

// method says how the figures were taken, and what is missing from them.
func (r *Report) method() string {
	where := "one process"
	if r.Processes {
		where = "one process for each sample"
	} else if r.has(OpsPerSec) && !r.has(AllocsPerOp) {
		where = "contenders in processes of their own" // see Remote
	}
	text := fmt.Sprintf("Median of %d interleaved rounds after a warm-up, %s", r.Rounds, where)
	if r.has(OpsPerSec) && !r.has(CPUPerOp) {
		text += "; processor time is not measured on this platform"
	}
	if r.Processes && r.has(OpsPerSec) && !r.has(PeakRSS) {
		text += "; memory is not measured on this platform"
	}
	return text
}

// provenance is the machine, the date and the versions, a line each.
func (r *Report) provenance() []string {
	lines := []string{r.Machine.String() + ", " + r.Date.UTC().Format(time.DateOnly)}
	var versions []string
	for _, c := range r.Contenders {
		if c.Version != "" {
			versions = append(versions, c.Name+" "+c.Version)
		}
	}
	if len(versions) > 0 {
		lines = append(lines, strings.Join(versions, ", "))
	}
	return lines
}

// format renders a figure with three significant digits and its unit.
func (m Metric) format(v float64) string {
	switch m {
	case CPUPerOp, P50, P99:
		return scale(v, 1000, "ns", "µs", "ms", "s")
	case BytesPerOp, PeakRSS:
		return scale(v, 1024, "B", "KiB", "MiB", "GiB")
	default:
		return strings.TrimSuffix(scale(v, 1000, "", "k", "M", "G"), " ")
	}
}

// scale divides v by base until it is below it, or the units run out.
func scale(v, base float64, units ...string) string {
	i := 0
	for i < len(units)-1 && math.Abs(v) >= base*0.9995 {
		v, i = v/base, i+1
	}
	digits := 2
	switch a := math.Abs(v); {
	case a >= 99.95:
		digits = 0
	case a >= 9.995:
		digits = 1
	}
	text := fmt.Sprintf("%.*f", digits, v)
	if i == 0 && v == math.Trunc(v) {
		text = fmt.Sprintf("%.0f", v)
	}
	return text + " " + units[i]
}
