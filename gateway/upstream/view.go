package upstream

import "time"

// A view is who can be picked, as of one version of the registry's states. It is made
// when something has changed, which is seldom, and never changes itself: a pick reads a
// pointer, and asks nobody how they are.
type view struct {
	set   []*Endpoint // usable, or all of them (U2)
	seeds []uint64    // of set, side by side: consistentHash goes through them for each request
	since []time.Duration

	version uint64        // of the registry's states
	until   time.Duration // when somebody comes back from being ejected
	panic   bool          // U2: too few were usable, and set is everybody

	fadeIn   time.Duration
	exponent float64
	oldest   time.Duration // the smallest of since
	fadeEnd  time.Duration // when the last of set has its full share
}

// A member is an endpoint as one pool sees it.
type member struct {
	*Endpoint
	check *checker // nil: not asked for
}

// usable tells whether m is neither down nor ejected. Whether it is full changes with every request, and is
// looked at then.
func (m member) usable(now time.Duration) bool {
	return !m.ejection.active(now) && (m.check == nil || !m.check.state.Load().down)
}

// usableSince is when m came, or came back.
func (m member) usableSince(now time.Duration) time.Duration {
	since := m.since
	if m.check != nil {
		since = max(since, m.check.state.Load().since)
	}
	if back := m.ejection.end(); back <= now {
		since = max(since, back)
	}
	return since
}

// look makes the view of now.
func look(members []member, version uint64, now time.Duration, o Options) *view {
	n := len(members)
	v := &view{
		set: make([]*Endpoint, 0, n), seeds: make([]uint64, 0, n), since: make([]time.Duration, 0, n),
		version: version, until: 1<<63 - 1, fadeIn: o.FadeIn, exponent: o.FadeInExponent,
	}
	for _, m := range members {
		if m.ejection.active(now) {
			v.until = min(v.until, m.ejection.end())
		}
		if m.usable(now) {
			v.add(m, now)
		}
	}
	// U2: who sends everything to the last one standing takes that one down too, and many
	// failures at once are more likely a mistake of whoever judges: a network cut, a wrong path of checks.
	if v.panic = float64(len(v.set)) < o.PanicThreshold*float64(n); v.panic {
		v.set, v.seeds, v.since, v.fadeEnd = v.set[:0], v.seeds[:0], v.since[:0], 0
		for _, m := range members {
			v.add(m, now)
		}
	}
	return v
}

func (v *view) add(m member, now time.Duration) {
	since := m.usableSince(now)
	if len(v.set) == 0 || since < v.oldest {
		v.oldest = since
	}
	v.fadeEnd = max(v.fadeEnd, since+v.fadeIn)
	v.set, v.seeds, v.since = append(v.set, m.Endpoint), append(v.seeds, m.seed), append(v.since, since)
}
