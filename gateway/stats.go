package gateway

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// routeStats counts what one route's requests came to. A route that is replaced hands it to
// the one that takes its place. Recording takes no memory, and no lock but for a status's first time.
type routeStats struct {
	// statuses seen so far, few: a list that grows at its head.
	statuses atomic.Pointer[statusCount]
	adding   sync.Mutex
	bytes    atomic.Uint64
	micros   atomic.Uint64 // sum of durations
	buckets  [len(latencyBounds) + 1]atomic.Uint64
	events   events
}

type statusCount struct {
	status int
	n      atomic.Uint64
	next   *statusCount
}

// latencyBounds are the upper ends of the histogram's buckets; a last one has none.
var latencyBounds = [...]time.Duration{
	500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond,
	25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// record counts a request that has ended.
func (s *routeStats) record(status int, bytes int64, took time.Duration) {
	s.count(status).n.Add(1)
	s.bytes.Add(uint64(max(bytes, 0)))
	s.micros.Add(uint64(max(took, 0).Microseconds()))
	i := 0
	for i < len(latencyBounds) && took > latencyBounds[i] {
		i++
	}
	s.buckets[i].Add(1)
}

func (s *routeStats) count(status int) *statusCount {
	if c := s.counted(status); c != nil {
		return c
	}
	s.adding.Lock()
	defer s.adding.Unlock()
	c := s.counted(status)
	if c == nil { // nobody was faster
		c = &statusCount{status: status, next: s.statuses.Load()}
		s.statuses.Store(c)
	}
	return c
}

// counted is the counter of a status, or nil.
func (s *routeStats) counted(status int) *statusCount {
	c := s.statuses.Load()
	for c != nil && c.status != status {
		c = c.next
	}
	return c
}

// metrics is a snapshot.
func (s *routeStats) metrics(route string) RouteMetrics {
	m := RouteMetrics{
		Route: route, Statuses: map[int]uint64{}, Bytes: s.bytes.Load(),
		Latency: make([]uint64, len(s.buckets)), Took: time.Duration(s.micros.Load()) * time.Microsecond,
	}
	for c := s.statuses.Load(); c != nil; c = c.next {
		m.Statuses[c.status] = c.n.Load()
	}
	for i := range s.buckets {
		m.Latency[i] = s.buckets[i].Load()
	}
	return m
}

// events counts what a route's filters did: FilterContext.Event.
type events struct {
	mu sync.RWMutex
	n  map[event]*atomic.Uint64
}

type event struct{ name, outcome string }

func (e *events) add(name, outcome string) {
	key := event{name, outcome}
	e.mu.RLock()
	n := e.n[key]
	e.mu.RUnlock()
	if n == nil {
		n = e.first(key)
	}
	n.Add(1)
}

// first makes an event's counter.
func (e *events) first(key event) *atomic.Uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.n == nil {
		e.n = map[event]*atomic.Uint64{}
	}
	n := e.n[key]
	if n == nil {
		n = new(atomic.Uint64)
		e.n[key] = n
	}
	return n
}

// list is a snapshot, sorted.
func (e *events) list(route string) []EventCount {
	e.mu.RLock()
	defer e.mu.RUnlock()
	all := make([]EventCount, 0, len(e.n))
	for key, n := range e.n {
		all = append(all, EventCount{route, key.name, key.outcome, n.Load()})
	}
	slices.SortFunc(all, func(a, b EventCount) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Outcome, b.Outcome))
	})
	return all
}
