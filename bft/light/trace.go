package light

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flagship-go/flagship/bft/types"
)

// A trace is the steps from a trusted block to another one, both included: each is trusted because of the one before.
//
//	10 ----------------------------------> 900   too few: try 455
//	10 ----------------> 455                     enough
//	                     455 ------------> 900   enough
//	trace: 10, 455, 900
type trace []*Block

func (t trace) last() *Block { return t[len(t)-1] }

// A blameError is something that a provider is to blame for: it is silent, or it lies.
type blameError struct {
	who  Provider
	lies bool
	err  error
}

func (e *blameError) Error() string { return fmt.Sprintf("%v: %v", e.who, e.err) }
func (e *blameError) Unwrap() error { return e.err }

// blameFor is the error for a block that was not verified. Age is nobody's fault; and a header from the future may be our own clock's, for which
// nobody is sent away for good.
func blameFor(p Provider, err error) error {
	if errors.Is(err, ErrExpired) {
		return err
	}
	return &blameError{p, !errors.Is(err, ErrFuture), err}
}

// fetch asks a provider for a height, for as long as that may take, and looks whether it has got that.
func (c *Client) fetch(ctx context.Context, p Provider, h types.Height) (*Block, error) {
	asking, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	b, err := p.Block(asking, h)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err() // it is us who gave up
	}
	if err != nil {
		return nil, &blameError{p, false, fmt.Errorf("height %d: %w", h, err)}
	}
	err = b.Check(c.opts.ChainID)
	if err == nil && h != 0 && b.Height() != h {
		err = fmt.Errorf("%w: height %d, and it was asked for %d", ErrInvalid, b.Height(), h)
	}
	if err != nil {
		return nil, &blameError{p, true, err}
	}
	return b, nil
}

// follow verifies the way from a trusted block to a later one of a provider.
func (c *Client) follow(ctx context.Context, from *Block, p Provider, target *Block, now time.Time) (trace, error) {
	if c.opts.Sequential {
		return c.followEach(ctx, from, p, target, now)
	}
	steps, wanted := trace{from}, []*Block{target}
	for len(wanted) > 0 {
		b := wanted[len(wanted)-1]
		err := Verify(c.opts.Params, c.opts.ChainID, steps.last().Trusted(), b, now)
		switch {
		case err == nil:
			steps, wanted = append(steps, b), wanted[:len(wanted)-1]
		case errors.Is(err, ErrNotEnoughTrust):
			// Between neighbours trust does not lack, so there is a height in between.
			low := steps.last().Height()
			pivot, err := c.fetch(ctx, p, low+(b.Height()-low)/2)
			if err != nil {
				return steps, err
			}
			wanted = append(wanted, pivot)
		default:
			return steps, blameFor(p, err)
		}
	}
	return steps, nil
}

// followEach is the sequential way.
func (c *Client) followEach(ctx context.Context, from *Block, p Provider, target *Block, now time.Time) (trace, error) {
	steps := trace{from}
	for h := from.Height() + 1; h <= target.Height(); h++ {
		b := target
		if h < target.Height() {
			var err error
			if b, err = c.fetch(ctx, p, h); err != nil {
				return steps, err
			}
		}
		err := Verify(c.opts.Params, c.opts.ChainID, steps.last().Trusted(), b, now)
		if err != nil {
			return steps, blameFor(p, err)
		}
		steps = append(steps, b)
	}
	return steps, nil
}

// back verifies an earlier height by the hashes of the blocks before.
//
//	11 <-- 12 <-- 13 (trusted): each has the hash of the one before
func (c *Client) back(ctx context.Context, from *Block, p Provider, h types.Height) (*Block, error) {
	at := from
	for at.Height() > h {
		b, err := c.fetch(ctx, p, at.Height()-1)
		if err != nil {
			return nil, err
		}
		if err := VerifyBackwards(at.Header, b.Header); err != nil {
			return nil, &blameError{p, true, err}
		}
		at = b
	}
	// The header is proved. That the commit is a good one matters to whom it is shown.
	if err := VerifyCommit(c.opts.ChainID, at); err != nil {
		return nil, &blameError{p, true, err}
	}
	return at, nil
}
