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
// same log, and so cannot be missing. A durable state machine may remember the
// split; so the right group's record is on the disk before it is asked to.

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
	birth := birth{left: g.id, right: c.right, index: index}
	if _, durable := g.machine.(Durable); durable {
		if err := h.deliver(&birth, true); err != nil {
			return nil, err
		}
		birth.machine = machine.Split(index, c.right, c.data)
		return nil, h.deliver(&birth, false)
	}
	birth.machine = machine.Split(index, c.right, c.data)
	var err error
	if birth.data, err = state(birth.machine); err != nil {
		return nil, fmt.Errorf("the state of %s, split off: %w", c.right, err)
	}
	if birth.data == nil {
		birth.data = []byte{}
	}
	return nil, h.deliver(&birth, false)
}

// birth is a group that is being made by a split.
type birth struct {
	left, right GroupID
	index       uint64
	machine     raft.StateMachine // nil: not yet
	data        []byte
	made        bool // the core has the group
}

// deliver has the loop take note of a birth; with stored it waits for the disk.
func (h *Host) deliver(b *birth, stored bool) error {
	return h.ask(context.Background(), &request{stored: stored, start: func() error { return h.onBirth(b) }})
}

// onBirth makes the right group, unless it is there already: then the split is
// being replayed after a restart, and all that may be missing is the state
// machine.
func (h *Host) onBirth(b *birth) error {
	if !b.made {
		b.made = true
		made, err := h.core.Split(b.left, b.right, b.index, b.data)
		if made {
			h.counters.splits.Add(1)
			h.adopt(b.right, nil, firstIndex)
		} else if err != nil && !errors.Is(err, ErrExists) && !errors.Is(err, ErrRemoved) {
			return err
		}
	}
	if g := h.groups[b.right]; g != nil && b.machine != nil {
		h.pool.give(g, b.machine)
	}
	return nil
}
