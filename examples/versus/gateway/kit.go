package main

import (
	"context"
	"fmt"
	"io"
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
	v := verdict{total: map[string]int{}, kept: map[string]map[string]int{}, broken: map[string][]string{}}
	for _, r := range rules {
		if !has(asked, r.Claim) {
			continue
		}
		v.add(r)
		for _, name := range names {
			err := r.Check(o.newProxy(ctx, name), asked, patience)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err == nil {
				v.kept[r.Claim][name]++
				continue
			}
			v.broken[name] = append(v.broken[name], r.ID)
			fmt.Fprintf(o.Progress, "kit  %s  %v\n", name, err)
		}
	}
	v.write(o.Out, names)
	return nil
}

// verdict counts rules by the claim that they belong to.
type verdict struct {
	claims []string                  // in order
	total  map[string]int            // by claim
	kept   map[string]map[string]int // by claim and contender
	broken map[string][]string       // the rules, by contender
}

func (v *verdict) add(r gatewaytest.Rule) {
	if v.total[r.Claim] == 0 {
		v.claims = append(v.claims, r.Claim)
		v.kept[r.Claim] = map[string]int{}
	}
	v.total[r.Claim]++
}

func (v *verdict) write(out io.Writer, names []string) {
	fmt.Fprintf(out, "### The rules of package gatewaytest, and who keeps them\n\n| rules | %s |\n| --- |%s\n",
		strings.Join(names, " | "), strings.Repeat(" ---: |", len(names)))
	for _, claim := range v.claims {
		row := "| " + claim + " |"
		if claim == "" {
			row = "| required |"
		}
		for _, name := range names {
			row += fmt.Sprintf(" %d of %d |", v.kept[claim][name], v.total[claim])
		}
		fmt.Fprintln(out, row)
	}
	fmt.Fprintln(out)
	for _, name := range names {
		if len(v.broken[name]) > 0 {
			fmt.Fprintf(out, "* %s does not keep: %s\n", name, strings.Join(v.broken[name], ", "))
		}
	}
	fmt.Fprintln(out)
}

// patience is how long the kit waits for what must come. A rule that is broken often takes as long.
const patience = 2 * time.Second

// has tells whether a claim, a field's name, is made; "" is required.
func has(c gatewaytest.Capabilities, claim string) bool {
	return claim == "" || reflect.ValueOf(c).FieldByName(claim).Bool()
}
