package lsm

import "runtime"

// arena is the memory of a memtable. Where the platform can, it lies outside Go's
// heap:
//
//	in the heap       |#############| garbage |#############| garbage |   until the
//	                  collector runs, which lets as much pile up as is in use
//	outside of it     |####.........|                                     a page comes
//	                  with its first entry, and all go with the last reader
//
// Readers hold the memtable (readState), and with it the arena: what a read gives to
// its caller is a copy.
type arena struct {
	mem    []byte
	mapped bool
}

// newArena returns size bytes of zeros. Where they cannot be mapped they are Go's.
func newArena(size int) *arena {
	if mem, err := mapAnonymous(size); err == nil {
		return &arena{mem, true}
	}
	return &arena{mem: make([]byte, size)}
}

// free gives the memory back; nobody may look at it any more.
func (a *arena) free() {
	if a.mapped {
		unmapAnonymous(a.mem)
	}
	a.mem, a.mapped = nil, false
}

// freeWith frees the arena, if nobody has, when owner is garbage: as it is when a
// store is let go without being closed.
func (a *arena) freeWith(owner *memtable) {
	if a.mapped {
		runtime.AddCleanup(owner, (*arena).free, a)
	}
}
