package mempool

import (
	"context"
	"errors"
	"fmt"
	"time"

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
)

// A message is fields, each a tag, a length and bytes:
//
//	tx     a transaction: CometBFT's Txs message, field 1
//	have   the key of one that is here
//	want   the key of one that the peer has, and is to send
const (
	txTag = byte(iota+1)<<3 | byte(protowire.BytesType)
	haveTag
	wantTag
	keySize = 2 + len(Key{}) // of a have or want
)

func (p *Pool) join(s *p2p.Switch) error {
	return s.Channel(p2p.ChannelOptions{ID: Channel, Priority: 5, Inbox: p.opts.Inbox, WhenFull: p2p.Drop,
		MaxMessage: max(batchBytes, p.opts.MaxTxBytes) + 16,
		Next:       func(peer *p2p.Peer) []byte { return p.next(string(peer.ID())) }}, handler{p})
}

// next is the message for a peer, whose link can take it (P2); nil: there is none.
func (p *Pool) next(peer string) []byte {
	p.mu.Lock()
	n := p.neighbours[peer]
	if n == nil {
		p.mu.Unlock()
		return nil
	}
	if size := min(len(n.due), batchBytes/keySize*keySize); size > 0 {
		msg := n.due[:size:size]
		n.due = n.due[size:]
		p.mu.Unlock()
		return msg
	}
	now := *n // what is known of it may change while its message is made
	batch := p.list.Next(peer, batchBytes, now.size)
	if len(batch) > 0 {
		p.metrics.Batches++
	}
	for _, tx := range batch {
		if now.brief(tx) {
			p.metrics.Announced++
		} else {
			p.metrics.Sent++
		}
	}
	p.mu.Unlock()
	return now.encode(batch)
}

// size is how much of a message to the peer a transaction takes.
func (n *neighbour) size(tx transaction) int {
	if n.brief(tx) {
		return keySize
	}
	return 1 + protowire.SizeBytes(len(tx.bytes))
}

// encode makes a message; nil if there is nothing in it.
func (n *neighbour) encode(batch []transaction) []byte {
	if len(batch) == 0 {
		return nil
	}
	size := 0
	for _, tx := range batch {
		size += n.size(tx)
	}
	msg := make([]byte, 0, size)
	for _, tx := range batch {
		if n.brief(tx) {
			msg = appendKey(msg, haveTag, tx.key)
		} else {
			msg = protowire.AppendBytes(append(msg, txTag), tx.bytes)
		}
	}
	return msg
}

func appendKey(msg []byte, tag byte, k Key) []byte {
	return protowire.AppendBytes(append(msg, tag), k[:])
}

// takeField takes a field off the beginning of a message.
func takeField(msg []byte) (tag byte, value, rest []byte, err error) {
	tag = msg[0]
	value, n := protowire.ConsumeBytes(msg[1:])
	switch {
	case tag != txTag && tag != haveTag && tag != wantTag:
		return 0, nil, nil, fmt.Errorf("%w: a field begins with %#x", ErrMessage, tag)
	case n != protowire.SizeBytes(len(value)):
		return 0, nil, nil, fmt.Errorf("%w: a field is cut off, or its length is not in its shortest form", ErrMessage)
	case tag != txTag && len(value) != len(Key{}):
		return 0, nil, nil, fmt.Errorf("%w: a key of %d bytes", ErrMessage, len(value))
	}
	return tag, value, msg[1+n:], nil
}

// receive checks a peer's transactions. What is wrong with them is no fault of the peer, who may have another state.
func (p *Pool) receive(ctx context.Context, from string, msg []byte) error {
	var room [checkAtOnce]candidate
	for len(msg) > 0 {
		batch := room[:0]
		for len(msg) > 0 && len(batch) < checkAtOnce {
			tag, value, rest, err := takeField(msg)
			if err != nil {
				return err
			}
			msg = rest
			switch tag {
			case txTag:
				batch = append(batch, candidate{tx: value})
			case haveTag:
				p.heardHave(from, Key(value))
			case wantTag:
				p.heardWant(from, Key(value))
			}
		}
		p.check(ctx, from, batch)
	}
	return nil
}

// handler is the p2p.Handler, out of sight of who uses a Pool.
type handler struct{ *Pool }

func (h handler) AddPeer(p *p2p.Peer) { h.addPeer(string(p.ID()), func() { p.Wake(Channel) }) }

func (h handler) RemovePeer(p *p2p.Peer, _ error) { h.removePeer(string(p.ID())) }

// Receive returns once the link has ended, also when the application hangs: it is waited for as long as for a recheck.
func (h handler) Receive(p *p2p.Peer, msg []byte) {
	done := make(chan error, 1)
	go func() { done <- h.receive(p.Context(), string(p.ID()), msg) }()
	var err error
	select {
	case err = <-done:
	case <-p.Context().Done():
		select {
		case err = <-done:
		case <-time.After(h.opts.Timeout):
			err = fmt.Errorf("%w: a CheckTx has not returned", ErrApplication)
		}
	}
	if errors.Is(err, ErrApplication) {
		h.opts.Logger.Error("mempool: the application hangs, and is left alone", "peer", p.ID(), "err", err)
	} else if err != nil {
		h.opts.Logger.Warn("mempool: a peer is at fault", "peer", p.ID(), "err", err)
		h.opts.Switch.Stop(p, err)
	}
}
