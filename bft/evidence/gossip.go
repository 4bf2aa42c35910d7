package evidence

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/flagship-go/flagship/bft/p2p"
	"github.com/flagship-go/flagship/bft/types"
	"google.golang.org/protobuf/encoding/protowire"
)

// Channel is the number of the evidence channel.
const Channel byte = 0x38

const (
	batchBytes = 16 << 10
	// tag is before each evidence in a message: field 1, of bytes.
	tag = 1<<3 | byte(protowire.BytesType)
)

func (p *Pool) join(s *p2p.Switch) error {
	return s.Channel(p2p.ChannelOptions{ID: Channel, Priority: 6, Inbox: 4 * batchBytes, MaxMessage: batchBytes + maxEvidence, WhenFull: p2p.Drop, Next: p.next}, handler{p})
}

func encodedSize(e *proof) int { return 1 + protowire.SizeBytes(len(e.encoded)) }

// next is asked by a peer's link when it can send (P2).
func (p *Pool) next(peer *p2p.Peer) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	var msg []byte
	for _, e := range p.list.Next(string(peer.ID()), batchBytes, encodedSize) {
		msg = protowire.AppendBytes(append(msg, tag), e.encoded)
	}
	return msg
}

// takeEvidence takes evidence off the beginning of a message. It keeps nothing of msg.
func takeEvidence(msg []byte) (e *types.DuplicateVoteEvidence, rest []byte, err error) {
	if msg[0] != tag {
		return nil, nil, fmt.Errorf("%w: a message in which evidence begins with %#x, and not with %#x", types.ErrEvidence, msg[0], tag)
	}
	encoded, n := protowire.ConsumeBytes(msg[1:])
	if n != protowire.SizeBytes(len(encoded)) || len(encoded) > maxEvidence {
		return nil, nil, fmt.Errorf("%w: a message that is cut off, or evidence of more than %d bytes", types.ErrEvidence, maxEvidence)
	}
	e, err = types.DecodeEvidence(bytes.Clone(encoded))
	return e, msg[1+n:], err
}

// handler is the p2p.Handler, out of sight of who uses a Pool.
type handler struct{ *Pool }

func (h handler) AddPeer(p *p2p.Peer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list.Join(string(p.ID()), func() { p.Wake(Channel) })
}

func (h handler) RemovePeer(p *p2p.Peer, _ error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list.Leave(string(p.ID()))
	// It says all again when it comes back; and whoever comes under ever new names fills nothing.
	h.early = slices.DeleteFunc(h.early, func(e early) bool { return e.from == string(p.ID()) })
}

// Receive takes a peer's evidence. Nobody correct passes on what was made up; what is only old, known or early for us is
// no fault, nor is what our store cannot judge.
func (h handler) Receive(p *p2p.Peer, msg []byte) {
	for len(msg) > 0 {
		e, rest, err := takeEvidence(msg)
		if err == nil {
			msg = rest
			err = h.receive(e, string(p.ID()))
			if errors.Is(err, ErrExpired) || errors.Is(err, ErrDuplicate) || errors.Is(err, ErrFuture) || !errors.Is(err, types.ErrEvidence) {
				continue
			}
		}
		h.blame(p, err)
		return
	}
}

func (h handler) blame(p *p2p.Peer, err error) {
	h.opts.Logger.Warn("evidence: a peer is at fault", "peer", p.ID(), "err", err)
	h.opts.Switch.Stop(p, err)
}
