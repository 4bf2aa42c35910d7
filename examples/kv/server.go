package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/flagship-go/flagship/examples/internal/profiles"
	"github.com/flagship-go/flagship/examples/kv/httpapi"
	"github.com/flagship-go/flagship/examples/kv/peer"
	"github.com/flagship-go/flagship/examples/kv/service"
	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/raft"
)

// drainTimeout bounds how long requests under way are waited for at the end.
const drainTimeout = 10 * time.Second

// server is what this process runs: its members, and where it listens.
type server struct {
	config  *config
	log     *slog.Logger
	members []*service.Member
	servers []*http.Server
	api     http.Handler
	urls    []string // that clients are listened for on
	stop    chan struct{}
	failed  chan error
}

// run runs until ctx ends, which is success, or a member stops.
func run(ctx context.Context, c *config, stdout io.Writer, log *slog.Logger) (err error) {
	s := &server{config: c, log: log, stop: make(chan struct{}), failed: make(chan error, 8)}
	defer func() { err = errors.Join(err, s.close()) }()
	// The address first: who cannot serve clients should not join.
	listeners, err := s.listenClients()
	if err == nil {
		if c.initialCluster == nil {
			err = s.startThree()
		} else {
			err = s.startOne(ctx)
		}
	}
	if err != nil {
		for _, l := range listeners {
			l.Close()
		}
		return err
	}
	s.serve(listeners)
	if err := s.serveAdmin(); err != nil {
		return err
	}
	s.greet(stdout)
	select {
	case <-ctx.Done():
		log.Info("stopping at the word of a signal")
		return nil
	case err := <-s.failed:
		return err
	}
}

// member is the one that serves the next request: of several the leader, who
// need not ask anybody, and without one the first that runs.
func (s *server) member() *service.Member {
	best := s.members[0]
	for _, m := range s.members {
		switch {
		case m.Err() != nil:
		case m.Leads():
			return m
		case best.Err() != nil:
			best = m
		}
	}
	return best
}

func (s *server) startOne(ctx context.Context) error {
	c := s.config
	tlsConfig, err := c.peer.load(strings.HasPrefix(c.listenPeer[0], "https:"), "peer-")
	if err != nil {
		return err
	}
	client := peer.NewClient(tlsConfig)
	defer client.CloseIdleConnections()
	id, err := identify(ctx, c, client)
	if err != nil {
		return err
	}
	u, err := url.Parse(c.listenPeer[0])
	if err != nil {
		return err
	}
	storage, tree, err := s.open(filepath.Join(c.dataDir, "raft"), id.MemberID, id.ClusterID)
	if err != nil {
		return err
	}
	abandon := func(err error) error {
		if tree != nil {
			tree.Close()
		}
		return errors.Join(err, storage.Close())
	}
	listener, err := net.Listen("tcp", u.Host)
	if err != nil {
		return abandon(err)
	}
	peers, err := peer.Listen(peer.Options{ID: raft.NodeID(id.MemberID), ClusterID: fmt.Sprintf("%x", id.ClusterID),
		Listener: listener, TLS: tlsConfig, Logger: s.log})
	if err != nil {
		return errors.Join(abandon(err), listener.Close())
	}
	self := store.Member{Name: c.name, PeerURLs: c.advertisePeer, ClientURLs: c.advertiseClient}
	o := s.options(id.MemberID, id.ClusterID, id.Seeds, self, storage)
	o.Peers, o.Raft.Transport, o.Disk = peers, peers, tree
	if !id.Voter {
		o.Raft.Voters = nil
	}
	if err := s.start(o); err != nil {
		return err
	}
	peers.Serve(s.members[0])
	return nil
}

// firstOfThree is the first of the members that share a process, and the name
// of its directory.
const firstOfThree = "infra1"

// startThree runs a cluster in this process; its members need no network.
func (s *server) startThree() error {
	c := s.config
	if _, err := os.Stat(filepath.Join(c.dataDir, identityFile)); err == nil {
		return fmt.Errorf("%s is the directory of one member: give --initial-cluster, or another --data-dir", c.dataDir)
	}
	network, local := raft.NewNetwork(), &service.Local{}
	var seeds []store.Member
	for _, name := range []string{firstOfThree, "infra2", "infra3"} {
		urls := []string{"http://" + name + ":2380"}
		seeds = append(seeds, store.Member{ID: memberID(c.token, urls), Name: name, PeerURLs: urls, ClientURLs: c.advertiseClient})
	}
	sortMembers(seeds)
	cluster := clusterID(c.token, seeds)
	for _, self := range seeds {
		storage, tree, err := s.open(filepath.Join(c.dataDir, self.Name), self.ID, cluster)
		if err != nil {
			return err
		}
		o := s.options(self.ID, cluster, seeds, self, storage)
		o.Peers, o.Raft.Transport = local.Peers(o.Raft.ID), network.Join(o.Raft.ID)
		o.Disk = tree
		if err := s.start(o); err != nil {
			return err
		}
		local.Join(o.Raft.ID, s.members[len(s.members)-1])
	}
	return nil
}

