package upstream

import (
	"sync/atomic"
	"time"
)

// ejection is what calls have taught of an endpoint (passive checks). After so many failures in
// a row it is left alone for a while, and each time in a row for longer:
//
//	failures  5     5         5
//	          v     v         v
//	in   -----+     +-+       +--------------...   each Base that it stays in makes
//	out       |-----| |-------|                    the next time one Base shorter again
//	            10 s    20 s
type ejection struct {
	inARow atomic.Int64
	until  atomic.Int64 // on the registry's clock
	times  atomic.Int64 // written under Registry.mu
	total  atomic.Uint64
}

func (s *ejection) end() time.Duration { return time.Duration(s.until.Load()) }

func (s *ejection) active(now time.Duration) bool { return now < s.end() }

// sentence says for how long an endpoint is ejected which was ejected so many times in
// a row, and has been in again since, and what the number of times is now.
func sentence(times int64, since time.Duration, o EjectionOptions) (time.Duration, int64) {
	if o.Base > 0 {
		times -= int64(max(since, 0) / o.Base)
	}
	times = max(times, 0) + 1
	if int64(o.Max/max(o.Base, 1)) < times {
		return o.Max, min(times, int64(o.Max/max(o.Base, 1))+1)
	}
	return time.Duration(times) * o.Base, times
}

// succeeded ends a row of failures. Most often there is none, and nothing is written.
func (s *ejection) succeeded() {
	if s.inARow.Load() != 0 {
		s.inARow.Store(0)
	}
}

// failed counts a failure of a call that began at start, and ejects its endpoint if that is one too
// many. Calls that began before the endpoint came back say how it was, not how it is.
func (p *Pool) failed(e *Endpoint, start, now time.Duration) {
	e.failures.Add(1)
	o := p.options.Ejection
	if o.Failures < 0 || start < e.ejection.end() {
		return
	}
	if e.ejection.inARow.Add(1) >= int64(o.Failures) {
		p.eject(e, now)
	}
}

// eject leaves e alone, unless more than half of the pool would be: what was
// said of U2 is true of each endpoint that is added to those.
func (p *Pool) eject(e *Endpoint, now time.Duration) {
	r, s := p.registry, &e.ejection
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.active(now) || s.inARow.Load() < int64(p.options.Ejection.Failures) {
		return // somebody else was first
	}
	out := 1
	for _, m := range p.members {
		if m.ejection.active(now) {
			out++
		}
	}
	if 2*out > len(p.members) {
		return
	}
	span, times := sentence(s.times.Load(), now-s.end(), p.options.Ejection)
	s.times.Store(times)
	s.inARow.Store(0)
	s.total.Add(1)
	s.until.Store(int64(now + span))
	r.version.Add(1)
	r.log.Warn("endpoint is ejected", "endpoint", e.Address(), "for", span, "failures", p.options.Ejection.Failures)
}
