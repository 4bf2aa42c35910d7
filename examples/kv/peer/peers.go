package peer

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/flagship-go/flagship/examples/kv/service"
	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/tcp"
)

// maxCall bounds a call and its answer; the larger are lists of members.
const maxCall = 128 << 20

// Options of a [Peers]; ID and Listener are required.
type Options struct {
	ID        raft.NodeID
	ClusterID string
	Listener  net.Listener
	// TLS of both sides: Certificates, RootCAs and ClientCAs. Default nil: none.
	TLS    *tls.Config
	Logger *slog.Logger
}

// Peers is a member's place on the network: the transport of its node, and the
// service.Peers of its service. It is safe for concurrent use.
type Peers struct {
	*tcp.Transport
	opts   Options
	server *http.Server
	client *http.Client
	ended  chan struct{} // the server has

	mu      sync.RWMutex
	urls    map[raft.NodeID][]string
	member  *service.Member
	present chan struct{} // closed when there is a member
}

var _ service.Peers = (*Peers)(nil)

// Listen makes the place; Serve opens its calls to others. The node's transport
// is Transport, which closes all of it.
func Listen(o Options) (*Peers, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := listen(o.Listener, serverTLS(o.TLS))
	t, err := tcp.Listen(tcp.Options{ID: o.ID, ClusterID: o.ClusterID, Listener: half{s, s.raft},
		Logger: o.Logger, Dial: dialer(o.TLS)})
	if err != nil {
		s.close()
		return nil, err
	}
	p := &Peers{Transport: t, opts: o, client: NewClient(o.TLS), urls: map[raft.NodeID][]string{},
		present: make(chan struct{}), ended: make(chan struct{})}
	p.server = &http.Server{Handler: http.HandlerFunc(p.serve), ReadHeaderTimeout: helloTimeout,
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug)}
	go func() {
		defer close(p.ended)
		p.server.Serve(half{s, s.calls})
	}()
	return p, nil
}

// Close ends it all; the node does so.
func (p *Peers) Close() error {
	err := errors.Join(p.Transport.Close(), p.server.Close())
	<-p.ended
	p.client.CloseIdleConnections()
	return err
}

// Serve lets others call m.
func (p *Peers) Serve(m *service.Member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.member = m
	close(p.present)
}

// serverTLS is TLS that wants the other's certificate.
func serverTLS(c *tls.Config) *tls.Config {
	if c == nil {
		return nil
	}
	c = c.Clone()
	c.ClientAuth = tls.RequireAndVerifyClientCert
	c.NextProtos = nil // raft or HTTP/1.1 is told by the first byte
	return c
}

// dialer connects for raft/tcp.
func dialer(c *tls.Config) func(ctx context.Context, address string) (net.Conn, error) {
	if c == nil {
		return nil
	}
	return func(ctx context.Context, address string) (net.Conn, error) {
		d := tls.Dialer{Config: c}
		return d.DialContext(ctx, "tcp", address)
	}
}

// NewClient returns a client for calls.
func NewClient(c *tls.Config) *http.Client {
	t := &http.Transport{MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute}
	if c != nil {
		t.TLSClientConfig = c.Clone()
	}
	return &http.Client{Transport: t}
}

// Update implements service.Peers.
func (p *Peers) Update(urls map[raft.NodeID][]string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id := range p.urls {
		if len(urls[id]) == 0 {
			p.RemovePeer(id)
		}
	}
	for id, list := range urls {
		// raft/tcp knows one address; calls try them all.
		if u, err := url.Parse(list[0]); err == nil {
			if err := p.SetPeer(id, u.Host); err != nil {
				p.opts.Logger.Warn("peer not set", "peer", id, "url", list[0], "err", err)
			}
		}
	}
	p.urls = urls
}

// Call implements service.Peers.
func (p *Peers) Call(ctx context.Context, to raft.NodeID, call string, body []byte) ([]byte, error) {
	p.mu.RLock()
	urls := p.urls[to]
	p.mu.RUnlock()
	err := fmt.Errorf("%w: %s has no address", service.ErrNotSent, to)
	for _, u := range urls {
		var b []byte
		if b, err = Call(ctx, p.client, u, call, body); !errors.Is(err, service.ErrNotSent) {
			return b, err
		}
	}
	return nil, err
}

// Call calls the member at a peer URL.
func Call(ctx context.Context, client *http.Client, peerURL, call string, body []byte) ([]byte, error) {
	// GetBody nil: the client must not repeat by itself what may have been done.
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, peerURL+"/kv/"+call, io.NopCloser(bytes.NewReader(body)))
	if err != nil {
		return nil, err
	}
	q.ContentLength = int64(len(body))
	r, err := client.Do(q)
	var dial *net.OpError
	switch {
	case errors.As(err, &dial) && dial.Op == "dial":
		return nil, fmt.Errorf("%w: %w", service.ErrNotSent, err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", raft.ErrOutcomeUnknown, err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(io.LimitReader(r.Body, maxCall))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", raft.ErrOutcomeUnknown, err)
	case r.StatusCode != http.StatusOK:
		return nil, service.DecodeError(b)
	}
	return b, nil
}

// serve is called by others.
func (p *Peers) serve(w http.ResponseWriter, r *http.Request) {
	call, ok := strings.CutPrefix(r.URL.Path, "/kv/")
	if !ok || r.Method != http.MethodPost {
		http.NotFound(w, r)
		return
	}
	fail := func(err error) {
		w.WriteHeader(http.StatusConflict)
		w.Write(service.EncodeError(err))
	}
	select {
	case <-p.present:
	default:
		fail(fmt.Errorf("%w: the member is starting", service.ErrNotSent))
		return
	}
	if r.URL.Path == snapshotPath {
		if err := p.receive(r); err != nil {
			fail(err)
		}
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCall))
	if err != nil {
		fail(fmt.Errorf("%w: %w", service.ErrNotSent, err))
		return
	}
	answer, err := p.member.Serve(r.Context(), call, body)
	if err != nil {
		fail(err)
		return
	}
	w.Write(answer)
}
