package lsm

// radixFrom is the number of entries from which on counting bytes is faster than
// comparing keys.
const radixFrom = 128

// byPrefix sorts entries by their prefixes, those with equal ones in the order they
// had. It counts instead of comparing: a pass for each byte, the last one first, deals
// the entries out to their places, from one slice to the other:
//
//	in        last byte     first byte
//	ba 1      ba 1          ab 1
//	ab 1      ca 1          ab 2
//	ca 1  ->  ab 1     ->   ba 1
//	ab 2      ab 2          ca 1
//
// Bytes that are the same in all prefixes take no pass. It returns the sorted slice,
// and the other one for the next time; they are entries and spare or the
// other way round.
func byPrefix(entries, spare []flatEntry) (sorted, other []flatEntry) {
	if cap(spare) < len(entries) {
		spare = make([]flatEntry, len(entries))
	}
	spare = spare[:len(entries)]
	var counts [8][256]uint32
	for i := range entries {
		for b, p := 0, entries[i].prefix; b < len(counts); b, p = b+1, p>>8 {
			counts[b][byte(p)]++
		}
	}
	for b := range counts {
		next, shift := &counts[b], 8*b
		if next[byte(entries[0].prefix>>shift)] == uint32(len(entries)) {
			continue
		}
		at := uint32(0)
		for i, n := range next {
			next[i], at = at, at+n
		}
		for i := range entries {
			to := &next[byte(entries[i].prefix>>shift)]
			spare[*to] = entries[i]
			*to++
		}
		entries, spare = spare, entries
	}
	return entries, spare
}
