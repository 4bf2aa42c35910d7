package service

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/mvcc"
)

// session is a transaction that a client has open. Its turn is passed on from one call to
// the next: a transaction does one thing at a time (S1).
type session struct {
	name  string
	txn   *mvcc.Txn
	begun time.Time
	used  atomic.Int64 // so long after it was begun: the time of day may be set meanwhile
	calls atomic.Int64
	turn  chan struct{}
	over  bool // under turn
}

func (x *session) take(ctx context.Context) error {
	select {
	case x.turn <- struct{}{}: // also when ctx has ended: nobody has to be waited for
		return nil
	default:
	}
	select {
	case x.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (x *session) give() {
	x.used.Store(int64(time.Since(x.begun)))
	<-x.turn
}

// idle is for how long nothing was done.
func (x *session) idle() time.Duration {
	return time.Since(x.begun) - time.Duration(x.used.Load())
}

// Begun is a transaction that was begun.
type Begun struct {
	Txn     string
	StartTS mvcc.TS
}

// Begin opens a transaction. It fails with ErrBusy when too many are open.
func (s *Service) Begin(ctx context.Context, o mvcc.TxnOptions) (Begun, error) {
	if err := s.mayOpen(); err != nil {
		return Begun{}, err
	}
	txn, err := s.o.DB.Begin(ctx, o)
	if err != nil {
		s.mu.Lock()
		s.beginning--
		s.mu.Unlock()
		return Begun{}, err
	}
	x := &session{name: rand.Text(), txn: txn, begun: time.Now(), turn: make(chan struct{}, 1)}
	s.mu.Lock()
	s.beginning--
	closed := s.closed
	if !closed {
		s.sessions[x.name] = x
	}
	s.mu.Unlock()
	if closed {
		txn.Rollback(ctx)
		return Begun{}, ErrClosed
	}
	return Begun{x.name, txn.ReadTS()}, nil
}

// mayOpen keeps a place for a transaction that is to be begun.
func (s *Service) mayOpen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case len(s.sessions)+s.beginning >= s.o.MaxOpen:
		return fmt.Errorf("%w: %d", ErrBusy, s.o.MaxOpen)
	}
	s.beginning++
	return nil
}

func (s *Service) session(name string) (*session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.sessions[name]
	if x == nil {
		return nil, fmt.Errorf("%w: %q", ErrNoTxn, name)
	}
	return x, nil
}

// open takes a transaction that is open. Whoever has it gives it back.
func (s *Service) open(ctx context.Context, name string) (*session, error) {
	x, err := s.session(name)
	if err != nil {
		return nil, err
	}
	if err := x.take(ctx); err != nil {
		return nil, err
	}
	if x.over {
		x.give()
		return nil, fmt.Errorf("%w: %q", ErrNoTxn, name)
	}
	return x, nil
}

// in has f done in a transaction that is open.
func (s *Service) in(ctx context.Context, name string, f func(t *mvcc.Txn) error) error {
	x, err := s.open(ctx, name)
	if err != nil {
		return err
	}
	defer x.give()
	x.calls.Add(1)
	return f(x.txn)
}

// end has f done as the last thing in a transaction.
func (s *Service) end(ctx context.Context, name string, f func(t *mvcc.Txn) error) error {
	x, err := s.open(ctx, name)
	if err != nil {
		return err
	}
	defer x.give()
	x.over = true
	s.mu.Lock()
	delete(s.sessions, name)
	s.mu.Unlock()
	return f(x.txn)
}

// Commit commits a transaction. Whatever it returns, the transaction is over. The
// timestamp is 0 if there was nothing to commit.
func (s *Service) Commit(ctx context.Context, name string) (ts mvcc.TS, err error) {
	err = s.end(ctx, name, func(t *mvcc.Txn) error {
		err := t.Commit(ctx)
		ts = t.CommitTS()
		return err
	})
	return ts, err
}

// Rollback ends a transaction without a trace.
func (s *Service) Rollback(ctx context.Context, name string) error {
	return s.end(ctx, name, func(t *mvcc.Txn) error { return t.Rollback(ctx) })
}

// expire rolls back what was not used for so long. Who is in the midst of a call is not
// idle.
func (s *Service) expire(ctx context.Context, most time.Duration) {
	s.mu.Lock()
	var idle []*session
	for _, x := range s.sessions {
		if x.idle() > most {
			idle = append(idle, x)
		}
	}
	s.mu.Unlock()
	for _, x := range idle {
		select {
		case x.turn <- struct{}{}:
		default:
			continue
		}
		if x.over || x.idle() <= most {
			<-x.turn
			continue
		}
		x.over = true
		s.mu.Lock()
		delete(s.sessions, x.name)
		s.mu.Unlock()
		s.expired.Add(1)
		s.o.Logger.Info("idle transaction is rolled back", "txn", x.txn.String(), "for", x.idle())
		if err := x.txn.Rollback(ctx); err != nil {
			s.o.Logger.Warn("its locks will expire", "err", err)
		}
		<-x.turn
	}
}

// Running is a transaction that is open, for an operator. It has no name: who knows it
// could use it.
type Running struct {
	Mode      string
	StartTS   mvcc.TS
	Age, Idle time.Duration
	Calls     int64
	Busy      bool // a call is under way
}

// Running returns the open transactions, the oldest first.
func (s *Service) Running() (rs []Running) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.sessions {
		r := Running{Mode: x.txn.Mode().String(), StartTS: x.txn.StartTS(), Age: now.Sub(x.begun), Calls: x.calls.Load(), Busy: len(x.turn) > 0}
		if !r.Busy {
			r.Idle = x.idle()
		}
		rs = append(rs, r)
	}
	slices.SortFunc(rs, func(a, b Running) int { return cmp.Compare(a.StartTS, b.StartTS) })
	return rs
}
