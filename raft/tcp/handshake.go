package tcp

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/flagship-go/flagship/raft"
)

// The handshake. The dialer says who it is and whom it means, the listener
// answers once; what is said behind the fields below is a newer build's and is
// left alone.
//
//	hello    stream | oldest | newest | instance | from | to | length, cluster ID
//	          byte     byte     byte     8 bytes   uvarints
//	answer   code | version | length, reason
//	          byte    byte
//
// Oldest and newest are versions of the message encoding; the answer picks the
// newest that both read. Instance is a random number that a process draws once.

// stream is what a connection is for.
type stream byte

const (
	streamMessages stream = iota
	streamSnapshots
	numStreams
)

func (s stream) String() string { return [...]string{"messages", "snapshots"}[s] }

const (
	maxClusterID = 255
	maxHandshake = 1024 // bytes of a frame
	maxReason    = 512
)

type hello struct {
	stream         stream
	oldest, newest byte
	instance       uint64
	from, to       raft.NodeID
	cluster        string
}

func (h *hello) encode() []byte {
	b := []byte{byte(h.stream), h.oldest, h.newest}
	b = binary.LittleEndian.AppendUint64(b, h.instance)
	b = binary.AppendUvarint(b, uint64(h.from))
	b = binary.AppendUvarint(b, uint64(h.to))
	b = binary.AppendUvarint(b, uint64(len(h.cluster)))
	return append(b, h.cluster...)
}

func decodeHello(b []byte) (h hello, err error) {
	short := fmt.Errorf("%w: a hello of %d bytes", ErrProtocol, len(b))
	if len(b) < 11 {
		return h, short
	}
	h = hello{stream: stream(b[0]), oldest: b[1], newest: b[2], instance: binary.LittleEndian.Uint64(b[3:])}
	b = b[11:]
	var numbers [3]uint64
	for i := range numbers {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return h, short
		}
		numbers[i], b = v, b[n:]
	}
	if numbers[2] > uint64(min(len(b), maxClusterID)) {
		return h, short
	}
	h.from, h.to, h.cluster = raft.NodeID(numbers[0]), raft.NodeID(numbers[1]), string(b[:numbers[2]])
	if h.stream >= numStreams {
		return h, fmt.Errorf("%w: a connection for something unknown, %d", ErrVersion, h.stream)
	}
	return h, nil
}

type answer struct {
	code    byte
	version byte
	reason  string
}

func (a *answer) encode() []byte {
	reason := a.reason[:min(len(a.reason), maxReason)]
	b := binary.AppendUvarint([]byte{a.code, a.version}, uint64(len(reason)))
	return append(b, reason...)
}

func decodeAnswer(b []byte) (a answer, err error) {
	if len(b) < 3 {
		return a, fmt.Errorf("%w: an answer of %d bytes", ErrProtocol, len(b))
	}
	length, n := binary.Uvarint(b[2:])
	if n <= 0 || length > uint64(len(b)-2-n) {
		return a, fmt.Errorf("%w: an answer of %d bytes", ErrProtocol, len(b))
	}
	return answer{b[0], b[1], string(b[2+n:][:length])}, nil
}

// link is a connection of which both sides know who is at the other end.
type link struct {
	net.Conn
	raw     net.Conn // Conn, or what is under its TLS
	frames  frameReader
	version byte // of the message encoding
	dialed  string
	arrival uint64 // its number among those accepted
	release func() bool
}

// newLink owns a connection, which ends with ctx at the latest.
func newLink(ctx context.Context, raw net.Conn, o *Options) *link {
	l := &link{Conn: raw, raw: raw}
	l.release = context.AfterFunc(ctx, func() { raw.Close() })
	raw.SetDeadline(time.Now().Add(o.Timeout)) // for the whole handshake
	return l
}

// Close closes the connection without TLS's farewell, which would wait for a
// peer that does not read.
func (l *link) Close() error {
	l.release()
	return l.raw.Close()
}

// secure puts TLS on the link.
func (l *link) secure(ctx context.Context, c *tls.Conn) error {
	if err := c.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("TLS handshake: %w", explain(err))
	}
	l.Conn = c
	return nil
}

// listen makes the link ready to read the other side's part of the handshake.
func (l *link) listen() {
	l.frames = frameReader{conn: l.Conn, r: bufio.NewReaderSize(l.Conn, readBuffer), max: maxHandshake}
}

// establish ends the handshake: from now on every frame has its own time.
func (l *link) establish(o *Options, idle time.Duration) {
	l.SetDeadline(time.Time{})
	l.frames.max, l.frames.allow, l.frames.idle = o.MaxFrame, o.allow, idle
}

// receive reads the other side's magic and one frame of the handshake.
func (l *link) receive(want kind) ([]byte, error) {
	if err := l.frames.readMagic(); err != nil {
		return nil, explain(err)
	}
	k, payload, err := l.frames.next()
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: in the handshake: %w", ErrProtocol, explain(err))
	case k != want:
		return nil, fmt.Errorf("%w: frame of kind %d in the handshake", ErrProtocol, k)
	}
	return payload, nil
}

// introduce is the dialer's side.
func (l *link) introduce(h *hello) error {
	l.listen()
	if _, err := l.Write(appendFrame(slices.Clone(magic), kindHello, h.encode())); err != nil {
		return fmt.Errorf("say hello: %w", explain(err))
	}
	payload, err := l.receive(kindAnswer)
	if err != nil {
		return err
	}
	a, err := decodeAnswer(payload)
	switch {
	case err != nil:
		return err
	case a.code != 0:
		return refusal(h.to, a.code, a.reason)
	case a.version < h.oldest || a.version > h.newest:
		return fmt.Errorf("%w: %s picks encoding %d of %d to %d", ErrProtocol, h.to, a.version, h.oldest, h.newest)
	}
	l.version = a.version
	return nil
}

// answer is the listener's side, after it read a hello: refused says why not.
func (l *link) answer(refused error) error {
	a := answer{version: l.version}
	if refused != nil {
		a.code = refusalCode(refused)
		a.reason = strings.TrimPrefix(refused.Error(), refusals[a.code].Error()+": ")
	}
	_, err := l.Write(appendFrame(slices.Clone(magic), kindAnswer, a.encode()))
	return explain(err)
}

// judge says whether a hello is for this node, and which version to speak.
func (h *hello) judge(o *Options) (version byte, err error) {
	version = min(h.newest, o.codec.newest)
	switch {
	case h.cluster != o.ClusterID:
		return 0, fmt.Errorf("%w: %s is of cluster %q, %s of %q: Options.ClusterID must be the same on all nodes",
			ErrWrongCluster, h.from, h.cluster, o.ID, o.ClusterID)
	case h.to != o.ID:
		return 0, fmt.Errorf("%w: %s looks for %s here, where %s is: correct the address that %[2]s has for %[3]s",
			ErrWrongNode, h.from, h.to, o.ID)
	case h.from == o.ID:
		return 0, fmt.Errorf("%w: the other side calls itself %s, as this node", ErrDuplicateID, h.from)
	case version < max(h.oldest, o.codec.oldest):
		return 0, fmt.Errorf("%w: %s speaks message encodings %d to %d, %s speaks %d to %d: upgrade by way of a build that speaks one of each",
			ErrVersion, h.from, h.oldest, h.newest, o.ID, o.codec.oldest, o.codec.newest)
	}
	return version, nil
}
