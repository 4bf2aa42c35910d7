package filters

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/flagship-go/flagship/gateway/upstream"
)

// How the route's pool is to be. These filters do nothing to requests.

// A setting changes the options of a pool.
type setting func(*upstream.Options)

func (setting) Request(FilterContext)  {}
func (setting) Response(FilterContext) {}

// Configure changes the options.
func (s setting) Configure(o *upstream.Options) { s(o) }

func poolOptions(env Env) []Spec {
	return []Spec{
		NewSpec("fadeIn", "duration, exponent?", func(a *Args) Filter {
			d, exponent := a.Duration("duration", 0), 1.0
			if a.More() {
				exponent = a.Number("exponent", 0.01, 100)
			}
			return setting(func(o *upstream.Options) { o.FadeIn, o.FadeInExponent = d, exponent })
		}),
		NewSpec("consistentHashBalanceFactor", "factor", func(a *Args) Filter {
			factor := a.Number("factor", 1, 1000)
			return setting(func(o *upstream.Options) { o.BalanceFactor = factor })
		}),
		NewSpec("healthCheck", "path, interval?, timeout?, healthy?, unhealthy?", newHealthCheck),
		NewSpec("ejection", "failures, base?, max?", newEjection),
		NewSpec("maxConcurrent", "requests", func(a *Args) Filter {
			n := a.Int("requests", 1, 1<<30)
			return setting(func(o *upstream.Options) { o.MaxConcurrent = n })
		}),
		NewSpec("backendProtocol", "protocol", func(a *Args) Filter {
			p := a.Text("protocol")
			if p != "http1" && p != "h2" && p != "h2c" {
				a.wrong("protocol", `"http1", "h2" or "h2c"`, p)
			}
			return setting(func(o *upstream.Options) { o.Transport.Protocol = p })
		}),
		NewSpec("backendTLS", "roots file, certificate file?, key file?", func(a *Args) Filter { return newBackendTLS(env, a) }),
	}
}

func newHealthCheck(a *Args) Filter {
	h := upstream.HealthOptions{Path: a.Text("path")}
	if !strings.HasPrefix(h.Path, "/") {
		a.wrong("path", `a path like "/healthz"`, h.Path)
	}
	if a.More() {
		h.Interval = a.Duration("interval", time.Millisecond)
	}
	if a.More() {
		h.Timeout = a.Duration("timeout", time.Millisecond)
	}
	if a.More() {
		h.Healthy = a.Int("healthy", 1, 1000)
	}
	if a.More() {
		h.Unhealthy = a.Int("unhealthy", 1, 1000)
	}
	return setting(func(o *upstream.Options) { o.Health = h })
}

// newEjection takes 0 failures for never.
func newEjection(a *Args) Filter {
	e := upstream.EjectionOptions{Failures: a.Int("failures", 0, 1<<20)}
	if e.Failures == 0 {
		e.Failures = -1
	}
	if a.More() {
		e.Base = a.Duration("base", time.Millisecond)
	}
	if a.More() {
		e.Max = a.Duration("max", time.Millisecond)
	}
	return setting(func(o *upstream.Options) { o.Ejection = e })
}

// newBackendTLS says whom to trust, and who the gateway is itself (mutual TLS). Roots "" are the system's.
func newBackendTLS(env Env, a *Args) Filter {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if name := a.Text("roots file"); name != "" && !a.Failed() {
		data, err := env.ReadFile(name)
		a.Check(err)
		c.RootCAs = x509.NewCertPool()
		if err == nil && !c.RootCAs.AppendCertsFromPEM(data) {
			a.Check(fmt.Errorf("%s has no certificate in PEM", name))
		}
	}
	if a.More() {
		certificate, key := a.NonEmpty("certificate file"), a.NonEmpty("key file")
		if !a.Failed() {
			pair, err := keyPair(env, certificate, key)
			a.Check(err)
			c.Certificates = []tls.Certificate{pair}
		}
	}
	return setting(func(o *upstream.Options) { o.Transport.TLS = c })
}

func keyPair(env Env, certificate, key string) (tls.Certificate, error) {
	certData, err := env.ReadFile(certificate)
	if err != nil {
		return tls.Certificate{}, err
	}
	keyData, err := env.ReadFile(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(certData, keyData)
	if err != nil {
		return pair, fmt.Errorf("%s and %s: %w", certificate, key, err)
	}
	return pair, nil
}

// hashKeys is beside them: it is about a request, but for the pool.
func hashKeys() []Spec {
	return []Spec{NewSpec("consistentHashKey", "key", func(a *Args) Filter {
		key := a.Template("key")
		return OnRequest(func(c FilterContext) {
			// As in Skipper, a key that has a value missing is the default one.
			if text, whole := key.Eval(c); whole {
				h := fnv.New64a()
				h.Write([]byte(text))
				c.SetHashKey(h.Sum64())
			}
		})
	})}
}
