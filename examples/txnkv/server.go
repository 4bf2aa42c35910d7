package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/flagship-go/flagship/examples/txnkv/httpapi"
	"github.com/flagship-go/flagship/examples/txnkv/ranges"
	"github.com/flagship-go/flagship/examples/txnkv/service"
	"github.com/flagship-go/flagship/mvcc"
)

const (
	// startTimeout is how long a majority may take to have the clock work.
	startTimeout = time.Minute
	// drainTimeout bounds how long requests under way are waited for at the end.
	drainTimeout = 30 * time.Second
)

// server is what this process runs.
type server struct {
	config  *config
	log     *slog.Logger
	cluster *ranges.Cluster
	db      *mvcc.DB
	service *service.Service
	servers []*http.Server
	failed  chan error
	began   time.Time
}

// run runs until ctx ends, which is success, or it cannot go on.
func run(ctx context.Context, c *config, stdout io.Writer, log *slog.Logger) (err error) {
	s := &server{config: c, log: log, failed: make(chan error, 2), began: time.Now()}
	defer func() { err = errors.Join(err, s.close()) }()
	// The addresses first: who cannot serve clients need not open stores.
	clients, err := net.Listen("tcp", c.listen)
	if err != nil {
		return err
	}
	operators, err := net.Listen("tcp", c.http)
	if err != nil {
		return errors.Join(err, clients.Close())
	}
	if err := s.open(ctx); err != nil {
		return errors.Join(err, clients.Close(), operators.Close())
	}
	s.listen(operators, s.operators())
	s.listen(clients, httpapi.New(httpapi.Options{Service: s.service}))
	s.greet(stdout, clients.Addr(), operators.Addr())
	select {
	case <-ctx.Done():
		log.Info("stopping at the word of a signal")
		return nil
	case err := <-s.failed:
		return err
	}
}

// open starts the nodes, and what is above them.
func (s *server) open(ctx context.Context) (err error) {
	c := s.config
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	s.cluster, err = ranges.Open(ctx, ranges.Options{
		Dir: c.store, Nodes: c.nodes, Clock: c.clock, MaxOffset: c.maxOffset, MaxRangeBytes: c.rangeMaxBytes, Tick: c.tick, Logger: s.log,
	})
	if err != nil {
		s.cluster = nil // it has closed itself
		return err
	}
	s.db, err = mvcc.Open(&mvcc.Options{Transport: s.cluster, Clock: s.cluster.Clock(), GCEvery: max(c.gcTTL/10, time.Second), GCKeep: c.gcTTL, Logger: s.log})
	if err != nil {
		return err
	}
	s.service = service.New(service.Options{DB: s.db, Transport: s.cluster, Clock: s.cluster.Clock(), IdleTimeout: c.idleTimeout,
		MaxOpen: c.maxOpenTxns, MemoryLimit: c.memory, Logger: s.log})
	return nil
}

// listen serves a listener. Queries give each write a deadline of its own.
func (s *server) listen(l net.Listener, handler http.Handler) {
	h := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)}
	s.servers = append(s.servers, h)
	go func() {
		if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	}()
}

// close lets requests under way end, rolls back what is open, and stops the nodes.
func (s *server) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	for i := len(s.servers) - 1; i >= 0; i-- { // the clients' first
		if s.servers[i].Shutdown(ctx) != nil {
			s.servers[i].Close()
		}
	}
	var errs []error
	if s.service != nil {
		errs = append(errs, s.service.Close(ctx))
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.cluster != nil {
		errs = append(errs, s.cluster.Close())
	}
	return errors.Join(errs...)
}

// greet says what runs, and what to try.
func (s *server) greet(w io.Writer, clients, operators net.Addr) {
	c := s.config
	fmt.Fprintf(w, `%d nodes in %s, clock %s; a minority of them may be down
try:
  curl -d '{"key":"a","value":"1"}' http://%[4]v/v1/put
  curl -d '{"mode":"serializable"}' http://%[4]v/v1/begin
  curl -d '{"name":"t","columns":[{"name":"id","type":"int"},{"name":"word","type":"string"}],"key":["id"]}' http://%[4]v/v1/table
  curl -d '{"table":"t","rows":[[1,"one"],[2,"two"]]}' http://%[4]v/v1/insert
  curl -d '{"query":"SELECT count(*), max(word) FROM t WHERE id > 0"}' http://%[4]v/v1/select
  curl -X POST http://%[5]v/admin/nodes/2/stop
the page, /health, /metrics, /admin and /debug/pprof on http://%[5]v
listening for clients on http://%[4]v
`, c.nodes, c.store, c.clock, clients, operators)
}
