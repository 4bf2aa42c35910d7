package light

import (
	"context"
	"errors"
	"fmt"

	"github.com/flagship-go/flagship/bft/types"
)

// A Provider has a chain's blocks: a node that is asked. Nothing that it says is believed. It is safe for concurrent use.
type Provider interface {
	// Block is that of a height; 0: the newest. The block is not changed afterwards. [ErrNotFound]: it has none of this height, or not
	// yet. Any other error: it does not answer.
	Block(ctx context.Context, h types.Height) (*Block, error)
	// Report tells it of an attack, so that who is faulty gets punished.
	Report(ctx context.Context, a *Attack) error
	// String names it, for people.
	String() string
}

// ErrNotFound is a height of which a provider or a store has nothing.
var ErrNotFound = errors.New("light: no such height")

// A BlockStore is the part of a node's store that tells of blocks.
type BlockStore interface {
	Height() types.Height
	Block(types.Height) (*types.Block, types.ValueID, error)
	SeenCommit(types.Height) (*types.Commit, error)
	Validators(types.Height) (*types.ValidatorSet, error)
}

// A StoreProvider has the blocks of a node's store. Safe for concurrent use.
type StoreProvider struct {
	Name  string
	Store BlockStore
	// OnReport is told of attacks; nil: nobody is.
	OnReport func(*Attack) error
}

// String implements [Provider].
func (p *StoreProvider) String() string { return p.Name }

// Report implements [Provider].
func (p *StoreProvider) Report(_ context.Context, a *Attack) error {
	if p.OnReport == nil {
		return nil
	}
	return p.OnReport(a)
}

// Block implements [Provider].
func (p *StoreProvider) Block(_ context.Context, h types.Height) (*Block, error) {
	if h == 0 {
		h = p.Store.Height()
	}
	b, err := p.block(h)
	if errors.Is(err, types.ErrNotFound) {
		return nil, fmt.Errorf("%w: %d, at %s: %w", ErrNotFound, h, p.Name, err)
	}
	return b, err
}

func (p *StoreProvider) block(h types.Height) (*Block, error) {
	block, _, err := p.Store.Block(h)
	if err != nil {
		return nil, err
	}
	b := &Block{Header: &block.Header}
	if b.Commit, err = p.Store.SeenCommit(h); err != nil {
		return nil, err
	}
	if b.Validators, err = p.Store.Validators(h); err != nil {
		return nil, err
	}
	b.Next, err = p.Store.Validators(h + 1)
	if errors.Is(err, types.ErrNotFound) { // the state after h is not saved yet
		return b, nil
	}
	return b, err
}
