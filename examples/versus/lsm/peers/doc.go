// Package peers makes production stores into what lsmtest grades: Pebble, badger
// and goleveldb behind lsmtest.Store. kit_test.go says which rules each is graded
// by, and which it does not keep.
//
// Whoever outgrows package lsm finds in pebble.go what of Pebble stands for what
// of it.
package peers

import (
	"errors"
	"sync"
)

// errClosed is what adapters return once closed, where the store would panic.
var errClosed = errors.New("peers: store is closed")

// gate lets calls through until it is closed, and waits for those inside: the
// stores panic when they are used while they close.
type gate struct {
	mu     sync.RWMutex
	closed bool
}

// enter returns errClosed, or nil and then leave must be called.
func (g *gate) enter() error {
	g.mu.RLock()
	if g.closed {
		g.mu.RUnlock()
		return errClosed
	}
	return nil
}

func (g *gate) leave() { g.mu.RUnlock() }

// close runs end once.
func (g *gate) close(end func() error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil
	}
	g.closed = true
	return end()
}
