package versus

import (
	"slices"
	"sort"
	"time"
)

// A Report is what was measured, as plain data: it can be kept as JSON and
// rendered again. Rendering depends on nothing else.
type Report struct {
	Title     string    `json:"title"`
	Command   string    `json:"command"`
	Date      time.Time `json:"date"`
	Machine   Machine   `json:"machine"`
	Ours      string    `json:"ours,omitempty"`
	Reference string    `json:"reference,omitempty"`
	Rounds    int       `json:"rounds"`
	Processes bool      `json:"processes"` // one for each sample

	Contenders []Version `json:"contenders"`
	Cells      []Cell    `json:"cells"`
	Results    []Result  `json:"results"` // cell by cell, contenders in order
	Goals      []Goal    `json:"goals,omitempty"`
}

// A Version says which contender was measured.
type Version struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

// A Result is one contender in one cell. A metric that could not be measured is
// absent. With an Err there are no figures.
type Result struct {
	Cell      Cell              `json:"cell"`
	Contender string            `json:"contender"`
	Figures   map[Metric]Figure `json:"figures,omitempty"`
	Err       string            `json:"err,omitempty"`
}

// A Figure is the median over the rounds, with the extremes beside it.
type Figure struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

func newReport(cfg Config, contenders []Contender, cells []Cell) *Report {
	r := &Report{
		Title: cfg.Title, Command: cfg.Command, Date: time.Now().UTC().Truncate(time.Second), Machine: thisMachine(),
		Ours: cfg.Ours, Reference: cfg.Reference, Rounds: cfg.Rounds, Processes: cfg.Process,
		Cells: slices.Clone(cells), Goals: slices.Clone(cfg.Goals),
	}
	for _, c := range contenders {
		r.Contenders = append(r.Contenders, Version{c.Name, versionOf(c)})
	}
	return r
}

func newResult(cell Cell, name string, samples []sample, failed error) Result {
	r := Result{Cell: cell, Contender: name}
	if failed != nil {
		r.Err = failed.Error()
		return r
	}
	r.Figures = map[Metric]Figure{}
	for _, m := range metrics {
		var values []float64
		for _, s := range samples {
			if v, ok := s[m]; ok {
				values = append(values, v)
			}
		}
		// A metric that only some rounds have would be a median of other
		// rounds than its neighbours.
		if len(values) == len(samples) && len(values) > 0 {
			r.Figures[m] = figureOf(values)
		}
	}
	return r
}

func figureOf(values []float64) Figure {
	sort.Float64s(values)
	n := len(values)
	return Figure{Median: (values[(n-1)/2] + values[n/2]) / 2, Min: values[0], Max: values[n-1]}
}

// Value returns the median of a metric; ok is false when it was not measured.
func (r *Report) Value(cell Cell, contender string, m Metric) (v float64, ok bool) {
	for _, res := range r.Results {
		if res.Cell == cell && res.Contender == contender {
			f, ok := res.Figures[m]
			return f.Median, ok
		}
	}
	return 0, false
}

// BestPeer returns the best median of a metric among the contenders that are
// not ours; ok is false when no peer has one.
func (r *Report) BestPeer(cell Cell, m Metric) (name string, v float64, ok bool) {
	for _, c := range r.Contenders {
		x, has := r.Value(cell, c.Name, m)
		if !has || c.Name == r.Ours {
			continue
		}
		if !ok || (m.moreIsBetter() && x > v) || (!m.moreIsBetter() && x < v) {
			name, v, ok = c.Name, x, true
		}
	}
	return name, v, ok
}

// Ratio returns the contender's figure divided by that of another, or of the
// best peer when other is "". ok is false when either is absent or it would be
// a division by zero.
func (r *Report) Ratio(cell Cell, contender, other string, m Metric) (ratio float64, ok bool) {
	v, ok1 := r.Value(cell, contender, m)
	base, ok2 := r.Value(cell, other, m)
	if other == "" {
		_, base, ok2 = r.BestPeer(cell, m)
	}
	if !ok1 || !ok2 || base == 0 {
		return 0, false
	}
	return v / base, true
}

// has reports whether any contender has the metric.
func (r *Report) has(m Metric) bool {
	return slices.ContainsFunc(r.Results, func(res Result) bool { _, ok := res.Figures[m]; return ok })
}
