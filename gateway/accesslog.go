package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"
)

// served is a request that has ended, for counters and the access log.
type served struct {
	route   *compiled     // nil: there was none for it
	request *http.Request // as the client sent it
	status  int           // 499 if the client went away before there was one
	bytes   int64         // of the answer's body
	took    time.Duration
	client  netip.Addr
	flowID  string
	log     *bool // a filter's word on whether it is logged; nil: the default
}

// finish counts a request, and logs it if there is an access log.
func (g *Gateway) finish(s *served) {
	stats := g.unrouted
	if s.route != nil {
		stats = s.route.stats
	}
	stats.record(s.status, s.bytes, s.took)
	if g.opts.AccessLog != nil && (s.log == nil && !g.opts.AccessLogOnDemand || s.log != nil && *s.log) {
		g.logAccess(s)
	}
}

// logAccess writes one record. Queries are left out: they carry what should not be in logs.
func (g *Gateway) logAccess(s *served) {
	id := ""
	if s.route != nil {
		id = s.route.def.ID
	}
	g.opts.AccessLog.LogAttrs(context.WithoutCancel(s.request.Context()), slog.LevelInfo, "request",
		slog.String("method", s.request.Method),
		slog.String("host", s.request.Host),
		slog.String("path", s.request.URL.EscapedPath()),
		slog.Int("status", s.status),
		slog.Int64("bytes", s.bytes),
		slog.Duration("duration", s.took),
		slog.String("route", id),
		slog.String("flow", s.flowID),
		slog.String("client", s.client.String()),
	)
}
