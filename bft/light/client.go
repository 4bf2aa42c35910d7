package light

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/flagship-go/flagship/bft/types"
)

// A Root is the header that is trusted at first, because of where its hash is from.
type Root struct {
	Height types.Height
	Hash   types.Hash
}

// Options say whom a client asks and what it trusts. ChainID, Primary and Params.Period have no default; Root may be left out if
// Store has blocks.
type Options struct {
	ChainID string
	Root    Root
	Params  Params
	// Primary is who is asked for blocks; Witnesses are who it is compared with: at least one should be there, and they should not be
	// in one hand. Without any, an attack is not noticed.
	Primary   Provider
	Witnesses []Provider
	// Spares take the place of witnesses that are gone or do not answer, in order.
	Spares []Provider
	// Store keeps what is trusted. Default: in memory.
	Store Store
	// Retain is how many blocks are kept: the newest. Default: 1000; -1: all.
	Retain int
	// Sequential verifies each height: slower, and it needs no trust in old sets.
	Sequential bool
	// Timeout is how long a provider may take to answer. Default: 10 s.
	Timeout time.Duration
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// Logger is told who is sent away, and why. Default: silent.
	Logger *slog.Logger
}

// A Client trusts some of a chain's headers, and more with time. It is safe for concurrent use; one call at a time does something.
type Client struct {
	opts Options

	mu        sync.Mutex
	primary   Provider
	witnesses []Provider
	spares    []Provider
	attack    error // the client is over
}

// Why a client does not go on.
var (
	// ErrNoProvider is a primary that is gone, and no witness to take its place. The remedy is other ones.
	ErrNoProvider = errors.New("light: no provider is left")
	// ErrNoWitness is that no witness agrees, for none of them answers. The remedy is to wait, or other ones.
	ErrNoWitness = errors.New("light: no witness has confirmed")
	// ErrRoot is a root that is not what the primary, or the store, has.
	ErrRoot = errors.New("light: the root of trust")
)

