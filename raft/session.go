package raft

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Exactly once (dissertation §6.3). A client that does not know whether its
// command was executed has to repeat it, and it may then run twice. In a
// session every command has a number; all nodes remember, in the replicated
// state, the last number of each session and what came of it, and answer a
// repetition from there.
//
//	client                     log                          sessions
//	open                 ->    [open]           index 7     7: seq 0
//	propose x+=1         ->    [7 seq 1 x+=1]   x: 0 -> 1   7: seq 1 -> "1"
//	  ... no answer, the leader is gone; ask the next one
//	retry                ->    [7 seq 1 x+=1]   nothing     7: seq 1 -> "1"
//
// The table is part of the state: it is in every snapshot, and what it forgets
// it forgets at the same index on every node, the least recently used session
// first.

// ErrSessionExpired: the session is forgotten, so whether its last command was
// executed cannot be told any more. Open another.
var ErrSessionExpired = fmt.Errorf("%w: the session has expired", ErrOutcomeUnknown)

// Session numbers the commands of one client, so that each is executed at most
// once, however often it is repeated. It is not tied to the node that opened
// it. One command can be under way at a time; it is safe for concurrent use.
type Session struct {
	id  uint64
	one chan struct{} // holds a token while a command is under way
	seq uint64        // of the last command
	// data is the last command, wrapped, while its outcome is not known.
	data []byte
}

// Session opens a session, through the log.
func (n *Node) Session(ctx context.Context) (*Session, error) {
	result, err := n.propose(ctx, EntrySession, binary.AppendUvarint(nil, 0))
	if err != nil {
		return nil, err
	}
	id, _ := binary.Uvarint(result)
	return &Session{id: id, one: make(chan struct{}, 1)}, nil
}

// Propose is Node.Propose, executed at most once even if Retry repeats it.
func (s *Session) Propose(ctx context.Context, n *Node, command []byte) ([]byte, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	if s.data != nil {
		return nil, fmt.Errorf("%w: the outcome of the session's last command is not known, Retry it first", ErrPending)
	}
	s.seq++
	data := binary.AppendUvarint(nil, s.id)
	data = binary.AppendUvarint(data, s.seq)
	s.data = append(data, command...)
	return s.try(ctx, n)
}

// Retry proposes the last command again, to any node, when its outcome is not
// known, and returns its result, whether it was executed now or before. It
// fails with ErrInvalid when there is none.
func (s *Session) Retry(ctx context.Context, n *Node) ([]byte, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	if s.data == nil {
		return nil, fmt.Errorf("%w: no command of this session is in doubt", ErrInvalid)
	}
	return s.try(ctx, n)
}

// enter waits until no command is under way, and no longer than ctx.
func (s *Session) enter(ctx context.Context) error {
	select {
	case s.one <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Session) leave() { <-s.one }

func (s *Session) try(ctx context.Context, n *Node) ([]byte, error) {
	result, err := n.propose(ctx, EntrySession, s.data)
	// What is too large never will be executed: nothing is in doubt.
	if err == nil || err == ErrSessionExpired || errors.Is(err, ErrTooLarge) {
		s.data = nil
	}
	return result, err
}

// sessions is the replicated table.
type sessions struct {
	max  int
	byID map[uint64]*session
}

type session struct {
	seq    uint64
	used   uint64 // index of its last entry
	result []byte
}

// apply executes an EntrySession with execute, unless that was done before.
func (t *sessions) apply(index uint64, data []byte, execute func(command []byte) []byte) ([]byte, error) {
	id, n := binary.Uvarint(data)
	if n <= 0 {
		return nil, fmt.Errorf("%w: session entry %d", ErrCorrupt, index)
	}
	if id == 0 {
		t.add(index, &session{used: index})
		return binary.AppendUvarint(nil, index), nil
	}
	seq, k := binary.Uvarint(data[n:])
	s := t.byID[id]
	switch {
	case k <= 0:
		return nil, fmt.Errorf("%w: session entry %d", ErrCorrupt, index)
	case s == nil:
		return nil, ErrSessionExpired
	case seq > s.seq:
		s.seq, s.result = seq, slices.Clone(execute(data[n+k:]))
	}
	s.used = index
	return s.result, nil
}

// add puts a session in, and forgets the least recently used over the bound.
func (t *sessions) add(id uint64, s *session) {
	if t.byID == nil {
		t.byID = map[uint64]*session{}
	}
	t.byID[id] = s
	for len(t.byID) > t.max {
		oldest, used := uint64(0), ^uint64(0)
		for id, s := range t.byID { // used is unique, so the order is no matter
			if s.used < used {
				oldest, used = id, s.used
			}
		}
		delete(t.byID, oldest)
	}
}

// sessionsVersion begins the table in a snapshot: version, number of sessions,
// and of each id, seq, used and result, all uvarints and length-prefixed.
const sessionsVersion = 1

func (t *sessions) encode() []byte {
	b := []byte{sessionsVersion}
	b = binary.AppendUvarint(b, uint64(len(t.byID)))
	ids := make([]uint64, 0, len(t.byID))
	for id := range t.byID {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		s := t.byID[id]
		b = binary.AppendUvarint(b, id)
		b = binary.AppendUvarint(b, s.seq)
		b = binary.AppendUvarint(b, s.used)
		b = binary.AppendUvarint(b, uint64(len(s.result)))
		b = append(b, s.result...)
	}
	return b
}

// byteReader is what the table is decoded from.
type byteReader interface {
	io.Reader
	io.ByteReader
}

func (t *sessions) decode(r byteReader) error {
	version, err := r.ReadByte()
	if err != nil || version != sessionsVersion {
		return fmt.Errorf("%w: session table of format %d, this build reads %d: %w", ErrCorrupt, version, sessionsVersion, err)
	}
	var number = func() (v uint64) {
		if err == nil {
			v, err = binary.ReadUvarint(r)
		}
		return v
	}
	t.byID = map[uint64]*session{}
	for n := number(); err == nil && n > 0; n-- {
		id, s := number(), &session{seq: number(), used: number()}
		if size := number(); err == nil && size > 0 {
			var result []byte
			if result, err = io.ReadAll(io.LimitReader(r, int64(min(size, 1<<40)))); err == nil && uint64(len(result)) != size {
				err = io.ErrUnexpectedEOF
			}
			s.result = result
		}
		t.byID[id] = s
	}
	if err != nil {
		return fmt.Errorf("%w: session table: %w", ErrCorrupt, err)
	}
	return nil
}
