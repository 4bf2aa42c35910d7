package fullnode

import (
	"sync"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/types"
)

// recent is a store that has the last few blocks in memory: whoever follows the chain asks for each block once, right after it
// was stored, and so do peers that are a little behind.
type recent struct {
	bft.Store
	followed func() types.Height // the lowest height that the follower has still to read

	mu   sync.Mutex
	last [recentHeights]recentHeight
}

const recentHeights = 8

type recentHeight struct {
	block   *types.Block
	id      types.ValueID
	results *types.Results
}

func (r *recent) at(h types.Height) *recentHeight { return &r.last[h%recentHeights] }

// SaveBlock implements [bft.Store].
func (r *recent) SaveBlock(b *types.Block, id types.ValueID, seen *types.Commit) error {
	err := r.Store.SaveBlock(b, id, seen)
	if err == nil {
		r.mu.Lock()
		*r.at(b.Height) = recentHeight{block: b, id: id}
		r.mu.Unlock()
	}
	return err
}

// SaveState implements [bft.Store].
func (r *recent) SaveState(s *types.State, results *types.Results) error {
	err := r.Store.SaveState(s, results)
	if err == nil && results != nil {
		r.mu.Lock()
		if at := r.at(results.Height); at.block != nil && at.block.Height == results.Height {
			at.results = results
		}
		r.mu.Unlock()
	}
	return err
}

// Prune implements [bft.Store]. What is not indexed yet, and told to who subscribes, is dropped with a later block (F2).
func (r *recent) Prune(retain types.Height) error { return r.Store.Prune(min(retain, r.followed())) }

// Block implements [bft.Store]. Blocks are shared, and not to be changed.
func (r *recent) Block(h types.Height) (*types.Block, types.ValueID, error) {
	r.mu.Lock()
	at := *r.at(max(h, 0))
	r.mu.Unlock()
	if at.block != nil && at.block.Height == h {
		return at.block, at.id, nil
	}
	return r.Store.Block(h)
}

// Results implements [bft.Store]. They are shared, and not to be changed.
func (r *recent) Results(h types.Height) (*types.Results, error) {
	r.mu.Lock()
	at := *r.at(max(h, 0))
	r.mu.Unlock()
	if at.results != nil && at.results.Height == h {
		return at.results, nil
	}
	return r.Store.Results(h)
}
