package upstream

import (
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"slices"
	"sort"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A world is a registry in virtual time: the clock moves when a test says so, and dice fall as the seed says.
type world struct {
	t   testing.TB
	now time.Duration
	rng *rand.Rand
	*Registry
}

func newWorld(t testing.TB, seed uint64) *world {
	w := &world{t: t, now: time.Hour, rng: rand.New(rand.NewPCG(seed, 0))}
	w.Registry = NewRegistry(RegistryOptions{
		Elapsed:      func() time.Duration { return w.now },
		Random:       w.rng.Uint64,
		NewTransport: func(TransportOptions) http.RoundTripper { return http.NewFileTransport(http.Dir(".")) },
	})
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	return w
}

// addresses are http://a:80, http://b:80 and so on.
func addresses(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("http://e%d:80", i))
	}
	return all
}

func (w *world) pool(n int, o Options) *Pool {
	p, err := w.Pool(addresses(n), o)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, p.Close()) })
	return p
}

func (w *world) pick(p *Pool, key uint64, not *Endpoint) Token {
	token, err := p.Pick(key, not)
	if err != nil { // not by require: some tests pick a hundred thousand times
		w.t.Helper()
		w.t.Fatalf("RULE U2: there is room, and nobody is found: %v", err)
	}
	return token
}

// shares picks n times, gives back at once, and counts by position in the pool.
func (w *world) shares(p *Pool, n int) []int {
	count := make([]int, len(p.members))
	for range n {
		token := w.pick(p, w.rng.Uint64(), nil)
		count[position(p, token.Endpoint())]++
		token.Done(Canceled)
	}
	return count
}

func position(p *Pool, e *Endpoint) int {
	for i, m := range p.members {
		if m.Endpoint == e {
			return i
		}
	}
	return -1
}

// eject makes calls to the i-th endpoint fail until it is left alone.
func (w *world) eject(p *Pool, i int) {
	e := p.members[i].Endpoint
	for range p.options.Ejection.Failures {
		p.token(e, w.now).failOnly()
	}
	require.True(w.t, e.ejection.active(w.now), "endpoint %d is not ejected", i)
}

// failOnly is a failed call that was not picked.
func (t Token) failOnly() {
	t.end.inFlight.Add(1)
	t.Done(Failed)
}

// An ending is a call that will be over at a time.
type ending struct {
	at      time.Duration
	token   Token
	outcome Outcome
}

// simulate sends requests to p, rate in a second, for a time. Serve says how long the
// i-th endpoint takes for a request that begins now, and how it ends. The answer is how many each got.
func (w *world) simulate(p *Pool, span time.Duration, rate float64, serve func(i int) (time.Duration, Outcome)) []int {
	count := make([]int, len(p.members))
	var running []ending // sorted by time
	for end := w.now + span; w.now < end; {
		next := w.now + time.Duration(w.rng.ExpFloat64()/rate*float64(time.Second))
		for len(running) > 0 && running[0].at <= next {
			w.now = running[0].at
			running[0].token.Done(running[0].outcome)
			running = running[1:]
		}
		w.now = next
		token := w.pick(p, w.rng.Uint64(), nil)
		i := position(p, token.Endpoint())
		count[i]++
		took, outcome := serve(i)
		e := ending{w.now + took, token, outcome}
		at := sort.Search(len(running), func(k int) bool { return running[k].at > e.at })
		running = slices.Insert(running, at, e)
	}
	for _, e := range running {
		w.now = max(w.now, e.at)
		e.token.Done(e.outcome)
	}
	for _, e := range p.Endpoints() {
		require.Zero(w.t, e.InFlight(), "RULE U1: a request is under way when all are over")
	}
	return count
}

func sum(counts []int) (total int) {
	for _, n := range counts {
		total += n
	}
	return total
}

// quiet is for servers whose clients fail on purpose.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
