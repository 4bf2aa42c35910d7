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
	"strings"
	"sync"
	"time"

	"github.com/flagship-go/flagship/erasure"
	"github.com/flagship-go/flagship/examples/internal/profiles"
	"github.com/flagship-go/flagship/examples/objectstore/s3api"
	"github.com/flagship-go/flagship/examples/objectstore/sigv4"
)

// drainTimeout bounds how long requests under way are waited for at the end.
const drainTimeout = 30 * time.Second

const adminPath = "/admin/"

// Paths that are the server's own. No bucket can have these names.
var reserved = []string{"health", "metrics", "admin"}

// server is what this process runs.
type server struct {
	config   *config
	log      *slog.Logger
	store    *erasure.Store
	s3       *s3api.Server
	verifier *sigv4.Verifier
	servers  []*http.Server
	watch    sync.WaitGroup // the one that watches drives
	failed   chan error
}

// run runs until ctx ends, which is success, or it cannot go on.
func run(ctx context.Context, c *config, stdout io.Writer, log *slog.Logger) (err error) {
	s := &server{config: c, log: log, failed: make(chan error, 2)}
	ctx, end := context.WithCancel(ctx)
	defer func() {
		end()
		err = errors.Join(err, s.close())
	}()
	// The address first: who cannot serve clients need not open drives.
	listener, err := net.Listen("tcp", c.address)
	if err != nil {
		return err
	}
	if err := s.open(ctx); err != nil {
		listener.Close()
		return err
	}
	s.watch.Go(func() { s.watchDrives(ctx) })
	s.listen(listener, s.handler())
	if err := s.serveAdmin(); err != nil {
		return err
	}
	s.greet(ctx, stdout, listener.Addr())
	select {
	case <-ctx.Done():
		log.Info("stopping at the word of a signal")
		return nil
	case err := <-s.failed:
		return err
	}
}

// open opens the drives, and what is on them.
func (s *server) open(ctx context.Context) (err error) {
	c := s.config
	drives, err := s.openDrives()
	if err != nil {
		return err
	}
	o := &erasure.Options{DrivesPerSet: c.drivesPerSet, Parity: c.parity, Logger: s.log}
	switch c.parity {
	case -1:
		o.Parity = 0 // the default
	case 0:
		o.Parity = erasure.NoParity
	}
	if s.store, err = erasure.Open(drives, o); err != nil {
		closeAll(drives)
		return err
	}
	objects, err := openObjects(ctx, s.store)
	if err != nil {
		return err
	}
	s.verifier = &sigv4.Verifier{Region: c.region, Secret: func(key string) (string, bool) { return c.secretKey, key == c.accessKey }}
	s.s3 = s3api.New(s3api.Options{Store: objects, Verifier: s.verifier, Region: c.region, Domains: c.domains, Reserved: reserved,
		RequestsMax: c.requestsMax, Logger: s.log})
	return nil
}

// handler serves clients: S3, but for the paths that are the server's own. A bucket that is named by the
// host has all paths for its keys.
func (s *server) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case s.s3.BucketOfHost(r.Host) != "":
			s.s3.ServeHTTP(w, r)
		case path == "/health":
			s.health(w, r)
		case path == "/metrics":
			s.metrics(w, r)
		case strings.HasPrefix(path, adminPath):
			s.admin(w, r)
		default:
			s.s3.ServeHTTP(w, r)
		}
	})
}

// listen serves a listener. Bodies and answers have deadlines of their own, in
// s3api, because they may be as long as they like.
func (s *server) listen(l net.Listener, handler http.Handler) {
	h := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)}
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
	mux.HandleFunc("/metrics", s.metrics)
	s.log.Info("admin", "address", l.Addr())
	s.listen(l, mux)
	return nil
}

// close lets requests under way end, and then closes the store.
func (s *server) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	for _, h := range s.servers {
		if h.Shutdown(ctx) != nil {
			h.Close()
		}
	}
	s.watch.Wait()
	if s.store == nil {
		return nil
	}
	return s.store.Close()
}

// greet says what runs, and what to try.
func (s *server) greet(ctx context.Context, w io.Writer, addr net.Addr) {
	c, info := s.config, s.store.Info(ctx)
	where := filepath.Dir(c.dirs[0])
	url := "http://" + addr.String()
	curl := fmt.Sprintf("curl --aws-sigv4 aws:amz:us-east-1:s3 --user %s:%s", c.accessKey, "SECRET")
	keys := "those of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
	if c.defaultKeys {
		curl = fmt.Sprintf("curl --aws-sigv4 aws:amz:us-east-1:s3 --user %s:%s", c.accessKey, c.secretKey)
		keys = fmt.Sprintf("%s and %s; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for others", c.accessKey, c.secretKey)
		if host, _, _ := net.SplitHostPort(addr.String()); !net.ParseIP(host).IsLoopback() {
			s.log.Warn("anybody who can reach this address knows the keys, which are the default", "address", addr)
		}
	}
	if c.region != "" {
		curl = fmt.Sprintf("curl --aws-sigv4 aws:amz:%s:s3 --user %s:SECRET", c.region, c.accessKey)
	}
	fmt.Fprintf(w, `%d drives in %s, %d set(s) of %d: of each object %d data and %d parity shards, so any %d drives of a set may fail
keys: %s
try:
  %s -X PUT %s/photos
  %s -T go.mod -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' %s/photos/go.mod
  %s %s/photos/go.mod
  %s '%s/photos?list-type=2'
  go run ./examples/objectstore heal --address %s
listening for S3 on %s
`, len(c.dirs), where, info.Sets, info.DrivesPerSet, info.Data, info.Parity, info.Parity, keys,
		curl, url, curl, url, curl, url, curl, url, addr, url)
}
