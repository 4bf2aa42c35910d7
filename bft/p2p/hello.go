package p2p

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"time"
)

// Version is that of the protocol above the handshake: of packets and channels.
const Version = 1

// A Hello is what a node says of itself when a link begins. Who it is is proved, the rest is claimed.
//
//	| version | length, network | length, moniker | length, address | count, channels |   (uvarints and bytes)
//
// What follows is a newer build's, and is left alone.
type Hello struct {
	Version  uint64
	Network  string // the chain's id
	Moniker  string // for people
	Listen   string // where it listens, as far as it knows
	Channels []byte // ids
}

// maxText bounds each text of a Hello, maxChannels the channels.
const (
	maxText     = 256
	maxChannels = 64
)

// Append encodes h.
func (h *Hello) append(b []byte) []byte {
	b = binary.AppendUvarint(b, h.Version)
	for _, text := range []string{h.Network, h.Moniker, h.Listen, string(h.Channels)} {
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	return b
}

func decodeHello(b []byte) (h Hello, err error) {
	version, n := binary.Uvarint(b)
	if n <= 0 {
		return h, fmt.Errorf("%w: a hello without a version", ErrProtocol)
	}
	h.Version, b = version, b[n:]
	var channels string
	for _, text := range []*string{&h.Network, &h.Moniker, &h.Listen, &channels} {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > maxText || size > uint64(len(b)-n) {
			return h, fmt.Errorf("%w: a text of a hello is %d bytes long", ErrProtocol, size)
		}
		*text, b = string(b[n:n+int(size)]), b[n+int(size):]
	}
	if len(channels) > maxChannels {
		return h, fmt.Errorf("%w: a hello with %d channels", ErrProtocol, len(channels))
	}
	h.Channels = []byte(channels)
	return h, nil
}

// judge says whether two nodes have anything to say to each other.
func (h *Hello) judge(own *Hello) error {
	switch {
	case h.Version != own.Version:
		return fmt.Errorf("%w: the other side speaks version %d, this one %d", ErrVersion, h.Version, own.Version)
	case h.Network != own.Network:
		return fmt.Errorf("%w: the other side is of %q, this one of %q", ErrNetwork, h.Network, own.Network)
	case !slices.ContainsFunc(h.Channels, func(id byte) bool { return slices.Contains(own.Channels, id) }):
		return fmt.Errorf("%w: the other side has channels %x, this one %x: none is common", ErrVersion, h.Channels, own.Channels)
	}
	return nil
}

// A greeted is a link whose other end is known.
type greeted struct {
	conn     *secretConn
	key      ed25519.PublicKey
	id       ID
	hello    Hello
	outbound bool
	address  string // dialed, or where it comes from
}

// greet does a whole handshake, within o.HandshakeTimeout. want is who was dialed; "": whoever comes.
func greet(conn net.Conn, o *Options, own *Hello, want ID, outbound bool) (*greeted, error) {
	if err := conn.SetDeadline(time.Now().Add(o.HandshakeTimeout)); err != nil {
		return nil, explain(err, "bound the handshake")
	}
	s, err := exchange(conn, outbound)
	if err != nil {
		return nil, err
	}
	say := func() error {
		_, err := conn.Write(s.endRecord(append(beginRecord(nil), s.prove(o.Key, own.append(nil))...), 0))
		return explain(err, "introduce this node")
	}
	if !outbound {
		if err := say(); err != nil {
			return nil, err
		}
	}
	g := &greeted{conn: s, outbound: outbound, address: conn.RemoteAddr().String()}
	proof, err := s.next()
	if err != nil {
		return nil, fmt.Errorf("in the handshake: %w", err)
	}
	if err := g.learn(proof); err != nil {
		return nil, err
	}
	if self := IDOf(o.Key.Public().(ed25519.PublicKey)); g.id == self {
		return nil, fmt.Errorf("%w: %s is also at %s", ErrSelf, self, g.address)
	}
	if want != "" && g.id != want {
		return nil, fmt.Errorf("%w: %s was dialed at %s, and %s is there", ErrIdentity, want, g.address, g.id)
	}
	if outbound {
		if err := say(); err != nil {
			return nil, err
		}
	}
	// The other side judges too, so both know.
	if err := g.hello.judge(own); err != nil {
		return nil, fmt.Errorf("%s at %s: %w", g.id, g.address, err)
	}
	return g, nil
}

func (g *greeted) learn(proof []byte) error {
	key, rest, err := g.conn.verify(proof)
	if err != nil {
		return err
	}
	g.key, g.id = key, IDOf(key)
	g.hello, err = decodeHello(rest)
	return err
}

// refuse tells the other side why there will be no link, as far as it listens.
func (g *greeted) refuse(why error) {
	b := appendPacket(beginRecord(nil), packetFarewell, 0, farewell(why))
	_, _ = g.conn.Write(g.conn.endRecord(b, 0)) // the link ends in any case
	g.conn.Close()
}
