package push

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// A snapshot is one version: the frame that all subscribers are sent, encoded once (C5). It is lent: whoever sends it
// holds a reference, and when nobody does and there is a newer one, the bytes are used for another version.
type snapshot struct {
	id
	frame []byte // not to be touched without a reference
	// newer is closed when there is a newer version.
	newer chan struct{}
	refs  atomic.Int32
	pool  *sync.Pool
}

func (s *snapshot) release() {
	if s.refs.Add(-1) == 0 && s.frame != nil {
		b := s.frame[:0]
		s.pool.Put(&b)
	}
}

// versions are all there is to fan-out: the newest version, and a way to wait for the next.
//
//	publish:     newest = v8; close(v7.newer)
//
//	subscriber:  v5 sent ... waits for v5.newer ... takes newest = v8, whatever was between
//
// There is no queue for anybody. Who is slow takes longer to come back, and then finds the newest, as everybody
// does: it skips what was between, costs no memory, and holds up nobody (C5). It has no
// goroutine and no clock, and is safe for concurrent use.
type versions struct {
	pool sync.Pool // of *[]byte

	publishing sync.Mutex // one at a time, so that versions are in the order of their encoding

	mu     sync.Mutex
	newest *snapshot
}

func newVersions() *versions {
	return &versions{newest: &snapshot{newer: make(chan struct{})}}
}

// acquire is the newest version, with a reference. Version 0 is none yet.
func (v *versions) acquire() *snapshot {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.newest.refs.Add(1)
	return v.newest
}

// publish encodes the next version and makes it the newest. If encode fails, everything is as before.
func (v *versions) publish(limit int, encode func(dst []byte) ([]byte, error)) (uint64, error) {
	v.publishing.Lock()
	defer v.publishing.Unlock()
	var b []byte
	if pooled, ok := v.pool.Get().(*[]byte); ok {
		b = *pooled
	}
	b, err := encode(beginFrame(b))
	switch {
	case err != nil:
		return 0, fmt.Errorf("push: encode the configuration: %w", err)
	case len(b) < headerSize:
		return 0, fmt.Errorf("push: encode has returned %d bytes: it is to append to what it is given", len(b))
	case len(b)-headerSize > limit:
		return 0, fmt.Errorf("push: a configuration of %d bytes: at most %d are taken (MaxSize)", len(b)-headerSize, limit)
	}
	next := &snapshot{frame: b, newer: make(chan struct{}), pool: &v.pool}
	next.refs.Store(1)

	old := v.newest // it changes under publishing only
	next.id = endFrame(b, kindSnapshot, old.version+1)
	v.mu.Lock()
	v.newest = next
	v.mu.Unlock()
	close(old.newer)
	if old.version > 0 {
		old.release()
	}
	return next.version, nil
}
