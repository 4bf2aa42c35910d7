package disk

// spans knows up to which record the log is no longer needed. A span is a run of
// records of an eighth of a log file's size: the log is dropped by files, so
// that knowing more would be of no use.
type spans struct {
	list []span // by last
	save uint64 // the last record that holds a hard state
}

type span struct {
	last  uint64 // record
	index uint64 // the highest entry or snapshot index in it
	bytes int
}

// add accounts for record seq. It allocates once in many calls.
func (s *spans) add(seq uint64, r record, bytes int, segment int64) {
	highest := r.index
	if r.saves() {
		s.save = seq
		if n := len(r.entries); n > 0 {
			highest = r.entries[n-1].Index
		}
	}
	n := len(s.list)
	if n == 0 || int64(s.list[n-1].bytes) >= segment/8 {
		s.list = append(s.list, span{})
		n++
	}
	at := &s.list[n-1]
	at.last, at.index, at.bytes = seq, max(at.index, highest), at.bytes+bytes
}

// unneeded forgets the spans at the front whose entries and snapshots are all
// covered by a snapshot at index, and returns the first record that is needed;
// 0 when nothing is to be dropped.
//
// Only a run of them from the front counts: a span in the middle that has
// nothing left may hold the entry that replaced a later one.
func (s *spans) unneeded(index uint64) (seq uint64) {
	if index == 0 {
		return 0 // without a snapshot the log begins at its beginning
	}
	n := 0
	for n < len(s.list) && s.list[n].index <= index && s.list[n].last < s.save {
		seq = s.list[n].last + 1
		n++
	}
	s.list = s.list[n:]
	return seq
}

// behind returns the bytes of the log that unneeded would leave.
func (s *spans) behind(index uint64) (sum int64) {
	for _, at := range s.list {
		if at.index > index || at.last >= s.save {
			sum += int64(at.bytes)
		}
	}
	return sum
}
