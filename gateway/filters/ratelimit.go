package filters

import (
	"hash/maphash"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/gateway/limit"
)

// Rate limits, of this gateway alone: how many requests are let through, of all or of each client.

func limits(env Env) []Spec {
	return []Spec{
		NewSpec("ratelimit", "number, period, status?", func(a *Args) Filter {
			rate, burst := a.rate()
			f := &rateLimit{status: http.StatusTooManyRequests}
			if a.More() {
				f.status = a.Int("status", 400, 599)
			}
			if a.Done() != nil {
				return nil
			}
			bucket, err := limit.NewBucket(rate, burst, env.Elapsed)
			a.Check(err)
			f.take = func(FilterContext) time.Duration {
				if bucket.Allow() {
					return 0
				}
				return max(bucket.RetryAfter(), 1)
			}
			return f
		}),
		NewSpec("clientRatelimit", "number, period, headers?", func(a *Args) Filter {
			rate, burst := a.rate()
			who := clients{seed: maphash.MakeSeed()}
			if a.More() {
				for name := range strings.SplitSeq(a.Text("headers"), ",") {
					if name = a.headerOf("headers", name); name == "X-Forwarded-For" {
						who.address = true
						continue
					}
					who.headers = append(who.headers, name)
				}
			}
			if a.Done() != nil {
				return nil
			}
			keyed, err := limit.NewKeyed[client](limit.KeyedOptions{Rate: rate, Burst: burst, Elapsed: env.Elapsed})
			a.Check(err)
			return &rateLimit{status: http.StatusTooManyRequests, take: func(c FilterContext) time.Duration { return keyed.Take(who.of(c)) }}
		}),
	}
}

// rate is the next two arguments: a number of requests in a period of time. All of them may come at once.
func (a *Args) rate() (perSecond float64, burst int) {
	n, period := a.Int("number", 1, 1e9), a.Duration("period", time.Millisecond)
	return float64(n) / period.Seconds(), n
}

func (a *Args) headerOf(argument, name string) string {
	name = strings.TrimSpace(name)
	if !validName(name) {
		a.wrong(argument, "names of header fields, separated by commas", name)
	}
	return http.CanonicalHeaderKey(name)
}

// rateLimit answers those who come too often. The backend does not see them, so it is neither to be praised nor blamed for them (U3).
type rateLimit struct {
	status int
	// take is 0, or for how long there is nothing to take.
	take              func(FilterContext) time.Duration
	allowed, rejected atomic.Uint64
}

func (f *rateLimit) Request(c FilterContext) {
	wait := f.take(c)
	if wait == 0 {
		f.allowed.Add(1)
		return
	}
	f.rejected.Add(1)
	c.Event("ratelimit", "rejected")
	seconds := int((wait + time.Second - 1) / time.Second)
	reject(c, f.status, http.Header{"Retry-After": {strconv.Itoa(seconds)}})
}

func (*rateLimit) Response(FilterContext) {}

// Report says how many were let through.
func (f *rateLimit) Report() Report {
	return Report{Kind: "limit", Counts: []Count{{"allowed", f.allowed.Load()}, {"rejected", f.rejected.Load()}}}
}

// client is who shares a bucket: an address, or a digest of an identity or of header fields. What a client
// sends is not kept as it is, since it could be long (L2); the digest's seed is this filter's own, so that nobody can
// look for another one with the same.
type client struct {
	addr netip.Addr
	hash uint64
}

type clients struct {
	seed    maphash.Seed
	headers []string
	// address says that X-Forwarded-For is one of the headers. What is meant by it is the client's address, and
	// that is known: what stands in the header may be anything (F6).
	address bool
}

// of is by what the route says, or by who the client has proved to be, or by where it comes from (F6).
func (k clients) of(c FilterContext) client {
	var h maphash.Hash
	h.SetSeed(k.seed)
	found := false
	for _, name := range k.headers {
		for _, v := range c.OriginalRequest().Header[name] {
			found = true
			h.WriteString(v)
		}
		h.WriteByte(0)
	}
	if found && k.address {
		return client{addr: c.Client(), hash: h.Sum64()}
	}
	if found {
		return client{hash: h.Sum64()}
	}
	if id := c.Identity(); id != "" && len(k.headers) == 0 && !k.address {
		return client{hash: maphash.String(k.seed, id)}
	}
	return client{addr: c.Client()}
}
