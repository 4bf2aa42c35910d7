package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	breakerFailures = 5
	breakerTimeout  = 10 * time.Second
	breakerTrials   = 2
	breakerRefused  = 20 // requests while it is open
)

// breakerAct is the act while it runs: what came of each request, in a line.
type breakerAct struct {
	*gatewayActs
	line    strings.Builder
	refused int // requests that were answered without being sent
	failed  int // by the upstream
	good    int
}

// breaker kills an upstream behind a breaker, and brings another one.
func (a *gatewayActs) breaker() (err error) {
	b := &breakerAct{gatewayActs: a}
	v, err := startVictimServer(a.ctx, a.Root)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, killed(v)) }()
	if err := b.sendTo(v.address); err != nil {
		return err
	}
	a.Say("An upstream in a process of its own, behind a breaker that opens after %d failures in a row, for %v, and closes after %d good trials.", breakerFailures, breakerTimeout, breakerTrials)
	for _, step := range []func() error{
		func() error { return b.ask(10) },
		func() error {
			a.Event("upstream", "is killed (SIGKILL)", nil)
			return v.kill()
		},
		func() error { return b.ask(breakerFailures + breakerRefused) },
		b.whileOpen,
		b.halfOpen,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return b.replace(v.address)
}

// killed kills what is not dead already.
func killed(v *victimServer) error {
	if v.cmd.ProcessState != nil {
		return nil
	}
	return v.kill()
}

func (b *breakerAct) sendTo(address string) error {
	return b.gateway.change(fmt.Sprintf(`guarded: Path("/guarded/*file")
		-> modPath("^/guarded", "")
		-> consecutiveBreaker(%d, "%v", %d)
		-> "http://%s";`, breakerFailures, breakerTimeout, breakerTrials, address))
}

// ask sends requests one after the other.
func (b *breakerAct) ask(n int) error {
	for i := range n {
		answer, _, err := b.get(b.gateway.url, "/guarded"+b.paths[i%len(b.paths)])
		if err != nil {
			return err
		}
		switch answer.StatusCode {
		case http.StatusOK:
			b.good++
			b.line.WriteByte('.')
		case http.StatusBadGateway:
			b.failed++
			b.line.WriteByte('X')
		case http.StatusServiceUnavailable:
			b.refused++
			b.line.WriteByte('-')
		default:
			return fmt.Errorf("the gateway answers %s", answer.Status)
		}
	}
	return nil
}

// state is the breaker's, and how many calls it has let through to fail.
func (b *breakerAct) state() (state string, failures uint64) {
	for _, f := range b.gateway.Metrics().Filters {
		if f.Route != "guarded" || f.Kind != "breaker" {
			continue
		}
		for _, c := range f.Counts {
			if c.Name == "failure" {
				failures = c.N
			}
		}
		return f.State, failures
	}
	return "gone", 0
}

func (b *breakerAct) whileOpen() error {
	state, failures := b.state()
	b.Event("breaker", "is "+state, nil)
	b.Claim(state == "open" && b.failed == breakerFailures && failures == breakerFailures && b.refused == breakerRefused,
		"after %d failures the breaker is open: %d more requests are refused at once, and count as no failures of the upstream", b.failed, b.refused)
	return nil
}

// halfOpen lets the time pass: one request tries, finds that nothing is better, and the door is shut again.
func (b *breakerAct) halfOpen() error {
	b.clock.move(breakerTimeout)
	b.line.WriteByte('|')
	failed, refused := b.failed, b.refused
	if err := b.ask(1 + breakerRefused); err != nil {
		return err
	}
	state, _ := b.state()
	b.Event("breaker", fmt.Sprintf("was half-open after %v, and is %s", breakerTimeout, state), nil)
	b.Claim(state == "open" && b.failed-failed == 1 && b.refused-refused == breakerRefused,
		"half-open it lets %d request try, which fails: it is open again, and refuses the other %d", b.failed-failed, b.refused-refused)
	return nil
}

// replace brings another process at another address, by a reload of the route.
func (b *breakerAct) replace(was string) (err error) {
	v, err := startVictimServer(b.ctx, b.Root)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, killed(v)) }()
	if err := b.sendTo(v.address); err != nil {
		return err
	}
	b.Event("upstream", fmt.Sprintf("is there again, as %s in place of %s; the route is reloaded", v.address, was), nil)
	refused, good := b.refused, b.good
	if err := b.ask(3); err != nil {
		return err
	}
	kept := b.refused-refused == 3
	b.clock.move(breakerTimeout)
	b.line.WriteByte('|')
	if err := b.ask(10); err != nil {
		return err
	}
	state, _ := b.state()
	b.Event("breaker", "is "+state, nil)
	b.Picture(fmt.Sprintf("requests in their order (. answered, X failed, - refused, | %v later)\n%s", breakerTimeout, &b.line))
	b.Claim(kept && state == "closed" && b.good-good == 10,
		"the reload left the breaker open as it was; %v later its trials succeed, it closes, and all %d requests are answered", breakerTimeout, b.good-good)
	return b.ctx.Err()
}
