package gateway

import (
	"slices"
	"sync"
	"time"
)

// A Version is one attempt to change the configuration.
type Version struct {
	Number  int           `json:"number"` // from 1
	Source  string        `json:"source"`
	Name    string        `json:"name,omitempty"` // what the source calls it: an ETag, a push version
	When    time.Time     `json:"when"`
	Took    time.Duration `json:"took"` // from the parsed routes to the swap, ns
	Set     int           `json:"set"`  // routes that are new or changed
	Removed int           `json:"removed"`
	Err     string        `json:"err,omitempty"` // why it was refused; empty: it was applied
}

// keptVersions is how many versions the history has.
const keptVersions = 50

// history remembers the last attempts, for people who want to know why a change is not there.
type history struct {
	mu      sync.Mutex
	last    []Version // oldest first
	number  int
	applied Version // the last one that was
	refused int     // how many were not
}

func (h *history) add(v Version) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.number++
	v.Number = h.number
	if v.Err == "" {
		h.applied = v
	} else {
		h.refused++
	}
	if len(h.last) == keptVersions {
		h.last = append(h.last[:0], h.last[1:]...)
	}
	h.last = append(h.last, v)
}

// Versions are the last attempts to change the configuration, newest first.
func (g *Gateway) Versions() []Version {
	g.history.mu.Lock()
	defer g.history.mu.Unlock()
	all := slices.Clone(g.history.last)
	slices.Reverse(all)
	return all
}

func (h *history) metrics() ConfigMetrics {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := ConfigMetrics{Applied: h.applied.Number, Refused: h.refused, Last: h.applied.When}
	if n := len(h.last); n > 0 {
		m.Err = h.last[n-1].Err
	}
	return m
}

// repeats tells whether a refusal says again what the last one said.
func (h *history) repeats(v Version) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.last) == 0 || v.Err == "" || v.Name == "" {
		return false
	}
	last := h.last[len(h.last)-1]
	return last.Source == v.Source && last.Name == v.Name && last.Err == v.Err
}

// record adds an attempt to the history and the log. That one is refused for the same reason as before is not said twice.
func (g *Gateway) record(c Configuration, source string, started time.Duration, set, removed int, err error) {
	v := Version{
		Source: source, Name: c.Version, When: g.env.Now(), Took: g.env.Elapsed() - started, Set: set, Removed: removed,
	}
	if err != nil {
		v.Err = err.Error()
		if g.history.repeats(v) {
			return
		}
		g.log.Error("gateway: the configuration was refused, the last good one stays", "source", source, "version", c.Version, "err", err)
	} else {
		g.log.Info("gateway: the configuration was applied", "source", source, "version", c.Version, "set", set, "removed", removed, "took", v.Took)
	}
	g.history.add(v)
}
