package clock

import (
	"sync"
	"time"
)

// Source is what a computer knows of time: the time of day, which people and daemons
// set, and a stopwatch, which nobody can. What the one does and the other does not is a
// step. A Source is safe for concurrent use.
type Source interface {
	// Elapsed is the stopwatch. It never goes back.
	Elapsed() time.Duration
	// Read is the time of day, and the stopwatch at the same instant.
	Read() (now time.Time, elapsed time.Duration)
}

// System is this computer's clock. Its stopwatch stands still, on some systems, while
// the computer sleeps.
func System() Source { return &system{start: time.Now()} }

type system struct{ start time.Time }

// Elapsed reads one of the two clocks that time.Now reads, so it takes half as long.
func (s *system) Elapsed() time.Duration { return time.Since(s.start) }

func (s *system) Read() (time.Time, time.Duration) {
	now := time.Now()
	return now, now.Sub(s.start)
}

// Func is a Source with no stopwatch of its own: it takes for passed what now says has
// passed, and so never sees a step. It is for simulations in which time goes on as it
// should.
func Func(now func() time.Time) Source { return &function{now: now, start: now()} }

type function struct {
	now   func() time.Time
	start time.Time
}

func (f *function) Elapsed() time.Duration { return f.now().Sub(f.start) }

func (f *function) Read() (time.Time, time.Duration) {
	now := f.now()
	return now, now.Sub(f.start)
}

// Manual is a Source that stands still until it is told otherwise.
type Manual struct {
	mu      sync.Mutex
	now     time.Time
	elapsed time.Duration
}

// NewManual returns a Source that shows a time of day.
func NewManual(now time.Time) *Manual { return &Manual{now: now.Round(0)} }

// Advance lets time pass.
func (m *Manual) Advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now, m.elapsed = m.now.Add(d), m.elapsed+d
}

// Step sets the time of day ahead, or back if d is negative, in no time.
func (m *Manual) Step(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = m.now.Add(d)
}

// Elapsed is how far it was advanced.
func (m *Manual) Elapsed() time.Duration {
	_, elapsed := m.Read()
	return elapsed
}

// Read is what it shows, and how far it was advanced.
func (m *Manual) Read() (time.Time, time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now, m.elapsed
}
