package gateway_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/flagship-go/flagship/gateway"
	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/gatewaytest"
)

// graded is a gateway as gatewaytest wants one.
type graded struct {
	*gateway.Gateway
	server *gateway.Server
	ln     net.Listener
}

func newGraded(c gatewaytest.Config) (gatewaytest.Proxy, error) {
	g, err := gateway.New(gateway.Options{})
	if err != nil {
		return nil, err
	}
	p := &graded{Gateway: g}
	if err := p.Reload(c); err != nil {
		return nil, err
	}
	if p.server, err = gateway.NewServer(g, gateway.ServerOptions{}); err != nil {
		return nil, err
	}
	if p.ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	go p.server.Serve(p.ln)
	return p, nil
}

func (p *graded) Reload(c gatewaytest.Config) error {
	var text strings.Builder
	for i, r := range c.Routes {
		retry := ""
		if r.Retry {
			retry = `retry(1, 1, "1ms") -> `
		}
		fmt.Fprintf(&text, "r%d: PathSubtree(%q) -> %s\"http://%s\";\n", i, r.Prefix, retry, r.Upstream)
	}
	routes, err := eskip.Parse("kit.eskip", text.String())
	if err != nil {
		return err
	}
	return p.Apply(routes)
}

func (p *graded) Addr() string                       { return p.ln.Addr().String() }
func (p *graded) Ready() bool                        { return p.Gateway.Ready() == nil }
func (p *graded) Shutdown(ctx context.Context) error { return p.server.Shutdown(ctx) }

func (p *graded) Close() error {
	err := p.server.Close()
	if closed := p.Gateway.Close(); err == nil {
		err = closed
	}
	return err
}

func TestGatewayKeepsAllRulesOfTheKit(t *testing.T) {
	gatewaytest.Run(t, newGraded, gatewaytest.Capabilities{
		Strict: true, Canonical: true, Untouched: true, Forwarded: true, Informational: true, Trailers: true, CleanTrailers: true, RequestTrailers: true, EarlyAnswer: true,
		Continue: true, Upgrade: true, EarlyBytes: true, CleanUpgrade: true, Retry: true, Drain: true, Reload: true, Clean: true,
	})
}
