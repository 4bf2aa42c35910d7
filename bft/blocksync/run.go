package blocksync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/p2p"
	"github.com/flagship-go/flagship/bft/types"
)

// ErrRunning is a second Run beside the first.
var ErrRunning = errors.New("blocksync: it runs already")

// Run fetches and executes blocks after a state until the node has caught up, and returns the state after the last one:
// then the node may be started, with the same store and application. state is what exec.Handshake returned; nobody else uses
// exec meanwhile. An error is ctx's, bft.ErrHaltHeight, or an application's or a disk's, as of [bft.Executor.Apply]; what was
// applied stays.
func (s *Sync) Run(ctx context.Context, exec *bft.Executor, state *types.State) (*types.State, error) {
	if err := s.begin(state); err != nil {
		return state, err
	}
	defer s.end()
	for {
		if err := ctx.Err(); err != nil {
			return state, err
		}
		if h := s.opts.HaltHeight; h > 0 && state.LastHeight >= h {
			return state, bft.ErrHaltHeight
		}
		next, err := s.step(exec, state)
		if err != nil {
			return state, err
		}
		if next != nil {
			state = next
			continue
		}
		done, deadline := s.look()
		if done {
			s.opts.OnEvent(Event{Kind: EventCaughtUp, Height: state.Height()})
			return state, nil
		}
		s.wait(ctx, deadline)
	}
}

func (s *Sync) begin(state *types.State) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.plan != nil {
		return ErrRunning
	}
	now := s.opts.Now()
	s.plan = &schedule{next: state.Height(), latest: now, blocks: make(map[types.Height]*slot), limits: limits{window: max(s.opts.Window, 2), perPeer: s.opts.PerPeer,
		maxBuffer: s.opts.MaxBuffer, timeout: s.opts.Timeout, minPeers: s.opts.MinPeers, patience: s.opts.Grace, grace: now.Add(s.opts.Grace)}}
	for _, p := range s.links {
		s.plan.join(string(p.ID()), now)
	}
	s.obey()
	return nil
}

func (s *Sync) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan = nil
	for _, p := range s.links {
		p.wants, p.howFar = nil, false
	}
}

// step verifies and executes the next block, if it and its witness are here. It is nil without an error if nothing was executed.
func (s *Sync) step(exec *bft.Executor, state *types.State) (*types.State, error) {
	for {
		s.mu.Lock()
		first, second := s.plan.pair()
		s.mu.Unlock()
		if first == nil {
			return nil, nil
		}
		id, wrong := judge(state, first.block, second.block)
		if wrong != nil {
			liar := first
			if wrong.second {
				liar = second
			}
			s.ban(p2p.ID(liar.from), liar.block.Height, wrong.err)
			continue
		}
		// B1: it was decided. If it does not fit the state now, it is the state, or the application, that is not the others'.
		if err := exec.Validate(state, first.block); err != nil {
			return nil, &bft.HaltError{Height: first.block.Height, What: "block sync", Err: fmt.Errorf("the block was decided by two thirds, and does not fit: %w", err),
				Remedy: "compare the genesis, the application's version and its data with another node's; or empty the data and sync anew"}
		}
		next, err := exec.Apply(state, first.block, id, second.block.LastCommit)
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		s.plan.applied(s.opts.Now())
		s.obey()
		s.mu.Unlock()
		s.opts.OnEvent(Event{Kind: EventApplied, Height: next.LastHeight, Peer: p2p.ID(first.from)})
		return next, nil
	}
}

// look tells whether the node has caught up, or until when to wait at most.
func (s *Sync) look() (done bool, deadline time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opts.Now()
	s.plan.tick(now)
	done = s.plan.caughtUp(now)
	deadline, ok := s.plan.deadline(now)
	if !ok {
		deadline = now.Add(s.opts.Timeout)
	}
	s.obey()
	return done, deadline
}

// wait returns when something was heard, or at a time.
func (s *Sync) wait(ctx context.Context, deadline time.Time) {
	timer := time.NewTimer(deadline.Sub(s.opts.Now()))
	defer timer.Stop()
	select {
	case <-s.wake:
	case <-timer.C:
	case <-ctx.Done():
	}
}
