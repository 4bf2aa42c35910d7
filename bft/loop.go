package bft

import (
	"errors"
	"time"

	"github.com/flagship-go/flagship/bft/types"
)

// run is the loop: one thing after the other, until the node is closed or something has failed.
func (n *Node) run() {
	err := n.goOn()
	for err == nil {
		if err = n.settle(); err != nil {
			break
		}
		select {
		case <-n.ctx.Done():
			err = ErrStopped
		case m := <-n.inbox:
			err = n.handle(m)
		case <-n.timers.c():
			err = n.timeout()
		case <-n.transactions():
			err = n.begin()
		}
	}
	n.stopped(err)
}

func (n *Node) stopped(err error) {
	n.timers.stop()
	n.cancel()
	if n.log != nil {
		if closed := n.log.close(); closed != nil && errors.Is(err, ErrStopped) {
			err = closed
		}
	}
	if !errors.Is(err, ErrStopped) && !errors.Is(err, ErrHaltHeight) {
		n.opts.Logger.Error("bft: the node has stopped", "err", err)
	}
	n.emit(Event{Kind: EventHalted, Height: n.now.height, Err: err})
	n.mu.Lock()
	n.err = err
	n.mu.Unlock()
	close(n.done)
}

// settle does what the last input has led to, until nothing is left to be done.
func (n *Node) settle() error {
	for {
		if len(n.todo) > 0 {
			o := n.todo[0]
			n.todo = append(n.todo[:0], n.todo[1:]...)
			if err := n.do(o); err != nil {
				return err
			}
			continue
		}
		if n.replaying {
			return nil
		}
		n.announce()
		switch {
		case n.ctx.Err() != nil: // who is alone decides without end
			return ErrStopped
		case n.now.decided != nil && !n.now.applied:
			if err := n.commit(); err != nil {
				return err
			}
		case n.now.reoffer:
			n.now.reoffer = false
			for _, m := range n.waiting.take() {
				if err := n.handle(m); err != nil {
					return err
				}
			}
		default:
			return nil
		}
	}
}

// step gives the core an input.
func (n *Node) step(in Input) error {
	out, err := n.core.Step(in)
	n.todo = append(n.todo, out...)
	return err
}

// enter makes the height after a state the one under way. It begins later: begin.
func (n *Node) enter(s *types.State) {
	n.state = s
	n.now = attempt{height: s.Height(), blocks: make(map[types.ValueID]*candidate), minTime: s.LastTime.Add(time.Millisecond), reoffer: true}
	n.view.Store(&view{chainID: s.ChainID, height: s.Height(), last: s.LastValidators, set: s.Validators, after: s.NextValidators})
	n.mu.Lock()
	clear(n.known)
	n.status = NodeStatus{Status: Status{Height: s.Height(), Round: types.NoRound, LockedRound: types.NoRound, ValidRound: types.NoRound}, LastHeight: s.LastHeight,
		LastBlockID: s.LastBlockID, LastTime: s.LastTime, AppHash: s.AppHash, Self: n.self, Validators: s.Validators}
	close(n.changed)
	n.changed = make(chan struct{})
	n.mu.Unlock()
}

// await begins the height under way, or waits for what it has to wait for.
func (n *Node) await() error {
	if n.halts() {
		return ErrHaltHeight
	}
	n.opts.Network.Enter(n.now.height, 0, types.StepNew)
	n.now.idle = !n.opts.CreateEmptyBlocks && !n.proof && n.state.LastHeight > 0
	if wait := n.opts.Timeouts.Commit; wait > 0 && n.state.LastHeight > 0 && !n.last.complete() {
		n.now.gathering = true
		n.timers.add(wait, Timeout{Height: n.now.height, Round: types.NoRound})
		return nil
	}
	return n.gathered()
}

// halts tells whether the height to halt at is behind us.
func (n *Node) halts() bool {
	return n.opts.HaltHeight > 0 && n.state.LastHeight >= n.opts.HaltHeight
}

// gathered ends the wait for precommits of the last height.
func (n *Node) gathered() error {
	n.now.gathering = false
	n.timers.clear() // of the wait: it would begin a height that waits for a transaction
	if !n.now.idle {
		return n.begin()
	}
	n.setWaiting(true)
	if n.opts.EmptyBlocksInterval > 0 {
		n.timers.add(n.opts.EmptyBlocksInterval, Timeout{Height: n.now.height, Round: types.NoRound})
	}
	return nil
}

// transactions is when a height that waits for a transaction may begin.
func (n *Node) transactions() <-chan struct{} {
	if n.now.begun || n.now.gathering {
		return nil
	}
	return n.opts.Mempool.Available()
}

