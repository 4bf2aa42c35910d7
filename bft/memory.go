package bft

import (
	"context"
	"fmt"
	"sync"

	"github.com/flagship-go/flagship/bft/abci"
)

// What a node is made of, in memory: for tests, and for small programs that may forget.

// A MemStore keeps blocks and states in memory. It is safe for concurrent use. Everything in it is shared, and not to be changed.
type MemStore struct {
	mu         sync.RWMutex
	base, last Height
	state      *State
	blocks     map[Height]storedBlock
	sets       map[Height]*ValidatorSet
	results    map[Height]*Results
}

type storedBlock struct {
	block *Block
	id    ValueID
	seen  *Commit
}

// NewMemStore makes an empty one.
func NewMemStore() *MemStore {
	return &MemStore{blocks: make(map[Height]storedBlock), sets: make(map[Height]*ValidatorSet), results: make(map[Height]*Results)}
}

// SaveBlock implements [Store].
func (s *MemStore) SaveBlock(b *Block, id ValueID, seen *Commit) error {
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

// SaveState implements [Store].
func (s *MemStore) SaveState(state *State, r *Results) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = state
	s.sets[state.Height()], s.sets[state.Height()+1] = state.Validators, state.NextValidators
	if r != nil {
		s.results[r.Height] = r
	}
	return nil
}

// State implements [Store].
func (s *MemStore) State() (*State, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.state, nil
}

// Base implements [Store].
func (s *MemStore) Base() Height {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.base
}

// Height implements [Store].
func (s *MemStore) Height() Height {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.last
}

// Block implements [Store].
func (s *MemStore) Block(h Height) (*Block, ValueID, error) {
	b, err := stored(s, s.blocks, h, "block")
	return b.block, b.id, err
}

// SeenCommit implements [Store].
func (s *MemStore) SeenCommit(h Height) (*Commit, error) {
	b, err := stored(s, s.blocks, h, "commit of height")
	return b.seen, err
}

// Validators implements [Store].
func (s *MemStore) Validators(h Height) (*ValidatorSet, error) {
	return stored(s, s.sets, h, "validators of height")
}

// Results implements [Store].
func (s *MemStore) Results(h Height) (*Results, error) {
	return stored(s, s.results, h, "results of block")
}

func stored[T any](s *MemStore, m map[Height]T, h Height, what string) (T, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	v, ok := m[h]
	if !ok {
		return v, fmt.Errorf("%w: %s %d; there are %d to %d", ErrNotFound, what, h, s.base, s.last)
	}
	return v, nil
}

// Prune implements [Store].
func (s *MemStore) Prune(retain Height) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for retain = min(retain, s.last); s.base < retain; s.base++ {
		delete(s.blocks, s.base)
		delete(s.sets, s.base)
		delete(s.results, s.base)
	}
	return nil
}

// Close implements [Store]: it does nothing, so that the next node may go on with it.
func (s *MemStore) Close() error { return nil }

// A MemMempool is a queue of transactions that nobody checks. It is safe for concurrent use.
type MemMempool struct {
	mu        sync.Mutex
	updating  sync.Mutex
	txs       [][]byte
	available chan struct{}
}

// NewMemMempool makes an empty one.
func NewMemMempool() *MemMempool { return &MemMempool{available: make(chan struct{}, 1)} }

// Add adds a transaction, which is not to be changed afterwards.
func (p *MemMempool) Add(tx []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.txs = append(p.txs, tx)
	p.notify()
}

func (p *MemMempool) notify() {
	if len(p.txs) > 0 {
		select {
		case p.available <- struct{}{}:
		default:
		}
	}
}

// Reap implements [Mempool]. Gas is not known here.
func (p *MemMempool) Reap(maxBytes, _ int64) [][]byte {
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

// Available implements [Mempool].
func (p *MemMempool) Available() <-chan struct{} { return p.available }

// Lock implements [Mempool].
func (p *MemMempool) Lock() { p.updating.Lock() }

// Unlock implements [Mempool].
func (p *MemMempool) Unlock() { p.updating.Unlock() }

// Update implements [Mempool].
func (p *MemMempool) Update(_ context.Context, _ Height, txs [][]byte, _ []uint32) error {
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

// A MemEvidence keeps double votes until they are committed. It is safe for concurrent use.
type MemEvidence struct {
	chain     Chain
	mu        sync.Mutex
	reported  []DoubleVote // of a height that is not committed yet
	pending   []*DuplicateVoteEvidence
	committed map[Hash]bool
}

// A Chain has the blocks and the validators of past heights.
type Chain interface {
	Block(Height) (*Block, ValueID, error)
	Validators(Height) (*ValidatorSet, error)
}

// NewMemEvidence makes an empty one, which verifies by the validators and times of a chain.
func NewMemEvidence(chain Chain) *MemEvidence {
	return &MemEvidence{chain: chain, committed: make(map[Hash]bool)}
}

// Report implements [EvidencePool].
func (e *MemEvidence) Report(d DoubleVote) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reported = append(e.reported, d)
	e.complete()
}

// complete makes evidence of what was reported of committed heights.
func (e *MemEvidence) complete() {
	var left []DoubleVote
	for _, d := range e.reported {
		block, _, err := e.chain.Block(d.First.Height)
		if err != nil {
			left = append(left, d)
			continue
		}
		if set, err := e.chain.Validators(d.First.Height); err == nil {
			if made, err := NewEvidence(d, set, block.Time); err == nil {
				e.pending = append(e.pending, made)
			}
		}
	}
	e.reported = left
}

// Pending implements [EvidencePool].
func (e *MemEvidence) Pending(maxBytes int64) []*DuplicateVoteEvidence {
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

// Check implements [EvidencePool].
func (e *MemEvidence) Check(s *State, evidence []*DuplicateVoteEvidence) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	seen := make(map[Hash]bool)
	for _, d := range evidence {
		h, id := d.First.Height, d.Hash()
		block, _, err := e.chain.Block(h)
		if err != nil {
			return fmt.Errorf("%w of height %d: %w", ErrEvidence, h, err)
		}
		set, err := e.chain.Validators(h)
		if err != nil {
			return fmt.Errorf("%w of height %d: %w", ErrEvidence, h, err)
		}
		p := s.Params.Evidence
		switch {
		case seen[id] || e.committed[id]:
			return fmt.Errorf("%w of height %d against %v was committed before", ErrEvidence, h, d.First.Validator)
		case !d.Time.Equal(block.Time):
			return fmt.Errorf("%w of height %d has time %v, and the block %v", ErrEvidence, h, d.Time, block.Time)
		case int64(s.LastHeight-h) > p.MaxAgeNumBlocks && s.LastTime.Sub(block.Time) > p.MaxAgeDuration:
			return fmt.Errorf("%w of height %d has expired at %d", ErrEvidence, h, s.LastHeight)
		}
		if err := d.Verify(s.ChainID, set); err != nil {
			return err
		}
		seen[id] = true
	}
	return nil
}

// Update implements [EvidencePool].
func (e *MemEvidence) Update(_ *State, evidence []*DuplicateVoteEvidence) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, d := range evidence {
		e.committed[d.Hash()] = true
	}
	var left []*DuplicateVoteEvidence
	for _, d := range e.pending {
		if !e.committed[d.Hash()] {
			left = append(left, d)
		}
	}
	e.pending = left
	e.complete()
}
