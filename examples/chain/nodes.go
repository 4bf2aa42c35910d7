package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/fullnode"
	"github.com/flagship-go/flagship/examples/chain/rpc"
)

// drainTimeout bounds how long calls under way are waited for at the end.
const drainTimeout = 30 * time.Second

// A server is what this process runs: nodes, and the operators' address.
type server struct {
	config  *config
	log     *slog.Logger
	members []*member
	admin   *http.Server
	failed  chan error
}

// A member is one node, which may be stopped and started again.
type member struct {
	name, home, app string
	config          *config
	log             *slog.Logger
	rpcAddr         string // where its RPC is, from the first start on
	p2pAddr         string

	mu      sync.Mutex
	node    *fullnode.FullNode // nil: it does not run
	appl    io.Closer
	calls   *rpc.Server
	clients *http.Server
}

// start is chain start, and chain alone.
func start(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	c, err := parseStart(args, stderr)
	if err != nil {
		return err
	}
	log, err := logger(c.level, stderr)
	if err != nil {
		return err
	}
	s := &server{config: c, log: log, failed: make(chan error, 20)}
	defer func() { err = errors.Join(err, s.close()) }()
	operators, err := net.Listen("tcp", c.admin) // first: who cannot listen need not open a home
	if err != nil {
		return err
	}
	if err := s.open(); err != nil {
		return errors.Join(err, operators.Close())
	}
	s.admin = serve(operators, s.operators(), log, s.failed)
	s.greet(stdout, operators.Addr())
	select {
	case <-ctx.Done():
		log.Info("stopping at the word of a signal")
		return nil
	case err := <-s.failed:
		return err
	}
}

// open starts the node of a home, or makes homes and starts all of them.
func (s *server) open() error {
	if s.config.single {
		if err := s.add(filepath.Base(s.config.home), s.config.home, s.config.rpc); err != nil {
			return err
		}
		return s.members[0].start(s.config.peers, s.failed)
	}
	if !isHome(nodeHome(s.config.home, 0)) {
		name := s.config.app
		if name == "" {
			name = "bank"
		}
		if err := makeNet(testnetOptions{dir: s.config.home, chainID: "chain-local", app: name, validators: s.config.validators}); err != nil {
			return err
		}
	}
	for i := 0; isHome(nodeHome(s.config.home, i)); i++ {
		addr, err := portAfter(s.config.rpc, i*rpcStep)
		if err != nil {
			return err
		}
		if err := s.add(fmt.Sprint("node", i), nodeHome(s.config.home, i), addr); err != nil {
			return err
		}
	}
	for _, m := range s.members {
		if err := m.start(s.others(m), nil); err != nil {
			return err
		}
	}
	return nil
}

// add makes a member, which does not run yet.
func (s *server) add(name, home, rpcAddr string) error {
	app, err := appOf(home, s.config.app)
	if err == nil {
		s.members = append(s.members, &member{name: name, home: home, app: app, config: s.config, log: s.log.With("node", name), rpcAddr: rpcAddr, p2pAddr: s.config.p2p})
	}
	return err
}

// portAfter is an address whose port is further; 0 stays 0.
func portAfter(addr string, step int) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port == "0" {
		return addr, err
	}
	n, err := strconv.Atoi(port)
	if err != nil || n+step > 65535 {
		return "", wrong("--rpc.laddr %s: there is no port %d after it", addr, step)
	}
	return net.JoinHostPort(host, strconv.Itoa(n+step)), nil
}

// others are the addresses of the members that run.
func (s *server) others(m *member) (peers []string) {
	for _, other := range s.members {
		if n := other.running(); n != nil && other != m {
			peers = append(peers, n.Address())
		}
	}
	return peers
}

// running is the member's node; nil: it does not run.
func (m *member) running() *fullnode.FullNode {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.node
}

