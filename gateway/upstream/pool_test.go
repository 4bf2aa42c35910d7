package upstream

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPoolRefusesWhatCannotBeMeant(t *testing.T) {
	w := newWorld(t, 1)
	for _, c := range []struct {
		address string
		o       Options
		says    string
	}{
		{"ftp://a", Options{}, `address "ftp://a" is neither http nor https; write scheme://host:port`},
		{"10.0.0.1:80", Options{}, `write scheme://host:port`},
		{"http://", Options{}, "names no host"},
		{"http://:80", Options{}, "names no host"},
		{"http://a/x", Options{}, "has more than scheme, host and port"},
		{"http://a?x", Options{}, "has more than scheme, host and port"},
		{"http://me@a", Options{}, "has more than scheme, host and port"},
		{"http://a:70000", Options{}, "has no port between 1 and 65535"},
		{"http://a:0", Options{}, "has no port between 1 and 65535"},
		{"https://a", Options{Transport: TransportOptions{Protocol: "h2c"}}, "take http, or the protocol h2,"},
		{"http://a", Options{Transport: TransportOptions{Protocol: "h2"}}, "take https, or the protocol h2c,"},
		{"http://a", Options{Transport: TransportOptions{Protocol: "spdy"}}, `protocol "spdy" is unknown; there are http1`},
		{"http://a", Options{Algorithm: "best"}, `algorithm "best" is unknown; there are consistentHash, leastConnections`},
		{"http://a", Options{BalanceFactor: 1}, "BalanceFactor is 1; above 1"},
		{"http://a", Options{BalanceFactor: -2}, "BalanceFactor is -2"},
		{"http://a", Options{FadeIn: -1}, "FadeIn is -1"},
		{"http://a", Options{MaxConcurrent: -1}, "MaxConcurrent is -1"},
		{"http://a", Options{PanicThreshold: 1.5}, "PanicThreshold is 1.5; it is a share"},
		{"http://a", Options{Health: HealthOptions{Path: "healthz"}}, `Health.Path is "healthz"; it begins with /`},
	} {
		_, err := w.Pool([]string{c.address}, c.o)
		require.ErrorContains(t, err, c.says)
	}
	_, err := w.Pool(nil, Options{})
	require.ErrorContains(t, err, "name at least one")
	require.Empty(t, w.Status(), "what was refused leaves nothing")
}

func TestAddressesThatMeanTheSameAreOneEndpoint(t *testing.T) {
	w := newWorld(t, 1)
	p, err := w.Pool([]string{"http://A", "http://a:80/", "http://a:080", "https://a", "http://[::1]"}, Options{})
	require.NoError(t, err)
	require.Equal(t, `<roundRobin, "http://a:80", "https://a:443", "http://[::1]:80">`, p.String())
	require.Len(t, p.Endpoints(), 3)
	require.NoError(t, p.Close())
}

func TestTokenIsGivenBackExactlyOnce(t *testing.T) {
	w := newWorld(t, 1)
	p := w.pool(1, Options{})
	e := p.Endpoints()[0]
	for _, o := range []Outcome{Canceled, OK, Failed} {
		token := w.pick(p, 0, nil)
		require.EqualValues(t, 1, e.InFlight())
		copied := token
		token.Done(o)
		require.EqualValues(t, 0, e.InFlight(), "RULE U1: not given back")
		copied.Done(o)
		token.Done(o)
		require.EqualValues(t, 0, e.InFlight(), "RULE U1: given back twice")

		next := w.pick(p, 0, nil) // it has the same lease
		token.Done(o)
		token.Answered(OK)
		require.EqualValues(t, 1, e.InFlight(), "RULE U1: an old token gives a new one back")
		next.Done(o)
		require.EqualValues(t, 0, e.InFlight(), "RULE U1: not given back")
	}
	Token{}.Done(OK)
	Token{}.Answered(OK)
}

func TestDoneOnEveryWayOutAlsoPanic(t *testing.T) {
	w := newWorld(t, 1)
	p := w.pool(2, Options{Algorithm: "leastConnections"})
	call := func() {
		token := w.pick(p, 0, nil)
		defer token.Done(Canceled)
		panic("a filter")
	}
	for range 10 {
		require.Panics(t, call)
	}
	for _, e := range p.Endpoints() {
		require.Zero(t, e.InFlight(), "RULE U1: a panic leaves a request under way for ever")
	}
}

