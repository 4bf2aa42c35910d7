package evidence

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/flagship-go/flagship/bft/types"
)

// Why evidence is refused. The first three are also a [types.ErrEvidence], which alone means that it proves nothing.
var (
	// ErrExpired: it is older than the parameters allow.
	ErrExpired = fmt.Errorf("%w: too old", types.ErrEvidence)
	// ErrDuplicate: the fault is pending, in the block twice, or was committed.
	ErrDuplicate = fmt.Errorf("%w: not the first of its fault", types.ErrEvidence)
	// ErrFuture: its height is not decided yet.
	ErrFuture = fmt.Errorf("%w: from the future", types.ErrEvidence)
	// ErrFull: Options.MaxPending faults wait for a block.
	ErrFull = errors.New("evidence: full")
)

// verify judges evidence for the block after a state (E1). What costs least comes first.
func (p *Pool) verify(s *types.State, e *types.DuplicateVoteEvidence) error {
	f := e.Fault()
	if s == nil || f.Height > s.LastHeight {
		return fmt.Errorf("%w: %s, and that height is not decided", ErrFuture, f)
	}
	if _, before := p.committed[f]; before {
		return fmt.Errorf("%w: %s was committed", ErrDuplicate, f)
	}
	if s.EvidenceExpired(f.Height, e.Time) { // of its own word; if that is wrong it is refused, too
		return fmt.Errorf("%w: %s, of %v; the last block is %d, of %v", ErrExpired, f, e.Time, s.LastHeight, s.LastTime)
	}
	if it := p.pending[f]; it != nil && bytes.Equal(it.Value.encoded, e.Encode(nil)) {
		return nil // it was verified, by what does not change
	}
	if f.Height < 1 {
		return fmt.Errorf("%w: %s", types.ErrEvidence, f)
	}
	block, set, err := p.decided(f.Height)
	if err != nil {
		return err
	}
	if !e.Time.Equal(block.Time) {
		return fmt.Errorf("%w: %s: its time is %v, and the block's is %v", types.ErrEvidence, f, e.Time, block.Time)
	}
	return e.Verify(s.ChainID, set)
}

// decided is a decided block, and the set that has decided it.
func (p *Pool) decided(h types.Height) (*types.Block, *types.ValidatorSet, error) {
	block, _, err := p.opts.Store.Block(h)
	if err != nil {
		return nil, nil, fmt.Errorf("evidence: block %d is needed to judge evidence: keep as many blocks as evidence may be old: %w", h, err)
	}
	set, err := p.opts.Store.Validators(h)
	if err != nil {
		return nil, nil, fmt.Errorf("evidence: the validators of height %d: %w", h, err)
	}
	return block, set, nil
}
