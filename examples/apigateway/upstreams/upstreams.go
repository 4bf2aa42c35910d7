// Package upstreams is what examples/apigateway has behind it when it is tried out: four small servers that
// are real, and small enough to be read.
//
//	shop 1, shop 2   rest.go   JSON over HTTP/1.1, in two versions
//	library          grpc.go   gRPC over net/http's h2c; frame.go: its messages on the wire
//	chat             chat.go   WebSocket: what one says, all in the room hear
//
// The interop tests put the same servers behind the gateway for real clients.
package upstreams

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Names of the upstreams, in the order of their ports.
var Names = []string{"shop 1", "shop 2", "library", "chat"}

// Set is all upstreams, running.
type Set struct {
	// Addresses in the order of Names, host:port each.
	Addresses []string

	servers []*http.Server
	chat    *Chat
	failed  chan error
}

// Start listens on 127.0.0.1 and four ports from firstPort on, or any if it is 0.
func Start(firstPort int) (*Set, error) {
	s := &Set{chat: NewChat(), failed: make(chan error, len(Names))}
	library, err := NewLibrary()
	if err != nil {
		return nil, err
	}
	for i, h := range []http.Handler{NewShop("1"), NewShop("2"), library, s.chat} {
		port := firstPort
		if port != 0 {
			port += i
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("upstream %s: %w", Names[i], err), s.Close(context.Background()))
		}
		s.serve(l, h)
	}
	return s, nil
}

func (s *Set) serve(l net.Listener, h http.Handler) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	s.Addresses = append(s.Addresses, l.Addr().String())
	s.servers = append(s.servers, server)
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	}()
}

// Failed has the error of a server that could not go on.
func (s *Set) Failed() <-chan error { return s.failed }

// Leave says goodbye to everybody in the chat, so that a gateway in front need not wait for them.
func (s *Set) Leave() { s.chat.Leave() }

// Close ends all servers, when the requests under way are done or ctx is.
func (s *Set) Close(ctx context.Context) error {
	s.Leave()
	var errs []error
	for _, server := range s.servers {
		if server.Shutdown(ctx) != nil {
			errs = append(errs, server.Close())
		}
	}
	return errors.Join(errs...)
}
