package raft

import (
	"context"
	"fmt"
	"slices"
)

// What an operator asks of a running node. Each is carried out by the loop,
// and some take more than a turn: their caller waits until finished says so.

// request is a piece of work for the loop.
type request struct {
	waiter
	// start does it, once.
	start func(c *Core) error
	// finished is asked after every turn; nil: start was all.
	finished func(c *Core) (bool, error)
}

// ask has the loop do a request and waits for its end.
func (n *Node) ask(ctx context.Context, start func(*Core) error, finished func(*Core) (bool, error)) error {
	r := &request{waiter{make(chan answer, 1)}, start, finished}
	if err := n.inbox.put(func(m *mail) { m.requests = append(m.requests, r) }); err != nil {
		return err
	}
	select {
	case a := <-r.done:
		return a.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Membership returns who takes part, as this node knows it.
func (n *Node) Membership(ctx context.Context) (Membership, error) {
	got := make(chan Membership, 1) // the loop may answer when ctx has ended
	err := n.ask(ctx, func(c *Core) error {
		got <- c.Membership()
		return nil
	}, nil)
	if err != nil {
		return Membership{}, err
	}
	return <-got, nil
}

// Peers returns what this node knows of the others, by ID, while it leads.
func (n *Node) Peers(ctx context.Context) ([]PeerStatus, error) {
	got := make(chan []PeerStatus, 1)
	err := n.ask(ctx, func(c *Core) error {
		if c.role != Leader {
			return &NotLeaderError{c.leader}
		}
		got <- c.Peers()
		return nil
	}, nil)
	if err != nil {
		return nil, err
	}
	return <-got, nil
}

// ChangeMembership replaces the voters and learners by others, through a joint
// configuration, and returns when the new membership is committed. New voters
// should be learners first, until they have caught up: a voter without the log
// counts in the majority and cannot help it. A leader that is not among the
// new voters steps down.
//
// ErrNotLeader, ErrInvalid and ErrPending: nothing was done. ErrOutcomeUnknown:
// the leader was deposed, or ctx ended, before the change was committed; ask
// the next leader for its Membership.
func (n *Node) ChangeMembership(ctx context.Context, m Membership) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var term uint64
	err := n.ask(ctx, func(c *Core) (err error) {
		_, term, err = c.ChangeMembership(m)
		return err
	}, func(c *Core) (bool, error) {
		switch {
		case c.config().index <= c.log.commit && !c.joint && sameMembers(c.Membership(), m):
			return true, nil
		case c.role != Leader || c.term != term:
			return true, fmt.Errorf("%w: deposed during a change of membership", ErrOutcomeUnknown)
		}
		return false, nil
	})
	if err != nil && err == ctx.Err() { // it may wait for its turn, and be done yet
		err = fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	return err
}

func sameMembers(a, b Membership) bool {
	same := func(x, y []NodeID) bool {
		return slices.Equal(slices.Sorted(slices.Values(x)), slices.Sorted(slices.Values(y)))
	}
	return same(a.Voters, b.Voters) && same(a.Learners, b.Learners)
}

// TransferLeadership hands leadership to a voter, and returns when this node
// follows it. While it lasts proposals fail with ErrPending. After an election
// timeout without a successor the error is ErrDropped and this node leads on; it
// is ErrDropped, too, when another took over.
func (n *Node) TransferLeadership(ctx context.Context, to NodeID) error {
	return n.ask(ctx, func(c *Core) error {
		return c.TransferLeadership(to)
	}, func(c *Core) (bool, error) {
		switch {
		case c.cfg.ID == to || c.leader == to:
			return true, nil
		case c.role == Leader && c.transferee == None:
			return true, fmt.Errorf("%w: %s did not take over", ErrDropped, to)
		case c.role != Leader && c.leader != None:
			return true, fmt.Errorf("%w: %s took over in place of %s", ErrDropped, c.leader, to)
		}
		return false, nil
	})
}
