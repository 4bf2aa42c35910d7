package service

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/region"
)

// Options configure a [Service]. DB, Transport and Clock are required; the zero value of
// the rest is a good default.
type Options struct {
	// DB begins the transactions. Transport and Clock are its own.
	DB        *mvcc.DB
	Transport mvcc.Transport
	Clock     mvcc.Clock
	// IdleTimeout is how long a transaction may do nothing before it is rolled back.
	// Default 1 min.
	IdleTimeout time.Duration
	// MaxOpen is how many transactions may be open. Default 1000.
	MaxOpen int
	// MemoryLimit is of a query: see coprocessor.Options.
	MemoryLimit int
	// Logger hears of transactions that were given up. Default: silent.
	Logger *slog.Logger
}

// Service is safe for concurrent use. Close it when done.
type Service struct {
	o      Options
	tables tables

	mu        sync.Mutex
	sessions  map[string]*session
	beginning int // transactions that are about to be among them
	closed    bool
	expired   atomic.Int64

	stop   context.CancelFunc
	sweeps sync.WaitGroup
}

// New returns a service over a store, which stays open when it is closed.
func New(o Options) *Service {
	if o.IdleTimeout == 0 {
		o.IdleTimeout = time.Minute
	}
	if o.MaxOpen == 0 {
		o.MaxOpen = 1000
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Service{o: o, sessions: map[string]*session{}}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.sweeps.Go(func() { s.sweep(ctx) })
	return s
}

// sweep rolls idle transactions back.
func (s *Service) sweep(ctx context.Context) {
	tick := time.NewTicker(max(s.o.IdleTimeout/4, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.expire(ctx, s.o.IdleTimeout)
		}
	}
}

// Close rolls back what is open. It waits for calls that are under way, up to ctx.
func (s *Service) Close(ctx context.Context) error {
	s.stop()
	s.sweeps.Wait()
	s.mu.Lock()
	s.closed = true
	open := s.sessions
	s.sessions = map[string]*session{}
	s.mu.Unlock()
	var late error
	for _, x := range open {
		if err := x.take(ctx); err != nil {
			late = err // the others are not held up by it
			continue
		}
		x.over = true
		x.txn.Rollback(ctx) // what it cannot give back expires
		x.give()
	}
	return late
}

// Metrics counts.
type Metrics struct {
	Open    int
	Expired int64 // given up since the start
}

// Metrics returns the counts.
func (s *Service) Metrics() Metrics {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Metrics{Open: len(s.sessions), Expired: s.expired.Load()}
}

// LocksIn returns locks that are held now, at most limit, by the order of their keys.
func (s *Service) LocksIn(ctx context.Context, limit int) (locks []mvcc.LockInfo, err error) {
	now, err := s.o.Clock.Now(ctx)
	if err != nil {
		return nil, err
	}
	for from := []byte(nil); limit > len(locks); {
		info, err := s.o.Transport.Region(ctx, from)
		if err != nil {
			return locks, err
		}
		end := info.End
		a, err := s.o.Transport.Send(ctx, info.Ref, &region.ScanLocksRequest{Start: from, End: end, MaxTS: now, Limit: limit - len(locks)})
		if err != nil {
			s.o.Transport.Stale(info.Ref, nil)
			return locks, err
		}
		locks = append(locks, a.(*region.ScanLocksResponse).Locks...)
		if end == nil {
			break
		}
		from = end
	}
	return locks, nil
}
