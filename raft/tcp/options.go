package tcp

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"math"
	"net"
	"time"

	"github.com/flagship-go/flagship/raft"
)

// Options configure a [Transport]. ID, Peers and either Address or Listener
// are required; the zero value of the rest is a good default.
type Options struct {
	// ID of this node.
	ID raft.NodeID
	// ClusterID keeps clusters apart that could reach each other by mistake.
	// All nodes of a cluster must be given the same, of at most 255 bytes.
	// Default "".
	ClusterID string
	// Address to listen on, "host:port"; port 0 takes a free one, see Addr.
	Address string
	// Listener is listened on in place of Address. The transport closes it.
	Listener net.Listener
	// Peers are the other nodes and where they listen. An entry for ID is
	// ignored, so that all nodes can be given the same map. SetPeer and
	// RemovePeer change them later.
	Peers map[raft.NodeID]string

	// TLS makes every connection mutual TLS 1.3. Certificates is what this node
	// shows on both sides; RootCAs verify the nodes it dials, and ClientCAs
	// those that dial it (default: RootCAs). ServerName defaults to the host
	// dialed. Default nil: no TLS, and whoever reaches the port is believed.
	TLS *tls.Config
	// VerifyPeer, with TLS, may bind a certificate to a node: it is called with
	// the ID that the other side has, or says it has, on both sides of every
	// connection, and refuses by an error. Default: a certificate of the right
	// authority may speak for any node.
	VerifyPeer func(id raft.NodeID, state tls.ConnectionState) error

	// Timeout is how long the other side may keep this one waiting: for a
	// connection and its handshake, for taking what is written, for the rest of
	// a frame, for the answer to a ping. Large data is given a second for every
	// 64 KiB on top. Default 5 s. Shorter: a dead connection is replaced
	// earlier; longer: slow networks are borne with.
	Timeout time.Duration
	// MaxBackoff bounds the wait between attempts to connect, which starts at
	// 25 ms and doubles. Default 1 s. Longer: fewer attempts at a dead peer, a
	// longer wait until a returning one is found, unless it calls first.
	MaxBackoff time.Duration
	// MaxFrame bounds one message, in bytes. Default 65 MiB. It must exceed
	// raft.Config.MaxEntryBytes and MaxMessageBytes, on all nodes, or a large
	// entry stops replication. A small one bounds what a peer can make this
	// node hold.
	MaxFrame int
	// QueueBytes bounds what waits to be sent to one peer. Default 32 MiB. It
	// should exceed raft.Config.MaxInflightBytes, so that it is full only when
	// the peer does not take anything; a larger one costs memory then.
	QueueBytes int
	// MaxSnapshot bounds a snapshot that is received, in bytes. Default 4 GiB,
	// 1 GiB on 32-bit machines. It is held in memory.
	MaxSnapshot int64

	// Logger hears of connections made, lost and refused. Default: silent.
	Logger *slog.Logger
	// Dial connects to a peer's address. Default: TCP, without delay.
	Dial func(ctx context.Context, address string) (net.Conn, error)

	codec codec
}

// codec turns messages into bytes; a test's may pretend to be a newer build.
type codec struct {
	oldest, newest byte // versions of the encoding that are read
	encode         func(b []byte, version byte, m *raft.Message) []byte
	decode         func(b []byte) (raft.Message, error)
}

func (o Options) withDefaults() (Options, error) {
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	if o.MaxBackoff == 0 {
		o.MaxBackoff = time.Second
	}
	if o.MaxFrame == 0 {
		o.MaxFrame = 65 << 20
	}
	if o.QueueBytes == 0 {
		o.QueueBytes = 32 << 20
	}
	if o.MaxSnapshot == 0 {
		o.MaxSnapshot = min(4<<30, math.MaxInt/2)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Logger = o.Logger.With("node", o.ID)
	if o.Dial == nil {
		o.Dial = dialTCP
	}
	if o.codec.encode == nil {
		o.codec = codec{
			oldest: 1, newest: raft.MessageVersion, decode: raft.DecodeMessage,
			encode: func(b []byte, _ byte, m *raft.Message) []byte { return raft.AppendMessage(b, m) },
		}
	}
	switch {
	case o.ID == raft.None:
		return o, fmt.Errorf("%w: Options.ID is 0", raft.ErrInvalid)
	case len(o.ClusterID) > maxClusterID:
		return o, fmt.Errorf("%w: Options.ClusterID has %d bytes, at most %d", raft.ErrInvalid, len(o.ClusterID), maxClusterID)
	case o.Address == "" && o.Listener == nil:
		return o, fmt.Errorf("%w: Options.Address and Options.Listener are both missing", raft.ErrInvalid)
	case o.VerifyPeer != nil && o.TLS == nil:
		return o, fmt.Errorf("%w: Options.VerifyPeer needs Options.TLS", raft.ErrInvalid)
	case o.Timeout < 0 || o.MaxBackoff < 0 || o.MaxFrame < 0 || int64(o.MaxFrame) > math.MaxUint32 || o.QueueBytes < 0:
		return o, fmt.Errorf("%w: a limit in Options is negative, or MaxFrame is 4 GiB or more", raft.ErrInvalid)
	case o.MaxSnapshot < 0 || o.MaxSnapshot > math.MaxInt:
		return o, fmt.Errorf("%w: Options.MaxSnapshot is %d", raft.ErrInvalid, o.MaxSnapshot)
	case o.MaxFrame < 2*chunkSize:
		return o, fmt.Errorf("%w: Options.MaxFrame is %d, at least %d", raft.ErrInvalid, o.MaxFrame, 2*chunkSize)
	}
	for id, address := range o.Peers {
		if err := checkPeer(id, address); err != nil {
			return o, err
		}
	}
	return o, nil
}

func checkPeer(id raft.NodeID, address string) error {
	if id == raft.None || address == "" {
		return fmt.Errorf("%w: peer %d at address %q", raft.ErrInvalid, id, address)
	}
	return nil
}

// minRate is the slowest that n bytes may come in, in bytes a second: it keeps
// a peer that sends a byte now and then from holding a connection for ever.
const minRate = 64 << 10

// allow is how long n bytes may take.
func (o *Options) allow(n int) time.Duration {
	return o.Timeout + time.Duration(n)*time.Second/minRate
}

// dialTCP leaves the system's keepalive and TCP_NODELAY on, as package net
// sets them: frames are gathered here, and must not wait in the kernel.
func dialTCP(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", address)
}

// tlsServer and tlsClient are the two sides of Options.TLS.
func (o *Options) tlsServer() *tls.Config {
	c := o.TLS.Clone()
	c.MinVersion = max(c.MinVersion, tls.VersionTLS13)
	c.ClientAuth = tls.RequireAndVerifyClientCert
	if c.ClientCAs == nil {
		c.ClientCAs = c.RootCAs
	}
	return c
}

func (o *Options) tlsClient(address string) *tls.Config {
	c := o.TLS.Clone()
	c.MinVersion = max(c.MinVersion, tls.VersionTLS13)
	if c.ServerName == "" {
		c.ServerName = address
		if host, _, err := net.SplitHostPort(address); err == nil {
			c.ServerName = host
		}
	}
	return c
}
