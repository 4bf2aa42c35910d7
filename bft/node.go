package bft

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/bft/types"
)

// A Node is a validator, or a follower, that runs by itself: a [Core] driven by real time, a signer, a disk, an
// application and a network. It is safe for concurrent use.
//
//	Deliver: signature verified        +--> WAL     append; sync before our vote is sent (W1)
//	(on the caller's goroutine)        |
//	        |                          +--> Signer  our votes and proposals, and back into the core
//	        v                          |
//	      inbox --+                    +--> Network Publish, Enter, Want
//	              +--> loop: Core.Step +
//	     timers --+                    +--> Executor a complete block is judged; a decided one applied (W3)
//	 transactions                      |
//	                                   +--> OnEvent
//
// One goroutine, the loop, owns the core and does all of this in turn. There is no sleep and no polling in it.
type Node struct {
	opts Options
	exec *Executor
	self types.Address
	log  *inputLog // nil: none
	core *Core

	inbox  chan types.Message
	view   atomic.Pointer[view]
	cancel context.CancelFunc
	ctx    context.Context
	done   chan struct{}

	// The loop's own.
	state     *types.State
	now       attempt
	timers    timers
	last      lastCommit
	waiting   waitingRoom
	todo      []Output
	pending   []Output // of a replay: what was not done yet
	replayed  []types.Message
	replaying bool
	proof     bool // the last block has changed the app hash

	mu      sync.Mutex // for what follows
	known   map[voteKey]*types.Vote
	status  NodeStatus
	metrics Metrics
	changed chan struct{} // closed and made anew with each committed height
	err     error
}

var (
	// ErrInvalid is a message that nobody correct sends. The error says what is wrong; the sender may be dropped.
	ErrInvalid = errors.New("bft: invalid message")
	// ErrStopped is a call on a node that has been closed, or has stopped.
	ErrStopped = errors.New("bft: node is stopped")
	// ErrHaltHeight is why a node stops that was told to, by Options.HaltHeight.
	ErrHaltHeight = errors.New("bft: stopped after the height to halt at")
)

// NodeStatus is where a node is.
type NodeStatus struct {
	Status                    // of the height being decided
	LastHeight   types.Height // committed
	LastBlockID  types.ValueID
	LastTime     time.Time
	AppHash      []byte // after LastHeight
	Self         types.Address
	Validators   *types.ValidatorSet // of the height being decided
	WaitingForTx bool                // the height begins with a transaction, or with somebody else's proposal
}

// NewNode starts a node with what its store and log hold: the application is given what it lacks, and the height that was
// under way is thought again. It runs until Close, or until its disk or its application fails: then Err says what.
func NewNode(o Options) (*Node, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	n := &Node{opts: o, inbox: make(chan types.Message, 256), done: make(chan struct{}), changed: make(chan struct{}), known: make(map[voteKey]*types.Vote)}
	n.exec = &Executor{App: o.App, Store: o.Store, Mempool: o.Mempool, Evidence: o.Evidence, Timeout: o.AppTimeout, HaltHeight: o.HaltHeight}
	if o.Signer != nil {
		n.self = types.AddressOf(o.Signer.PubKey())
	}
	n.core = NewCore(n.self)
	n.timers.init()
	n.ctx, n.cancel = context.WithCancel(context.Background())
	state, err := n.exec.Handshake(o.Genesis)
	if err != nil {
		n.cancel()
		return nil, err
	}
	if o.WALDir != "" {
		if n.log, err = openInputLog(o.FS, o.WALDir, o.Logger); err != nil {
			n.cancel()
			return nil, err
		}
	}
	if err := n.resume(state); err != nil {
		n.cancel()
		if n.log != nil {
			err = errors.Join(err, n.log.close())
		}
		return nil, err
	}
	go n.run()
	return n, nil
}

// resume is where a start goes on from: the state, the commit of its block, and the inputs of the height under way.
func (n *Node) resume(s *types.State) error {
	if s.LastHeight > 0 {
		seen, err := n.opts.Store.SeenCommit(s.LastHeight)
		if err != nil {
			return fmt.Errorf("bft: reading the commit of height %d: %w", s.LastHeight, err)
		}
		b, _, err := n.opts.Store.Block(s.LastHeight)
		if err != nil {
			return fmt.Errorf("bft: reading block %d: %w", s.LastHeight, err)
		}
		n.last.load(seen, s.LastValidators)
		n.proof = string(b.AppHash) != string(s.AppHash)
	}
	n.enter(s)
	return n.replay()
}

