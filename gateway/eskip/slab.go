package eskip

import "math"

// A slab is where many small slices lie side by side, so that they cost few allocations. One is built at a
// time, by push, and finished by cut. Whoever keeps one keeps its whole array, which is why arrays are not larger than maxSlab.
//
//	| Path, Method | setHeader | Path |  ...  free  ...  |
//	  cut            cut         open
type slab[T any] struct {
	open []T // what was pushed since the last cut; its capacity is the rest of the array
	size int // of the array
}

const (
	minSlab = 4   // a text may be one route
	maxSlab = 256 // and may be a hundred thousand
)

func (l *slab[T]) push(v T) {
	if len(l.open) == cap(l.open) {
		l.size = max(min(2*l.size, maxSlab), minSlab, 2*len(l.open))
		l.open = append(make([]T, 0, l.size), l.open...)
	}
	l.open = append(l.open, v)
}

// cut is what was pushed since the last cut; nil if nothing was. Nobody can append to it into its neighbour's place.
func (l *slab[T]) cut() []T {
	n := len(l.open)
	if n == 0 {
		return nil
	}
	piece := l.open[:n:n]
	l.open = l.open[n:]
	return piece
}

// Boxes are arguments as any. Making one of a string or a number is an allocation, and a file says
// Method("GET") ten thousand times: what was boxed a moment ago is used again.
type boxes struct {
	strings [64]any
	numbers [16]any
}

func (b *boxes) string(s string) any {
	box := &b.strings[0] // the empty string's
	if n := len(s); n > 0 {
		box = &b.strings[(n+int(s[0])<<2+int(s[n/2])<<1+int(s[n-1]))%len(b.strings)]
	}
	if old, ok := (*box).(string); !ok || old != s {
		*box = s
	}
	return *box
}

func (b *boxes) number(f float64) any {
	box := &b.numbers[int(math.Float64bits(f)>>48)%len(b.numbers)]
	if old, ok := (*box).(float64); !ok || old != f || f == 0 { // 0 and -0 are equal, and not the same
		*box = f
	}
	return *box
}
