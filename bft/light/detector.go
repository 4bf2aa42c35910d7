package light

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// The detector (C2). The primary's header of a height is compared with those of the witnesses. Where one differs,
// the primary's steps are walked until the first that the witness does not have:
//
//	steps of the primary    10 ------> 455 -----------> 900
//	the witness has         10 ------> 455 --> 677 ---> 900'
//	                                    |                 \___ is followed from 455, by the witness's own blocks: C1 holds, or it lies
//	                                    +--- the common height
//
// and then the witness's steps are walked in the same way, so that there is a report against each: who knows which
// chain is the real one needs only the other.

// compare looks for another opinion on the last of steps. nil: a witness agrees, and none has shown an attack.
func (c *Client) compare(ctx context.Context, steps trace, now time.Time) error {
	if len(c.opts.Witnesses)+len(c.opts.Spares) == 0 {
		return nil
	}
	target := steps.last()
	var asked []Provider
	confirmed := false
	for !confirmed {
		fresh := slices.DeleteFunc(slices.Clone(c.witnesses), func(w Provider) bool { return slices.Contains(asked, w) })
		if len(fresh) == 0 {
			break
		}
		asked = append(asked, fresh...)
		for _, a := range c.ask(ctx, fresh, target.Height()) {
			agrees, err := c.judge(ctx, steps, a, now)
			if err != nil {
				return err
			}
			confirmed = confirmed || agrees
		}
	}
	if !confirmed {
		return fmt.Errorf("%w height %d of %v; %d were asked, try again later or with others", ErrNoWitness, target.Height(), c.primary, len(asked))
	}
	return nil
}

// judge says what an answer means. The error ends it all.
func (c *Client) judge(ctx context.Context, steps trace, a answer, now time.Time) (agrees bool, err error) {
	err = a.err
	if errors.Is(err, ErrNotFound) {
		if a.block, err = c.overtaken(ctx, steps.last(), a.who); a.block == nil && err == nil {
			return false, nil // it is behind, or has dropped that height
		}
	}
	if err == nil {
		if a.block.Header.Hash() == steps.last().Header.Hash() {
			return true, nil
		}
		err = c.examine(ctx, steps, a.who, a.block, now)
	}
	var blame *blameError
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case errors.As(err, &blame) && blame.who == a.who:
		c.dismiss(a.who, blame.lies, err)
		return false, nil
	}
	return false, err
}

// overtaken is a witness's newest block if that has a lower height than the target, and yet not an earlier time. Times grow with heights:
// one of the two is not the chain's. nil: nothing of that kind.
func (c *Client) overtaken(ctx context.Context, target *Block, w Provider) (*Block, error) {
	newest, err := c.fetch(ctx, w, 0)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil || newest.Height() >= target.Height() || newest.Header.Time.Before(target.Header.Time) {
		return nil, err
	}
	return newest, nil
}

// A fork is where two providers part.
type fork struct {
	common *Block
	step   *Block // of the first one, verified by common
	other  trace  // of the second one, from common
}

// part walks a trace until somebody else does not have a step, and verifies what that one has instead. Errors: a blameError
// against who, if it has nothing that holds.
func (c *Client) part(ctx context.Context, steps trace, who Provider, its *Block, now time.Time) (*fork, error) {
	var common *Block
	for _, b := range steps {
		other := its
		if b.Height() < its.Height() {
			var err error
			if other, err = c.fetch(ctx, who, b.Height()); err != nil {
				return nil, err
			}
		}
		if other.Header.Hash() == b.Header.Hash() {
			common = b
			continue
		}
		if common == nil {
			return nil, &blameError{who, true, fmt.Errorf("%w: it has another block at height %d, which is trusted", ErrInvalid, b.Height())}
		}
		way, err := c.follow(ctx, common, who, other, now)
		if err != nil {
			return nil, err
		}
		return &fork{common, b, way}, nil
	}
	return nil, &blameError{who, true, fmt.Errorf("%w: it says one thing and another of height %d", ErrInvalid, its.Height())}
}

// examine finds the attack behind a witness's other block. The error is an [*AttackError], or a blameError against the witness.
func (c *Client) examine(ctx context.Context, steps trace, w Provider, its *Block, now time.Time) error {
	f, err := c.part(ctx, steps, w, its, now)
	if err != nil {
		return err
	}
	attack := &AttackError{Primary: c.primary, Witness: w, AgainstPrimary: NewAttack(c.opts.ChainID, f.common, f.step, f.other.last())}
	if g, err := c.part(ctx, f.other, c.primary, f.step, now); err == nil {
		attack.AgainstWitness = NewAttack(c.opts.ChainID, g.common, g.step, g.other.last())
	}
	c.attack = attack
	c.report(ctx, attack)
	return attack
}

// report tells each side what the other one has done. That it does not listen changes nothing.
func (c *Client) report(ctx context.Context, e *AttackError) {
	tell := func(p Provider, a *Attack) {
		if a == nil {
			return
		}
		asking, cancel := context.WithTimeout(ctx, c.opts.Timeout)
		defer cancel()
		if err := p.Report(asking, a); err != nil {
			c.opts.Logger.Warn("light: an attack could not be reported", "to", p, "err", err)
		}
	}
	for _, w := range c.witnesses {
		tell(w, e.AgainstPrimary)
	}
	tell(e.Primary, e.AgainstWitness)
}
