package mempool

import (
	"errors"
	"fmt"

	"github.com/flagship-go/flagship/bft/p2p"
	"google.golang.org/protobuf/encoding/protowire"
)

// Channel is the number of the mempool's channel.
const Channel byte = 0x30

// ErrMessage is a message that nobody correct sends.
var ErrMessage = errors.New("mempool: garbled message")

const (
	// batchBytes is how much goes into one message: enough that what a message costs does not count, and little enough
	// that it does not delay others.
	batchBytes = 64 << 10
	// checkAtOnce is how many of a peer's transactions are checked in one go: an update waits for no more.
	checkAtOnce = 32
	// txTag begins each transaction: CometBFT's Txs message, field 1 of bytes.
	txTag = 1<<3 | byte(protowire.BytesType)
)

func (p *Pool) join(s *p2p.Switch) error {
	return s.Channel(p2p.ChannelOptions{ID: Channel, Priority: 5, Inbox: p.opts.Inbox, WhenFull: p2p.Drop,
		MaxMessage: max(batchBytes, p.opts.MaxTxBytes) + 16, Next: p.next}, handler{p})
}

func encodedSize(tx transaction) int { return 1 + protowire.SizeBytes(len(tx.bytes)) }

// next is asked by a peer's link when it can send (P2).
func (p *Pool) next(peer *p2p.Peer) []byte {
	p.mu.Lock()
	batch := p.list.Next(string(peer.ID()), batchBytes, encodedSize)
	if len(batch) > 0 {
		p.metrics.Batches++
		p.metrics.Sent += uint64(len(batch))
	}
	p.mu.Unlock()
	return encodeBatch(batch)
}

// encodeBatch makes a message; nil if there is nothing in it.
func encodeBatch(batch []transaction) []byte {
	size := 0
	for _, tx := range batch {
		size += encodedSize(tx)
	}
	if size == 0 {
		return nil
	}
	msg := make([]byte, 0, size)
	for _, tx := range batch {
		msg = protowire.AppendBytes(append(msg, txTag), tx.bytes)
	}
	return msg
}

// takeTx takes a transaction off the beginning of a message.
func takeTx(msg []byte) (tx, rest []byte, err error) {
	if msg[0] != txTag {
		return nil, nil, fmt.Errorf("%w: a transaction begins with %#x, and not with %#x", ErrMessage, msg[0], txTag)
	}
	tx, n := protowire.ConsumeBytes(msg[1:])
	if n != protowire.SizeBytes(len(tx)) {
		return nil, nil, fmt.Errorf("%w: a transaction is cut off, or its length is not in its shortest form", ErrMessage)
	}
	return tx, msg[1+n:], nil
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

// Receive checks a peer's transactions. What is wrong with them is no fault of the peer, who may have another state.
func (h handler) Receive(p *p2p.Peer, msg []byte) {
	var room [checkAtOnce]candidate
	for len(msg) > 0 {
		batch := room[:0]
		for len(msg) > 0 && len(batch) < checkAtOnce {
			tx, rest, err := takeTx(msg)
			if err != nil {
				h.opts.Logger.Warn("mempool: a peer is at fault", "peer", p.ID(), "err", err)
				h.opts.Switch.Stop(p, err)
				return
			}
			batch, msg = append(batch, candidate{tx: tx}), rest
		}
		h.check(p.Context(), string(p.ID()), batch)
	}
}
