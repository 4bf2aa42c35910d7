package memory

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/types"
)

// A Store keeps blocks and states in memory. It is safe for concurrent use. Everything in it is shared, and not to be changed.
type Store struct {
	mu         sync.RWMutex
	base, last types.Height
	state      *types.State
	blocks     map[types.Height]storedBlock
	sets       map[types.Height]*types.ValidatorSet
	results    map[types.Height]*types.Results
}

type storedBlock struct {
	block *types.Block
	id    types.ValueID
	seen  *types.Commit
}

// NewStore makes an empty one.
func NewStore() *Store {
	return &Store{blocks: make(map[types.Height]storedBlock), sets: make(map[types.Height]*types.ValidatorSet), results: make(map[types.Height]*types.Results)}
}

// SaveBlock implements bft.Store.
func (s *Store) SaveBlock(b *types.Block, id types.ValueID, seen *types.Commit) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last > 0 && b.Height != s.last+1 {
		return fmt.Errorf("bft: block %d does not follow the stored %d", b.Height, s.last)
	}
	if s.base == 0 {
		s.base = b.Height
	}
	s.last = b.Height
	s.blocks[b.Height] = storedBlock{b, id, seen}
	return nil
}

// SaveState implements bft.Store.
func (s *Store) SaveState(state *types.State, r *types.Results) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = state
	s.sets[state.Height()], s.sets[state.Height()+1] = state.Validators, state.NextValidators
	if r != nil {
		s.results[r.Height] = r
	}
	return nil
}

// State implements bft.Store.
func (s *Store) State() (*types.State, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.state, nil
}

// Base implements bft.Store.
func (s *Store) Base() types.Height {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.base
}

// Height implements bft.Store.
func (s *Store) Height() types.Height {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.last
}

// Block implements bft.Store.
func (s *Store) Block(h types.Height) (*types.Block, types.ValueID, error) {
	b, err := stored(s, s.blocks, h, "block")
	return b.block, b.id, err
}

// SeenCommit implements bft.Store.
func (s *Store) SeenCommit(h types.Height) (*types.Commit, error) {
	b, err := stored(s, s.blocks, h, "commit of height")
	return b.seen, err
}

// Validators implements bft.Store.
func (s *Store) Validators(h types.Height) (*types.ValidatorSet, error) {
	return stored(s, s.sets, h, "validators of height")
}

// Results implements bft.Store.
func (s *Store) Results(h types.Height) (*types.Results, error) {
	return stored(s, s.results, h, "results of block")
}

func stored[T any](s *Store, m map[types.Height]T, h types.Height, what string) (T, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	v, ok := m[h]
	if !ok {
		return v, fmt.Errorf("%w: %s %d; there are %d to %d", types.ErrNotFound, what, h, s.base, s.last)
	}
	return v, nil
}

// Prune implements bft.Store. The set of the height before the first one stays: it signed the commit in that block, with which an
// application that has just the blocks before is given it again.
func (s *Store) Prune(retain types.Height) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for retain = min(retain, s.last); s.base < retain; s.base++ {
		delete(s.blocks, s.base)
		delete(s.sets, s.base-1)
		delete(s.results, s.base)
	}
	return nil
}

// Close implements bft.Store: it does nothing, so that the next node may go on with it.
func (s *Store) Close() error { return nil }

// A Mempool is a queue of transactions that nobody checks. It is safe for concurrent use.
type Mempool struct {
	mu        sync.Mutex
	updating  sync.Mutex
	txs       [][]byte
	available chan struct{}
}

// NewMempool makes an empty one.
func NewMempool() *Mempool { return &Mempool{available: make(chan struct{}, 1)} }

// Add adds a transaction, which is not to be changed afterwards.
func (p *Mempool) Add(tx []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.txs = append(p.txs, tx)
	p.notify()
}

func (p *Mempool) notify() {
	if len(p.txs) > 0 {
		select {
		case p.available <- struct{}{}:
		default:
		}
	}
}

// Limit implements bft.Mempool. Whatever it is handed is kept: it is for those who know what fits.
func (p *Mempool) Limit(_, _ int64) {}

// Reap implements bft.Mempool. Gas is not known here.
func (p *Mempool) Reap(maxBytes, _ int64) [][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	var size int64
	for i, tx := range p.txs {
		if size += abci.TxSize(tx); maxBytes >= 0 && size > maxBytes {
			return p.txs[:i:i]
		}
	}
	return p.txs[:len(p.txs):len(p.txs)]
}

// Available implements bft.Mempool.
func (p *Mempool) Available() <-chan struct{} { return p.available }