// NewClient makes a client. With an empty store it fetches the root from the primary.
func NewClient(ctx context.Context, o Options) (*Client, error) {
	if o.ChainID == "" || o.Primary == nil {
		return nil, fmt.Errorf("%w: Options.ChainID and Options.Primary are needed", ErrParams)
	}
	var err error
	if o.Params, err = o.Params.withDefaults(); err != nil {
		return nil, err
	}
	if o.Store == nil {
		o.Store = NewMemStore()
	}
	if o.Retain == 0 {
		o.Retain = 1000
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Client{opts: o, primary: o.Primary, witnesses: slices.Clone(o.Witnesses), spares: slices.Clone(o.Spares)}
	if err := c.begin(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// begin makes the root trusted, if it is not.
func (c *Client) begin(ctx context.Context) error {
	root := c.opts.Root
	if len(c.opts.Store.Heights()) > 0 {
		newest, err := c.latest()
		if err != nil {
			return err
		}
		if newest.Header.ChainID != c.opts.ChainID {
			return fmt.Errorf("%w: the store is of chain %q, and Options.ChainID is %q; each chain needs a store of its own",
				ErrRoot, newest.Header.ChainID, c.opts.ChainID)
		}
		b, err := c.opts.Store.Block(root.Height)
		if errors.Is(err, ErrNotFound) {
			return nil // the store has others, or the root was pruned
		}
		if err == nil && b.Header.Hash() != root.Hash {
			err = fmt.Errorf("%w: height %d is %v in the store, and should be %v; if the store is wrong, begin with an empty one",
				ErrRoot, root.Height, b.Header.Hash(), root.Hash)
		}
		return err
	}
	if root.Height < 1 || root.Hash == (types.Hash{}) {
		return fmt.Errorf("%w: Options.Root is needed, for the store is empty: a height and its hash, from a source you trust", ErrRoot)
	}
	b, err := c.fetch(ctx, c.primary, root.Height)
	if err != nil {
		return err
	}
	if b.Header.Hash() != root.Hash {
		return fmt.Errorf("%w: height %d is %v at %v, and should be %v", ErrRoot, root.Height, b.Header.Hash(), c.primary, root.Hash)
	}
	if err := VerifyCommit(c.opts.ChainID, b); err != nil {
		return err
	}
	t := b.Trusted()
	if err := c.opts.Params.checkExpired(&t, c.opts.Now()); err != nil {
		return err
	}
	return c.opts.Store.Save(b)
}

// Update trusts the newest header that the primary has, if it is later than what is trusted, and is the newest that is trusted now. Errors:
// those of [Verify]; an [*AttackError]; [ErrNoProvider], [ErrNoWitness].
func (c *Client) Update(ctx context.Context) (*Block, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	latest, err := c.latest()
	if err != nil {
		return nil, err
	}
	return c.withPrimary(ctx, func() (*Block, error) {
		target, err := c.fetch(ctx, c.primary, 0)
		switch {
		case err != nil:
			return nil, err
		case target.Height() > latest.Height():
			return c.forward(ctx, latest, target)
		case target.Height() == latest.Height() && target.Header.Hash() != latest.Header.Hash():
			return nil, &blameError{c.primary, true, fmt.Errorf("%w %d: another one is trusted", ErrInvalid, target.Height())}
		}
		return latest, nil
	})
}

// VerifyAtHeight trusts the header of a height, and is its block: one that is trusted already, or forwards from the next lower one, or backwards from
// the next higher one where there is no lower one that can be trusted by. Errors: as [Client.Update]; [ErrNotFound]: no provider has it.
func (c *Client) VerifyAtHeight(ctx context.Context, h types.Height) (*Block, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h < 1 {
		return nil, fmt.Errorf("%w: %d", ErrNotFound, h)
	}
	if _, err := c.latest(); err != nil {
		return nil, err
	}
	heights := c.opts.Store.Heights()
	at, found := slices.BinarySearch(heights, h)
	if found {
		return c.opts.Store.Block(h)
	}
	var low, high *Block
	var err error
	if at > 0 {
		if low, err = c.opts.Store.Block(heights[at-1]); err != nil {
			return nil, err
		}
	}
	if at < len(heights) {
		if high, err = c.opts.Store.Block(heights[at]); err != nil {
			return nil, err
		}
	}
	return c.withPrimary(ctx, func() (*Block, error) {
		if high != nil && (low == nil || c.opts.Params.Expired(low.Header.Time, c.opts.Now())) {
			b, err := c.back(ctx, high, c.primary, h)
			if err != nil {
				return nil, err
			}
			return b, c.save(b)
		}
		target, err := c.fetch(ctx, c.primary, h)
		if err != nil {
			return nil, err
		}
		return c.forward(ctx, low, target)
	})
}

// forward is the way from a trusted block to a later one of the primary, past the witnesses.
func (c *Client) forward(ctx context.Context, from, target *Block) (*Block, error) {
	now := c.opts.Now()
	steps, err := c.follow(ctx, from, c.primary, target, now)
	if err != nil {
		return nil, err
	}
	if err := c.compare(ctx, steps, now); err != nil {
		return nil, err
	}
	for _, b := range steps[1:] {
		if err := c.save(b); err != nil {
			return nil, err
		}
	}
	return target, nil
}

// save keeps a block, and drops the oldest ones. One that was verified backwards may be older than all that is kept: it is not kept.
func (c *Client) save(b *Block) error {
	heights := c.opts.Store.Heights()
	full := c.opts.Retain > 0 && len(heights) >= c.opts.Retain
	if full && b.Height() < heights[0] {
		return nil
	}
	if err := c.opts.Store.Save(b); err != nil {
		return err
	}
	if heights = c.opts.Store.Heights(); c.opts.Retain > 0 && len(heights) > c.opts.Retain {
		return c.opts.Store.Remove(heights[:len(heights)-c.opts.Retain]...)
	}
	return nil
}

// latest is the newest trusted block.
func (c *Client) latest() (*Block, error) {
	if c.attack != nil {
		return nil, c.attack
	}
	heights := c.opts.Store.Heights()
	if len(heights) == 0 {
		return nil, fmt.Errorf("%w: the store is empty; make a new client", ErrRoot)
	}
	return c.opts.Store.Block(heights[len(heights)-1])
}

// Latest is the newest block that is trusted. It asks nobody.
func (c *Client) Latest() (*Block, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.latest()
}

// Trusted is a block that is trusted, or [ErrNotFound]. It asks nobody.
func (c *Client) Trusted(h types.Height) (*Block, error) { return c.opts.Store.Block(h) }

// Providers are whom the client asks now.
func (c *Client) Providers() (primary Provider, witnesses []Provider) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.primary, slices.Clone(c.witnesses)
}

// Prune keeps the newest blocks, so many of them, and at least one.
func (c *Client) Prune(keep int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	heights := c.opts.Store.Heights()
	return c.opts.Store.Remove(heights[:max(0, len(heights)-max(1, keep))]...)
}
