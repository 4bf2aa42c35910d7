package push

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ErrClosed is the answer of a Publisher that was closed.
var ErrClosed = errors.New("push: publisher is closed")

// Options say how a publisher is to be. The zero value is a good default.
type Options struct {
	// WriteTimeout is how long a subscriber may take for one version until its connection is given up. 0: 10 s.
	WriteTimeout time.Duration
	// HelloTimeout is how long it may take until it has said who it is. 0: 10 s.
	HelloTimeout time.Duration
	// Heartbeat is how long there is silence at most, so that a subscriber can tell a quiet publisher
	// from a connection that is dead. 0: 30 s.
	Heartbeat time.Duration
	// MaxSize is how many bytes a configuration may have. 0: 64 MiB, as at subscribers.
	MaxSize int
	Log     *slog.Logger // nil: silent
}

// Publisher sends the newest configuration to all who subscribe. It is safe for concurrent use.
//
// It lets everybody in: who may subscribe is decided in front of it, by the HTTP handler or the TLS listener around it.
type Publisher struct {
	o        Options
	versions *versions

	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	mu       sync.Mutex
	closed   bool
	sessions map[*session]struct{}
	byKey    map[string]*session // those that report over HTTP
	running  sync.WaitGroup

	sent, skipped, acks, nacks, stalled atomic.Uint64
}

// NewPublisher makes a publisher with no version yet: subscribers wait for the first.
func NewPublisher(o Options) *Publisher {
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = 10 * time.Second
	}
	if o.HelloTimeout <= 0 {
		o.HelloTimeout = 10 * time.Second
	}
	if o.Heartbeat <= 0 {
		o.Heartbeat = 30 * time.Second
	}
	if o.MaxSize <= 0 {
		o.MaxSize = maxSize
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	p := &Publisher{o: o, versions: newVersions(), sessions: make(map[*session]struct{}), byKey: make(map[string]*session)}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// Publish makes a copy of the configuration the newest version, and returns its number. It waits for no subscriber.
func (p *Publisher) Publish(config []byte) (version uint64, err error) {
	return p.PublishFunc(func(dst []byte) ([]byte, error) { return append(dst, config...), nil })
}

// PublishFunc is Publish for a configuration that is still to be encoded: encode appends it to dst and returns what
// came of it, as append does. It is called once for the version, however many subscribers there are, and dst has the
// room of an earlier version.
func (p *Publisher) PublishFunc(encode func(dst []byte) ([]byte, error)) (version uint64, err error) {
	if p.ctx.Err() != nil {
		return 0, ErrClosed
	}
	return p.versions.publish(p.o.MaxSize, encode)
}

// Version is the number of the newest version; 0 if there is none.
func (p *Publisher) Version() uint64 {
	s := p.versions.acquire()
	defer s.release()
	return s.version
}

// Serve speaks with one subscriber until it leaves, stalls, or the publisher is closed. It closes the connection.
func (p *Publisher) Serve(conn net.Conn) error {
	defer conn.Close()
	s := &session{remote: conn.RemoteAddr().String()}
	if err := p.enter(s, ""); err != nil {
		return err
	}
	defer p.leave(s, "")
	stop := context.AfterFunc(p.ctx, func() { conn.Close() })
	defer stop()

	frames := frameReader{r: conn, max: maxReport}
	conn.SetReadDeadline(time.Now().Add(p.o.HelloTimeout))
	f, err := frames.next()
	if err != nil {
		return p.reason(err)
	}
	known, name, err := f.hello()
	if err != nil {
		return err
	}
	conn.SetReadDeadline(time.Time{})
	s.setName(name)

	ctx, cancel := context.WithCancel(p.ctx)
	fed := make(chan error, 1)
	go func() {
		defer conn.Close() // the reader below ends too
		// One timer for all writes: a deadline on a pipe is a new timer each time.
		stall := time.AfterFunc(p.o.WriteTimeout, func() { conn.Close() })
		stall.Stop()
		fed <- p.feed(ctx, s, known, func(frame []byte) error {
			stall.Reset(p.o.WriteTimeout)
			_, err := conn.Write(frame)
			if !stall.Stop() {
				return os.ErrDeadlineExceeded
			}
			return err
		})
	}()
	err = p.reports(s, &frames)
	cancel()
	conn.Close()
	if fedErr := <-fed; fedErr != nil {
		err = fedErr
	}
	return p.reason(err)
}

// reason is why a connection has ended, for the caller of Serve: a closed publisher closes connections, and the errors
// that come of it say nothing.
func (p *Publisher) reason(err error) error {
	if p.ctx.Err() != nil {
		return ErrClosed
	}
	return err
}

func (p *Publisher) enter(s *session, key string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	p.running.Add(1)
	s.since = time.Now()
	p.sessions[s] = struct{}{}
	if key != "" {
		p.byKey[key] = s
	}
	return nil
}

func (p *Publisher) leave(s *session, key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.sessions, s)
	delete(p.byKey, key)
	p.running.Done()
}

// Close ends all connections and waits until they have ended. It can be called again.
func (p *Publisher) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cancel()
	p.running.Wait()
	return nil
}

// Status is of all who are connected, in the order of their names.
func (p *Publisher) Status() []Status {
	p.mu.Lock()
	all := make([]Status, 0, len(p.sessions))
	for s := range p.sessions {
		all = append(all, s.status())
	}
	p.mu.Unlock()
	slices.SortFunc(all, func(a, b Status) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.Remote, b.Remote)
	})
	return all
}

// Metrics count since the publisher was made.
type Metrics struct {
	Version     uint64 `json:"version"`     // the newest
	Subscribers int    `json:"subscribers"` // connected now
	Sent        uint64 `json:"sent"`        // versions sent, to all subscribers
	Skipped     uint64 `json:"skipped"`     // versions that a subscriber was not sent, since there was a newer one
	Acks        uint64 `json:"acks"`
	Nacks       uint64 `json:"nacks"`
	Stalled     uint64 `json:"stalled"` // connections given up because nobody read
}

// Metrics is not a snapshot of one instant: the counters are read one after the other.
func (p *Publisher) Metrics() Metrics {
	m := Metrics{
		Version: p.Version(), Sent: p.sent.Load(), Skipped: p.skipped.Load(),
		Acks: p.acks.Load(), Nacks: p.nacks.Load(), Stalled: p.stalled.Load(),
	}
	p.mu.Lock()
	m.Subscribers = len(p.sessions)
	p.mu.Unlock()
	return m
}
