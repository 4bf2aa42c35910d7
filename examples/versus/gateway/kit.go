package main

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/flagship-go/flagship/examples/versus/gateway/internal/peer"
	"github.com/flagship-go/flagship/gateway/gatewaytest"
)

// The proxies, graded by the rules that package gateway is graded by.

// asked are the capabilities that can be seen from outside: each contender is asked for all of them, whatever it
// claims. What is missing needs a hand inside the process.
var asked = gatewaytest.Capabilities{
	Strict: true, Canonical: true, Untouched: true, Forwarded: true, Informational: true, Trailers: true, CleanTrailers: true,
	RequestTrailers: true, EarlyAnswer: true, Continue: true, Upgrade: true, EarlyBytes: true, CleanUpgrade: true,
}

// gradable are the contenders that are graded.
var gradable = []string{oursPlain, bareName, caddyName, fasthttpName}

// newProxy starts a process for each of the kit's rules.
func (o *session) newProxy(ctx context.Context, name string) gatewaytest.NewProxy {
	return func(c gatewaytest.Config) (gatewaytest.Proxy, error) {
		program, err := o.programOf(name)
		if err != nil {
			return nil, err
		}
		order := peer.Order{Contender: name}
		for _, r := range c.Routes {
			order.Prefixes = append(order.Prefixes, peer.Prefix{Prefix: r.Prefix, Upstream: r.Upstream})
		}
		p, err := peer.Start(ctx, program, order)
		if err != nil {
			return nil, err
		}
		return graded{p}, nil
	}
}

type graded struct{ *peer.Process }

func (g graded) Addr() string { return g.Process.Addr }

// grade prints who keeps which rules.
func (o *session) grade(ctx context.Context) error {
	var names []string
	for _, name := range gradable {
		if o.Wants("kit/rules=all/" + name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	if slices.Contains(names, caddyName) {
		if _, err := o.buildCaddy(ctx); err != nil {
			return err
		}
	}
	rules := gatewaytest.Rules()
	if o.Quick {
		rules = rules[:5]
	}
	kept, broken := map[string]map[string]int{}, map[string][]string{}
	total := map[string]int{}
	var claims []string
	for _, r := range rules {
		if !has(asked, r.Claim) {
			continue
		}
		if total[r.Claim] == 0 {
			claims = append(claims, r.Claim)
			kept[r.Claim] = map[string]int{}
		}
		total[r.Claim]++
		for _, name := range names {
			if err := r.Check(o.newProxy(ctx, name), asked, patience); err != nil {
				fmt.Fprintf(o.Progress, "kit  %s  %v\n", name, err)
				broken[name] = append(broken[name], r.ID)
			} else {
				kept[r.Claim][name]++
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	fmt.Fprintf(o.Out, "### The rules of package gatewaytest, and who keeps them\n\n| rules | %s |\n| --- |%s\n", strings.Join(names, " | "), strings.Repeat(" ---: |", len(names)))
	for _, claim := range claims {
		row := "| " + claim + " |"
		if claim == "" {
			row = "| required |"
		}
		for _, name := range names {
			row += fmt.Sprintf(" %d of %d |", kept[claim][name], total[claim])
		}
		fmt.Fprintln(o.Out, row)
	}
	fmt.Fprintln(o.Out)
	for _, name := range names {
		if len(broken[name]) > 0 {
			fmt.Fprintf(o.Out, "* %s does not keep: %s\n", name, strings.Join(broken[name], ", "))
		}
	}
	fmt.Fprintln(o.Out)
	return nil
}

// patience is how long the kit waits for what must come. A rule that is broken often takes as long.
const patience = 2 * time.Second

// has tells whether a claim, a field's name, is made; "" is required.
func has(c gatewaytest.Capabilities, claim string) bool {
	return claim == "" || reflect.ValueOf(c).FieldByName(claim).Bool()
}