func (s *server) options(id, cluster uint64, seeds []store.Member, self store.Member, storage raft.Storage) service.Options {
	c := s.config
	o := service.Options{ClusterID: cluster, Self: self, Seeds: seeds, Quota: c.quota, MaxRequestBytes: c.maxRequestBytes,
		Compaction: c.compaction, CheckEvery: c.corruptCheck, Logger: s.log}
	o.Raft = raft.Options{Storage: storage, TickInterval: c.heartbeat, SnapshotEvery: c.snapshotCount, Logger: s.log}
	o.Raft.ID, o.Raft.ElectionTicks = raft.NodeID(id), int(c.election/c.heartbeat)
	for _, m := range seeds {
		o.Raft.Voters = append(o.Raft.Voters, raft.NodeID(m.ID))
	}
	return o
}

func (s *server) start(o service.Options) error {
	m, err := service.Start(o)
	if err != nil {
		return err
	}
	s.members = append(s.members, m)
	go func() {
		<-m.Done()
		if err := m.Err(); !errors.Is(err, service.ErrStopped) {
			s.failed <- fmt.Errorf("member %s: %w", o.Self.Name, err)
		}
	}()
	return nil
}

func (s *server) listenClients() (all []net.Listener, err error) {
	for _, text := range s.config.listenClient {
		u, err := url.Parse(text)
		if err != nil {
			return all, err
		}
		config, err := s.config.client.load(u.Scheme == "https", "")
		if err != nil {
			return all, err
		}
		l, err := net.Listen("tcp", u.Host)
		if err != nil {
			return all, err
		}
		host := u.Host
		if u.Port() == "0" {
			host = l.Addr().String()
		}
		s.urls = append(s.urls, u.Scheme+"://"+host)
		if config != nil {
			config.NextProtos = []string{"h2", "http/1.1"}
			l = tls.NewListener(l, config)
		}
		all = append(all, l)
	}
	return all, nil
}

func (s *server) serve(listeners []net.Listener) {
	s.api = httpapi.New(httpapi.Options{Member: s.member, MaxRequestBytes: s.config.maxRequestBytes,
		ProgressInterval: s.config.progress, Stop: s.stop, Logger: s.log})
	for _, l := range listeners {
		s.listen(l, s.api)
	}
}

func (s *server) listen(l net.Listener, handler http.Handler) {
	h := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)}
	s.servers = append(s.servers, h)
	go func() {
		if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	}()
}

// serveAdmin serves what clients must not see: pprof.
func (s *server) serveAdmin() error {
	if s.config.admin == "" {
		return nil
	}
	l, err := net.Listen("tcp", s.config.admin)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	profiles.Handle(mux)
	mux.Handle("/metrics", s.api)
	s.log.Info("admin", "address", l.Addr())
	s.listen(l, mux)
	return nil
}

// close lets requests under way end, hands leadership over, and stops.
func (s *server) close() (err error) {
	close(s.stop)
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	for _, h := range s.servers {
		if h.Shutdown(ctx) != nil {
			h.Close()
		}
	}
	for _, m := range s.members {
		if len(s.members) == 1 { // otherwise the heirs stop as well
			m.HandOver(ctx)
		}
		err = errors.Join(err, m.Close())
	}
	return err
}

func (s *server) greet(w io.Writer) {
	what := "member " + s.config.name
	if len(s.members) > 1 {
		what = fmt.Sprintf("%d members in this process", len(s.members))
	}
	curl, u := "curl", s.urls[0]
	if strings.HasPrefix(u, "https:") {
		curl = s.config.client.curl()
	}
	fmt.Fprintf(w, `%s, data in %s
listening for clients on %s
try (foo is Zm9v in base64, bar is YmFy):
  %s %s/v3/kv/put -d '{"key":"Zm9v","value":"YmFy"}'
  %s %s/v3/kv/range -d '{"key":"Zm9v"}'
  %s -N %s/v3/watch -d '{"create_request":{"key":"Zm9v"}}'
`, what, s.config.dataDir, strings.Join(s.urls, " "), curl, u, curl, u, curl, u)
}

// curl is the command with what it needs to be let in.
func (f tlsFiles) curl() string {
	if f.ca == "" {
		return "curl --cacert " + f.cert
	}
	return "curl --cacert " + f.ca + " --cert CLIENT.pem --key CLIENT.key"
}

// load reads certificates, if the URL's scheme wants them.
func (f tlsFiles) load(https bool, prefix string) (*tls.Config, error) {
	if !https {
		return nil, nil
	}
	if f.cert == "" || f.key == "" {
		return nil, fmt.Errorf("an https URL needs --%scert-file and --%skey-file", prefix, prefix)
	}
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if f.ca != "" {
		pem, err := os.ReadFile(f.ca)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", f.ca)
		}
		c.RootCAs, c.ClientCAs = pool, pool
		// As in etcd an authority alone asks for certificates.
		c.ClientAuth = tls.RequireAndVerifyClientCert
	} else if f.clientAuth {
		return nil, fmt.Errorf("--%sclient-cert-auth needs --%strusted-ca-file", prefix, prefix)
	}
	return c, nil
}
