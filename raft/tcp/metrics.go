package tcp

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/raft"
)

// Metrics are counts since Listen.
type Metrics struct {
	Sent, Received           uint64 // messages written and delivered, snapshots not counted
	SentBytes, ReceivedBytes uint64 // of their frames
	Writes                   uint64 // a write takes all messages that wait
	Dropped                  uint64 // messages that were not written: full queue, lost connection, no peer
	TooLarge                 uint64 // messages over MaxFrame, dropped as well

	Connected uint64 // connections made to peers, over and over
	Accepted  uint64 // connections of peers
	Refused   uint64 // connections that did not get past the handshake
	Broken    uint64 // peers' connections ended by what came over them

	SnapshotsSent      uint64 // and acknowledged as delivered
	SnapshotsFailed    uint64 // given up
	SnapshotsResumed   uint64 // attempts that did not begin at the beginning
	SnapshotsReceived  uint64 // and delivered
	SnapshotChunkBytes uint64 // written; more than the snapshots' sizes by what was sent twice
}

type counters struct {
	sent, received, sentBytes, receivedBytes, writes, dropped, tooLarge atomic.Uint64
	connected, accepted, refused, broken                                atomic.Uint64
	snapSent, snapFailed, snapResumed, snapReceived, snapBytes          atomic.Uint64
}

// Metrics returns the transport's counts.
func (t *Transport) Metrics() Metrics {
	c := &t.counters
	return Metrics{
		Sent: c.sent.Load(), Received: c.received.Load(),
		SentBytes: c.sentBytes.Load(), ReceivedBytes: c.receivedBytes.Load(), Writes: c.writes.Load(),
		Dropped: c.dropped.Load(), TooLarge: c.tooLarge.Load(),
		Connected: c.connected.Load(), Accepted: c.accepted.Load(), Refused: c.refused.Load(), Broken: c.broken.Load(),
		SnapshotsSent: c.snapSent.Load(), SnapshotsFailed: c.snapFailed.Load(), SnapshotsResumed: c.snapResumed.Load(),
		SnapshotsReceived: c.snapReceived.Load(), SnapshotChunkBytes: c.snapBytes.Load(),
	}
}

// PeerStatus is how the connection to a peer is.
type PeerStatus struct {
	ID        raft.NodeID
	Address   string
	Connected bool
	Version   byte  // of the message encoding, while connected
	Err       error // why it is not connected; nil before the first attempt
	Queued    int   // messages that wait
	Bytes     int   // of them
}

// throttle lets one line a second into the log, and counts the others: whoever
// reaches the port must not be able to fill a disk.
type throttle struct {
	mu   sync.Mutex
	last time.Time
	held int
}

func (h *throttle) warn(l *slog.Logger, text string, args ...any) {
	if !l.Enabled(context.Background(), slog.LevelWarn) {
		return
	}
	h.mu.Lock()
	if time.Since(h.last) < time.Second {
		h.held++
		h.mu.Unlock()
		return
	}
	held := h.held
	h.last, h.held = time.Now(), 0
	h.mu.Unlock()
	if held > 0 {
		args = append(args, "unlogged", held)
	}
	l.Warn(text, args...)
}
