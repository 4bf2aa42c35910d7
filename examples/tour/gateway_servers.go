package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/flagship-go/flagship/gateway"
	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/filters"
)

// fileServer answers with the files of a folder, and says who it is.
type fileServer struct {
	name string
	root *os.Root
}

// ServeHTTP does without http.FileServer, which sends those who want index.html somewhere else.
func (s *fileServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Server", s.name)
	f, err := s.root.Open(strings.TrimPrefix(r.URL.Path, "/"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer f.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, f)
}

// serveOnLoopback serves on a free port until stop is called.
func serveOnLoopback(h http.Handler) (address string, stop func() error, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Serve(l)
	}()
	return l.Addr().String(), func() error {
		err := s.Close()
		<-ended
		return err
	}, nil
}

// gatewayVictim serves a folder in the process that will be killed, and prints its address.
func gatewayVictim(dir string, in io.Reader, out io.Writer) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	address, stop, err := serveOnLoopback(&fileServer{name: "victim", root: root})
	if err != nil {
		return err
	}
	fmt.Fprintln(out, address)
	io.Copy(io.Discard, in) // until the other process is gone
	return stop()
}

// victimServer is an upstream in a process of its own.
type victimServer struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	address string
}

func startVictimServer(ctx context.Context, dir string) (*victimServer, error) {
	cmd, in, out, err := newVictim(ctx, "gateway", dir)
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the process to kill: %w", err)
	}
	v := &victimServer{cmd: cmd, in: in}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the process to kill has told no address: %w", err), v.kill())
	}
	v.address = strings.TrimSpace(line)
	return v, nil
}

// kill returns when the process is gone, and its port with it.
func (v *victimServer) kill() error {
	err := v.cmd.Process.Kill()
	v.cmd.Wait() // says that it was killed
	return err
}

// aGateway is one that listens.
type aGateway struct {
	*gateway.Gateway
	server *gateway.Server
	url    string
	ended  chan struct{}
}

// startGateway makes a gateway in which time is what the chapter says.
func startGateway(c *gatewayClock) (*aGateway, error) {
	g, err := gateway.New(gateway.Options{Registry: gateway.NewRegistry(filters.Env{Now: c.now, Elapsed: c.elapsed})})
	if err != nil {
		return nil, err
	}
	a := &aGateway{Gateway: g, ended: make(chan struct{})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, g.Close())
	}
	a.url = "http://" + l.Addr().String()
	if a.server, err = gateway.NewServer(g, gateway.ServerOptions{}); err != nil {
		return nil, errors.Join(err, l.Close(), g.Close())
	}
	go func() {
		defer close(a.ended)
		a.server.Serve(l)
	}()
	return a, nil
}

func (a *aGateway) close() error {
	err := a.server.Close()
	<-a.ended
	return errors.Join(err, a.Gateway.Close())
}

// change puts a route of text into the gateway.
func (a *aGateway) change(text string) error {
	routes, err := eskip.Parse("tour", text)
	if err != nil {
		return err
	}
	return a.Update(routes, nil)
}
