package fullnode

import (
	"fmt"
	"sync"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/types"
)

// A follower takes what was committed to the index and to the subscribers, beside consensus.
//
//	Executor.Apply: ... Commit --> EvidencePool.Update --> tell --> run: index, hub
//
// It is told by way of the evidence pool, which is the last that hears of a committed block, from block sync and from consensus alike.
type follower struct {
	store bft.Store
	index *index
	hub   hub

	mu        sync.Mutex
	next      types.Height // to be followed; 0: run has not begun
	over      bool         // run has ended
	read      sync.Cond    // next or over has changed
	committed types.Height
	changed   chan struct{} // closed and made anew when committed grows
	stop      chan struct{}
	done      chan struct{}
	failed    func(error)
}

func newFollower(store bft.Store, x *index, failed func(error)) *follower {
	f := &follower{store: store, index: x, hub: hub{all: map[*Subscription]struct{}{}}, changed: make(chan struct{}),
		stop: make(chan struct{}), done: make(chan struct{}), failed: failed}
	f.read.L = &f.mu
	return f
}

// watched is an evidence pool that tells the follower.
type watched struct {
	bft.EvidencePool
	follower *follower
}

// Update implements [bft.EvidencePool].
func (w watched) Update(s *types.State, evidence []*types.DuplicateVoteEvidence) {
	w.EvidencePool.Update(s, evidence)
	w.follower.tell(s.LastHeight)
}

// tell says up to where the application has committed.
func (f *follower) tell(h types.Height) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h > f.committed {
		f.committed = h
		close(f.changed)
		f.changed = make(chan struct{})
	}
}

// at is up to where the application has committed, and what is closed when that changes.
func (f *follower) at() (types.Height, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.committed, f.changed
}

// last is up to where the application has committed.
func (f *follower) last() types.Height {
	h, _ := f.at()
	return h
}

// following is the height to be read next: from there on blocks have to be kept.
func (f *follower) following() types.Height {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.next
}

func (f *follower) reads(next types.Height, over bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next, f.over = next, over
	f.read.Broadcast()
}

// settle returns when all that was committed is indexed and told, or nothing more will be.
func (f *follower) settle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.next <= f.committed && !f.over {
		f.read.Wait()
	}
}

// catchUp indexes what was committed before, and is not in the index. Nobody subscribes yet.
func (f *follower) catchUp(last types.Height) error {
	f.tell(last)
	from := max(f.index.next(), f.store.Base())
	for h := from; h > 0 && h <= last; h++ {
		b, _, err := f.store.Block(h)
		if err != nil {
			return fmt.Errorf("fullnode: indexing: %w", err)
		}
		results, err := f.store.Results(h)
		if err != nil {
			return fmt.Errorf("fullnode: indexing: %w", err)
		}
		if err := f.index.add(b, results.Response.TxResults, f.store.Base()); err != nil {
			return err
		}
	}
	return nil
}

// run follows from a height on, until Close.
func (f *follower) run(next types.Height) {
	defer close(f.done)
	defer f.hub.close()
	f.reads(next, false)
	defer func() { f.reads(next, true) }()
	for {
		last, changed := f.at()
		for ; next <= last; next++ {
			if err := f.follow(next); err != nil {
				f.failed(err)
				return
			}
			f.reads(next+1, false)
		}
		select {
		case <-changed:
		case <-f.stop:
			return
		}
	}
}

// follow takes one height further (F2).
func (f *follower) follow(h types.Height) error {
	b, id, err := f.store.Block(h)
	if err != nil {
		return fmt.Errorf("fullnode: following the chain: %w", err)
	}
	results, err := f.store.Results(h)
	if err != nil {
		return fmt.Errorf("fullnode: following the chain: %w", err)
	}
	if err := f.index.add(b, results.Response.TxResults, f.store.Base()); err != nil {
		return err
	}
	f.hub.publish(&Committed{Block: b, ID: id, Results: results.Response})
	return nil
}

// Close waits for run.
func (f *follower) Close() error {
	close(f.stop)
	<-f.done
	return nil
}
