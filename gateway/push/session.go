package push

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// session is one connection of a subscriber, as the publisher sees it.
type session struct {
	remote string
	since  time.Time

	mu   sync.Mutex
	last Status
}

// Status is what a publisher knows of a subscriber.
type Status struct {
	Name   string `json:"name"`   // what the subscriber calls itself
	Remote string `json:"remote"` // the address that it comes from
	// Since is when it connected.
	Since time.Time `json:"since"`
	// Sent is the newest version it was sent by this connection, or had when it connected. Acked is the newest that it
	// has applied. 0: none.
	Sent  uint64 `json:"sent"`
	Acked uint64 `json:"acked"`
	// Nacked is the version it refused last, and Reason why; 0 if it has applied one since.
	Nacked uint64 `json:"nacked,omitempty"`
	Reason string `json:"reason,omitempty"`
}

func (s *session) status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.last
	st.Remote, st.Since = s.remote, s.since
	return st
}

func (s *session) setName(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last.Name = strings.ToValidUTF8(name, "?")
}

func (s *session) setSent(version uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last.Sent = version
}

// feed sends versions until ctx ends or write fails: the newest, if it is not what the subscriber has, and then each
// time there is a newer one.
func (p *Publisher) feed(ctx context.Context, s *session, known id, write func(frame []byte) error) error {
	s.setSent(known.version)
	heartbeat := time.NewTicker(p.o.Heartbeat)
	defer heartbeat.Stop()
	ping := newFrame(kindPing, 0, "")
	for {
		newest := p.versions.acquire()
		err := p.send(s, known, newest, write)
		newest.release()
		if err != nil {
			return p.judge(s, err)
		}
		if newest.version > 0 {
			known = newest.id
		}
		select {
		case <-newest.newer:
		case <-heartbeat.C:
			if err := write(ping); err != nil {
				return p.judge(s, err)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (p *Publisher) send(s *session, known id, newest *snapshot, write func([]byte) error) error {
	if newest.version == 0 || newest.id == known {
		return nil
	}
	if err := write(newest.frame); err != nil {
		return err
	}
	p.sent.Add(1)
	if known.version > 0 && newest.version > known.version {
		p.skipped.Add(newest.version - known.version - 1)
	}
	s.setSent(newest.version)
	return nil
}

// judge tells a subscriber that reads nothing from one that has left.
func (p *Publisher) judge(s *session, err error) error {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	p.stalled.Add(1)
	st := s.status()
	p.o.Log.Warn("push: a subscriber does not read; its connection is given up", "name", st.Name, "remote", st.Remote)
	return fmt.Errorf("push: subscriber %q has not read for %v: %w", st.Name, p.o.WriteTimeout, err)
}

// reports takes what a subscriber says until it leaves.
func (p *Publisher) reports(s *session, frames *frameReader) error {
	for {
		f, err := frames.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = p.report(s, f)
		}
		if err != nil {
			return err
		}
	}
}

// report is what has become of a version.
func (p *Publisher) report(s *session, f frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch f.kind {
	case kindAck:
		p.acks.Add(1)
		s.last.Acked = f.version
		s.last.Nacked, s.last.Reason = 0, ""
	case kindNack:
		p.nacks.Add(1)
		s.last.Nacked, s.last.Reason = f.version, strings.ToValidUTF8(string(f.payload), "?")
		p.o.Log.Warn("push: a version was refused", "name", s.last.Name, "version", f.version, "reason", s.last.Reason)
	default:
		return fmt.Errorf("push: subscriber %q sends a frame of kind %d: %w", s.last.Name, f.kind, ErrFrame)
	}
	return nil
}
