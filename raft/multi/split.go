package multi

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/flagship-go/flagship/raft"
)

// The split of a group is a command of the left group's log: every replica comes
// to it at the same index, with the same state, and makes the right group out
// of the same part of it (M7).
//
//	left   ... | put a | put z | split at m -> g9 | put b |          a..m
//	                                  |
//	right                             +-> g9: snapshot 1/t0 = m..z | put n | ...
//
// What if power fails between the two? A state machine in memory comes back as
// of the left group's last snapshot. Before the split, the log is replayed and
// the split with it; after, the right group's snapshot is in front of it in the
// same log, and so cannot be missing. A durable one makes the split durable before
// the right group's record is written, so that a right group that has promised
// anything has its state. If the record is missing then, the left group's log,
// which is cut only behind the record, still says that it should be there, and it
// is made at the next start.
//
//	              split applied     durable in the engine     record of the right
//	-------------------|----------------------|------------------------|--------->
//	power fails here:      it is replayed, or      it is made from the     all is there
//	                       comes with a snapshot   left group's log

// The commands of a group's log: a kind, and then
//
//	apply   0 | command
//	split   1 | right group, uvarint | argument
const (
	commandApply = 0
	commandSplit = 1
)

type command struct {
	data  []byte  // the state machine's
	right GroupID // 0: not a split
}

func encodeCommand(data []byte) []byte {
	b := make([]byte, 1, 1+len(data))
	b[0] = commandApply
	return append(b, data...)
}

func encodeSplit(right GroupID, argument []byte) []byte {
	b := binary.AppendUvarint([]byte{commandSplit}, uint64(right))
	return append(b, argument...)
}

func decodeCommand(b []byte) (command, error) {
	if len(b) > 0 && b[0] == commandApply {
		return command{data: b[1:]}, nil
	}
	if len(b) > 0 && b[0] == commandSplit {
		if right, n := binary.Uvarint(b[1:]); n > 0 && right != 0 {
			return command{data: b[1+n:], right: GroupID(right)}, nil
		}
	}
	return command{}, fmt.Errorf("%w: not a command of a group, or one of a newer version: % x", raft.ErrCorrupt, b[:min(len(b), 16)])
}

// Split splits a group that is led here: its state machine, a [Splitter], gives
// the part that argument names to a new group, right, of the same members, which
// elects a leader at once, most likely this host. It returns when that is done
// here. The ID must never have been used: two splits into one group lose the
// second's part.
//
// The errors are Propose's; ErrExists when this host knows the right group, and
// the state machine's own refusal, after which all is as before.
func (h *Host) Split(ctx context.Context, g, right GroupID, argument []byte) error {
	err := h.ask(ctx, &request{start: func() error {
		if h.groups[right] != nil {
			return fmt.Errorf("%w: %s on %s", ErrExists, right, h.opts.ID)
		}
		if err := h.core.absent(right); right == 0 || errors.Is(err, ErrRemoved) {
			return fmt.Errorf("%w: %s cannot be split into %s: %w", raft.ErrInvalid, g, right, err)
		}
		return nil
	}})
	if err != nil {
		return err
	}
	_, err = h.propose(ctx, g, encodeSplit(right, argument))
	return err
}

// split executes the split of a group, on a worker. The first error is an answer
// to who asked for it, the second ends the host.
func (h *Host) split(g *group, index uint64, c command) (refused, fatal error) {
	machine, ok := g.machine.(Splitter)
	if !ok {
		return fmt.Errorf("%w: the state machine of %s cannot be split", raft.ErrInvalid, g.id), nil
	}
	if err := machine.CanSplit(c.data); err != nil {
		return err, nil
	}
	b := birth{left: g.id, right: c.right, index: index, machine: machine.Split(index, c.right, c.data)}
	if d, durable := g.machine.(Durable); durable {
		if at := d.Applied(); at < index {
			return nil, fmt.Errorf("%w: the state machine says that it is durable up to %d, right behind a split at %d; "+
				"its Applied must make a split durable", raft.ErrInvalid, at, index)
		}
	} else if b.data, fatal = state(b.machine); fatal != nil {
		return nil, fmt.Errorf("the state of %s, split off: %w", c.right, fatal)
	}
	return nil, h.ask(context.Background(), &request{start: func() error { return h.onBirth(&b) }})
}

// birth is a group that is being made by a split.
type birth struct {
	left, right GroupID
	index       uint64
	machine     raft.StateMachine
	data        []byte // nil: the state machine keeps it itself
}

// onBirth makes the right group, unless it is there already, because the split is
// being replayed after a restart or its leader brought it, or cannot be there.
func (h *Host) onBirth(b *birth) error {
	made, err := h.core.Split(b.left, b.right, b.index, b.data)
	if made {
		h.counters.splits.Add(1)
		h.adopt(b.right, b.machine, firstIndex)
	}
	if errors.Is(err, ErrExists) || errors.Is(err, ErrRemoved) {
		return nil
	}
	return err
}

// lostBirths returns the splits that a stored group's state machine remembers and
// whose entries are still in its log.
func lostBirths(s *StoredGroup, applied uint64) (lost []birth) {
	for i := range s.State.Entries {
		e := &s.State.Entries[i]
		if e.Index > applied || e.Type != raft.EntryCommand {
			continue
		}
		if c, err := decodeCommand(e.Data); err == nil && c.right != 0 {
			lost = append(lost, birth{left: s.ID, right: c.right, index: e.Index})
		}
	}
	return lost
}

// redo makes the right groups that are missing, at start. A split that was
// refused has left no state machine.
func (h *Host) redo(lost []birth) error {
	for i := range lost {
		b := &lost[i]
		if h.groups[b.right] != nil || errors.Is(h.core.absent(b.right), ErrRemoved) {
			continue
		}
		var err error
		if b.machine, err = h.opts.StateMachine(b.right); err != nil {
			return fmt.Errorf("raft/multi: the state machine of %s, split off %s: %w", b.right, b.left, err)
		}
		if b.machine == nil {
			continue
		}
		if err := h.onBirth(b); err != nil {
			return err
		}
	}
	return nil
}
