package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/httpapi"
	"github.com/flagship-go/flagship/examples/kv/service"
	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/raft"
)

// cluster is a cluster in this process, spoken to over HTTP on pipes: within
// synctest its time is virtual.
type cluster struct {
	t       *testing.T
	network *raft.Network
	local   service.Local
	client  *http.Client
	nodes   []*node
	pipes   sync.Map // of those that run, by host
	streams []*stream
	tune    func(*service.Options, *httpapi.Options)
}

type node struct {
	id      raft.NodeID
	member  *service.Member
	storage *raft.MemStorage
	server  *http.Server
	pipe    *pipe
}

const clusterID = 7

func start(t *testing.T, n int, tune func(*service.Options, *httpapi.Options)) *cluster {
	c := &cluster{t: t, network: raft.NewNetwork(), tune: tune}
	c.client = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		if p, ok := c.pipes.Load(host); ok {
			return p.(*pipe).dial(ctx)
		}
		return nil, errors.New("no such member")
	}}}
	for id := raft.NodeID(1); id <= raft.NodeID(n); id++ {
		c.nodes = append(c.nodes, &node{id: id, storage: &raft.MemStorage{}})
	}
	for _, n := range c.nodes {
		c.start(n, len(c.nodes))
	}
	t.Cleanup(c.close)
	return c
}

func (c *cluster) start(n *node, voters int) {
	o := service.Options{ClusterID: clusterID, Peers: c.local.Peers(n.id),
		Self: store.Member{Name: n.id.String(), PeerURLs: []string{"http://" + n.id.String() + ":2380"}, ClientURLs: []string{"http://" + n.id.String() + ":2379"}}}
	for _, id := range []raft.NodeID{1, 2, 3} {
		o.Seeds = append(o.Seeds, store.Member{ID: uint64(id), PeerURLs: []string{"http://" + id.String() + ":2380"}})
	}
	o.Raft = raft.Options{Storage: n.storage, Transport: c.network.Join(n.id)}
	o.Raft.ID, o.Raft.Seed = n.id, uint64(n.id)
	for id := 1; id <= voters; id++ {
		o.Raft.Voters = append(o.Raft.Voters, raft.NodeID(id))
	}
	var h httpapi.Options
	if c.tune != nil {
		c.tune(&o, &h)
	}
	m, err := service.Start(o)
	require.NoError(c.t, err)
	n.member = m
	h.Member = func() *service.Member { return m }
	c.local.Join(n.id, m)
	n.pipe = newPipe()
	c.pipes.Store(n.id.String(), n.pipe)
	n.server = &http.Server{Handler: httpapi.New(h)}
	go n.server.Serve(n.pipe)
}

// stop ends a member: as a killed process would for the others, or gently.
func (c *cluster) stop(n *node, gently bool) {
	if gently {
		n.member.HandOver(context.Background())
	} else {
		c.network.Cut([]raft.NodeID{n.id}, []raft.NodeID{1, 2, 3, 4, 5})
		c.local.Cut(n.id, true)
	}
	c.local.Join(n.id, nil)
	require.NoError(c.t, n.member.Close())
	require.NoError(c.t, n.server.Close())
	if !gently {
		c.network.Heal()
		c.local.Cut(n.id, false)
	}
	c.pipes.Delete(n.id.String())
	n.pipe = nil
}

func (c *cluster) close() {
	for _, s := range c.streams {
		s.close() // of a test that failed, too
	}
	for _, n := range c.nodes {
		if n.pipe != nil {
			n.server.Close()
			n.member.Close()
		}
	}
	c.client.CloseIdleConnections()
	time.Sleep(time.Second) // virtual: the server lingers on connections it closes
}

// leader waits until there is one.
func (c *cluster) leader() *node {
	for {
		for _, n := range c.nodes {
			if n.pipe != nil && n.member.Status().Raft.Role == raft.Leader {
				return n
			}
		}
		time.Sleep(10 * time.Millisecond) // virtual
	}
}

func (c *cluster) follower() *node {
	leader := c.leader()
	for _, n := range c.nodes {
		if n != leader && n.pipe != nil {
			return n
		}
	}
	return nil
}

func (n *node) url(path string) string { return "http://" + n.id.String() + ":2379" + path }

// post returns status and body.
func (c *cluster) post(n *node, path, body string) (int, string) {
	r, err := c.client.Post(n.url(path), "application/json", bytes.NewBufferString(body))
	require.NoError(c.t, err)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	require.NoError(c.t, err)
	return r.StatusCode, string(b)
}

// ok is post of what must succeed, without the header.
func (c *cluster) ok(n *node, path, body string) string {
	status, answer := c.post(n, path, body)
	require.Equal(c.t, http.StatusOK, status, answer)
	return withoutHeader(c.t, answer)
}

// rule reports a broken rule in the form that the kill matrix reads.
func rule(t *testing.T, id string, kept bool, format string, args ...any) {
	t.Helper()
	if !kept {
		t.Fatalf("RULE %s: %s", id, fmt.Sprintf(format, args...))
	}
}

// withoutHeader checks a header and leaves it out.
func withoutHeader(t *testing.T, answer string) string {
	var m map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(answer), &m), answer)
	require.Contains(t, string(m["header"]), `"cluster_id":"7"`)
	delete(m, "header")
	b, err := json.Marshal(m)
	require.NoError(t, err)
	return string(b)
}

func (c *cluster) get(n *node, path string) (int, string) {
	r, err := c.client.Get(n.url(path))
	require.NoError(c.t, err)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	require.NoError(c.t, err)
	return r.StatusCode, string(b)
}

// stream is a request whose answers come one by one.
type stream struct {
	t    *testing.T
	in   *io.PipeWriter
	body io.ReadCloser
	dec  *json.Decoder
}

func (c *cluster) stream(n *node, path string, first string) *stream {
	in, out := io.Pipe()
	go io.WriteString(out, first)
	q, err := http.NewRequest("POST", n.url(path), in)
	require.NoError(c.t, err)
	r, err := c.client.Do(q)
	require.NoError(c.t, err)
	require.Equal(c.t, http.StatusOK, r.StatusCode)
	s := &stream{c.t, out, r.Body, json.NewDecoder(r.Body)}
	c.streams = append(c.streams, s)
	return s
}

func (s *stream) say(message string) {
	_, err := io.WriteString(s.in, message)
	require.NoError(s.t, err)
}

// next returns the next result, without its header.
func (s *stream) next() string {
	var m map[string]json.RawMessage
	require.NoError(s.t, s.dec.Decode(&m))
	require.Contains(s.t, m, "result", "%s", m)
	return withoutHeader(s.t, string(m["result"]))
}

func (s *stream) close() {
	s.in.Close()
	s.body.Close()
}

// pipe is a listener without a network.
type pipe struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipe() *pipe { return &pipe{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipe) dial(ctx context.Context) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipe) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipe) Addr() net.Addr { return &net.IPAddr{} }

func decimal[N int64 | uint64 | raft.NodeID](n N) string { return fmt.Sprintf("%d", uint64(n)) }
