// Who waits for whom, and whether somebody waits for himself.

package region

import (
	"bytes"
	"slices"
	"sync"
)

// Detector is the wait-for graph of the transactions of a store: an edge from each that
// waits to who holds what it waits for. Regions share one, since a circle may go through
// several. It is made of numbers: it knows no locks, waits for nothing, and whoever adds
// an edge takes it away again. The zero value is empty; it is safe for concurrent use.
type Detector struct {
	mu    sync.Mutex
	waits map[TS][]Edge
}

// Edge is one wait. A transaction may have several, in several requests.
type Edge struct {
	Waiter, Holder TS
	Key            []byte
}

// Wait adds an edge; or, if it would close a circle, does not, and returns a
// [*DeadlockError], in which the waiter is the victim. Every circle has a last edge, so
// none comes to be, however long (V9). It keeps the key.
func (d *Detector) Wait(waiter, holder TS, key []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.closes(waiter, holder, key); err != nil {
		return err
	}
	if d.waits == nil {
		d.waits = map[TS][]Edge{}
	}
	d.waits[waiter] = append(d.waits[waiter], Edge{waiter, holder, key})
	return nil
}

// Turn turns an edge to who holds now what another one held; or, if it would close a circle,
// leaves it as it was, and fails as Wait does.
func (d *Detector) Turn(waiter, from, to TS, key []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.closes(waiter, to, key); err != nil {
		return err
	}
	edges := d.waits[waiter]
	if i := indexEdge(edges, from, key); i >= 0 {
		edges[i].Holder = to
	}
	return nil
}

// closes fails if an edge would close a circle.
func (d *Detector) closes(waiter, holder TS, key []byte) error {
	circle := d.path(holder, waiter, map[TS]bool{})
	if circle == nil {
		return nil
	}
	circle = append(circle, waiter)
	slices.Reverse(circle)
	return &DeadlockError{Victim: waiter, Circle: circle, Key: bytes.Clone(key)}
}

func indexEdge(edges []Edge, holder TS, key []byte) int {
	return slices.IndexFunc(edges, func(e Edge) bool { return e.Holder == holder && bytes.Equal(e.Key, key) })
}

// path returns the way from one transaction to another, the last step first and
// without to; nil if there is none.
func (d *Detector) path(from, to TS, seen map[TS]bool) []TS {
	if from == to {
		return []TS{}
	}
	if seen[from] {
		return nil
	}
	seen[from] = true
	for _, e := range d.waits[from] {
		if way := d.path(e.Holder, to, seen); way != nil {
			return append(way, from)
		}
	}
	return nil
}

// Done takes one such edge away, if there is one.
func (d *Detector) Done(waiter, holder TS, key []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	edges := d.waits[waiter]
	i := indexEdge(edges, holder, key)
	if i < 0 {
		return
	}
	if edges = slices.Delete(edges, i, i+1); len(edges) == 0 {
		delete(d.waits, waiter)
	} else {
		d.waits[waiter] = edges
	}
}

// Edges returns all waits, those of the oldest transaction first.
func (d *Detector) Edges() []Edge {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []Edge
	for _, edges := range d.waits {
		all = append(all, edges...)
	}
	slices.SortStableFunc(all, func(a, b Edge) int {
		switch {
		case a.Waiter < b.Waiter:
			return -1
		case a.Waiter > b.Waiter:
			return 1
		}
		return bytes.Compare(a.Key, b.Key)
	})
	return all
}
