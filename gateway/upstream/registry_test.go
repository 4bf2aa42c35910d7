package upstream

import (
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/tries"
)

func TestStateSurvivesAReload(t *testing.T) {
	w := newWorld(t, 31)
	old, err := w.Pool(addresses(3), Options{})
	require.NoError(t, err)
	w.eject(old, 1)
	old.members[2].latency.observe(time.Second, w.now)
	underWay := w.pick(old, 0, nil)

	// Another algorithm, one endpoint less, one more: the new first, then the old is closed.
	p, err := w.Pool([]string{"http://e1:80", "http://e2:80", "http://new:80"}, Options{Algorithm: "random"})
	require.NoError(t, err)
	require.NoError(t, old.Close())
	require.Same(t, old.Endpoints()[1], p.Endpoints()[0], "RULE U8: an endpoint was made anew")
	s := p.Status()
	require.Equal(t, "ejected", s.Endpoints[0].State, "RULE U8: a reload has pardoned it")
	require.Equal(t, time.Second, s.Endpoints[1].Latency, "RULE U8: what was learned is gone")
	require.EqualValues(t, 1, s.Endpoints[1].InFlight+old.Endpoints()[0].InFlight())
	require.Len(t, w.Status(), 3, "RULE U8: what nobody has is forgotten")

	// Whoever holds the old pool goes on: requests of the old table are not dropped.
	token, err := old.Pick(0, nil)
	require.NoError(t, err, "RULE U8: a request of the old table is dropped")
	token.Done(OK)
	underWay.Done(OK)
	require.NoError(t, p.Close())
	require.Empty(t, w.Status(), "RULE U8: what nobody has is forgotten")
}

func TestOtherConnectionsAreOtherEndpoints(t *testing.T) {
	w := newWorld(t, 32)
	var pools []*Pool
	for _, o := range []TransportOptions{{}, {Protocol: "http1"}, {Protocol: "h2c"}, {MaxIdlePerHost: 3}, {IdleTimeout: time.Minute}} {
		p, err := w.Pool(addresses(1), Options{Transport: o})
		require.NoError(t, err)
		pools = append(pools, p)
	}
	require.Same(t, pools[0].Endpoints()[0], pools[1].Endpoints()[0], "the default, and what it stands for")
	require.Same(t, pools[0].Endpoints()[0], pools[4].Endpoints()[0])
	require.Len(t, w.Status(), 3)
	for _, p := range pools {
		require.NoError(t, p.Close())
	}
}

// Connections that come back after their endpoint is gone are closed too: nobody would ever use them.
func TestTheLastRequestOfAGoneEndpointClosesItsConnections(t *testing.T) {
	b := newBackends()
	r := b.registry()
	p, err := r.Pool(addresses(1), Options{})
	require.NoError(t, err)
	first, err := p.Pick(0, nil)
	require.NoError(t, err)
	second, err := p.Pick(0, nil)
	require.NoError(t, err)
	require.NoError(t, p.Close())
	require.Equal(t, 1, b.closed)
	first.Done(OK)
	require.Equal(t, 1, b.closed)
	second.Done(OK)
	require.Equal(t, 2, b.closed, "RULE U8: idle connections are left open")
	require.NoError(t, r.Close())
}

// From the pool's end on, a connection lives as long as a request that it carries.
func TestAPoolTakesItsConnectionsAlong(t *testing.T) {
	for _, underWay := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var open atomic.Int64
			r := NewRegistry(RegistryOptions{NewTransport: func(o TransportOptions) http.RoundTripper {
				return piped(o, func(_ int64, c net.Conn) {
					open.Add(1)
					defer open.Add(-1)
					answerOne(c)
					_, _ = io.Copy(io.Discard, c)
				})
			}})
			defer time.Sleep(time.Hour) // what is left over ends by itself, so that the rule is what fails
			defer r.Close()
			p, err := r.Pool(addresses(1), Options{})
			require.NoError(t, err)
			token, err := p.Pick(0, nil)
			require.NoError(t, err)
			if underWay {
				require.NoError(t, p.Close())
			}
			_, _, err = send(t, token.Endpoint().Transport(), "GET", token.Endpoint().Address(), nil)
			require.NoError(t, err)
			synctest.Wait()
			require.EqualValues(t, 1, open.Load(), "RULE U9: the connection is not kept")
			token.Done(OK)
			require.NoError(t, p.Close())
			synctest.Wait()
			require.Zero(t, open.Load(), "RULE U8: a connection of a pool that is closed is left (under way: %v)", underWay)
		})
	}
}

// A hundred reloads while others pick: everything ends, nothing is lost.
func TestReloadsWhileOthersPick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackends()
		r := b.registry()
		o := Options{Health: HealthOptions{Path: "/", Interval: 50 * time.Millisecond}, Algorithm: "peakEWMA"}
		first, err := r.Pool(addresses(4), o)
		require.NoError(t, err)
		var current atomic.Pointer[Pool]
		current.Store(first)
		var pickers sync.WaitGroup
		stop := make(chan struct{})
		for range 4 {
			pickers.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					token, err := current.Load().Pick(1, nil)
					if err != nil {
						t.Errorf("RULE U8: a reload drops a request: %v", err)
						return
					}
					time.Sleep(time.Millisecond)
					token.Done(OK)
				}
			})
		}
		for n := range 100 {
			time.Sleep(7 * time.Millisecond)
			p, err := r.Pool(addresses(2+n%4), o)
			require.NoError(t, err)
			require.NoError(t, current.Swap(p).Close())
		}
		close(stop)
		pickers.Wait()
		for _, s := range r.Status() {
			require.Zero(t, s.InFlight, "RULE U1: %+v", s)
		}
		require.NoError(t, current.Load().Close())
		require.Empty(t, r.Status())
		require.NoError(t, r.Close())
	})
}

// Real threads: no place is given twice, none is lost.
func TestManyPickAtOnce(t *testing.T) {
	for _, name := range Algorithms() {
		r := NewRegistry(RegistryOptions{NewTransport: func(TransportOptions) http.RoundTripper { return newBackends() }})
		const most = 3
		p, err := r.Pool(addresses(5), Options{Algorithm: name, MaxConcurrent: most, Ejection: EjectionOptions{Failures: 2}})
		require.NoError(t, err)
		var held [5]atomic.Int64
		var picked, full atomic.Int64
		var all sync.WaitGroup
		for g := range 8 {
			all.Go(func() {
				for n := range tries.Of(500, 100) {
					token, err := p.Pick(uint64(n), nil)
					if err != nil {
						full.Add(1)
						continue
					}
					i := position(p, token.Endpoint())
					if got := held[i].Add(1); got > most {
						t.Errorf("RULE U2: %s: %d requests at an endpoint that takes %d", name, got, most)
					}
					picked.Add(1)
					held[i].Add(-1)
					outcome := Outcome((n + g) % 3)
					all.Go(func() { token.Done(outcome) }) // one of the two is too late
					token.Done(outcome)
				}
			})
		}
		all.Wait()
		require.Zero(t, inFlight(p), "RULE U1: %s: after %d picks", name, picked.Load())
		require.Positive(t, picked.Load())
		require.NoError(t, r.Close())
	}
}

func inFlight(p *Pool) (total int64) {
	for _, e := range p.Endpoints() {
		total += e.InFlight()
	}
	return total
}
