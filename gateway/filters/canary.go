package filters

import (
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/gateway/split"
)

// Kong's canary release: a part of the users goes to a second upstream, at a fixed percentage or one that grows with time.

const canaryUsage = `upstreams, "percentage=", "start=", "duration=", "steps=", "hash=", "groups=", "canary_by_header_name=", "upstream_fallback=", "name="`

func canaries(env Env) []Spec {
	return []Spec{NewSpec("canary", canaryUsage, func(a *Args) Filter {
		f := &canary{env: env, key: keyOf{kind: byConsumer}}
		address := a.NonEmpty("upstreams")
		f.configure(a, a.Options("percentage", "start", "duration", "steps", "hash", "hash_header", "hash_cookie", "groups",
			"canary_by_header_name", "upstream_fallback", "name"))
		if a.Done() != nil {
			return nil
		}
		f.upstream = a.newTarget(env, "upstreams", address)
		return f
	})}
}

// canary decides for each request, by the first of these that says something:
//
//  1. the header canary_by_header_name: "always" or "never"
//  2. hash=allow: who is in groups goes; hash=deny: who is not, goes
//  3. the share at this time: percentage; or from start on, in steps over duration, up to percentage (100)
//
// Who goes at 5 percent goes at 10 too (T2). The key is Kong's: consumer (the identity), ip, header, none; a cookie is ours.
type canary struct {
	env      Env
	name     string // of the split (T3); empty: the route's
	upstream Upstream
	key      keyOf
	interval split.Interval
	ramp     *split.Ramp
	header   string
	groups   []string
	allow    bool
	deny     bool
	fallback bool

	went, stayed atomic.Uint64
}

func (f *canary) configure(a *Args, o Options) {
	f.name = o["name"]
	percentage := a.number(o, "percentage", 100, 0, 100)
	var err error
	f.interval, err = split.NewInterval(percentage / 100)
	a.Check(err)
	f.configureRamp(a, o, percentage)
	f.configureKey(a, o)
	if h := o["canary_by_header_name"]; h != "" {
		if f.header = h; !validName(h) {
			a.Fail("option canary_by_header_name is the name of a header field, not %q", h)
		}
	}
	switch o["upstream_fallback"] {
	case "", "false":
	case "true":
		f.fallback = true
	default:
		a.Fail(`option upstream_fallback is "true" or "false", not %q`, o["upstream_fallback"])
	}
}

func (f *canary) configureRamp(a *Args, o Options, percentage float64) {
	if o["duration"] == "" {
		if o["start"] != "" || o["steps"] != "" {
			a.Fail("options start and steps need duration")
		}
		if o["percentage"] == "" && o["hash"] != "allow" && o["hash"] != "deny" {
			a.Fail("it needs percentage, or start and duration, or hash=allow or hash=deny with groups")
		}
		return
	}
	d, ok := asDuration(o["duration"])
	if !ok || d <= 0 {
		a.Fail(`option duration is one like "1h", not %q`, o["duration"])
	}
	start, err := parseTime(o["start"])
	if err != nil {
		// Without a start each replica would begin at another time (T1).
		a.Fail(`option start is a time like "2026-05-01T10:00:00Z" or seconds since 1970, not %q`, o["start"])
	}
	f.ramp = &split.Ramp{Start: start, Duration: d, Steps: int(a.number(o, "steps", 1000, 1, 1e6)), To: percentage / 100}
	if percentage == 0 {
		f.ramp = nil // To: 0 means 1
	}
	if f.ramp != nil {
		a.Check(f.ramp.Validate())
	}
}

func (f *canary) configureKey(a *Args, o Options) {
	hash, groups := o["hash"], o["groups"]
	if hash == "header" && o["hash_header"] != "" {
		hash += ":" + o["hash_header"]
	}
	if hash == "cookie" && o["hash_cookie"] != "" {
		hash += ":" + o["hash_cookie"]
	}
	switch hash {
	case "":
	case "allow", "deny":
		f.allow, f.deny = hash == "allow", hash == "deny"
		for g := range strings.SplitSeq(groups, ",") {
			if g = strings.TrimSpace(g); g != "" {
				f.groups = append(f.groups, g)
			}
		}
		if len(f.groups) == 0 {
			a.Fail("hash=%s needs groups, identities with commas between them", hash)
		}
		return
	default:
		key, err := parseKey(hash)
		a.Check(err)
		f.key = key
	}
	if groups != "" {
		a.Fail("option groups is for hash=allow and hash=deny")
	}
}

// number is an option that is a number, or what it is if it is not there.
func (a *Args) number(o Options, key string, otherwise, minimum, maximum float64) float64 {
	text, is := o[key]
	if !is {
		return otherwise
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n >= minimum && n <= maximum) {
		a.Fail("option %s is a number %s, not %q", key, between(minimum, maximum), text)
	}
	return n
}

func parseTime(text string) (time.Time, error) {
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(seconds, 0), nil
	}
	return time.Parse(time.RFC3339, text)
}

func (f *canary) Request(c FilterContext) {
	if !f.goes(c) {
		f.stayed.Add(1)
		return
	}
	f.went.Add(1)
	if f.fallback {
		c.SetUpstream(fallback{f.upstream, c.Upstream()})
		return
	}
	c.SetUpstream(f.upstream)
}

func (*canary) Response(FilterContext) {}

func (f *canary) goes(c FilterContext) bool {
	if f.header != "" {
		switch c.OriginalRequest().Header.Get(f.header) {
		case "always":
			return true
		case "never":
			return false
		}
	}
	if f.allow || f.deny {
		return slices.Contains(f.groups, c.Identity()) == f.allow
	}
	name := f.name
	if name == "" {
		name = c.RouteID()
	}
	return f.at(c.Now()).Has(f.key.hash(c, f.env, name))
}

func (f *canary) at(now time.Time) split.Interval {
	if f.ramp != nil {
		return f.ramp.At(now)
	}
	return f.interval
}

// Close closes the second upstream.
func (f *canary) Close() error { return closeUpstream(f.upstream) }

// Report says how users are shared out now.
func (f *canary) Report() Report {
	share := f.at(f.env.Now()).Share()
	r := Report{Kind: "split", Name: "canary", Shares: []Share{
		{"", 1 - share, f.stayed.Load()}, {f.upstream.String(), share, f.went.Load()},
	}}
	if f.allow || f.deny {
		r.Shares[0].Share, r.Shares[1].Share = 0, 0
	}
	return r
}
