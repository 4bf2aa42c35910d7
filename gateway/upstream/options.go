package upstream

import (
	"crypto/tls"
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
	// TLS is for https; nil: the system's roots. Client certificates are here (mutual TLS).
	TLS *tls.Config
	// DialTimeout: 0 is 5 s. HeaderTimeout bounds the wait for an answer's header: 0 is 60 s. IdleTimeout: 0 is 60 s,
	// below what most servers allow, so that a connection that is used again is one that is still there.
	DialTimeout, HeaderTimeout, IdleTimeout time.Duration
	// MaxIdlePerHost is how many connections are kept open to an endpoint. 0: 256.
	MaxIdlePerHost int
}
