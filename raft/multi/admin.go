package multi

import (
	"context"
	"fmt"
	"slices"

	"github.com/flagship-go/flagship/raft"
)

// What an operator, or a program that places groups, asks of a running host.
// Each is carried out by the loop, and some take more than a turn.

// request is a piece of work for the loop.
type request struct {
	done chan error // holds one
	// start does it, once.
	start func() error
	// stored: it is done when what start caused is on the disk.
	stored bool
	seq    uint64 // the Ready that this is in
	// finished is asked after every turn; nil: start was all.
	finished func() (bool, error)
}

// ask has the loop do a request and waits for its end.
func (h *Host) ask(ctx context.Context, r *request) error {
	r.done = make(chan error, 1)
	if err := h.inbox.put(func(m *mail) { m.requests = append(m.requests, r) }); err != nil {
		return err
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *Host) begin(r *request) {
	if err := r.start(); err != nil || r.finished == nil && !r.stored {
		r.done <- err
		return
	}
	h.asked = append(h.asked, r)
}

func (h *Host) finishRequests() {
	h.asked = slices.DeleteFunc(h.asked, func(r *request) bool {
		// No Ready followed where nothing was caused.
		if r.stored && r.seq > h.stored {
			return false
		}
		finished, err := true, error(nil)
		if r.finished != nil {
			finished, err = r.finished()
		}
		if finished {
			r.done <- err
		}
		return finished
	})
}

// Create makes a group on this host, with an empty state machine. It is to be
// called on every one of the first voters with the same list, in which this host
// must be; the first of them campaigns. It returns when that is durable here.
func (h *Host) Create(ctx context.Context, g GroupID, voters []raft.NodeID) error {
	voters = slices.Clone(voters)
	return h.ask(ctx, &request{stored: true, start: func() error {
		if h.groups[g] != nil {
			return fmt.Errorf("%w: %s on %s", ErrExists, g, h.opts.ID)
		}
		machine, err := h.opts.StateMachine(g)
		if err != nil {
			return fmt.Errorf("raft/multi: the state machine of %s: %w", g, err)
		}
		if machine == nil {
			return fmt.Errorf("%w: Options.StateMachine has none for %s", raft.ErrInvalid, g)
		}
		if err := h.core.Create(g, raft.Membership{Voters: voters}, nil); err != nil {
			return err
		}
		h.adopt(g, machine, firstIndex)
		return nil
	}})
}

// Remove takes a group from this host, for ever: afterwards its state machine is
// not called any more, and its ID is refused. The other members are not told:
// first change the membership, or remove the group everywhere. It returns when
// that is durable.
func (h *Host) Remove(ctx context.Context, g GroupID) error {
	var removed *group
	return h.ask(ctx, &request{stored: true, start: func() error {
		if err := h.core.Remove(g); err != nil {
			return err
		}
		removed = h.groups[g]
		delete(h.groups, g)
		err := fmt.Errorf("%w: %s on %s", ErrRemoved, g, h.opts.ID)
		removed.abandon(err)
		for id, r := range h.reads {
			if r.group == removed {
				answerReads(r.waiters, err)
				delete(h.reads, id)
			}
		}
		for _, b := range h.pool.strip(removed) {
			b.fail(err)
		}
		return nil
	}, finished: func() (bool, error) { return !h.pool.busy(removed), nil }})
}

// TransferLeadership hands a group that is led here over to another of its
// voters, and returns when this host follows it. While it lasts proposals fail
// with raft.ErrPending. After an election timeout without a successor the error
// is raft.ErrDropped and this host leads on; it is raft.ErrDropped, too, when
// another took over.
func (h *Host) TransferLeadership(ctx context.Context, g GroupID, to raft.NodeID) error {
	ticks := h.opts.Raft.ElectionTicks
	return h.ask(ctx, &request{start: func() error {
		return h.core.TransferLeadership(g, to)
	}, finished: func() (bool, error) {
		st, err := h.core.Status(g)
		switch {
		case err != nil || h.opts.ID == to || st.Leader == to:
			return true, err
		case st.Role == raft.Leader && !h.core.transferring(g):
			return true, fmt.Errorf("%w: %s did not take over %s in %d ticks", raft.ErrDropped, to, g, ticks)
		case st.Role != raft.Leader && st.Leader != raft.None:
			return true, fmt.Errorf("%w: %s took over %s in place of %s", raft.ErrDropped, st.Leader, g, to)
		}
		return false, nil
	}})
}

// ChangeMembership replaces a group's voters and learners by others, and returns
// when the new membership is committed. A host that is new gets the group's
// state from the leader; make it a learner first.
//
// raft.ErrNotLeader, ErrInvalid and ErrPending: nothing was done.
// raft.ErrOutcomeUnknown: the leader was deposed, or ctx ended, before the change
// was committed; ask the next leader for its Membership.
func (h *Host) ChangeMembership(ctx context.Context, g GroupID, m raft.Membership) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var term uint64
	err := h.ask(ctx, &request{start: func() (err error) {
		_, term, err = h.core.ChangeMembership(g, m)
		return err
	}, finished: func() (bool, error) {
		st, err := h.core.Status(g)
		if err != nil {
			return true, fmt.Errorf("%w: %w", raft.ErrOutcomeUnknown, err)
		}
		switch {
		case h.core.settled(g, m):
			return true, nil
		case st.Role != raft.Leader || st.Term != term:
			return true, fmt.Errorf("%w: deposed during a change of membership", raft.ErrOutcomeUnknown)
		}
		return false, nil
	}})
	if err != nil && err == ctx.Err() { // it may wait for its turn, and be done yet
		err = fmt.Errorf("%w: %w", raft.ErrOutcomeUnknown, err)
	}
	return err
}

func sameMembers(a, b raft.Membership) bool {
	same := func(x, y []raft.NodeID) bool {
		return slices.Equal(slices.Sorted(slices.Values(x)), slices.Sorted(slices.Values(y)))
	}
	return !a.Joint() && same(a.Voters, b.Voters) && same(a.Learners, b.Learners)
}
