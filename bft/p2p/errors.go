package p2p

import (
	"errors"
	"fmt"
	"net"
	"os"
)

// Why a link is not made, or ends. They come wrapped with who and what: in [Event], in the log, and
// as the reason of Handler.RemovePeer.
var (
	// ErrProtocol: what came is not this protocol: something else speaks to the port, or a frame is garbled.
	ErrProtocol = errors.New("p2p: not the protocol")
	// ErrAuth: a signature or a seal is wrong: somebody is in between, or replays what was recorded.
	ErrAuth = errors.New("p2p: not authentic")
	// ErrIdentity: at the address is another node than the one that was dialed.
	ErrIdentity = errors.New("p2p: another node")
	// ErrSelf: the node has dialed itself, or another one runs with its key.
	ErrSelf = errors.New("p2p: the node itself")
	// ErrVersion: the other side speaks another version of the protocol.
	ErrVersion = errors.New("p2p: another version")
	// ErrNetwork: the other side is of another chain.
	ErrNetwork = errors.New("p2p: another chain")
	// ErrDuplicate: there is a link to this node.
	ErrDuplicate = errors.New("p2p: connected already")
	// ErrFull: Options.MaxInbound is reached.
	ErrFull = errors.New("p2p: no more peers are accepted")
	// ErrBanned: see [Switch.Ban].
	ErrBanned = errors.New("p2p: banned")
	// ErrTooLarge: a message is longer than its channel allows.
	ErrTooLarge = errors.New("p2p: message too large")
	// ErrTimeout: the other side is silent, or takes nothing, or does not get its handshake done.
	ErrTimeout = errors.New("p2p: too slow")
	// ErrFlood: an inbox is full, of a channel that ends links then.
	ErrFlood = errors.New("p2p: flood")
	// ErrGone: the other side has closed the link and not said why.
	ErrGone = errors.New("p2p: the peer is gone")
	// ErrStopped: a handler has ended the link.
	ErrStopped = errors.New("p2p: stopped")
	// ErrClosed: the switch is closed.
	ErrClosed = errors.New("p2p: switch closed")
	// ErrOptions: Options or ChannelOptions that cannot work.
	ErrOptions = errors.New("p2p: bad options")
)

// reasons are the errors that are told to the other side at the end of a link, by their number on the wire.
var reasons = [...]error{
	1: ErrProtocol, 2: ErrAuth, 3: ErrIdentity, 4: ErrSelf, 5: ErrVersion, 6: ErrNetwork, 7: ErrDuplicate, 8: ErrFull,
	9: ErrBanned, 10: ErrTooLarge, 11: ErrTimeout, 12: ErrFlood, 13: ErrGone, 14: ErrStopped, 15: ErrClosed,
}

const maxReason = 256

// farewell is what a link's last packet says.
func farewell(err error) []byte {
	text := err.Error()
	for code, target := range reasons {
		if target != nil && errors.Is(err, target) {
			return append([]byte{byte(code)}, text[:min(len(text), maxReason)]...)
		}
	}
	return append([]byte{0}, text[:min(len(text), maxReason)]...)
}

// told is the error of the side that is told.
func told(b []byte) error {
	if len(b) == 0 || len(b) > 1+maxReason {
		return fmt.Errorf("%w: a farewell of %d bytes", ErrProtocol, len(b))
	}
	target := ErrStopped
	if code := int(b[0]); code < len(reasons) && reasons[code] != nil {
		target = reasons[code]
	}
	return fmt.Errorf("%w: the peer ends the link: %q", target, b[1:])
}

// explain gives a network's error its name.
func explain(err error, doing string) error {
	var timeout net.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("%w: %s: %w", ErrTimeout, doing, err)
	}
	return fmt.Errorf("%w: %s: %w", ErrGone, doing, err)
}
