package gateway

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// routeStats counts what one route's requests came to. A route that is replaced hands it to
// the one that takes its place. Recording takes no lock and no memory.
type routeStats struct {
	// statuses seen so far, few: a list that is copied when one is added.
	statuses atomic.Pointer[[]*statusCount]
	adding   sync.Mutex
	bytes    atomic.Uint64
	micros   atomic.Uint64 // sum of durations
	buckets  [len(latencyBounds) + 1]atomic.Uint64
	inFlight atomic.Int64
}

type statusCount struct {
	status int
	n      atomic.Uint64
}

// latencyBounds are the upper ends of the histogram's buckets; the last one has none.
var latencyBounds = [...]time.Duration{
	500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond,
	25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

func newRouteStats() *routeStats {
	s := &routeStats{}
	s.statuses.Store(&[]*statusCount{})
	return s
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
	for _, c := range *s.statuses.Load() {
		if c.status == status {
			return c
		}
	}
	s.adding.Lock()
	defer s.adding.Unlock()
	list := *s.statuses.Load()
	i, found := slices.BinarySearchFunc(list, status, func(c *statusCount, status int) int { return c.status - status })
	if found {
		return list[i]
	}
	c := &statusCount{status: status}
	list = slices.Insert(slices.Clone(list), i, c)
	s.statuses.Store(&list)
	return c
}

// events counts what filters did: FilterContext.Event.
type events struct {
	mu sync.RWMutex
	n  map[event]*atomic.Uint64
}

type event struct{ route, name, outcome string }

func (e *events) add(route, name, outcome string) {
	key := event{route, name, outcome}
	e.mu.RLock()
	n := e.n[key]
	e.mu.RUnlock()
	if n == nil {
		e.mu.Lock()
		if n = e.n[key]; n == nil {
			if e.n == nil {
				e.n = map[event]*atomic.Uint64{}
			}
			n = new(atomic.Uint64)
			e.n[key] = n
		}
		e.mu.Unlock()
	}
	n.Add(1)
}
