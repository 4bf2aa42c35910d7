package gateway

import (
	"context"
	"time"

	"github.com/flagship-go/flagship/gateway/eskip"
)

// A Source is where configurations come from. It reads and parses them; the gateway does the rest.
type Source interface {
	// Watch calls apply with each configuration that is not the one before, and may call it again with one that was
	// refused; the first as soon as there is one, until ctx is done. What cannot be read or parsed is told too, once, with the error in place
	// of routes. apply returns whether the configuration is in force now (nil) or why it is not; whatever it
	// says, the source goes on. Watch returns ctx's error, or why it can never work.
	Watch(ctx context.Context, apply func(Configuration, error) error) error
	// String names the source for people: "file routes.eskip".
	String() string
}

// A Configuration is what a Source has to say.
type Configuration struct {
	Routes []*eskip.Route
	// Version is what the source calls it, if it has names for them.
	Version string
}

// Run applies what a source has to say until ctx is done; then it returns nil. A configuration that is
// wrong is reported (log, [Gateway.Versions], metrics), and the last good one goes on (C1). An error of Run says
// that the source can never work.
func (g *Gateway) Run(ctx context.Context, s Source) error {
	err := s.Watch(ctx, func(c Configuration, err error) error {
		if err != nil {
			g.record(c, s.String(), g.env.Elapsed(), 0, 0, err)
			return err
		}
		return g.applyFrom(c, s.String())
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// tryAgain is how long a configuration that was refused waits until it is tried again, although nothing in it is new.
const tryAgain = 10 * time.Second

// A teller has configurations applied. One that could be read and was refused is tried again: the files that it names
// (keys, users) may come after it.
type teller struct {
	apply   func(Configuration, error) error
	refused *Configuration // nil: the last one was applied, or could not be read
	due     time.Time
}

// tell is about the newest configuration. What apply says of it, it has said to everybody already.
func (t *teller) tell(c Configuration, err error) {
	t.refused = nil
	if t.apply(c, err) != nil && err == nil {
		t.refused, t.due = &c, time.Now().Add(tryAgain)
	}
}

// nothingNew is called when the source is as it was.
func (t *teller) nothingNew() {
	if t.refused != nil && !time.Now().Before(t.due) {
		t.tell(*t.refused, nil)
	}
}
