// Command gateway sets package gateway beside other proxies, each a process, and its parts beside
// others' routers, circuit breakers and limiters.
//
//	go -C examples/versus/gateway run .                   all of it
//	go -C examples/versus/gateway run . -only '^proxy/'   cells that match
//	go -C examples/versus/gateway run . -quick            does it run?
//
// Tables, each with the file that makes it:
//
//	proxy, routes            a request through a proxy                       proxy.go
//	lookup                   which route a request takes                     lookup.go
//	build, update, parse     from text to routes, and to a table             build.go
//	breaker, breaker-rate,
//	breaker-adaptive         may a call be made, and how has it ended?       breaker.go
//	limiter                  may a call be made?                             breaker.go
//	kit                      which rules of package gatewaytest are kept     kit.go
//	push                     a configuration reaches ten thousand            push.go
//
// client.go is who asks, backend.go who answers; proxies.go, foreign.go and the program in caddy are
// the proxies; goals.go says how promises are made.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/flagship-go/flagship/examples/versus/gateway/internal/peer"
	"github.com/flagship-go/flagship/internal/versus"
)

func main() {
	beChild()
	program().Main()
}

// beChild ends this process as what its parent wants it to be, if it has one.
func beChild() {
	order, is, err := peer.Ordered()
	if !is {
		return
	}
	if err == nil {
		err = child(order)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// session is one run of the program.
type session struct {
	*versus.Session
	subscribers int
	backend     *peer.Process
	caddy       string // its program; "" before it is built
	finders     finders
}

func program() *versus.Program {
	var subscribers int
	return &versus.Program{
		Command: "go -C examples/versus/gateway run .",
		Rounds:  3, Length: 400 * time.Millisecond, QuickLength: 20 * time.Millisecond,
		Temp: true,
		Flags: func(f *flag.FlagSet) {
			f.IntVar(&subscribers, "subscribers", 10_000, "who a configuration is pushed to")
		},
		Measure: func(ctx context.Context, s *versus.Session) error {
			if s.Quick {
				subscribers = 100
			}
			if subscribers < 100 {
				return fmt.Errorf("-subscribers %d: at least 100", subscribers)
			}
			return (&session{Session: s, subscribers: subscribers}).measure(ctx)
		},
	}
}

// table is a comparison, and the promises that are no ratio to a peer.
type table struct {
	versus.Table
	limits []bound
}

func (o *session) measure(ctx context.Context) (err error) {
	if o.backend, err = o.startBackend(ctx); err != nil {
		return err
	}
	defer func() {
		if e := o.backend.Close(); err == nil {
			err = e
		}
	}()
	for _, make := range []func(*session) *table{
		proxyTable, routesTable, lookupTable, buildTable, updateTable, parseTable,
		consecutiveTable, rateTable, adaptiveTable, limiterTable, pushTable,
	} {
		t := make(o)
		for _, cell := range t.Cells {
			if t.Name == "proxy" && o.Wants(t.Name+"/"+string(cell)+"/"+caddyName) {
				version, err := o.buildCaddy(ctx)
				if err != nil {
					return err
				}
				i := slices.IndexFunc(t.Contenders, func(c versus.Contender) bool { return c.Name == caddyName })
				t.Contenders[i].Version = version
			}
		}
		report, err := o.Measure(ctx, &t.Table)
		if err != nil {
			return err
		}
		if report != nil {
			writeLimits(o.Out, report, t.limits)
		}
		o.finders = finders{}
	}
	return o.grade(ctx)
}
