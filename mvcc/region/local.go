// Several regions in one process, behind one transport.

package region

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// Local is an mvcc.Transport over regions of this process, which share an engine. It is
// safe for concurrent use.
type Local struct {
	engine  Engine
	o       Options
	mu      sync.Mutex // of who splits
	regions atomic.Pointer[localMap]
	closed  atomic.Bool
}

// localMap is the regions in the order of their keys, and by number. It does not change.
type localMap struct {
	sorted []*Region
	byID   map[uint64]*Region
	nextID uint64
}

// NewLocal has a region before the first of splitKeys, which are in order, one from each
// on. After a restart call RaiseReadBound before anything else.
func NewLocal(e Engine, splitKeys [][]byte, o Options) *Local {
	if o.Detector == nil {
		o.Detector = new(Detector)
	}
	l := &Local{engine: e, o: o}
	m := &localMap{byID: map[uint64]*Region{}, nextID: 1}
	var start []byte
	for i := 0; i <= len(splitKeys); i++ {
		var end []byte
		if i < len(splitKeys) {
			end = splitKeys[i]
		}
		m.add(New(Info{Ref{m.nextID, 1}, start, end}, e, o), i)
		start = end
	}
	l.regions.Store(m)
	return l
}

func (m *localMap) add(r *Region, at int) {
	m.sorted = append(m.sorted[:at:at], append([]*Region{r}, m.sorted[at:]...)...)
	m.byID[r.Info().ID] = r
	m.nextID++
}

// at returns the place of the region that has a key.
func (m *localMap) at(key []byte) int {
	lo, hi := 0, len(m.sorted)
	for hi-lo > 1 {
		mid := (lo + hi) / 2
		if string(m.sorted[mid].info.Load().Start) <= string(key) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

// Region implements mvcc.Transport.
func (l *Local) Region(_ context.Context, key []byte) (Info, error) {
	if l.closed.Load() {
		return Info{}, ErrClosed
	}
	m := l.regions.Load()
	i := m.sorted[m.at(key)].Info()
	if !i.Contains(key) { // it is being split
		l.mu.Lock()
		m = l.regions.Load()
		l.mu.Unlock()
		i = m.sorted[m.at(key)].Info()
	}
	return i, nil
}

// Send implements mvcc.Transport.
func (l *Local) Send(ctx context.Context, ref Ref, q Request) (any, error) {
	if l.closed.Load() {
		return nil, ErrClosed
	}
	r := l.regions.Load().byID[ref.ID]
	if r == nil {
		return nil, &Error{Region: ref, Reason: "there is none of that number"}
	}
	return r.Do(ctx, ref, q)
}

// Stale implements mvcc.Transport: there is nothing to forget.
func (l *Local) Stale(Ref, []Info) {}

// Regions returns the regions in the order of their keys.
func (l *Local) Regions() []*Region { return append([]*Region(nil), l.regions.Load().sorted...) }

// Split splits the region that has a key, at that key.
func (l *Local) Split(key []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed.Load() {
		return ErrClosed
	}
	old := l.regions.Load()
	at := old.at(key)
	right, err := old.sorted[at].Split(key, old.nextID)
	if err != nil {
		return fmt.Errorf("splitting at %q: %w", key, err)
	}
	m := &localMap{sorted: old.sorted, byID: map[uint64]*Region{}, nextID: old.nextID}
	for id, r := range old.byID {
		m.byID[id] = r
	}
	m.add(right, at+1)
	l.regions.Store(m)
	return nil
}

// RaiseReadBound raises that of all regions.
func (l *Local) RaiseReadBound(ts TS) {
	for _, r := range l.Regions() {
		r.RaiseReadBound(ts)
	}
}

// SetSafePoint raises that of all regions.
func (l *Local) SetSafePoint(ctx context.Context, ts TS) error {
	for _, r := range l.Regions() {
		if err := r.SetSafePoint(ctx, ts); err != nil {
			return err
		}
	}
	return nil
}

// Close closes all regions: who waits gets an error.
func (l *Local) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed.Store(true)
	for _, r := range l.Regions() {
		r.Close()
	}
	return nil
}
