package upstream

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// An Endpoint is one address that requests go to, over one kind of connection. It is
// shared by all pools of a [Registry] that name it, and with it what is known of it: how
// many requests are under way, how fast it answers, whether it is left alone. All its
// methods are safe for concurrent use.
type Endpoint struct {
	key       endpointKey
	url       *url.URL
	transport http.RoundTripper
	seed      uint64        // of its name: its place in consistentHash
	since     time.Duration // when it was first heard of: the beginning of its fade-in

	// What follows changes with each request, what is above never: not in one cache line.
	_ [64]byte

	inFlight atomic.Int64 // U1: picked and not given back
	requests atomic.Uint64
	failures atomic.Uint64
	picked   atomic.Int64 // when it was picked last, on the registry's clock
	latency  latency

	ejection ejection
	gone     atomic.Bool // no pool has it any more

	refs   int                        // pools; under Registry.mu
	checks map[HealthOptions]*checker // under Registry.mu
}

// endpointKey is what makes two endpoints the same.
type endpointKey struct {
	address   string
	transport TransportOptions
}

// URL is scheme and host: what a request's URL gets. It is not to be changed.
func (e *Endpoint) URL() *url.URL { return e.url }

// Address is URL as text, with the port that was meant: "http://10.0.0.1:80".
func (e *Endpoint) Address() string { return e.key.address }

// Transport sends requests to this endpoint, and keeps connections to it open.
func (e *Endpoint) Transport() http.RoundTripper { return e.transport }

// InFlight is the number of requests that were picked for it and not yet given back.
func (e *Endpoint) InFlight() int64 { return e.inFlight.Load() }

func (e *Endpoint) String() string { return e.key.address }

// acquire takes one of most places. It is counted first and looked at afterwards, so that
// of two that come at once for the last place only one gets it.
func (e *Endpoint) acquire(most int64, now time.Duration) bool {
	if e.inFlight.Add(1) > most {
		e.release()
		return false
	}
	e.requests.Add(1)
	e.picked.Store(int64(now))
	return true
}

// release gives a place back. The last one of an endpoint that is gone closes what connections it
// has kept: nobody else will.
func (e *Endpoint) release() {
	if e.inFlight.Add(-1) == 0 && e.gone.Load() {
		e.closeIdle()
	}
}

func (e *Endpoint) closeIdle() {
	if t, ok := e.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// parseAddress makes "HTTP://Host" and "http://host:80/" one address. What is more than
// scheme, host and port is an error: a path there would be lost.
func parseAddress(text string, o TransportOptions) (*url.URL, error) {
	wrong := func(what string) error {
		return fmt.Errorf("upstream: address %q %s; write scheme://host:port", text, what)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("upstream: address %q: %w; write scheme://host:port", text, err)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, wrong("is neither http nor https")
	case u.Hostname() == "":
		return nil, wrong("names no host")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/":
		return nil, wrong("has more than scheme, host and port")
	case u.Scheme == "https" && o.Protocol == "h2c":
		return nil, wrong("is https, and h2c is HTTP/2 without TLS: take http, or the protocol h2,")
	case u.Scheme == "http" && o.Protocol == "h2":
		return nil, wrong("is http, and h2 is HTTP/2 over TLS: take https, or the protocol h2c,")
	}
	digits := cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	port, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || port == 0 {
		return nil, wrong("has no port between 1 and 65535")
	}
	host := net.JoinHostPort(strings.ToLower(u.Hostname()), strconv.FormatUint(port, 10))
	return &url.URL{Scheme: u.Scheme, Host: host}, nil
}
