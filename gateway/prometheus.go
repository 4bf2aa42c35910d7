package gateway

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/push"
	"github.com/flagship-go/flagship/gateway/upstream"
)

// WritePrometheus writes metrics in Prometheus's text format, version 0.0.4: each family
// with its help and type, then its samples.
func (m Metrics) WritePrometheus(w io.Writer) error {
	p := &prometheus{bufio.NewWriter(w)}
	p.requests(m)
	p.breakers(m.Filters)
	p.filters(m)
	p.upstreams(m.Endpoints)
	p.config(m.Config)
	if m.Push != nil {
		p.push(*m.Push)
	}
	return p.w.Flush()
}

// prometheus writes families and samples. Errors wait in the writer until Flush.
type prometheus struct{ w *bufio.Writer }

func (p *prometheus) family(name, kind, help string) {
	fmt.Fprintf(p.w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

var escapeLabel = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

// sample writes one value. labels are names and values in turn.
func (p *prometheus) sample(name string, value float64, labels ...string) {
	p.w.WriteString(name)
	for i := 0; i < len(labels); i += 2 {
		p.w.WriteByte("{,"[min(i, 1)])
		p.w.WriteString(labels[i] + `="`)
		escapeLabel.WriteString(p.w, labels[i+1])
		p.w.WriteByte('"')
	}
	if len(labels) > 0 {
		p.w.WriteByte('}')
	}
	p.w.WriteByte(' ')
	p.w.WriteString(strconv.FormatFloat(value, 'f', -1, 64))
	p.w.WriteByte('\n')
}

func (p *prometheus) requests(m Metrics) {
	all := append(slices.Clone(m.Routes), m.Unrouted)
	p.family("gateway_requests_total", "counter", "Requests by route and status; the route is empty if none was found. 499: the client went away first.")
	for _, r := range all {
		for _, status := range slices.Sorted(maps.Keys(r.Statuses)) {
			p.sample("gateway_requests_total", float64(r.Statuses[status]), "route", r.Route, "status", strconv.Itoa(status))
		}
	}
	const duration = "gateway_request_duration_seconds"
	p.family(duration, "histogram", "Time from a request's header to the last byte of its answer.")
	for _, r := range all {
		n := uint64(0)
		for i, c := range r.Latency {
			n += c
			le := "+Inf"
			if i < len(latencyBounds) {
				le = strconv.FormatFloat(latencyBounds[i].Seconds(), 'g', -1, 64)
			}
			p.sample(duration+"_bucket", float64(n), "route", r.Route, "le", le)
		}
		p.sample(duration+"_sum", r.Took.Seconds(), "route", r.Route)
		p.sample(duration+"_count", float64(n), "route", r.Route)
	}
	p.family("gateway_response_bytes_total", "counter", "Bytes of answers' bodies.")
	for _, r := range all {
		p.sample("gateway_response_bytes_total", float64(r.Bytes), "route", r.Route)
	}
	p.family("gateway_requests_in_flight", "gauge", "Requests being served, upgraded connections among them.")
	p.sample("gateway_requests_in_flight", float64(m.InFlight))
}

// breakerStates in the order of their values.
var breakerStates = []string{"closed", "half-open", "open"}

func (p *prometheus) breakers(all []FilterReport) {
	p.family("circuit_breaker_state", "gauge", "0 closed, 1 half-open, 2 open.")
	for _, f := range ofKind(all, "breaker") {
		p.sample("circuit_breaker_state", float64(slices.Index(breakerStates, f.State)), "route", f.Route, "breaker", f.Filter)
	}
	p.family("circuit_breaker_requests_total", "counter", "Requests that asked a breaker, whether it let them through or not.")
	for _, f := range ofKind(all, "breaker") {
		p.sample("circuit_breaker_requests_total", float64(f.count("requests")), "route", f.Route, "breaker", f.Filter)
	}
	p.family("circuit_breaker_calls_total", "counter", "What came of them: success, failure, rejected (never sent, and no failure of the upstream).")
	for _, f := range ofKind(all, "breaker") {
		for _, outcome := range []string{"success", "failure", "rejected"} {
			p.sample("circuit_breaker_calls_total", float64(f.count(outcome)), "route", f.Route, "breaker", f.Filter, "outcome", outcome)
		}
	}
}

func (p *prometheus) filters(m Metrics) {
	for _, kind := range []struct{ kind, name, help string }{
		{"limit", "gateway_ratelimit_requests_total", "Requests that a rate limit was asked about, by outcome."},
		{"retry", "gateway_retries_total", "What became of retries, by outcome."},
	} {
		p.family(kind.name, "counter", kind.help)
		for _, f := range ofKind(m.Filters, kind.kind) {
			for _, c := range f.Counts {
				p.sample(kind.name, float64(c.N), "route", f.Route, "filter", f.Filter, "outcome", c.Name)
			}
		}
	}
	for _, family := range []struct {
		name, kind, help string
		value            func(filters.Share) float64
	}{
		{"gateway_split_share", "gauge", "The part of users that a way of a split is meant to get now, 0 to 1.", func(s filters.Share) float64 { return s.Share }},
		{"gateway_split_requests_total", "counter", "Requests that took a way of a split.", func(s filters.Share) float64 { return float64(s.N) }},
	} {
		p.family(family.name, family.kind, family.help)
		for _, f := range m.Filters {
			for i, s := range f.Shares { // two ways may have one target
				p.sample(family.name, family.value(s), "route", f.Route, "filter", f.Filter, "way", strconv.Itoa(i+1), "target", s.Target)
			}
		}
	}
	p.family("gateway_filter_events_total", "counter", "What filters did, by route, filter and outcome.")
	for _, e := range m.Events {
		p.sample("gateway_filter_events_total", float64(e.N), "route", e.Route, "filter", e.Name, "outcome", e.Outcome)
	}
}

// endpointStates in the order of their values.
var endpointStates = []string{"down", "up", "ejected"}

func (p *prometheus) upstreams(all []upstream.Status) {
	families := []struct {
		name, kind, help string
		value            func(upstream.Status) float64
	}{
		{"gateway_endpoint_state", "gauge", "0 down (active checks), 1 up, 2 ejected (passive checks).",
			func(s upstream.Status) float64 { return float64(slices.Index(endpointStates, s.State)) }},
		{"gateway_endpoint_requests_total", "counter", "Calls to an endpoint.", func(s upstream.Status) float64 { return float64(s.Requests) }},
		{"gateway_endpoint_failures_total", "counter", "Calls that were the endpoint's failure.", func(s upstream.Status) float64 { return float64(s.Failures) }},
		{"gateway_endpoint_ejections_total", "counter", "How often it was left alone for a while.", func(s upstream.Status) float64 { return float64(s.Ejections) }},
		{"gateway_endpoint_in_flight", "gauge", "Calls under way.", func(s upstream.Status) float64 { return float64(s.InFlight) }},
		{"gateway_endpoint_latency_seconds", "gauge", "Peak-sensitive average; 0: not known.", func(s upstream.Status) float64 { return s.Latency.Seconds() }},
	}
	all = merged(all)
	for _, f := range families {
		p.family(f.name, f.kind, f.help)
		for _, s := range all {
			p.sample(f.name, f.value(s), "endpoint", s.Address, "protocol", s.Protocol)
		}
	}
}

// merged makes one of endpoints that differ only in options, as pools with other timeouts
// have: a sample's labels are not to come twice. It is as bad as the worst of them.
func merged(all []upstream.Status) []upstream.Status {
	var out []upstream.Status
	for _, s := range all { // by address and protocol
		i := len(out) - 1
		if i < 0 || out[i].Address != s.Address || out[i].Protocol != s.Protocol {
			out = append(out, s)
			continue
		}
		o := &out[i]
		o.InFlight, o.Requests, o.Failures, o.Ejections = o.InFlight+s.InFlight, o.Requests+s.Requests, o.Failures+s.Failures, o.Ejections+s.Ejections
		o.Latency = max(o.Latency, s.Latency)
		if s.State == "down" || o.State == "up" {
			o.State = s.State
		}
	}
	return out
}

func (p *prometheus) config(c ConfigMetrics) {
	p.family("gateway_config_routes", "gauge", "Routes in force.")
	p.sample("gateway_config_routes", float64(c.Routes))
	p.family("gateway_config_version", "gauge", "Number of the configuration in force; 0: none yet.")
	p.sample("gateway_config_version", float64(c.Applied))
	p.family("gateway_config_refused_total", "counter", "Configurations that were refused; the last good one stayed.")
	p.sample("gateway_config_refused_total", float64(c.Refused))
	p.family("gateway_config_last_successful", "gauge", "1 if the newest configuration is in force, 0 if it was refused.")
	p.sample("gateway_config_last_successful", oneIf(c.Err == ""))
	p.family("gateway_config_applied_timestamp_seconds", "gauge", "When a configuration was last applied.")
	p.sample("gateway_config_applied_timestamp_seconds", seconds(c.Last))
}

func (p *prometheus) push(m push.Metrics) {
	for _, f := range []struct {
		name, kind, help string
		value            float64
	}{
		{"gateway_push_version", "gauge", "The newest version that was published.", float64(m.Version)},
		{"gateway_push_subscribers", "gauge", "Subscribers connected now.", float64(m.Subscribers)},
		{"gateway_push_sent_total", "counter", "Versions sent, to all subscribers.", float64(m.Sent)},
		{"gateway_push_skipped_total", "counter", "Versions that a subscriber was not sent, since there was a newer one.", float64(m.Skipped)},
		{"gateway_push_acks_total", "counter", "Versions that a subscriber has applied.", float64(m.Acks)},
		{"gateway_push_nacks_total", "counter", "Versions that a subscriber has refused.", float64(m.Nacks)},
		{"gateway_push_stalled_total", "counter", "Connections given up because nobody read.", float64(m.Stalled)},
	} {
		p.family(f.name, f.kind, f.help)
		p.sample(f.name, f.value)
	}
}

func ofKind(all []FilterReport, kind string) []FilterReport {
	return slices.DeleteFunc(slices.Clone(all), func(f FilterReport) bool { return f.Kind != kind })
}

// count is one of the report's, or 0.
func (f FilterReport) count(name string) uint64 {
	i := slices.IndexFunc(f.Counts, func(c filters.Count) bool { return c.Name == name })
	if i < 0 {
		return 0
	}
	return f.Counts[i].N
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
