package bloom

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"
)

const (
	lineBytes = 64 // what a cache line and a line of the filter hold
	lineBits  = lineBytes * 8
	// maxProbes bounds the work that a damaged filter can ask for.
	maxProbes = 16
)

// Hash returns the hash of a bare key (see [key.Order.Bare]) that filters are
// made of and asked with. It is on disk: it never changes.
func Hash(bareKey []byte) uint64 {
	// Each step multiplies two words, mixed with constants, to 128 bits and folds
	// the halves: every bit of the product's middle depends on all input bits.
	const k0, k1, k2 = 0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9, 0x94d049bb133111eb
	b := bareKey
	h := uint64(len(b)) ^ k2
	for ; len(b) > 16; b = b[16:] {
		h = fold(binary.LittleEndian.Uint64(b)^k0, binary.LittleEndian.Uint64(b[8:])^h)
	}
	var x, y uint64
	switch {
	case len(b) >= 8: // the two words may overlap
		x, y = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[len(b)-8:])
	case len(b) >= 4:
		x, y = uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[len(b)-4:]))
	case len(b) > 0:
		x = uint64(b[0])<<16 | uint64(b[len(b)/2])<<8 | uint64(b[len(b)-1])
	}
	return fold(fold(x^k1, y^h)^k0, uint64(len(bareKey))^k1)
}

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// line returns which of n lines the hash h is in, from its upper half.
func line(h uint64, n int) int {
	return int((h >> 32) * uint64(n) >> 32)
}

// probes returns how many bits a key sets, the best number for a filter of one
// piece; lines make it slightly worse than that.
func probes(bitsPerKey int) int {
	return min(max(bitsPerKey*69/100, 1), maxProbes)
}

// next turns the lower half of a hash into the one for the next probe. Its upper
// nine bits are the place within the line.
func next(h uint32) uint32 { return h * 0x9e3779b9 }

const placeShift = 32 - 9

// lines returns how many lines hold n keys.
func lines(n, bitsPerKey int) int {
	return max(1, int((int64(n)*int64(bitsPerKey)+lineBits-1)/lineBits))
}

// Filter is a filter of a fixed set of keys, as it is on disk. Any bytes may be
// asked: those that Build has not made let through every key or some.
type Filter []byte

// Build returns the filter of the given hashes.
func Build(hashes []uint64, bitsPerKey int) Filter {
	n := lines(len(hashes), bitsPerKey)
	f := make(Filter, n*lineBytes+1)
	k := probes(bitsPerKey)
	f[n*lineBytes] = byte(k)
	for _, h := range hashes {
		l := f[line(h, n)*lineBytes:][:lineBytes]
		p := uint32(h)
		for range k {
			p = next(p)
			at := p >> placeShift
			l[at/8] |= 1 << (at % 8)
		}
	}
	return f
}

// MayContain reports whether a key with the hash h may be in the set: a false is
// certain.
func (f Filter) MayContain(h uint64) bool {
	n := len(f) / lineBytes
	if n == 0 || len(f) != n*lineBytes+1 {
		return true
	}
	k := f[n*lineBytes]
	if k > maxProbes {
		return true
	}
	l := f[line(h, n)*lineBytes:][:lineBytes]
	p := uint32(h)
	for range k {
		p = next(p)
		at := p >> placeShift
		if l[at/8]&(1<<(at%8)) == 0 {
			return false
		}
	}
	return true
}

// Live is a filter that grows while it is read: a memtable's. All methods are
// safe for concurrent use.
type Live struct {
	words  []atomic.Uint64
	probes int
}

// NewLive returns an empty filter. With more keys than expected it lets more
// through, with fewer it only takes more room.
func NewLive(expectedKeys, bitsPerKey int) *Live {
	return &Live{
		words:  make([]atomic.Uint64, lines(expectedKeys, bitsPerKey)*(lineBytes/8)),
		probes: probes(bitsPerKey),
	}
}

func (f *Live) line(h uint64) []atomic.Uint64 {
	return f.words[line(h, len(f.words)/(lineBytes/8))*(lineBytes/8):][:lineBytes/8]
}

// Add adds a key by its hash.
func (f *Live) Add(h uint64) {
	l := f.line(h)
	p := uint32(h)
	for range f.probes {
		p = next(p)
		at := p >> placeShift
		w, bit := &l[at/64], uint64(1)<<(at%64)
		if w.Load()&bit == 0 { // a write takes the cache line from other cores
			w.Or(bit)
		}
	}
}

// MayContain reports whether a key with the hash h may have been added before
// the call: a false is certain.
func (f *Live) MayContain(h uint64) bool {
	l := f.line(h)
	p := uint32(h)
	for range f.probes {
		p = next(p)
		at := p >> placeShift
		if l[at/64].Load()&(1<<(at%64)) == 0 {
			return false
		}
	}
	return true
}
