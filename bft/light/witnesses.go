package light

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/flagship-go/flagship/bft/types"
)

// Providers change places. Who lies is gone for good; who is silent waits at the end of the spares, and comes back when its turn is.
//
//	primary <-- fails -- witness, witness, witness <-- one is missing -- spare, spare
//	   |                    |                                               ^
//	   +----- silent -------+-----------------------------------------------+
//	   +----- lies ---------+--> gone

// withPrimary does something that asks the primary. If it fails, and the primary is to blame, a witness takes
// its place and it is done again.
func (c *Client) withPrimary(ctx context.Context, do func() (*Block, error)) (*Block, error) {
	var missing error
	for tries := 1 + len(c.witnesses) + len(c.spares); ; tries-- {
		b, err := do()
		var blame *blameError
		if err == nil || !errors.As(err, &blame) || blame.who != c.primary || ctx.Err() != nil {
			return b, err
		}
		if errors.Is(err, ErrNotFound) {
			missing = err
		}
		switch {
		case tries > 1 && c.replacePrimary(blame):
		case missing != nil:
			return nil, missing
		default:
			return nil, fmt.Errorf("%w: the last one was %w; make a client with others", ErrNoProvider, err)
		}
	}
}

// replacePrimary tells whether there was another one.
func (c *Client) replacePrimary(blame *blameError) bool {
	queue := &c.witnesses
	if len(*queue) == 0 {
		queue = &c.spares
	}
	if len(*queue) == 0 {
		return false
	}
	next := (*queue)[0]
	*queue = slices.Delete(*queue, 0, 1)
	c.opts.Logger.Warn("light: the primary is replaced", "was", blame.who, "is", next, "lies", blame.lies, "err", blame.err)
	switch {
	case errors.Is(blame.err, ErrNotFound): // as good a witness as any
		c.witnesses = append(c.witnesses, c.primary)
	case !blame.lies:
		c.spares = append(c.spares, c.primary)
	}
	c.primary = next
	c.refill()
	return true
}

// dismiss takes a witness away. A spare takes its place.
func (c *Client) dismiss(w Provider, lies bool, err error) {
	c.opts.Logger.Warn("light: a witness is dismissed", "witness", w, "lies", lies, "err", err)
	c.witnesses = slices.DeleteFunc(c.witnesses, func(p Provider) bool { return p == w })
	if !lies {
		c.spares = append(c.spares, w)
	}
	c.refill()
}

// refill makes as many witnesses as there were at first.
func (c *Client) refill() {
	for len(c.witnesses) < len(c.opts.Witnesses) && len(c.spares) > 0 {
		c.witnesses = append(c.witnesses, c.spares[0])
		c.spares = slices.Delete(c.spares, 0, 1)
	}
}

// An answer is what a witness has of a height.
type answer struct {
	who   Provider
	block *Block
	err   error
}

// ask asks witnesses at once, and waits for all: the slowest has Options.Timeout.
func (c *Client) ask(ctx context.Context, witnesses []Provider, h types.Height) []answer {
	answers := make([]answer, len(witnesses))
	var all sync.WaitGroup
	for i, w := range witnesses {
		all.Go(func() {
			b, err := c.fetch(ctx, w, h)
			answers[i] = answer{w, b, err}
		})
	}
	all.Wait()
	return answers
}