func (n *Node) setWaiting(w bool) {
	n.mu.Lock()
	n.status.WaitingForTx = w
	n.mu.Unlock()
}

// begin begins the height under way, if it has not begun.
func (n *Node) begin() error {
	if n.now.begun {
		return nil
	}
	n.now.begun, n.now.gathering, n.now.reoffer = true, false, true
	n.timers.clear()
	n.setWaiting(false)
	if n.log != nil && !n.replaying {
		if err := n.log.begin(n.now.height); err != nil {
			return err
		}
		if err := n.log.prune(n.now.height); err != nil {
			return err
		}
	}
	n.emit(Event{Kind: EventHeight, Height: n.now.height})
	return n.step(Input{Start: &Start{Height: n.now.height, Validators: n.state.Validators}})
}

// timeout takes a timeout that is over.
func (n *Node) timeout() error {
	t, ok := n.timers.over()
	switch {
	case !ok || t.Height != n.now.height:
		return nil
	case t.Round == types.NoRound && n.now.gathering:
		return n.gathered()
	case t.Round == types.NoRound:
		return n.begin()
	}
	if n.log != nil {
		if err := n.log.timeout(t); err != nil {
			return err
		}
	}
	n.count(func(m *Metrics) { m.Timeouts++ })
	n.emit(Event{Kind: EventTimeout, Height: t.Height, Round: t.Round, Step: t.Step})
	return n.step(Input{Timeout: &t})
}

// announce tells the network and whoever asks for the status where the core is, if that has changed.
func (n *Node) announce() {
	if !n.now.begun {
		return
	}
	s := n.core.Status()
	if s.Round == n.now.round && s.Step == n.now.step {
		return
	}
	n.now.round, n.now.step = s.Round, s.Step
	n.mu.Lock()
	n.status.Status = s
	n.mu.Unlock()
	n.opts.Network.Enter(s.Height, s.Round, s.Step)
}

func (n *Node) emit(e Event) {
	if n.opts.OnEvent != nil && !n.replaying {
		e.Time = time.Now()
		n.opts.OnEvent(e)
	}
}

// replay thinks again what the log has of the height under way (W2). What the core wants to be done is put aside, and what the
// log shows to have been done is taken from it; the rest is done when the loop begins.
func (n *Node) replay() error {
	if n.log == nil {
		return nil
	}
	n.replaying = true
	defer func() { n.replaying = false }()
	started := false
	err := n.log.forHeight(n.now.height, func(r loggedInput) error {
		var err error
		if !started {
			started = true
			err = n.begin()
		}
		switch {
		case err != nil:
		case r.message != nil:
			n.fulfilled(r.message)
			n.replayed = append(n.replayed, r.message)
			err = n.handle(r.message)
		case r.timeout != nil:
			n.forget(func(o *Output) bool { return o.Kind == OutTimeout && o.Timeout == *r.timeout })
			err = n.step(Input{Timeout: r.timeout})
		case r.verdict != nil:
			err = n.judged(r.verdict.value, r.verdict.valid, nil)
		}
		if err == nil {
			err = n.settle()
		}
		return err
	})
	return err
}

// goOn is the loop's beginning: what the replay has left to be done.
func (n *Node) goOn() error {
	if !n.now.begun {
		return n.await()
	}
	if n.halts() { // told so after the height had begun
		return ErrHaltHeight
	}
	n.opts.Network.Enter(n.now.height, 0, types.StepNew)
	for _, m := range n.replayed {
		n.opts.Network.Publish(m)
	}
	n.emit(Event{Kind: EventReplayed, Height: n.now.height, Round: n.core.Status().Round})
	n.replayed = nil
	n.todo, n.pending = append(n.pending, n.todo...), nil
	for value, c := range n.now.blocks {
		if c.parts.Complete() && !c.judged {
			if err := n.judge(value, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// fulfilled takes from what is pending what a message of ours in the log was made for.
func (n *Node) fulfilled(m types.Message) {
	switch m := m.(type) {
	case *types.Vote:
		if m.Validator == n.self {
			n.forget(func(o *Output) bool { return o.Kind == OutVote && o.Type == m.Type && o.Round == m.Round })
		}
	case *types.Proposal:
		if m.Proposer == n.self {
			n.forget(func(o *Output) bool { return (o.Kind == OutGetValue || o.Kind == OutPropose) && o.Round == m.Round })
		}
	}
}

func (n *Node) forget(which func(*Output) bool) {
	kept := n.pending[:0]
	for i := range n.pending {
		if !which(&n.pending[i]) {
			kept = append(kept, n.pending[i])
		}
	}
	n.pending = kept
}
