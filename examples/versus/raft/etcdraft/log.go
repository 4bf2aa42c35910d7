package etcdraft

import "github.com/flagship-go/flagship/raft"

// mirror is the log as its entries passed by: RawNode does not show where its
// log ends, nor any term.
type mirror struct {
	offset     uint64 // index before terms[0]
	offsetTerm uint64
	terms      []uint64
	snapshot   uint64 // index of the last snapshot
	durable    uint64
}

func (l *mirror) last() uint64 { return l.offset + uint64(len(l.terms)) }

func (l *mirror) term(index uint64) (term uint64, known bool) {
	switch {
	case index == l.offset:
		return l.offsetTerm, true
	case index < l.offset || index > l.last():
		return 0, false
	}
	return l.terms[index-l.offset-1], true
}

// splice puts entries where they belong; the first replaces what is behind it.
func (l *mirror) splice(entries []raft.Entry) {
	first := entries[0].Index
	l.durable = min(l.durable, first-1)
	l.terms = l.terms[:first-l.offset-1]
	for i := range entries {
		l.terms = append(l.terms, entries[i].Term)
	}
}

func (l *mirror) restore(index, term uint64) {
	*l = mirror{offset: index, offsetTerm: term, snapshot: index}
}

func (l *mirror) compact(upTo uint64) {
	if upTo > l.offset {
		l.offsetTerm, _ = l.term(upTo)
		l.terms = append([]uint64(nil), l.terms[upTo-l.offset:]...)
		l.offset = upTo
	}
}