func TestOnlyTheAnswerAndABrokenBodyAreJudged(t *testing.T) {
	w := newWorld(t, 1)
	p := w.pool(1, Options{Ejection: EjectionOptions{Failures: -1}})
	e := p.Endpoints()[0]
	token := w.pick(p, 0, nil)
	w.now += 20 * time.Millisecond
	token.Answered(OK)
	w.now += 3 * time.Hour // a WebSocket
	token.Answered(Failed)
	token.Done(OK)
	s := p.Status().Endpoints[0]
	require.Equal(t, 20*time.Millisecond, s.Latency, "RULE U7: the latency of an answer is not that of its body")
	require.Zero(t, s.Failures, "RULE U1: an answer is judged twice")

	token = w.pick(p, 0, nil)
	token.Answered(OK)
	token.Done(Failed)
	require.EqualValues(t, 1, e.failures.Load(), "an answer that broke off")
	token = w.pick(p, 0, nil)
	token.Answered(Failed)
	token.Done(Failed)
	require.EqualValues(t, 2, e.failures.Load(), "RULE U1: a failure is counted twice")
}

func TestMaxConcurrentIsNeverExceeded(t *testing.T) {
	for _, name := range Algorithms() {
		w := newWorld(t, 1)
		p := w.pool(3, Options{Algorithm: name, MaxConcurrent: 2})
		var tokens []Token
		for key := range uint64(6) {
			token, err := p.Pick(key, nil)
			require.NoError(t, err, "RULE U2: %s: there is room", name)
			tokens = append(tokens, token)
		}
		for _, e := range p.Endpoints() {
			require.EqualValues(t, 2, e.InFlight(), "RULE U2: %s: a full endpoint is picked", name)
		}
		_, err := p.Pick(0, nil)
		require.ErrorIs(t, err, ErrFull)
		require.ErrorContains(t, err, `"http://e0:80", "http://e1:80"`)
		require.False(t, p.Endpoints()[0].acquire(2, w.now), "RULE U2: one more than there are places")
		tokens[3].Done(OK)
		again := w.pick(p, 0, nil)
		require.Same(t, tokens[3].Endpoint(), again.Endpoint(), "RULE U2: %s: the only one with room", name)
		again.Done(OK)
		for _, token := range tokens {
			token.Done(OK)
		}
	}
}

func TestARetryGoesElsewhereIfThereIsAnElse(t *testing.T) {
	for _, name := range Algorithms() {
		w := newWorld(t, 1)
		p := w.pool(3, Options{Algorithm: name})
		for key := range uint64(200) {
			first := w.pick(p, key, nil)
			second := w.pick(p, key, first.Endpoint())
			require.NotSame(t, first.Endpoint(), second.Endpoint(), "RULE U2: %s: again where it has failed", name)
			first.Done(Canceled)
			second.Done(Canceled)
		}
		alone := w.pool(1, Options{Algorithm: name})
		token := w.pick(alone, 0, alone.Endpoints()[0])
		require.Same(t, alone.Endpoints()[0], token.Endpoint())
		token.Done(OK)
	}
}

func TestErrorsOfPick(t *testing.T) {
	w := newWorld(t, 1)
	p := w.pool(2, Options{PanicThreshold: -1, Ejection: EjectionOptions{Failures: 1}})
	w.eject(p, 0)
	p.members[1].ejection.until.Store(int64(w.now + time.Second)) // another pool did it
	w.version.Add(1)
	_, err := p.Pick(0, nil)
	require.ErrorIs(t, err, ErrNoEndpoint)
	require.EqualError(t, err, `upstream: no endpoint is usable: <roundRobin, "http://e0:80", "http://e1:80">`)

	require.NoError(t, w.Close())
	_, err = p.Pick(0, nil)
	require.ErrorIs(t, err, ErrClosed)
	_, err = w.Pool(addresses(1), Options{})
	require.True(t, errors.Is(err, ErrClosed))
}
