package tcp

import (
	"sync"

	"github.com/flagship-go/flagship/raft"
)

// queue holds what waits to be sent to one peer: messages as they are, not
// encoded, so that an entry which is queued for four followers is in memory
// once, in the log. Its bound is rule T1.
//
// When it is full the message that comes is dropped, not the oldest. A leader
// sends entries in order, ahead of the answers: what is in the queue is the
// next part of the follower's log, each piece joined to the one before. Without
// its head the follower would refuse all of the rest; without its tail it takes
// all that is there, and the leader sees from the answer what is missing. The
// reason to prefer new messages, that old ones go stale, does not hold for
// long: what waits for a connection that fails is thrown away with it.
type queue struct {
	mu       sync.Mutex
	messages []raft.Message
	held     int // messages queued, or taken and not released
	bytes    int // of them
	wake     chan struct{}
}

const (
	// maxQueued bounds the messages of a queue in number.
	maxQueued = 4096
	// messageOverhead is about what a message without entries costs.
	messageOverhead = 256
	entryOverhead   = 48
)

func sizeOf(m *raft.Message) int {
	n := messageOverhead
	for i := range m.Entries {
		n += entryOverhead + len(m.Entries[i].Data)
	}
	if m.Snapshot != nil {
		n += len(m.Snapshot.Data)
	}
	return n
}

// push queues a message, unless the queue is full. One that is larger than the
// bound is taken when nothing else is there.
func (q *queue) push(m *raft.Message, maxBytes int) bool {
	n := sizeOf(m)
	q.mu.Lock()
	if q.held >= maxQueued || q.held > 0 && q.bytes+n > maxBytes {
		q.mu.Unlock()
		return false
	}
	q.messages = append(q.messages, *m)
	q.held++
	q.bytes += n
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return true
}

// take empties the queue into into, whose space it reuses. What was taken
// counts until it is released.
func (q *queue) take(into []raft.Message) []raft.Message {
	clear(into)
	q.mu.Lock()
	defer q.mu.Unlock()
	into, q.messages = q.messages, into[:0]
	return into
}

func (q *queue) release(messages, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held -= messages
	q.bytes -= bytes
}

// reset throws away all that is queued, and returns how many messages it was.
// Nothing may be taken at the time.
func (q *queue) reset() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.held
	q.messages, q.held, q.bytes = nil, 0, 0
	return n
}

func (q *queue) size() (messages, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.held, q.bytes
}
