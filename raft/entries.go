package raft

import "slices"

// chunkEntries is how many entries a full chunk holds.
const chunkEntries = 4096

// entryList holds a log's entries in chunks: those at the front are given up
// without moving the others, and those at the end are added without copying
// what is there. A chunk is never written where entries are, so parts of it
// may be handed out.
//
//	sealed            tail
//	[.....] [.......] [...    ]
//	  |         |         grows up to chunkEntries
//	  |         every other one has chunkEntries
//	  the first may have lost its front
type entryList struct {
	sealed [][]Entry
	tail   []Entry
	n      int
}

func (l *entryList) len() int { return l.n }

// locate returns the chunk of entry i, counted from 0, and its place there.
func (l *entryList) locate(i int) (chunk []Entry, at int) {
	if len(l.sealed) == 0 {
		return l.tail, i
	}
	first := l.sealed[0]
	if i < len(first) {
		return first, i
	}
	i -= len(first)
	if c := 1 + i/chunkEntries; c < len(l.sealed) {
		return l.sealed[c], i % chunkEntries
	}
	return l.tail, i - (len(l.sealed)-1)*chunkEntries
}

func (l *entryList) at(i int) *Entry {
	chunk, i := l.locate(i)
	return &chunk[i]
}

func (l *entryList) add(entries ...Entry) {
	for len(entries) > 0 {
		if len(l.tail) >= chunkEntries {
			l.sealed = append(l.sealed, l.tail)
			l.tail = make([]Entry, 0, chunkEntries)
		}
		n := min(len(entries), chunkEntries-len(l.tail))
		l.tail = append(l.tail, entries[:n]...)
		entries = entries[n:]
		l.n += n
	}
}

// run returns entries from i on and before j, as far as one chunk has them. It
// shares the chunk.
func (l *entryList) run(i, j int) []Entry {
	chunk, at := l.locate(i)
	end := min(at+j-i, len(chunk))
	return chunk[at:end:end]
}

// slice returns the entries from i on and before j; they are copied when they
// are in several chunks.
func (l *entryList) slice(i, j int) []Entry {
	es := l.run(i, j)
	for i+len(es) < j {
		es = append(es, l.run(i+len(es), j)...) // run has no room to spare: a copy
	}
	return es
}

// truncate keeps the first n entries. The chunk that is cut is given up, not
// overwritten, when more entries come.
func (l *entryList) truncate(n int) {
	for l.n-len(l.tail) > n {
		last := len(l.sealed) - 1
		l.n -= len(l.tail)
		l.tail = l.sealed[last]
		l.sealed = slices.Delete(l.sealed, last, last+1)
	}
	keep := len(l.tail) - (l.n - n)
	l.tail, l.n = l.tail[:keep:keep], n
}

// drop forgets the first n entries, and with the last chunk that holds any of
// them lets go of it: a copy of the rest frees their commands.
func (l *entryList) drop(n int) {
	room := min(chunkEntries, l.n) // what comes until the next time will fit
	l.n -= n
	whole := 0
	for whole < len(l.sealed) && n >= len(l.sealed[whole]) {
		n -= len(l.sealed[whole])
		whole++
	}
	l.sealed = slices.Delete(l.sealed, 0, whole)
	switch {
	case n == 0:
	case len(l.sealed) > 0:
		l.sealed[0] = slices.Clone(l.sealed[0][n:])
	default:
		l.tail = append(make([]Entry, 0, room), l.tail[n:]...)
	}
}
