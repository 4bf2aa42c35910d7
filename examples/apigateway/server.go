package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/flagship-go/flagship/examples/apigateway/upstreams"
	"github.com/flagship-go/flagship/gateway"
	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/transcode"
)

// server is what this process runs.
type server struct {
	config    *config
	log       *slog.Logger
	gateway   *gateway.Gateway
	clients   *gateway.Server
	operators *http.Server
	upstreams *upstreams.Set // nil: none
	failed    chan error

	background context.CancelFunc // ends the source and what watches certificates
	ended      chan struct{}      // closed when they have
}

// run runs until ctx ends, which is success, or it cannot go on.
func run(ctx context.Context, c *config, stdout, stderr io.Writer) (err error) {
	level := new(slog.LevelVar)
	level.Set(slog.LevelError + 1) // what is wrong with the first routes is told with carets, and not twice
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	s := &server{config: c, log: log, failed: make(chan error, 2), ended: make(chan struct{})}
	// The addresses first: who cannot serve clients need not start anything (A5).
	clients, err := listen("address", c.address)
	if err != nil {
		return err
	}
	operators, err := listen("support-listener", c.support)
	if err != nil {
		return errors.Join(err, clients.Close())
	}
	defer func() {
		err = errors.Join(err, s.close(), ignoreClosed(clients.Close()), ignoreClosed(operators.Close()))
	}()
	if err := s.open(stderr); err != nil {
		return err
	}
	level.Set(c.level)
	s.serve(clients, operators)
	s.greet(stdout, clients.Addr(), operators.Addr())
	var upstreamFailed <-chan error
	if s.upstreams != nil {
		upstreamFailed = s.upstreams.Failed()
	}
	select {
	case <-ctx.Done():
		log.Info("stopping at the word of a signal")
		return nil
	case err := <-s.failed:
		return err
	case err := <-upstreamFailed:
		return err
	}
}

// listen says which flag names an address that cannot be had.
func listen(name, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("-%s %s: %w; is another apigateway running? Name another address", name, address, err)
	}
	return l, nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// newGateway makes a gateway that knows all filters, and reads the files that routes name beside those routes.
func newGateway(dir string, o gateway.Options, log *slog.Logger) (*gateway.Gateway, error) {
	env := filters.Env{Log: log, ReadFile: func(name string) ([]byte, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return os.ReadFile(name)
	}}
	o.Registry = gateway.NewRegistry(env)
	if err := o.Registry.AddFilter(&transcode.Spec{Env: o.Registry.Env()}); err != nil {
		return nil, err
	}
	return gateway.New(o)
}

// open starts what is behind the listeners. A file of routes that is wrong is an error now; later it
// is one in the log, and the routes from before stay.
func (s *server) open(stderr io.Writer) (err error) {
	c := s.config
	var addresses []string
	if c.upstreams >= 0 {
		if s.upstreams, err = upstreams.Start(c.upstreams); err != nil {
			return fmt.Errorf("%w; -upstreams-port names other ports, and -1 none", err)
		}
		addresses = s.upstreams.Addresses
	}
	if !c.routesGiven {
		if err := writeFirst(c.routesFile, addresses, time.Now()); err != nil {
			return err
		}
	}
	file, err := readRoutes(c.routesFile)
	if err != nil {
		return err
	}
	o := gateway.Options{TrustedProxies: c.trusted, PreserveHost: c.preserveHost}
	if !c.noAccessLog {
		o.AccessLog = slog.New(slog.NewTextHandler(stderr, nil))
	}
	if s.gateway, err = newGateway(file.dir, o, s.log); err != nil {
		return err
	}
	if err := file.apply(s.gateway); err != nil {
		return file.tell(stderr, err)
	}
	return s.openServer(file)
}

