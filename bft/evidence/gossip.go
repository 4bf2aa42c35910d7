package evidence

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/flagship-go/flagship/bft/p2p"
	"github.com/flagship-go/flagship/bft/types"
	"google.golang.org/protobuf/encoding/protowire"
)

// Channel is the number of the evidence channel.
const Channel byte = 0x38

const (
	batchBytes = 16 << 10
	// field is before each evidence in a message.
	field = 1
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
		msg = protowire.AppendBytes(protowire.AppendTag(msg, field, protowire.BytesType), e.encoded)
	}
	return msg
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
}

// Receive takes a peer's evidence. Nobody correct passes on what was made up; what is only old, known or early for us is
// no fault, nor is what our store cannot judge.
func (h handler) Receive(p *p2p.Peer, msg []byte) {
	for len(msg) > 0 {
		number, kind, n := protowire.ConsumeTag(msg)
		if n < 0 || number != field || kind != protowire.BytesType {
			h.blame(p, fmt.Errorf("%w: a garbled message", types.ErrEvidence))
			return
		}
		encoded, m := protowire.ConsumeBytes(msg[n:])
		if m < 0 || len(encoded) > maxEvidence {
			h.blame(p, fmt.Errorf("%w: a message that is cut off, or evidence of more than %d bytes", types.ErrEvidence, maxEvidence))
			return
		}
		msg = msg[n+m:]
		e, err := types.DecodeEvidence(bytes.Clone(encoded))
		if err == nil {
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
