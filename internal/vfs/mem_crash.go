// What is left: after a power cut, after a kill.

package vfs

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// CrashClone returns a state that a power cut at this moment may leave, drawn
// with rng. With a nil rng it is the strictest: everything not synced is lost.
// The clone is independent of m, everything in it is durable, nothing is locked,
// no fault is set, power is on and operations count from 1 again. m goes on
// unchanged: it may be cloned many times.
func (m *Mem) CrashClone(rng *rand.Rand) *Mem {
	return m.crash(func() luck {
		if rng == nil {
			return luck{chance: loseAll}
		}
		return luck{rng: rng, chance: chance(rng.IntN(4))}
	})
}

// CrashCloneKeepAll is the other extreme: power goes just after the disk has
// written everything out.
func (m *Mem) CrashCloneKeepAll() *Mem {
	return m.crash(func() luck { return luck{chance: keepAll} })
}

// luck decides what unsynced changes come to. Were every change decided by its
// own coin, a file of many sectors would never be seen wholly lost or wholly
// kept, the two states that real power cuts leave most; so each file draws its
// kind of luck first.
type luck struct {
	rng    *rand.Rand
	chance chance
}

type chance int

const (
	loseAll chance = iota
	keepAll
	mixed // and above
)

// pick returns which of n+1 states is left, the oldest first.
func (l luck) pick(n int) int {
	switch {
	case n == 0 || l.chance == loseAll:
		return 0
	case l.chance == keepAll:
		return n
	}
	return l.rng.IntN(n + 1)
}

// crash settles the names first, then the contents of the files that still have
// one, each with luck of its own.
func (m *Mem) crash(draw func() luck) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := m.crashNames(draw())
	after := NewMem()
	after.capacity = m.capacity
	// In the order of names, for the sake of the same clone from the same rng.
	var rebuild func(from, to *inode)
	rebuild = func(from, to *inode) {
		entries := names(from)
		for _, name := range slices.Sorted(maps.Keys(entries)) {
			old, n := entries[name], &inode{linked: true}
			if old.isDir() {
				n = newDir()
				rebuild(old, n)
			} else {
				n.content = old.content.crash(draw())
				after.used += n.reserved
			}
			to.entries[name], to.durable[name] = n, n
		}
	}
	rebuild(m.root, after.root)
	return after
}

// crashNames applies some of the pending name operations to the durable tree,
// and returns the entries that each directory then has.
func (m *Mem) crashNames(l luck) func(dir *inode) map[string]*inode {
	changed := map[*inode]map[string]*inode{}
	var dropped []*dirOp
	for _, op := range m.pending {
		keep := l.pick(1) == 1
		if !keep || slices.ContainsFunc(dropped, op.needs) {
			dropped = append(dropped, op)
			continue
		}
		op.apply(func(dir *inode) map[string]*inode {
			if changed[dir] == nil {
				changed[dir] = maps.Clone(dir.durable)
			}
			return changed[dir]
		})
	}
	return func(dir *inode) map[string]*inode {
		if entries := changed[dir]; entries != nil {
			return entries
		}
		return dir.durable
	}
}

// crash draws a length and, for each sector with a history, an image. The two
// are independent: a length may be on disk before the bytes are, which then read
// as zeros.
func (c *content) crash(l luck) content {
	size := c.size
	if k := l.pick(len(c.sizes)); k < len(c.sizes) {
		size = c.sizes[k]
	}
	d := content{data: slices.Clone(c.data[:c.high])}
	for _, s := range slices.Sorted(maps.Keys(c.past)) {
		images := c.past[s].images
		k := l.pick(len(images))
		if k == len(images) {
			continue
		}
		// An image may reach past what is stored now, where a truncation was lost.
		from := s * SectorSize
		d.grow(from + int64(len(images[k])))
		sector := d.data[from:min(from+SectorSize, int64(len(d.data)))]
		clear(sector[copy(sector, images[k]):])
	}
	d.data = d.data[:min(int64(len(d.data)), size)]
	d.high, d.size = int64(len(d.data)), size
	d.reserved = max(d.high, min(c.reserved, size))
	return d
}

// KillClone returns the state that the death of the process leaves at this
// moment: all that the kernel was given is there, what was not synced may still
// be lost in a later power cut, and locks are released. Otherwise it is a clone
// as CrashClone makes them.
func (m *Mem) KillClone() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	copies := map[*inode]*inode{} // an inode may be in both trees, and in pending
	var copyOf func(n *inode) *inode
	copyAll := func(entries map[string]*inode) map[string]*inode {
		if entries == nil {
			return nil
		}
		all := make(map[string]*inode, len(entries))
		for name, n := range entries {
			all[name] = copyOf(n)
		}
		return all
	}
	after := &Mem{cut: -1, capacity: m.capacity}
	copyOf = func(n *inode) *inode {
		if n == nil || copies[n] != nil {
			return copies[n]
		}
		d := &inode{content: n.content.clone(), linked: n.linked}
		copies[n] = d
		d.entries, d.durable = copyAll(n.entries), copyAll(n.durable)
		if d.linked {
			after.used += d.reserved
		}
		return d
	}
	after.root = copyOf(m.root)
	for _, op := range m.pending {
		d := &dirOp{node: copyOf(op.node)}
		d.from = place{copyOf(op.from.dir), op.from.name}
		d.to = place{copyOf(op.to.dir), op.to.name}
		for _, dir := range op.above {
			d.above = append(d.above, copyOf(dir))
		}
		after.pending = append(after.pending, d)
	}
	return after
}

// Dump lists what programs see, one line each, sorted: directories with a slash
// at the end, files with their length. For tests and for eyes.
func (m *Mem) Dump() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b strings.Builder
	var list func(prefix string, dir *inode)
	list = func(prefix string, dir *inode) {
		for _, name := range slices.Sorted(maps.Keys(dir.entries)) {
			if n := dir.entries[name]; n.isDir() {
				fmt.Fprintf(&b, "%s%s/\n", prefix, name)
				list(prefix+name+"/", n)
			} else {
				fmt.Fprintf(&b, "%s%s %d\n", prefix, name, n.size)
			}
		}
	}
	list("", m.root)
	return b.String()
}
