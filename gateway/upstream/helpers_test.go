package upstream

import (
	"fmt"
	"math/rand/v2"
	"net/http"
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
	w.t.Helper()
	token, err := p.Pick(key, not)
	require.NoError(w.t, err)
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
