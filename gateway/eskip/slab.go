package eskip

// A slab hands out pieces of larger arrays, so that many small slices cost few allocations.
// Whoever keeps one piece keeps its whole array, which is why arrays are not larger than maxSlab.
type slab[T any] struct {
	free []T
	size int // of the last array
}

const (
	minSlab = 4   // a text may be one route
	maxSlab = 256 // and may be a hundred thousand
)

// keep copies s to where it can stay. Nobody can append to what it returns into the neighbour's piece.
func (l *slab[T]) keep(s []T) []T {
	n := len(s)
	if n == 0 {
		return nil
	}
	if len(l.free) < n {
		l.size = max(min(2*l.size, maxSlab), minSlab, n)
		l.free = make([]T, l.size)
	}
	kept := l.free[:n:n]
	l.free = l.free[n:]
	copy(kept, s)
	return kept
}

// one is keep for a single value.
func (l *slab[T]) one(v T) *T { return &l.keep([]T{v})[0] }