// start opens the home and serves the RPC. The end of a node that is alone in its process is told to failed.
func (m *member) start(peers []string, failed chan error) (err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.node != nil {
		return fmt.Errorf("%s runs", m.name)
	}
	listed, err := readPeers(m.home)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", m.rpcAddr)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, listener.Close(), m.release())
		}
	}()
	application, closer, err := openApp(m.app, m.home, m.log)
	if err != nil {
		return fmt.Errorf("%s: %w", m.home, err)
	}
	m.appl = closer
	c, moniker := m.config, m.name
	if c.moniker != "" {
		moniker = c.moniker
	}
	m.node, err = fullnode.Open(fullnode.Options{Home: m.home, App: application, P2PListen: m.p2pAddr, PersistentPeers: append(listed, peers...),
		Moniker: moniker, CreateEmptyBlocks: c.emptyBlocks && c.emptyInterval == 0, EmptyBlocksInterval: c.interval(), Logger: m.log,
		Timeouts: bft.Timeouts{Propose: c.propose, Prevote: c.prevote, Precommit: c.precommit, Commit: c.commitWait}})
	if err != nil {
		m.node = nil
		return err
	}
	m.rpcAddr, m.p2pAddr = listener.Addr().String(), m.node.P2PAddr()
	m.calls = rpc.New(rpc.Options{Node: m.node, Version: version, Logger: m.log})
	m.clients = serve(listener, m.calls, m.log, failed)
	go m.watch(m.node, failed)
	return nil
}

// version is told to clients.
const version = "flagship-chain"

// watch tells of a node that stops by itself: its RPC goes on, and says so.
func (m *member) watch(n *fullnode.FullNode, failed chan error) {
	<-n.Done()
	if err := n.Err(); !errors.Is(err, bft.ErrStopped) {
		m.log.Error("the node has stopped", "err", err)
		tell(failed, fmt.Errorf("%s: %w", m.name, err))
	}
}

// tell is for whoever listens, or for nobody.
func tell(failed chan error, err error) {
	select {
	case failed <- err:
	default:
	}
}

// drain ends what clients have under way (P3).
func (m *member) drain() {
	m.mu.Lock()
	calls, clients := m.calls, m.clients
	m.mu.Unlock()
	if clients == nil {
		return
	}
	calls.Close()
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if clients.Shutdown(ctx) != nil {
		clients.Close()
	}
}

// stop drains, and closes the home.
func (m *member) stop() error {
	m.drain()
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.release()
}

// release closes what is open.
func (m *member) release() error {
	var errs []error
	if m.node != nil {
		errs = append(errs, m.node.Close())
	}
	if m.appl != nil {
		errs = append(errs, m.appl.Close())
	}
	m.node, m.appl, m.calls, m.clients = nil, nil, nil, nil
	return errors.Join(errs...)
}

// serve serves a listener.
func serve(l net.Listener, h http.Handler, log *slog.Logger, failed chan error) *http.Server {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	go func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("serving", "address", l.Addr(), "err", err)
			tell(failed, err)
		}
	}()
	return s
}

// close lets calls under way end, at all nodes before any of them stops: a transaction may need the others.
func (s *server) close() error {
	if s.admin != nil {
		s.admin.Close()
	}
	var draining sync.WaitGroup
	for _, m := range s.members {
		draining.Go(m.drain)
	}
	draining.Wait()
	var errs []error
	for _, m := range s.members {
		errs = append(errs, m.stop())
	}
	return errors.Join(errs...)
}

// greet says what runs, and what to try.
func (s *server) greet(w io.Writer, operators net.Addr) {
	first := s.members[0]
	fmt.Fprintf(w, "chain %s with %s in %s\n", first.node.Genesis().ChainID, first.app, s.config.home)
	for _, m := range s.members {
		fmt.Fprintf(w, "%s  peers %s  RPC http://%s\n", m.name, m.node.Address(), m.rpcAddr)
	}
	keys, node := s.config.home, ""
	if s.config.single {
		keys = filepath.Dir(s.config.home)
	}
	if keys != defaultHome {
		node = " --home " + keys
	}
	if first.rpcAddr != defaultRPC[len("tcp://"):] {
		node += " --node http://" + first.rpcAddr
	}
	fmt.Fprintln(w, "try:")
	if first.app == "bank" {
		fmt.Fprintf(w, "  chain tx send alice bob 10gold%s\n  chain query balance bob%s\n", node, node)
	} else {
		fmt.Fprintf(w, "  curl 'http://%[1]s/broadcast_tx_commit?tx=\"name=satoshi\"'\n  curl 'http://%[1]s/abci_query?data=\"name\"'\n", first.rpcAddr)
	}
	fmt.Fprintf(w, "  curl http://%s/status\n", first.rpcAddr)
	if !s.config.single {
		fmt.Fprintf(w, "  curl -X POST http://%v/admin/nodes/%d/stop\n", operators, len(s.members)-1)
	}
	fmt.Fprintf(w, "/health, /metrics, /admin and /debug/pprof on http://%v\nready\n", operators)
}
