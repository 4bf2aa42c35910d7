package s3api

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// metrics are counts since the start.
type metrics struct {
	refused  atomic.Uint64 // over RequestsMax
	received atomic.Int64  // bytes of bodies
	sent     atomic.Int64
	mu       sync.Mutex
	byKind   map[kind]*tally
}

// kind is what requests are counted by.
type kind struct {
	operation string
	status    int // its class: 2, 4 or 5
}

type tally struct {
	requests uint64
	seconds  float64
}

func (m *metrics) count(c *call, took time.Duration) {
	m.sent.Add(c.sent)
	m.received.Add(c.line.taken)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byKind == nil {
		m.byKind = map[kind]*tally{}
	}
	k := kind{c.operation, c.status / 100}
	if m.byKind[k] == nil {
		m.byKind[k] = &tally{}
	}
	m.byKind[k].requests++
	m.byKind[k].seconds += took.Seconds()
}

// WriteMetrics writes the counts in Prometheus' text format.
func (s *Server) WriteMetrics(w io.Writer) {
	head := func(name, kind, help string) {
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
	}
	m := &s.metrics
	m.mu.Lock()
	defer m.mu.Unlock()
	kinds := slices.SortedFunc(maps.Keys(m.byKind), func(a, b kind) int {
		if a.operation != b.operation {
			if a.operation < b.operation {
				return -1
			}
			return 1
		}
		return a.status - b.status
	})
	head("s3_requests_total", "counter", "Requests by operation and class of status; 0xx: the connection was lost.")
	for _, k := range kinds {
		fmt.Fprintf(w, "s3_requests_total{operation=%q,status=\"%dxx\"} %d\n", k.operation, k.status, m.byKind[k].requests)
	}
	head("s3_request_seconds_total", "counter", "Time spent on them.")
	for _, k := range kinds {
		fmt.Fprintf(w, "s3_request_seconds_total{operation=%q,status=\"%dxx\"} %g\n", k.operation, k.status, m.byKind[k].seconds)
	}
	for _, x := range []struct {
		name, kind, help string
		value            int64
	}{
		{"s3_requests_rejected_total", "counter", "Requests refused because too many were under way.", int64(m.refused.Load())},
		{"s3_requests_inflight", "gauge", "Requests under way.", s.underWay.Load()},
		{"s3_received_bytes_total", "counter", "Bytes of bodies received.", m.received.Load()},
		{"s3_sent_bytes_total", "counter", "Bytes of bodies sent.", m.sent.Load()},
	} {
		head(x.name, x.kind, x.help)
		fmt.Fprintf(w, "%s %d\n", x.name, x.value)
	}
}
