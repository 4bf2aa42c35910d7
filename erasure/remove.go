// Removing versions, and keeping their shards for those who read them.

package erasure

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// removeVersion removes a version from places: its file first, so that a shard
// without a version is all that a power cut may leave; then the shards, unless
// somebody reads them, or they are a newer version's. left is on how many of the places it may still be; needed
// is how many there is reason to be patient for.
func (s *Store) removeVersion(ctx context.Context, c *census, places []int, key versionKey, needed int) (left int, err error) {
	paths := []string{c.dir + "/" + key.file()}
	shards := c.shards(key)
	remove := func() { s.remove(context.Background(), c.set, c.set.all(), shards, 0) }
	if len(shards) > 0 && !c.renewed(key) && !s.pins.leave(key.ID, remove) {
		paths = append(paths, shards...)
	}
	outcomes := s.remove(ctx, c.set, places, paths, needed)
	return len(places) - succeeded(outcomes), failures(outcomes)
}

// remove removes files from places. A drive that is not waited for does it all the
// same: what is to go, goes.
func (s *Store) remove(ctx context.Context, set *set, places []int, paths []string, needed int) []outcome[struct{}] {
	f := ask(ctx, s, set, places, changing, func(ctx context.Context, p *place, d Drive) (struct{}, error) {
		if err := d.Remove(context.WithoutCancel(ctx), paths...); err != nil {
			return struct{}{}, fmt.Errorf("%s: %w", d, err)
		}
		return struct{}{}, nil
	}, nil)
	return f.wait(quorum[struct{}](s, needed))
}

// shards are the paths of the shards of a version, wherever they lie.
func (c *census) shards(key versionKey) []string {
	var paths []string
	for _, a := range c.answers {
		for _, file := range a.tree.shards {
			if id, _, ok := parseShardFile(file); ok && id == key.ID {
				paths = append(paths, c.dir+"/"+file)
			}
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// renewed reports whether a drive lists a newer version of the same ID: the upload was
// completed once more after a completion that failed, and has the shards of both.
func (c *census) renewed(key versionKey) bool {
	return slices.ContainsFunc(c.keys(), func(k versionKey) bool { return k.ID == key.ID && k.compare(key) > 0 })
}

// pins count the readers of versions, whose shards are removed after the last.
type pins struct {
	mu sync.Mutex
	of map[[16]byte]*pin
}

type pin struct {
	readers int
	after   []func()
}

// add pins a version. The object's lock must be held, so that it is not removed
// between being found and being pinned.
func (p *pins) add(id [16]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of == nil {
		p.of = make(map[[16]byte]*pin)
	}
	if p.of[id] == nil {
		p.of[id] = new(pin)
	}
	p.of[id].readers++
}

// leave reports whether a version is pinned. If so, remove is called when it no
// longer is.
func (p *pins) leave(id [16]byte, remove func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	pin := p.of[id]
	if pin == nil {
		return false
	}
	pin.after = append(pin.after, remove)
	return true
}

// has reports whether a version is pinned.
func (p *pins) has(id [16]byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.of[id] != nil
}

// drop gives a pin back, and removes what waits for that.
func (p *pins) drop(id [16]byte) {
	p.mu.Lock()
	pin := p.of[id]
	pin.readers--
	if pin.readers > 0 {
		p.mu.Unlock()
		return
	}
	delete(p.of, id)
	p.mu.Unlock()
	for _, remove := range pin.after {
		remove()
	}
}
