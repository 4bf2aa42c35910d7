package tcp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/flagship-go/flagship/raft"
)

// Snapshots have a connection of their own, made when there is one to send, so
// that heartbeats do not wait behind them (T7):
//
//	leader                                                follower
//	offer: transfer, size, SHA-256, the message -->
//	                                          <-- ack 512 KiB   has so much of it
//	chunk at 512 KiB, 256 KiB long -->
//	chunk at 768 KiB, 256 KiB long -->        <-- ack 768 KiB
//	   ... the connection breaks, and is made again: offer, ack, and on ...
//	                                          <-- done          checked, delivered
//
// The SHA-256 is the whole's checksum and its name: two snapshots at one index
// may differ in their bytes, and what one was begun with the other must not
// continue.

const (
	chunkSize = 256 << 10
	// patience, in timeouts, is how long a transfer goes on without an
	// acknowledgement before it is given up.
	patience = 4
)

// errRejected: the receiver will not take this snapshot, however often.
var errRejected = errors.New("raft/tcp: snapshot rejected")

// snapshotSender sends a peer one snapshot at a time.
type snapshotSender struct {
	p    *peer
	wake chan struct{}

	mu      sync.Mutex
	next    *raft.Message
	current *raft.Message
	abandon context.CancelFunc // of the current one
}

// offer asks for a snapshot to be sent. One that is under way goes on, unless
// it is of an earlier term, when the follower would refuse it: a leader who
// has newer snapshots faster than the wire takes them would never finish one.
func (s *snapshotSender) offer(m *raft.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && s.current.Term >= m.Term {
		return
	}
	if s.current != nil {
		s.abandon()
	}
	kept := *m
	s.next = &kept
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *snapshotSender) run() {
	for {
		select {
		case <-s.wake:
		case <-s.p.ctx.Done():
			return
		}
		s.mu.Lock()
		m := s.next
		ctx, abandon := context.WithCancel(s.p.ctx)
		s.next, s.current, s.abandon = nil, m, abandon
		s.mu.Unlock()
		var err error
		if m != nil {
			err = s.send(ctx, m)
		}
		abandoned := ctx.Err() != nil
		abandon()
		s.mu.Lock()
		s.current = nil
		s.mu.Unlock()
		if m != nil && !abandoned {
			s.finished(m, err)
		}
	}
}

func (s *snapshotSender) finished(m *raft.Message, err error) {
	t := s.p.t
	if err == nil {
		t.counters.snapSent.Add(1)
	} else {
		t.counters.snapFailed.Add(1)
		t.opts.Logger.Warn("raft/tcp: snapshot given up", "peer", s.p.id, "index", m.Snapshot.Index, "err", err)
	}
	t.report(s.p.id, err != nil)
}

// transfer is one snapshot on its way.
type transfer struct {
	s     *snapshotSender
	data  []byte
	mu    sync.Mutex
	acked int // the follower has so much
	news  time.Time
}

// send sends a snapshot over as many connections as it takes.
func (s *snapshotSender) send(ctx context.Context, m *raft.Message) error {
	o := &s.p.t.opts
	tr := &transfer{s: s, data: m.Snapshot.Data, news: time.Now()}
	sum, err := s.sum(ctx, tr.data)
	if err != nil {
		return err
	}
	bare, snapshot := *m, *m.Snapshot
	snapshot.Data = nil
	bare.Snapshot = &snapshot
	id := rand.Uint64() | 1
	retry := backoff{max: o.MaxBackoff}
	for {
		before := tr.progress(0)
		err := tr.attempt(ctx, func(version byte) []byte {
			b := binary.LittleEndian.AppendUint64(nil, id)
			b = binary.AppendUvarint(b, uint64(len(tr.data)))
			return o.codec.encode(append(b, sum...), version, &bare)
		})
		now := time.Now()
		switch {
		case err == nil || ctx.Err() != nil || errors.Is(err, errRejected):
			return err
		case tr.progress(0).After(before):
			retry.reset()
		case now.Sub(before) > patience*o.Timeout:
			return err
		}
		wait(ctx, retry.next(), nil)
	}
}

// sum hashes the data in pieces, with a sign of life after each.
func (s *snapshotSender) sum(ctx context.Context, data []byte) ([]byte, error) {
	h := sha256.New()
	for piece := range chunks(data, 64*chunkSize) {
		h.Write(piece)
		s.p.t.report(s.p.id, false)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return h.Sum(nil), nil
}

func chunks(data []byte, size int) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(data) > 0 {
			n := min(size, len(data))
			if !yield(data[:n]) {
				return
			}
			data = data[n:]
		}
	}
}

// progress notes that the follower has n bytes, and returns when there was
// news last.
func (tr *transfer) progress(n int) time.Time {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if n > tr.acked {
		tr.acked, tr.news = n, time.Now()
	}
	return tr.news
}

// attempt sends what the follower lacks, over one connection.
func (tr *transfer) attempt(ctx context.Context, offer func(version byte) []byte) error {
	p := tr.s.p
	l, err := p.connect(ctx, streamSnapshots)
	if err != nil {
		return err
	}
	l.frames.idle = p.t.opts.allow(2 * chunkSize)
	w := writer{p: p, l: l}
	if err := w.send(appendFrame(nil, kindOffer, offer(l.version))); err != nil {
		l.Close()
		return explain(err)
	}
	from, done, err := tr.answer(l)
	if err != nil || done {
		l.Close()
		return err
	}
	if from > 0 {
		p.t.counters.snapResumed.Add(1)
	}
	answers := make(chan error, 1)
	go func() {
		for done, err := false, error(nil); ; {
			if _, done, err = tr.answer(l); done || err != nil {
				l.Close() // a write that waits would not notice
				answers <- err
				return
			}
		}
	}()
	broken := tr.write(&w, from)
	if broken != nil {
		l.Close()
	}
	// The follower's word, if there is one, says more than the write's error.
	if err := <-answers; err == nil || errors.Is(err, errRejected) || broken == nil {
		return err
	}
	return broken
}

// write sends the chunks from an offset on.
func (tr *transfer) write(w *writer, from int) error {
	for chunk := range chunks(tr.data[from:], chunkSize) {
		w.buf = binary.AppendUvarint(beginFrame(w.buf[:0]), uint64(from))
		w.buf = append(w.buf, chunk...)
		endFrame(w.buf, 0, kindChunk)
		if err := w.send(w.buf); err != nil {
			return explain(err)
		}
		from += len(chunk)
		w.p.t.counters.snapBytes.Add(uint64(len(chunk)))
	}
	return nil
}

// answer reads one: how much the follower has, or that it is done.
func (tr *transfer) answer(l *link) (has int, done bool, err error) {
	k, payload, err := l.frames.next()
	if err != nil {
		return 0, false, fmt.Errorf("snapshot to %s: %w", tr.s.p.id, explain(err))
	}
	switch k {
	case kindAck:
		v, n := binary.Uvarint(payload)
		if n <= 0 || v > uint64(len(tr.data)) {
			return 0, false, fmt.Errorf("%w: acknowledgement of %d of %d bytes", ErrProtocol, v, len(tr.data))
		}
		tr.progress(int(v))
		tr.s.p.t.report(tr.s.p.id, false)
		return int(v), false, nil
	case kindDone:
		if len(payload) > 0 {
			return 0, false, fmt.Errorf("%w: %q", errRejected, bytes.Clone(payload))
		}
		return len(tr.data), true, nil
	}
	return 0, false, fmt.Errorf("%w: frame of kind %d in place of an acknowledgement", ErrProtocol, k)
}
