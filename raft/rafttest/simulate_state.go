package rafttest

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"

	"github.com/flagship-go/flagship/internal/sim"
	"github.com/flagship-go/flagship/raft"
)

// simKind is what a client asks for.
type simKind byte

const (
	simPut simKind = iota + 1
	simGet
	simCAS // compare and set
)

func (k simKind) String() string { return [...]string{"?", "put", "get", "cas"}[k] }

// simCommand is a request to change a key, as the log carries it. Values are
// numbers, each written once in a run; 0 is a key that was never written.
type simCommand struct {
	client sim.ID
	seq    uint64 // of this client, growing: a session (dissertation §6.3)
	kind   simKind
	key    int
	value  uint64
	expect uint64 // of simCAS
}

func (c simCommand) encode(padding int) []byte {
	b := make([]byte, 0, 24+padding)
	for _, v := range []uint64{uint64(c.client), c.seq, uint64(c.kind), uint64(c.key), c.value, c.expect} {
		b = binary.AppendUvarint(b, v)
	}
	return append(b, make([]byte, padding)...)
}

var errSimEncoding = errors.New("rafttest: not what the simulator wrote")

// simReader reads numbers until one is missing.
type simReader struct {
	rest []byte
	err  error
}

func (r *simReader) next() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.err = errSimEncoding
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func decodeSimCommand(b []byte) (simCommand, error) {
	r := simReader{rest: b}
	c := simCommand{client: sim.ID(r.next()), seq: r.next(), kind: simKind(r.next()), key: int(r.next()), value: r.next(), expect: r.next()}
	return c, r.err
}

// simState is the state machine: some keys, and for each client what it was
// answered last, so that a repeated command takes effect once.
type simState struct {
	applied, term uint64
	// chain is a hash over all entries applied so far, in order. Two nodes at
	// the same index with different chains have executed different commands.
	chain    uint64
	keys     map[int]uint64
	sessions map[sim.ID]simSession
}

type simSession struct {
	seq    uint64
	answer simAnswer
}

// simAnswer is what a command or a read yields.
type simAnswer struct {
	value uint64 // before a write, or read
	done  bool   // false: a compare-and-set found another value
}

func newSimState() simState {
	return simState{keys: map[int]uint64{}, sessions: map[sim.ID]simSession{}}
}

// apply executes an entry. It reports no answer for a command that is not the
// latest of its client any more.
func (s *simState) apply(e *raft.Entry) (c simCommand, a simAnswer, answered bool, err error) {
	h := (s.chain ^ e.Index) * 1099511628211
	h = (h ^ e.Term) * 1099511628211
	for _, b := range e.Data {
		h = (h ^ uint64(b)) * 1099511628211
	}
	s.applied, s.term, s.chain = e.Index, e.Term, h
	if e.Type != raft.EntryCommand {
		return c, a, false, nil
	}
	if c, err = decodeSimCommand(e.Data); err != nil {
		return c, a, false, err
	}
	session := s.sessions[c.client]
	if c.seq <= session.seq {
		return c, session.answer, c.seq == session.seq, nil
	}
	a = simAnswer{value: s.keys[c.key], done: c.kind == simPut || s.keys[c.key] == c.expect}
	if a.done {
		s.keys[c.key] = c.value
	}
	s.sessions[c.client] = simSession{c.seq, a}
	return c, a, true, nil
}

// encode writes the state for a snapshot, the same bytes for the same state.
func (s *simState) encode() []byte {
	b := make([]byte, 0, 64+16*len(s.keys)+16*len(s.sessions))
	put := func(vs ...uint64) {
		for _, v := range vs {
			b = binary.AppendUvarint(b, v)
		}
	}
	put(s.applied, s.term, s.chain, uint64(len(s.keys)))
	for _, k := range slices.Sorted(maps.Keys(s.keys)) {
		put(uint64(k), s.keys[k])
	}
	put(uint64(len(s.sessions)))
	for _, id := range slices.Sorted(maps.Keys(s.sessions)) {
		done := uint64(0)
		if s.sessions[id].answer.done {
			done = 1
		}
		put(uint64(id), s.sessions[id].seq, s.sessions[id].answer.value, done)
	}
	return b
}

func decodeSimState(b []byte) (simState, error) {
	s, r := newSimState(), simReader{rest: b}
	s.applied, s.term, s.chain = r.next(), r.next(), r.next()
	for n := r.next(); n > 0 && r.err == nil; n-- {
		k := int(r.next())
		s.keys[k] = r.next()
	}
	for n := r.next(); n > 0 && r.err == nil; n-- {
		id := sim.ID(r.next())
		s.sessions[id] = simSession{r.next(), simAnswer{r.next(), r.next() == 1}}
	}
	return s, r.err
}
