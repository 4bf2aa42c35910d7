package p2p

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"
)

// Options configure a [Switch]. Key is required; the zero value of the rest is a good default.
type Options struct {
	// Key is the node's own, see [OpenKey].
	Key ed25519.PrivateKey
	// Network is the chain's id. Nodes of different ones do not talk. At most 256 bytes.
	Network string
	// Moniker is a name for people. At most 256 bytes.
	Moniker string
	// Listen is the address to listen on, "host:port"; port 0 takes a free one, see [Switch.Addr]. Default "": nobody can dial this node.
	Listen string
	// Listener is listened on in place of Listen. The switch closes it.
	Listener net.Listener
	// Persistent are peers to be connected to always, each "id@host:port".
	Persistent []string
	// MaxInbound is how many may be connected that have dialed this node, beside the persistent peers. Default 40.
	MaxInbound int
	// MaxPending is how many connections may be in their handshake. One more pushes out the oldest. Default 64.
	MaxPending int

	// HandshakeTimeout is for the whole handshake. Default 5 s.
	HandshakeTimeout time.Duration
	// Ping is how often each side says that it is there. Default 10 s.
	Ping time.Duration
	// Timeout is how long the other side may be silent, or take to send a record, or to take a write. Default 30 s;
	// shorter finds a dead link earlier, longer bears with a slow one. It has to be longer than Ping.
	Timeout time.Duration
	// MinBackoff and MaxBackoff bound the wait before a persistent peer is dialed again: it begins with the one
	// and doubles up to the other, and a random part of up to half is taken off. Default 50 ms and 10 s.
	MinBackoff, MaxBackoff time.Duration

	// Dial connects to "host:port". Default: TCP.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// After is the clock that pings and backoffs wait by. Default: [time.After].
	After func(time.Duration) <-chan time.Time
	// Random is a number below 1, for the backoffs. Default: [rand.Float64].
	Random func() float64

	// OnEvent is told of links that begin, end and are refused. It is called by several goroutines, and must not wait.
	OnEvent func(Event)
	// Logger hears the same. Default: silent.
	Logger *slog.Logger
}

// An Event is something that happened to a link.
type Event struct {
	Kind     EventKind
	Peer     ID // "" where it has not proved who it is
	Address  string
	Outbound bool
	Err      error // of all kinds but Connected
}

// An EventKind says what happened.
type EventKind uint8

// What can happen.
const (
	// Connected: a link is made.
	Connected EventKind = iota + 1
	// Disconnected: it has ended.
	Disconnected
	// Refused: a link was not made, because of either side.
	Refused
)

// String is the kind in words.
func (k EventKind) String() string {
	if k < Connected || k > Refused {
		return fmt.Sprintf("event %d", uint8(k))
	}
	return [...]string{Connected: "connected", Disconnected: "disconnected", Refused: "refused"}[k]
}

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (o Options) withDefaults() (Options, error) {
	orDefault(&o.MaxInbound, 40)
	orDefault(&o.MaxPending, 64)
	orDefault(&o.HandshakeTimeout, 5*time.Second)
	orDefault(&o.Ping, 10*time.Second)
	orDefault(&o.Timeout, 30*time.Second)
	orDefault(&o.MinBackoff, 50*time.Millisecond)
	orDefault(&o.MaxBackoff, 10*time.Second)
	if o.Dial == nil {
		o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", address)
		}
	}
	if o.After == nil {
		o.After = time.After
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	if o.OnEvent == nil {
		o.OnEvent = func(Event) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case len(o.Key) != ed25519.PrivateKeySize:
		return o, fmt.Errorf("%w: Options.Key has %d bytes, not %d", ErrOptions, len(o.Key), ed25519.PrivateKeySize)
	case len(o.Network) > maxText || len(o.Moniker) > maxText:
		return o, fmt.Errorf("%w: Options.Network or Moniker is longer than %d bytes", ErrOptions, maxText)
	case o.MaxInbound < 0 || o.MaxPending < 0 || o.HandshakeTimeout < 0 || o.MinBackoff < 0 || o.MaxBackoff < o.MinBackoff:
		return o, fmt.Errorf("%w: a limit in Options is negative, or MaxBackoff is below MinBackoff", ErrOptions)
	case o.Ping < 0 || o.Timeout <= o.Ping:
		return o, fmt.Errorf("%w: Options.Timeout %v is not longer than Ping %v", ErrOptions, o.Timeout, o.Ping)
	}
	return o, nil
}
