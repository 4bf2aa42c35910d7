package gateway

import (
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/push"
	"github.com/flagship-go/flagship/gateway/upstream"
)

// Options of a gateway. The zero value works.
type Options struct {
	// Registry holds the predicates and filters, and the clocks and the log that they and
	// the gateway use. Nil: those of this module, see [NewRegistry].
	Registry *Registry
	// Upstream is how pools are, where filters and backends do not say otherwise.
	Upstream upstream.Options
	// Transport makes the connections to one endpoint. Nil: [upstream.NewTransport].
	Transport func(upstream.TransportOptions) http.RoundTripper
	// TrustedProxies are the networks of those whose X-Forwarded-For is believed (F6). None by default.
	TrustedProxies []netip.Prefix
	// PreserveHost sends the client's Host upstream, where a filter does not say otherwise. By default an upstream
	// gets its own name, which is what virtual hosts and certificates there go by.
	PreserveHost bool
	// MaxLoopbacks bounds how often one request may pass <loopback>. 0: 10.
	MaxLoopbacks int
	// AllowEmpty lets a source (or Apply) replace routes by none. By default that is an
	// error, since it is what a truncated file looks like.
	AllowEmpty bool
	// Publisher is one whose subscribers are to be seen on the admin address, beside what is the gateway's own.
	Publisher *push.Publisher
	// AccessLog gets a record for each request. Nil: no access log, and no cost.
	AccessLog *slog.Logger
	// AccessLogOnDemand leaves out requests unless their route has enableAccessLog.
	AccessLogOnDemand bool
}

func (o Options) withDefaults() Options {
	if o.Registry == nil {
		o.Registry = NewRegistry(filters.Env{})
	}
	if o.MaxLoopbacks == 0 {
		o.MaxLoopbacks = 10
	}
	return o
}
