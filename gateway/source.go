package gateway

import (
	"context"

	"github.com/flagship-go/flagship/gateway/eskip"
)

// A Source is where configurations come from. It parses them; the gateway does the rest.
type Source interface {
	// Next waits for a configuration that is not the one before. An error says that there is something new that
	// cannot be read or parsed: it is told once, and the source goes on. When ctx is done, Next
	// returns its error. Next is called by one goroutine at a time.
	Next(context.Context) (Configuration, error)
	// String names the source for people: "file routes.eskip".
	String() string
}

// A Configuration is what a Source has to say.
type Configuration struct {
	Routes []*eskip.Route
	// Version is what the source calls it, if it has names for them.
	Version string
	// Done, if not nil, learns whether it was applied (nil) or why it was not.
	Done func(error)
}

// Run applies what a source has to say until ctx is done; then it returns nil. A
// configuration that is wrong is reported (log, [Gateway.Versions], metrics), and the last good one goes on (C1).
func (g *Gateway) Run(ctx context.Context, s Source) error {
	for {
		c, err := s.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			g.record(c, s.String(), g.env.Elapsed(), 0, 0, err)
		default:
			err = g.applyFrom(c, s.String())
		}
		if c.Done != nil {
			c.Done(err)
		}
	}
}
