package gateway

import (
	"sync"
	"time"
)

// deadlines are what was set on a connection from outside: by net/http, or by the filters readTimeout and writeTimeout.
// A connection that gives each piece a time of its own would forget them with the next piece.
type deadlines struct {
	mu          sync.Mutex
	read, write time.Time
}

// store remembers a deadline and sets it.
func (d *deadlines) store(set func(time.Time) error, t time.Time, into ...*time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, one := range into {
		*one = t
	}
	return set(t)
}

// piece sets the time of the next piece, or what was set from outside if that is sooner. That it fails shows when the piece is read or written.
func (d *deadlines) piece(set func(time.Time) error, outer *time.Time, limit time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := time.Now().Add(limit)
	if !outer.IsZero() && outer.Before(t) {
		t = *outer
	}
	_ = set(t)
}
