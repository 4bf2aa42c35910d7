package versus

import (
	"math/bits"
	"time"
)

// A histogram counts durations in buckets whose width grows with their value:
// each power of two is cut into 32, which keeps quantiles within 3 % and the
// memory fixed, so that recording does not allocate.
//
//	0..31 ns        one bucket each
//	32..63 ns       one bucket each
//	64..127 ns      32 buckets of 2 ns
//	128..255 ns     32 buckets of 4 ns, and so on to 2^63
type histogram struct {
	n      uint64
	counts [59 * 32]uint32
}

func bucketOf(d time.Duration) int {
	v := uint64(max(d, 0))
	shift := max(bits.Len64(v)-6, 0)
	return shift*32 + int(v>>shift)
}

// middleOf is a value that stands for the bucket.
func middleOf(bucket int) time.Duration {
	shift := max(bucket/32-1, 0)
	low := uint64(bucket-shift*32) << shift
	return time.Duration(low + (uint64(1)<<shift)/2)
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucketOf(d)]++
	h.n++
}

func (h *histogram) merge(other *histogram) {
	h.n += other.n
	for i, c := range other.counts {
		h.counts[i] += c
	}
}

// quantile returns the smallest duration that at least the fraction q of all
// records do not exceed, within 3 %. It is 0 for an empty histogram.
func (h *histogram) quantile(q float64) time.Duration {
	rank := max(uint64(q*float64(h.n)+0.999999), 1)
	var seen uint64
	for i, c := range h.counts {
		seen += uint64(c)
		if seen >= rank {
			return middleOf(i)
		}
	}
	return 0
}
