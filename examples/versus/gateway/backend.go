package main

import (
	"context"
	"net"
	"os"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/flagship-go/flagship/examples/versus/gateway/internal/peer"
)

const backendName = "backend"

// startBackend starts what is behind all proxies, a process as well.
func (o *session) startBackend(ctx context.Context) (*peer.Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return peer.Start(ctx, self, peer.Order{Contender: backendName})
}

// serveBackend answers with the target that it was asked for, and as much as is missing to a body's size. It is fast, so
// that more of the machine is left to what is measured.
func serveBackend(peer.Order) (func(net.Listener) error, error) {
	rest := strings.Repeat("x", peer.BodySize)
	s := &fasthttp.Server{NoDefaultServerHeader: true, Handler: func(ctx *fasthttp.RequestCtx) {
		target := ctx.RequestURI()
		ctx.SetContentType("text/plain")
		_, _ = ctx.Write(target)
		_, _ = ctx.WriteString(rest[min(len(target), len(rest)):])
	}}
	return s.Serve, nil
}
