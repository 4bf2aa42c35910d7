package sim_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/sim"
)

const ms = time.Millisecond

// calm is a network in which every message takes 1 ms.
var calm = sim.Chaos{LatencyMin: ms, LatencyMax: ms}

// tape records the events of a world.
type tape struct{ events []sim.Event }

func (t *tape) sink(e sim.Event) { t.events = append(t.events, e) }

func (t *tape) of(kinds ...sim.Kind) []sim.Event {
	var found []sim.Event
	for _, e := range t.events {
		for _, k := range kinds {
			if e.Kind == k {
				found = append(found, e)
			}
		}
	}
	return found
}

// lines renders the events of those kinds, all if none is given.
func (t *tape) lines(kinds ...sim.Kind) []string {
	events := t.events
	if len(kinds) > 0 {
		events = t.of(kinds...)
	}
	lines := []string{}
	for _, e := range events {
		lines = append(lines, e.String())
	}
	return lines
}

func (t *tape) String() string { return strings.Join(t.lines(), "\n") }

// count counts events of a kind with that detail.
func (t *tape) count(k sim.Kind, detail string) int {
	n := 0
	for _, e := range t.of(k) {
		if e.Detail == detail {
			n++
		}
	}
	return n
}

// newWorld returns a calm world and the tape of its events.
func newWorld(o sim.Options) (*sim.World, *tape) {
	t := &tape{}
	o.Sink = t.sink
	if o.Chaos == (sim.Chaos{}) {
		o.Chaos = calm
	}
	return sim.New(o), t
}

// peer is a process that keeps what it gets.
type peer struct {
	*sim.Process
	got []any
	at  []time.Duration
}

func (p *peer) Receive(_ sim.ID, payload any) {
	p.got = append(p.got, payload)
	p.at = append(p.at, p.Now())
}

// spawnPeers adds processes 1 to n. The result is by ID, and always the
// process's present life.
func spawnPeers(w *sim.World, n int) []*peer {
	peers := make([]*peer, n+1)
	for id := 1; id <= n; id++ {
		w.Spawn(sim.ID(id), func(p *sim.Process) sim.Handler {
			peers[id] = &peer{Process: p}
			return peers[id]
		})
	}
	return peers
}

func run(t *testing.T, w *sim.World, until time.Duration) {
	t.Helper()
	require.NoError(t, w.Run(until))
}
