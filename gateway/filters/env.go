package filters

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"time"
)

// Keys of [FilterContext.StateBag] under which filters leave things for the gateway.
const (
	// The names are Skipper's. For a route that ends in <dynamic>: where it goes. The URL is asked first. Values are strings.
	DynamicURL    = "backend:dynamic:url"
	DynamicScheme = "backend:dynamic:scheme"
	DynamicHost   = "backend:dynamic:host"
	// AccessLog says whether this request is to be in the access log, whatever the gateway's default is. The value is a bool.
	AccessLog = "statebag:access_log:proxy:enabled"
	// AuthUser is what Skipper's filters call the identity. setContextRequestHeader finds FilterContext.Identity under it.
	AuthUser = "auth-user"
)

// WithDefaults fills in what is nil, as the fields' comments say.
func (e Env) WithDefaults() Env {
	if e.Now == nil {
		e.Now = time.Now
	}
	if e.Elapsed == nil {
		start := time.Now()
		e.Elapsed = func() time.Duration { return time.Since(start) }
	}
	if e.Rand == nil {
		e.Rand = rand.Float64
	}
	if e.Sleep == nil {
		e.Sleep = sleep
	}
	if e.ReadFile == nil {
		e.ReadFile = os.ReadFile
	}
	if e.NewUpstream == nil {
		e.NewUpstream = func([]string, string) (Upstream, error) {
			return nil, errors.New("there is no gateway that makes upstreams: Env.NewUpstream is nil")
		}
	}
	if e.Log == nil {
		e.Log = slog.New(slog.DiscardHandler)
	}
	return e
}

// sleep waits, unless the request is over before.
func sleep(r *http.Request, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-r.Context().Done():
		return r.Context().Err()
	}
}