// Lock implements bft.Mempool.
func (p *Mempool) Lock() { p.updating.Lock() }

// Unlock implements bft.Mempool.
func (p *Mempool) Unlock() { p.updating.Unlock() }

// Update implements bft.Mempool.
func (p *Mempool) Update(_ context.Context, _ types.Height, txs [][]byte, _ []uint32) error {
	defer p.updating.Unlock()
	done := make(map[string]bool, len(txs))
	for _, tx := range txs {
		done[string(tx)] = true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var left [][]byte
	for _, tx := range p.txs {
		if !done[string(tx)] {
			left = append(left, tx)
		}
	}
	p.txs = left
	select { // what was said of transactions that are gone is taken back
	case <-p.available:
	default:
	}
	p.notify()
	return nil
}

// An Evidence keeps double votes until they are committed. It is safe for concurrent use.
type Evidence struct {
	chain     Chain
	mu        sync.Mutex
	reported  []types.DoubleVote // of a height that is not committed yet
	pending   []*types.DuplicateVoteEvidence
	committed map[types.Fault]bool
}

// A Chain has the blocks and the validators of past heights.
type Chain interface {
	Block(types.Height) (*types.Block, types.ValueID, error)
	Validators(types.Height) (*types.ValidatorSet, error)
}

// NewEvidence makes an empty one, which verifies by the validators and times of a chain.
func NewEvidence(chain Chain) *Evidence {
	return &Evidence{chain: chain, committed: make(map[types.Fault]bool)}
}

// Report implements bft.EvidencePool.
func (e *Evidence) Report(d types.DoubleVote) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reported = append(e.reported, d)
	e.complete()
}

// complete makes evidence of what was reported of committed heights.
func (e *Evidence) complete() {
	var left []types.DoubleVote
	for _, d := range e.reported {
		block, _, err := e.chain.Block(d.First.Height)
		if err != nil {
			left = append(left, d)
			continue
		}
		if set, err := e.chain.Validators(d.First.Height); err == nil {
			if made, err := types.NewEvidence(d, set, block.Time); err == nil && !e.known(d.Fault()) {
				e.pending = append(e.pending, made)
			}
		}
	}
	e.reported = left
}

func (e *Evidence) known(f types.Fault) bool {
	return e.committed[f] || slices.ContainsFunc(e.pending, func(d *types.DuplicateVoteEvidence) bool { return d.Fault() == f })
}

// Pending implements bft.EvidencePool.
func (e *Evidence) Pending(maxBytes int64) []*types.DuplicateVoteEvidence {
	e.mu.Lock()
	defer e.mu.Unlock()
	var size int64
	for i, d := range e.pending {
		if size += int64(len(d.Encode(nil))); size > maxBytes {
			return e.pending[:i:i]
		}
	}
	return e.pending[:len(e.pending):len(e.pending)]
}

// Check implements bft.EvidencePool.
func (e *Evidence) Check(s *types.State, evidence []*types.DuplicateVoteEvidence) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	seen := make(map[types.Fault]bool)
	for _, d := range evidence {
		h, f := d.First.Height, d.Fault()
		block, _, err := e.chain.Block(h)
		if err != nil {
			return fmt.Errorf("%w of height %d: %w", types.ErrEvidence, h, err)
		}
		set, err := e.chain.Validators(h)
		if err != nil {
			return fmt.Errorf("%w of height %d: %w", types.ErrEvidence, h, err)
		}
		switch {
		case seen[f] || e.committed[f]:
			return fmt.Errorf("%w of height %d against %v was committed before", types.ErrEvidence, h, d.First.Validator)
		case !d.Time.Equal(block.Time):
			return fmt.Errorf("%w of height %d has time %v, and the block %v", types.ErrEvidence, h, d.Time, block.Time)
		case s.EvidenceExpired(h, block.Time):
			return fmt.Errorf("%w of height %d has expired at %d", types.ErrEvidence, h, s.LastHeight)
		}
		if err := d.Verify(s.ChainID, set); err != nil {
			return err
		}
		seen[f] = true
	}
	return nil
}

// Update implements bft.EvidencePool. What has become too old is dropped: in a block nobody would take it.
func (e *Evidence) Update(s *types.State, evidence []*types.DuplicateVoteEvidence) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, d := range evidence {
		e.committed[d.Fault()] = true
	}
	var left []*types.DuplicateVoteEvidence
	for _, d := range e.pending {
		if !e.committed[d.Fault()] && !s.EvidenceExpired(d.First.Height, d.Time) {
			left = append(left, d)
		}
	}
	e.pending = left
	e.complete()
}
