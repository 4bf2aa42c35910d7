package p2p

import (
	"fmt"
	"sync"
)

// A Handler is who speaks on a channel. For one peer AddPeer comes first, then Receive for each message, one at a
// time and in order, then RemovePeer. Different peers, and different channels, are served at the same time.
type Handler interface {
	// AddPeer tells of a link. It may send. Nothing is received from the peer before all channels' AddPeer have returned.
	AddPeer(*Peer)
	// RemovePeer tells that it has ended, and why.
	RemovePeer(p *Peer, reason error)
	// Receive has a message, which is the handler's to keep. While it does not return the inbox fills. It must return
	// once the peer's Context ends.
	Receive(p *Peer, msg []byte)
}

// ChannelOptions configure a channel. ID and the handler are required.
type ChannelOptions struct {
	// ID is the channel's number on the wire.
	ID byte
	// Priority is the channel's share of a link that is busy, beside the others'. Default 1.
	Priority int
	// Queue bounds what waits to be sent to one peer, and Inbox what it has sent and is not received yet, in bytes, with
	// 64 for each message added. A message that is longer alone is taken when nothing else is there. Default 1 MiB each.
	Queue, Inbox int
	// MaxMessage bounds a message, in bytes. Longer ones are not sent, and end the link that they come from. Default 1 MiB.
	MaxMessage int
	// Limit, if not nil, bounds a message from a peer further, by what it may have to say now: it is asked for each piece that comes.
	// It must not wait. So what only who was asked may send costs nothing from others.
	Limit func(*Peer) int
	// WhenFull says what happens to what comes while the inbox is full. Default [Wait].
	WhenFull WhenFull
	// Next, if not nil, is asked for the next message to a peer when the link is ready for it, after [Peer.Wake], until it
	// returns nil. The message must not be changed afterwards; it may be sent to others too. Next must not wait.
	Next func(*Peer) []byte
}

// A WhenFull is what to do with messages that nobody takes.
type WhenFull uint8

const (
	// Wait reads nothing from the link until there is room, so that the other side has to wait, on all channels.
	Wait WhenFull = iota
	// Drop throws the message away, and counts it.
	Drop
	// End ends the link, with ErrFlood: for channels on which nobody honest sends so much.
	End
)

const messageOverhead = 64

func (o ChannelOptions) withDefaults() (ChannelOptions, error) {
	orDefault(&o.Priority, 1)
	orDefault(&o.Queue, 1<<20)
	orDefault(&o.Inbox, 1<<20)
	orDefault(&o.MaxMessage, 1<<20)
	if o.Priority < 0 || o.Priority > 1000 || o.Queue < 0 || o.Inbox < 0 || o.MaxMessage < 0 || o.WhenFull > End {
		return o, fmt.Errorf("%w: channel %#x: a limit is negative, or Priority above 1000, or WhenFull unknown", ErrOptions, o.ID)
	}
	return o, nil
}

// A channel is what all links have in common.
type channel struct {
	ChannelOptions
	handler Handler
}

// A lane is a channel of one link. The outbound half is guarded by Peer.mu.
type lane struct {
	*channel
	queue   [][]byte
	queued  int    // bytes in queue, with overhead
	asked   bool   // Next has to be asked
	sending []byte // what is not written yet of the message that is being sent
	busy    bool   // sending is valid
	// pass is the virtual time at which the lane has had its share: stride scheduling.
	pass uint64

	partial []byte // what has come of a message; the reader's
	inbox   inbox
}

// put queues a message, if there is room.
func (l *lane) put(msg []byte) bool {
	n := len(msg) + messageOverhead
	if l.queued > 0 && l.queued+n > l.Queue {
		return false
	}
	l.queue = append(l.queue, msg)
	l.queued += n
	return true
}

// pop begins to send the first message of the queue.
func (l *lane) pop() {
	l.sending, l.busy = l.queue[0], true
	l.queue[0] = nil
	l.queue = l.queue[1:]
	l.queued -= len(l.sending) + messageOverhead
	if len(l.queue) == 0 {
		l.queue = nil
	}
}

// An inbox has messages that were read and not received by the handler.
type inbox struct {
	mu       sync.Mutex
	changed  sync.Cond
	messages [][]byte
	held     int // bytes, with overhead, also of the message that is with the handler
	max      int
	closed   bool
	dropped  int
}

func (q *inbox) init(max int) {
	q.max = max
	q.changed.L = &q.mu
}

// put takes a message; what happens when there is no room is for how to say.
func (q *inbox) put(msg []byte, how WhenFull) error {
	n := len(msg) + messageOverhead
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.held > 0 && q.held+n > q.max && !q.closed {
		switch how {
		case Drop:
			q.dropped++
			return nil
		case End:
			return fmt.Errorf("%w: %d bytes wait, at most %d may", ErrFlood, q.held, q.max)
		}
		q.changed.Wait()
	}
	q.messages = append(q.messages, msg)
	q.held += n
	q.changed.Broadcast()
	return nil
}

// take waits for messages; into is what was taken last, and is over. false: the inbox is closed.
func (q *inbox) take(into [][]byte) ([][]byte, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	clear(into)
	for len(q.messages) == 0 && !q.closed {
		q.changed.Wait()
	}
	into, q.messages = q.messages, into[:0]
	return into, !q.closed
}

// release makes room for as much as a message took.
func (q *inbox) release(msg []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held -= len(msg) + messageOverhead
	q.changed.Broadcast()
}

func (q *inbox) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.changed.Broadcast()
}

func (q *inbox) size() (held, dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.held, q.dropped
}
