package gateway

import (
	"context"
	"net"
	"strconv"

	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/push"
)

// PushSource subscribes to a [push.Publisher], which sends routes in eskip text as soon as there are new ones,
// and learns of each version whether it is in force or why it was refused (C5).
type PushSource struct {
	// URL is of the publisher's handler.
	URL string
	// Dial, if not nil, takes the place of URL: the publisher Serves the other end.
	Dial func(context.Context) (net.Conn, error)
	// Options are the subscription's. Apply is the source's own.
	Options push.SubscriberOptions
}

// String is "push URL".
func (s PushSource) String() string {
	if s.Dial != nil {
		return "push"
	}
	return "push " + s.URL
}

// Watch stays subscribed until ctx is done. It fails at once if options or URL make no sense.
func (s PushSource) Watch(ctx context.Context, apply func(Configuration, error) error) error {
	o := s.Options
	o.Apply = func(version uint64, text []byte) error {
		routes, err := eskip.Parse(s.String(), string(text)) // the bytes are lent, and routes are pieces of their text
		return apply(Configuration{Routes: routes, Version: "v" + strconv.FormatUint(version, 10)}, err)
	}
	if s.Dial != nil {
		return push.SubscribeConn(ctx, s.Dial, o)
	}
	return push.Subscribe(ctx, s.URL, o)
}
