package push

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// SubscriberOptions say how a subscriber is to be. Apply is needed; of the rest, the zero values are good defaults.
type SubscriberOptions struct {
	// Apply makes a version the one that is used. If it fails, nothing has changed (C1): the publisher is told the
	// error, and that the subscriber keeps what it has. The bytes are lent until Apply returns. It is not called again until it
	// has returned, and never twice for the same version, unless the publisher went back to it.
	Apply func(version uint64, config []byte) error
	// Name is what the publisher shows, up to 256 bytes.
	Name string
	// Idle is for how long nothing may be heard, or a report not be taken, until the connection is given up: longer than
	// the publisher's Heartbeat. 0: 75 s.
	Idle time.Duration
	// MinWait and MaxWait bound the wait before a connection is tried again: it doubles, and is spread, so that subscribers
	// who lost their publisher do not come back all at once. 0: 100 ms and 10 s.
	MinWait, MaxWait time.Duration
	// MaxSize is how many bytes a configuration may have. 0: 64 MiB.
	MaxSize int
	// Rand is uniform in [0, 1). Nil: math/rand/v2.Float64.
	Rand func() float64
	Log  *slog.Logger // nil: silent

	// Client is what Subscribe calls with; nil: a client of the default transport. Its Timeout would cut the stream: it is to be 0.
	Client *http.Client
	// Header is sent with all that Subscribe sends: Authorization, for one.
	Header http.Header
}

func (o *SubscriberOptions) fill() error {
	if o.Apply == nil {
		return errors.New("push: a subscriber without Apply: say what is to be done with a version")
	}
	if len(o.Name) > maxName {
		return fmt.Errorf("push: a name of %d bytes: it has at most %d", len(o.Name), maxName)
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&o.Idle, 75 * time.Second}, {&o.MinWait, 100 * time.Millisecond}, {&o.MaxWait, 10 * time.Second}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if o.MaxSize <= 0 {
		o.MaxSize = maxSize
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Client == nil {
		o.Client = &http.Client{}
	}
	return nil
}

// SubscribeConn applies each newest version of a publisher that Serves the other end of what dial connects to. It
// returns when ctx ends, with its error; whatever else happens, it connects again, and says what it has already.
func SubscribeConn(ctx context.Context, dial func(context.Context) (net.Conn, error), o SubscriberOptions) error {
	if err := o.fill(); err != nil {
		return err
	}
	return (&subscriber{o: o}).run(ctx, func(ctx context.Context, known id) (link, error) {
		conn, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		l := connLink{conn}
		defer context.AfterFunc(ctx, func() { l.Close() })()
		defer time.AfterFunc(o.Idle, func() { l.Close() }).Stop()
		if err := l.report(newHello(known, o.Name)); err != nil {
			l.Close()
			return nil, err
		}
		return l, nil
	})
}

// link is a connection to a publisher: frames are read from it, and reports sent. Close ends both, from any goroutine.
type link interface {
	io.ReadCloser
	report(frame []byte) error
}

type connLink struct{ net.Conn }

func (l connLink) report(frame []byte) error {
	_, err := l.Write(frame)
	return err
}

// subscriber is what outlives a connection.
type subscriber struct {
	o SubscriberOptions
	// known is the version that came last, whether it was applied or refused: one that was refused is not asked for again.
	known id
	// verdict is the report on it, which a publisher is told again after each connect.
	verdict []byte
}

// payloads are lent to Apply, by all subscribers of a process in turn: between versions none has memory for one, and the next
// finds it still in the processor's cache.
var payloads sync.Pool

func (s *subscriber) run(ctx context.Context, connect func(context.Context, id) (link, error)) error {
	wait := s.o.MinWait
	for {
		heard, err := s.connected(ctx, connect)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if heard {
			wait = s.o.MinWait
		}
		pause := time.Duration(float64(wait) * (0.5 + s.o.Rand()/2))
		s.o.Log.Warn("push: no connection to the publisher", "error", err, "version", s.known.version, "again in", pause)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		wait = min(2*wait, s.o.MaxWait)
	}
}

// connected is one connection, until it ends. It tells whether a frame came.
func (s *subscriber) connected(ctx context.Context, connect func(context.Context, id) (link, error)) (heard bool, err error) {
	l, err := connect(ctx, s.known)
	if err != nil {
		return false, err
	}
	defer l.Close()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	var silent atomic.Bool
	idle := time.AfterFunc(s.o.Idle, func() {
		silent.Store(true)
		l.Close()
	})
	defer idle.Stop()

	if s.verdict != nil {
		if err := l.report(s.verdict); err != nil {
			return false, err
		}
	}
	// A header and a small configuration are one read.
	frames := frameReader{r: bufio.NewReaderSize(l, 2<<10), max: s.o.MaxSize, pool: &payloads}
	defer frames.free()
	for {
		f, err := frames.next()
		switch {
		case silent.Load():
			return heard, fmt.Errorf("push: nothing was heard for %v, not even that there is nothing new", s.o.Idle)
		case err != nil:
			return heard, err
		}
		heard = true
		switch f.kind {
		case kindSnapshot:
			idle.Stop() // Apply may take its time
			s.apply(f)
			frames.free()
			idle.Reset(s.o.Idle)
			if err := l.report(s.verdict); err != nil {
				return heard, err
			}
		case kindPing:
			idle.Reset(s.o.Idle)
		default:
			return heard, fmt.Errorf("push: the publisher sends a frame of kind %d: %w", f.kind, ErrFrame)
		}
	}
}

func (s *subscriber) apply(f frame) {
	if err := s.o.Apply(f.version, f.payload); err != nil {
		s.o.Log.Error("push: a version is refused", "version", f.version, "error", err)
		reason := err.Error()
		s.verdict = newFrame(kindNack, f.version, reason[:min(len(reason), maxReport)])
	} else {
		s.verdict = newFrame(kindAck, f.version, "")
	}
	s.known = f.id
}
