package upstream

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"math"
	"strings"
	"time"
)

// Options say how a pool of endpoints is to be. The zero value is a good default.
type Options struct {
	// Algorithm chooses an endpoint: "roundRobin" (default), "random", "powerOfRandomNChoices", "leastConnections",
	// "peakEWMA", "consistentHash".
	Algorithm string
	// BalanceFactor bounds what consistentHash puts on one endpoint, as a multiple of the mean. 0: 1.25.
	BalanceFactor float64
	// FadeIn is how long a new endpoint takes until it gets its full share (slow start). 0: at once.
	FadeIn time.Duration
	// FadeInExponent bends the ramp: 1 is linear. 0: 1.
	FadeInExponent float64
	// MaxConcurrent bounds requests under way to one endpoint. 0: no bound.
	MaxConcurrent int
	// PanicThreshold is the share of endpoints that must be usable; below, all are asked again (U2). 0: 0.5.
	// Negative: never, and a pool with nobody left answers ErrNoEndpoint.
	PanicThreshold float64
	Health         HealthOptions
	Ejection       EjectionOptions
	Transport      TransportOptions
}

// HealthOptions are for active checks: a GET that must be answered with 2xx or 3xx.
type HealthOptions struct {
	Path      string        // empty: no active checks
	Interval  time.Duration // 0: 5 s
	Timeout   time.Duration // 0: 1 s
	Healthy   int           // successes in a row until it is up; 0: 2
	Unhealthy int           // failures in a row until it is down; 0: 3
}

// EjectionOptions are for passive checks: an endpoint whose calls fail is left alone for a while.
type EjectionOptions struct {
	// Failures in a row (no connection, no answer, 502, 503, 504) until it is ejected. 0: 5. Negative: never.
	Failures int
	// Base is for how long the first time; the n-th time in a row n times as long. 0: 10 s.
	Base time.Duration
	Max  time.Duration // 0: 5 min
}

// TransportOptions are for the connections to the endpoints.
type TransportOptions struct {
	// Protocol: "" or "http1", "h2" (over TLS), "h2c" (without TLS: gRPC).
	Protocol string
	// TLS is for https; nil: the system's roots. Client certificates are here (mutual TLS). It is not changed, and
	// compared by its pointer: endpoints are shared, also over a reload, only if it is the same one.
	TLS *tls.Config
	// DialTimeout: 0 is 5 s. HeaderTimeout bounds the wait for an answer's header: 0 is 60 s. IdleTimeout: 0 is 60 s,
	// below what most servers allow, so that a connection that is used again is one that is still there.
	DialTimeout, HeaderTimeout, IdleTimeout time.Duration
	// MaxIdlePerHost is how many connections are kept open to an endpoint. 0: 256.
	MaxIdlePerHost int
}

// withDefaults fills in what is zero, and refuses what cannot be meant.
func (o Options) withDefaults() (Options, error) {
	for _, f := range []struct {
		name  string
		value float64
		least float64
	}{
		{"BalanceFactor", o.BalanceFactor, 0}, {"FadeIn", float64(o.FadeIn), 0}, {"FadeInExponent", o.FadeInExponent, 0},
		{"MaxConcurrent", float64(o.MaxConcurrent), 0}, {"PanicThreshold", o.PanicThreshold, -math.MaxFloat64},
		{"Health.Interval", float64(o.Health.Interval), 0}, {"Health.Timeout", float64(o.Health.Timeout), 0},
		{"Health.Healthy", float64(o.Health.Healthy), 0}, {"Health.Unhealthy", float64(o.Health.Unhealthy), 0},
		{"Ejection.Base", float64(o.Ejection.Base), 0}, {"Ejection.Max", float64(o.Ejection.Max), 0},
	} {
		if !(f.value >= f.least) { // NaN is not either
			return o, fmt.Errorf("upstream: %s is %v; it is 0 (the default) or positive", f.name, f.value)
		}
	}
	o.Algorithm = cmp.Or(o.Algorithm, "roundRobin")
	o.BalanceFactor = cmp.Or(o.BalanceFactor, 1.25)
	o.FadeInExponent = cmp.Or(o.FadeInExponent, 1)
	o.PanicThreshold = cmp.Or(o.PanicThreshold, 0.5)
	switch {
	case o.BalanceFactor <= 1:
		return o, fmt.Errorf("upstream: BalanceFactor is %v; above 1, so that somebody always has room", o.BalanceFactor)
	case o.PanicThreshold > 1:
		return o, fmt.Errorf("upstream: PanicThreshold is %v; it is a share, at most 1", o.PanicThreshold)
	case o.Health.Path != "" && !strings.HasPrefix(o.Health.Path, "/"):
		return o, fmt.Errorf("upstream: Health.Path is %q; it begins with /", o.Health.Path)
	}
	switch o.Transport.Protocol {
	case "", "http1", "h2", "h2c":
	default:
		return o, fmt.Errorf("upstream: protocol %q is unknown; there are http1, h2 (over TLS) and h2c (without)", o.Transport.Protocol)
	}
	o.Health = o.Health.withDefaults()
	o.Ejection.Failures = cmp.Or(o.Ejection.Failures, 5)
	o.Ejection.Base = cmp.Or(o.Ejection.Base, 10*time.Second)
	o.Ejection.Max = max(cmp.Or(o.Ejection.Max, 5*time.Minute), o.Ejection.Base)
	o.Transport = o.Transport.withDefaults()
	return o, nil
}

func (o HealthOptions) withDefaults() HealthOptions {
	o.Interval = cmp.Or(o.Interval, 5*time.Second)
	o.Timeout = cmp.Or(o.Timeout, time.Second)
	o.Healthy = cmp.Or(o.Healthy, 2)
	o.Unhealthy = cmp.Or(o.Unhealthy, 3)
	return o
}

func (o TransportOptions) withDefaults() TransportOptions {
	o.Protocol = cmp.Or(o.Protocol, "http1")
	o.DialTimeout = cmp.Or(o.DialTimeout, 5*time.Second)
	o.HeaderTimeout = cmp.Or(o.HeaderTimeout, time.Minute)
	o.IdleTimeout = cmp.Or(o.IdleTimeout, time.Minute)
	o.MaxIdlePerHost = cmp.Or(o.MaxIdlePerHost, 256)
	return o
}
