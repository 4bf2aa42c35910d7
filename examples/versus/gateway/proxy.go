package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/flagship-go/flagship/examples/versus/gateway/internal/peer"
	"github.com/flagship-go/flagship/internal/versus"
)

// A request through a proxy, over the loopback. An operation is a request, and its processor time is the proxy's:
//
//	this process            a process                 a process
//	64 clients  --- TCP --> the contender --- TCP --> the backend
//
// direct is the backend without a proxy: what the clients and it are able to, when they have the machine for themselves.

const (
	directName = "direct"
	caddyName  = "caddy"
)

// standing are the proxies that this module always has.
var standing = []versus.Contender{
	{Name: ours, Module: oursModule},
	{Name: oursPlain, Module: oursModule},
	{Name: bareName},
	{Name: bareDefault},
	{Name: muxName},
	{Name: chiName, Module: "github.com/go-chi/chi/v5"},
	{Name: fasthttpName, Module: "github.com/valyala/fasthttp"},
	{Name: caddyName},
}

func proxyTable(o *session) *table {
	t := &table{Table: versus.Table{
		Name: "proxy", Title: "A request through a proxy: 64 connections, an answer of 1 KiB", Ours: ours, Reference: bareName, Stretch: 4,
		Cells: []versus.Cell{"routes=1", "routes=10000"}, Quick: []versus.Cell{"routes=1", "routes=100"},
	}}
	t.Goals = []versus.Goal{cpu(1.10, bareName, t.Cells...)}
	t.Contenders = append(t.Contenders, versus.Contender{Name: directName, Setup: func(ctx context.Context, cell versus.Cell) (versus.Runner, error) {
		return dialClients(ctx, o.backend.Addr, cell.Int("routes", 1), nil)
	}})
	for _, c := range standing {
		c.Setup = func(ctx context.Context, cell versus.Cell) (versus.Runner, error) {
			return o.startProxy(ctx, c.Name, cell.Int("routes", 1))
		}
		t.Contenders = append(t.Contenders, c)
	}
	for _, name := range []string{nginxName, haproxyName} {
		if installed(name) {
			t.Contenders = append(t.Contenders, versus.Contender{Name: name, Version: versionOf(name), Setup: func(ctx context.Context, cell versus.Cell) (versus.Runner, error) {
				return o.startProxy(ctx, name, cell.Int("routes", 1))
			}})
		}
	}
	return t
}

// routesTable is what routes cost, interleaved: many beside one.
func routesTable(o *session) *table {
	t := &table{Table: versus.Table{
		Name: "routes", Title: "The same through ours, with few routes and with many",
		Cells:   []versus.Cell{"connections=64"},
		Stretch: 20, // so that a heap of a hundred thousand routes is collected while it is looked at
	}}
	counts := []int{1, 10_000, 100_000}
	if o.Quick {
		counts = []int{1, 100, 1000}
	}
	name := func(n int) string { return ours + "-" + strconv.Itoa(n) }
	for _, n := range counts {
		t.Contenders = append(t.Contenders, versus.Contender{Name: name(n), Module: oursModule, Setup: func(ctx context.Context, _ versus.Cell) (versus.Runner, error) {
			return o.startProxy(ctx, ours, n)
		}})
	}
	for i, atMost := range []float64{1.05, 1.15} {
		figure := func(r *versus.Report) (float64, bool) {
			return r.Ratio(t.Cells[0], name(counts[i+1]), name(counts[0]), versus.CPUPerOp)
		}
		t.limits = append(t.limits, bound{text: fmt.Sprintf("times the processor time of one route, with %d", counts[i+1]), figure: figure, atMost: atMost})
	}
	return t
}

// startProxy starts a proxy with so many routes, and clients.
func (o *session) startProxy(ctx context.Context, name string, routes int) (versus.Runner, error) {
	program, err := o.programOf(name)
	if err != nil {
		return nil, err
	}
	process, err := peer.Start(ctx, program, peer.Order{Contender: name, Routes: routes, Backend: o.backend.Addr})
	if err != nil {
		return nil, err
	}
	return dialClients(ctx, process.Addr, routes, process)
}

// programOf is what to start for a contender.
func (o *session) programOf(name string) (string, error) {
	if name == caddyName {
		return o.caddy, nil
	}
	return os.Executable()
}

// buildCaddy builds Caddy once, and returns its version. It is a program of its own, since what it links would be in every
// other contender's memory, and its heap would put off their garbage collections.
func (o *session) buildCaddy(ctx context.Context) (version string, err error) {
	if o.caddy == "" {
		fmt.Fprintln(o.Progress, "building caddy; the first time, this takes minutes")
		program := filepath.Join(o.Dir, "caddy.exe")
		out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./caddy").CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("building ./caddy, which is in this module's directory: %w: %s", err, out)
		}
		o.caddy = program
	}
	info, err := buildinfo.ReadFile(o.caddy)
	if err != nil {
		return "", err
	}
	for _, dep := range info.Deps {
		if dep.Path == "github.com/caddyserver/caddy/v2" {
			version = dep.Version
		}
	}
	return version, nil
}

// versionOf is what a program says about itself in its first line.
func versionOf(name string) string {
	out, err := exec.Command(name, "-v").CombinedOutput()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}