// openServer makes what clients connect to, and begins to watch files.
func (s *server) openServer(file *routesFile) (err error) {
	c := s.config
	o := gateway.ServerOptions{H2C: true, ProxyProtocol: c.proxies, ReadyDelay: c.readyDelay}
	var certificates *gateway.Certificates
	if c.cert != "" {
		var pairs []gateway.CertificateFile
		keys := strings.Split(c.key, ",")
		for i, cert := range strings.Split(c.cert, ",") {
			pairs = append(pairs, gateway.CertificateFile{Cert: cert, Key: keys[i]})
		}
		if certificates, err = gateway.LoadCertificates(pairs...); err != nil {
			return err
		}
		o.TLS = &gateway.TLSOptions{Certificates: certificates, ClientCAs: c.clientCA}
	}
	if s.clients, err = gateway.NewServer(s.gateway, o); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.background = cancel
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		if certificates != nil {
			certificates.Watch(ctx, 0, s.log)
		}
	}()
	go func() {
		defer close(s.ended)
		if err := s.gateway.Run(ctx, file.source(c.poll)); err != nil {
			s.failed <- err
		}
		<-watching
	}()
	return nil
}

// serve takes connections.
func (s *server) serve(clients, operators net.Listener) {
	s.operators = &http.Server{Handler: s.gateway.Admin(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)}
	for _, serve := range []func() error{
		func() error { return s.clients.Serve(clients) },
		func() error { return s.operators.Serve(operators) },
	} {
		go func() {
			if err := serve(); !errors.Is(err, http.ErrServerClosed) {
				s.failed <- err
			}
		}()
	}
}

// close lets requests under way end, the operators' last: they may want to watch.
func (s *server) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.config.drain)
	defer cancel()
	if s.upstreams != nil {
		s.upstreams.Leave()
	}
	if s.clients != nil {
		if err := s.clients.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
			s.log.Warn("requests were cut off: they took longer than -drain-timeout", "timeout", s.config.drain)
		}
	}
	if s.background != nil {
		s.background()
		<-s.ended
	}
	var errs []error
	if s.gateway != nil {
		errs = append(errs, s.gateway.Close())
	}
	if s.operators != nil && s.operators.Shutdown(ctx) != nil {
		errs = append(errs, s.operators.Close())
	}
	if s.upstreams != nil {
		errs = append(errs, s.upstreams.Close(ctx))
	}
	return errors.Join(errs...)
}

// greet says what runs, and what to try.
func (s *server) greet(w io.Writer, clients, operators net.Addr) {
	fmt.Fprintf(w, "%d routes from %s, which is watched: change it, and requests go the new way\n", s.gateway.Report().Routes, s.config.routesFile)
	scheme := "http"
	if s.config.cert != "" {
		scheme = "https"
	}
	if s.upstreams != nil {
		a := s.upstreams.Addresses
		fmt.Fprintf(w, "upstreams: shop 1 on %s, shop 2 on %s, library (gRPC) on %s, chat (WebSocket) on %s\n", a[0], a[1], a[2], a[3])
	}
	if s.upstreams != nil && !s.config.routesGiven {
		at := fmt.Sprintf("%s://%v", scheme, clients)
		fmt.Fprintf(w, `try:
  curl %[1]s/shop/items                          the canary: 0 to 50 %% of users in ten minutes
  curl -H 'X-Variant: b' %[1]s/shop/items        A/B by header
  curl -d '{"item":1}' %[1]s/shop/orders         a breaker around it, and a copy to shop 2
  curl -X POST 'http://%[2]s/fail?for=1m'        breaks shop 1 for a minute: then order again
  curl %[1]s/search                              the sixth in ten seconds is one too many
  curl %[1]s/v1/shelves/1/books                  JSON outside, gRPC inside
  curl 'http://%[3]v/api/explain?url=/shop/items' why which route
`, at, s.upstreams.Addresses[0], operators)
	}
	fmt.Fprintf(w, "the page, /metrics, /healthz, /readyz and /debug/pprof on http://%v\nlistening for clients on %s://%v\n", operators, scheme, clients)
}