// Deliver gives the node a message that was heard from somebody. It verifies the signature, and waits while the node is
// busy. ErrInvalid: the sender is at fault. A message that comes too early, too late or again is nobody's fault. m is not
// to be changed afterwards.
func (n *Node) Deliver(ctx context.Context, from string, m types.Message) error {
	useful, err := n.view.Load().check(m)
	if err != nil {
		return fmt.Errorf("%w from %s: %w", ErrInvalid, from, err)
	}
	if v, ok := m.(*types.Vote); ok && useful && n.isKnown(v) {
		n.count(func(m *Metrics) { m.Known++ })
		return nil
	}
	if !useful {
		return nil
	}
	select {
	case n.inbox <- m:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-n.done:
		return ErrStopped
	}
}

// A view is what Deliver needs of the height under way, to judge messages beside the loop.
type view struct {
	chainID          string
	height           types.Height
	last, set, after *types.ValidatorSet // of height-1, height, height+1
}

// check tells whether a message is of use now, and whether its sender is at fault.
func (v *view) check(m types.Message) (useful bool, err error) {
	h, r := m.At()
	if h < 1 || r < 0 {
		return false, fmt.Errorf("height %d and round %d", h, r)
	}
	set := v.set
	switch {
	case h == v.height+1:
		set = v.after
	case h == v.height-1:
		set = v.last
	}
	if h < v.height-1 || h > v.height+1 || set == nil || h > v.height && r > maxRoundsEarly {
		return false, nil
	}
	var signer types.Address
	switch m := m.(type) {
	case *types.Vote:
		if m.Type != types.Prevote && m.Type != types.Precommit {
			return false, fmt.Errorf("a %v", m.Type)
		}
		signer = m.Validator
	case *types.Proposal:
		if m.Value.IsNil() || m.Value.Parts.Total == 0 || m.Value.Parts.Total > types.MaxParts {
			return false, fmt.Errorf("a proposal of %d parts for %v", m.Value.Parts.Total, m.Value)
		}
		signer = m.Proposer
	case *types.BlockPart:
		return h >= v.height, nil // its proof is checked against the proposal
	default:
		return false, fmt.Errorf("a %T", m)
	}
	i := set.Index(signer)
	if i < 0 {
		return false, fmt.Errorf("%v is no validator at height %d", signer, h)
	}
	key, good, late := set.At(i).PubKey, false, h < v.height
	switch m := m.(type) {
	case *types.Vote:
		good, late = m.Verify(v.chainID, key), late && m.Type != types.Precommit
	case *types.Proposal:
		good = m.Verify(v.chainID, key)
	}
	if !good {
		return false, fmt.Errorf("the signature of %v at height %d round %d is not for chain %q and this content", signer, h, r, v.chainID)
	}
	return !late, nil
}

// Wait returns when a height is committed here: ErrStopped, or what stopped the node, if it will not be.
func (n *Node) Wait(ctx context.Context, h types.Height) error {
	for {
		n.mu.Lock()
		at, changed := n.status.LastHeight, n.changed
		n.mu.Unlock()
		if at >= h {
			return nil
		}
		select {
		case <-changed:
		case <-n.done:
			if n.Status().LastHeight >= h {
				return nil
			}
			return n.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Status is where the node is.
func (n *Node) Status() NodeStatus {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.status
}

// Metrics are counts since the node began.
func (n *Node) Metrics() Metrics {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.metrics
}

func (n *Node) count(add func(*Metrics)) {
	n.mu.Lock()
	add(&n.metrics)
	n.mu.Unlock()
}

// Done is closed when the node has stopped.
func (n *Node) Done() <-chan struct{} { return n.done }

// Err is why the node has stopped: ErrStopped after Close, ErrHaltHeight, a [*HaltError], or an error of its disk or
// signer. It is nil while the node runs.
func (n *Node) Err() error {
	select {
	case <-n.done:
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.err
	default:
		return nil
	}
}

// Close stops the node and waits for it. A call of the application that is under way is waited for. It may be called
// more than once.
func (n *Node) Close() error {
	n.cancel()
	<-n.done
	if err := n.Err(); !errors.Is(err, ErrStopped) && !errors.Is(err, ErrHaltHeight) {
		return err
	}
	return nil
}
