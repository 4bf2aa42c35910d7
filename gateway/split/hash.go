package split

// Hash is a number for a key in a split, as good as random, and the same in every process,
// on every architecture and in every version of this package: golden values in the tests see to
// that. The split's name is part of it (T3), so that those who get the new checkout are not
// the same ones who get the new search.
//
// It is FNV-1a, made even by a finalizer: FNV's own upper bits hardly know of the last bytes
// of a key, and names of users differ in just these. The finalizer stands also between
// the name and the key: Hash("ab", "c") is not Hash("a", "bc").
func Hash(split, key string) uint64 {
	const offset = 0xcbf29ce484222325
	return mix(fnv(mix(fnv(offset, split)), key))
}

func fnv(h uint64, s string) uint64 {
	const prime = 0x100000001b3
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * prime
	}
	return h
}

// mix is a bijection in which each bit of x moves each bit of the result with a probability of a
// half (the finalizer of SplitMix64: Steele, Lea and Flood, OOPSLA 2014; constants of Stafford's mix 13).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
