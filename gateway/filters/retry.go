package filters

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/gateway/upstream"
)

// Retries, with a budget: when everything fails, a gateway that tries three times is three times the
// load on what is already down. With a budget it is a fifth more, whatever happens.

func retries(env Env) []Spec {
	return []Spec{NewSpec("retry", "times, budget?, backoff?", func(a *Args) Filter {
		f := &retry{env: env, times: a.Int("times", 1, 10), backoff: 25 * time.Millisecond}
		share := 0.2
		if a.More() {
			share = a.Number("budget", 0.001, 1)
		}
		if a.More() {
			f.backoff = a.Duration("backoff", 0)
		}
		f.budget.begin(share)
		return f
	})}
}

// keptBody is the longest body that is kept to be sent again.
const keptBody = 64 << 10

// retry sends a request again that got no answer, or 502, 503 or 504, if it can be
// repeated (F4). No byte of an answer has been passed on yet: that happens behind all Wrappers.
type retry struct {
	Nothing
	env     Env
	times   int
	backoff time.Duration
	budget  budget

	retries, exhausted atomic.Uint64
}

func (f *retry) Wrap(next RoundTrip) RoundTrip {
	return func(c FilterContext) (*http.Response, error) {
		f.budget.deposit()
		// What the client meant counts: transcoding makes a POST of a GET.
		if !idempotent(c.OriginalRequest().Method) {
			return next(c)
		}
		again, err := newRepeat(c.Request(), keptBody)
		if err != nil {
			return nil, &Error{Status: http.StatusBadRequest, Reason: "the request's body broke off", Local: true, Err: err}
		}
		defer again.done()
		for n := 0; ; n++ {
			c.SetRequest(again.next())
			r, err := next(c)
			if !worthwhile(c, r, err) || n == f.times || !again.again() || !f.spend(c) {
				return r, err
			}
			if r != nil {
				discard(r)
			}
			// Between nothing and twice the time of before, so that those who failed together do not come back together.
			pause := time.Duration(f.env.Rand() * float64(f.backoff<<n))
			if f.env.Sleep(c.OriginalRequest(), pause) != nil {
				return nil, &Error{Status: http.StatusServiceUnavailable, Reason: "the client went away between two attempts", Local: true, Err: err}
			}
			f.retries.Add(1)
			c.Event("retry", "sent")
		}
	}
}

func (f *retry) spend(c FilterContext) bool {
	if f.budget.withdraw() {
		return true
	}
	f.exhausted.Add(1)
	c.Event("retry", "exhausted")
	return false
}

// Report says how many retries there were.
func (f *retry) Report() Report {
	return Report{Kind: "retry", Counts: []Count{{"retries", f.retries.Load()}, {"exhausted", f.exhausted.Load()}}}
}

// idempotent is RFC 9110 section 9.2.2.
func idempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete, "":
		return true
	}
	return false
}

// worthwhile tells whether another attempt may end better: not if the client has gone, if something here said no (a
// breaker, a limit), or if the backend says for how long to leave it alone.
func worthwhile(c FilterContext, r *http.Response, err error) bool {
	if err != nil {
		return !blameless(c, err)
	}
	switch upstream.StatusOf(r) {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return c.OriginalRequest().Context().Err() == nil && r.Header["Retry-After"] == nil
	}
	return false
}

// discardTime is how long the rest of an answer that nobody gets is waited for.
const discardTime = 100 * time.Millisecond

// discard closes an answer that nobody gets. A short one is read first, if it comes: its connection can be used again then.
func discard(r *http.Response) {
	if r.Body == nil {
		return
	}
	if r.ContentLength >= 0 && r.ContentLength <= 4<<10 {
		late := time.AfterFunc(discardTime, func() { r.Body.Close() })
		io.Copy(io.Discard, r.Body)
		late.Stop()
	}
	r.Body.Close()
}

// budget is what is there for retries, in thousandths of one. Each request pays a share in, each retry takes a whole one out, so
//
//	retries <= share*requests + 10
//
// The 10 are there at the beginning, for routes that are seldom used; and no more than 100 are saved up from good times.
type budget struct {
	balance atomic.Int64
	share   int64
}

const (
	oneRetry     = 1000
	firstRetries = 10 * oneRetry
	mostRetries  = 100 * oneRetry
)

func (b *budget) begin(share float64) {
	b.share = int64(share * oneRetry)
	b.balance.Store(firstRetries)
}

func (b *budget) deposit() {
	for {
		was := b.balance.Load()
		will := min(was+b.share, mostRetries)
		if will == was || b.balance.CompareAndSwap(was, will) {
			return
		}
	}
}

func (b *budget) withdraw() bool {
	for {
		was := b.balance.Load()
		if was < oneRetry {
			return false
		}
		if b.balance.CompareAndSwap(was, was-oneRetry) {
			return true
		}
	}
}
