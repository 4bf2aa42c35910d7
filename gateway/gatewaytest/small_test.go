package gatewaytest_test

import (
	"hash/fnv"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/breaker"
	"github.com/flagship-go/flagship/gateway/gatewaytest"
	"github.com/flagship-go/flagship/gateway/limit"
	"github.com/flagship-go/flagship/gateway/split"
)

func newSplit(name string, ways ...gatewaytest.Way) (func(string) int, error) {
	w, err := split.NewWeighted(ways...)
	return func(key string) int { return w.Pick(split.Hash(name, key)) }, err
}

func newLimiter(rate float64, burst int, elapsed func() time.Duration) (gatewaytest.Limiter, error) {
	return limit.NewBucket(rate, burst, elapsed)
}

// gate is one of package breaker's.
type gate struct{ breaker.Breaker }

func newBreaker(c gatewaytest.BreakerConfig) (gatewaytest.Breaker, error) {
	b, err := breaker.NewConsecutive(breaker.ConsecutiveOptions{Failures: c.Failures, GateOptions: breaker.GateOptions{
		Timeout: c.Timeout, Trials: c.Trials, TrialTimeout: c.TrialTimeout, Elapsed: c.Elapsed,
	}})
	return gate{b}, err
}

func (g gate) Allow() (func(gatewaytest.Outcome), bool) {
	ticket, err := g.Breaker.Allow()
	return func(o gatewaytest.Outcome) {
		switch o {
		case gatewaytest.Canceled:
			ticket.Cancel()
		default:
			ticket.Done(o == gatewaytest.Success)
		}
	}, err == nil
}

var allOfABreaker = gatewaytest.BreakerClaims{Canceled: true, Forgotten: true, Twice: true}

func TestSplit(t *testing.T)   { gatewaytest.Split(t, newSplit) }
func TestLimiter(t *testing.T) { gatewaytest.Limit(t, newLimiter) }
func TestBreaker(t *testing.T) { gatewaytest.Break(t, newBreaker, allOfABreaker) }

// requireKilled wants each rule to fail for one of several broken implementations.
func requireKilled(t *testing.T, broken map[string][]gatewaytest.Result) {
	t.Helper()
	left := map[string]bool{}
	for _, results := range broken {
		for _, r := range results {
			left[r.Rule.ID] = true
		}
	}
	for name, results := range broken {
		var failed []string
		for _, r := range results {
			if r.Err != nil {
				require.ErrorContains(t, r.Err, "RULE "+r.Rule.Of+": "+r.Rule.ID+" (")
				failed = append(failed, r.Rule.ID)
				delete(left, r.Rule.ID)
			}
		}
		slices.Sort(failed)
		assert.Equal(t, name[strings.Index(name, ": ")+2:], strings.Join(failed, " "))
	}
	require.Empty(t, left, "these fail for no broken implementation")
}

func TestEveryRuleFailsABrokenSplit(t *testing.T) {
	// hashed is a split by intervals of a hash, in the order in which the ways are written.
	hashed := func(hash func(name, key string) float64) gatewaytest.NewSplit {
		return func(name string, ways ...gatewaytest.Way) (func(string) int, error) {
			var sum float64
			for _, w := range ways {
				sum += w.Weight
			}
			return func(key string) int {
				at := hash(name, key) * sum
				for i, w := range ways {
					if at -= w.Weight; at < 0 {
						return i
					}
				}
				return len(ways) - 1
			}, nil
		}
	}
	of := func(text string) float64 {
		h := fnv.New64a()
		h.Write([]byte(text))
		return float64(h.Sum64()*0x9e3779b97f4a7c15>>11) / (1 << 53)
	}
	requireKilled(t, map[string][]gatewaytest.Result{
		"drawn: moves same-everywhere":                  gatewaytest.GradeSplit(hashed(func(string, string) float64 { return rand.Float64() })),
		"cumulative: independent moves same-everywhere": gatewaytest.GradeSplit(hashed(func(_, key string) float64 { return of(key) })),
		"by number: same-everywhere shares": gatewaytest.GradeSplit(func(name string, ways ...gatewaytest.Way) (func(string) int, error) {
			return func(key string) int { return int(of(name+key) * float64(len(ways))) }, nil
		}),
	})
}

// naiveBucket adds tokens up.
type naiveBucket struct {
	mu          sync.Mutex
	tokens      float64
	last        time.Duration
	rate, burst float64
	elapsed     func() time.Duration
	bug         string
}

func (b *naiveBucket) Allow() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.elapsed()
	since := now - b.last
	b.last = now
	switch {
	case b.bug == "coarse":
		since = since / (10 * time.Millisecond) * 10 * time.Millisecond
	case b.bug == "clock back" && since < 0:
		since = -since
	}
	b.tokens += since.Seconds() * b.rate
	if b.bug != "saves without end" {
		b.tokens = min(b.tokens, b.burst)
	}
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// lossy reads and writes in two steps.
type lossy struct{ tokens atomic.Int64 }

func (l *lossy) Allow() bool {
	n := l.tokens.Load()
	runtime.Gosched()
	l.tokens.Store(n - 1)
	return n > 0
}

func TestEveryRuleFailsABrokenLimiter(t *testing.T) {
	bug := func(bug string) []gatewaytest.Result {
		return gatewaytest.GradeLimiter(func(rate float64, burst int, elapsed func() time.Duration) (gatewaytest.Limiter, error) {
			return &naiveBucket{tokens: float64(burst), last: elapsed(), rate: rate, burst: float64(burst), elapsed: elapsed, bug: bug}, nil
		})
	}
	for _, r := range bug("none") {
		require.NoError(t, r.Err)
	}
	requireKilled(t, map[string][]gatewaytest.Result{
		"clock back: clock-back":           bug("clock back"),
		"saves without end: bounded fills": bug("saves without end"),
		"coarse: fills no-drift":           bug("coarse"),
		"lossy: at-once fills no-drift": gatewaytest.GradeLimiter(func(_ float64, burst int, _ func() time.Duration) (gatewaytest.Limiter, error) {
			l := &lossy{}
			l.tokens.Store(int64(burst))
			return l, nil
		}),
	})
}

// naiveBreaker is one with a lock, and perhaps a bug.
type naiveBreaker struct {
	mu                          sync.Mutex
	c                           gatewaytest.BreakerConfig
	state                       breaker.State
	failures, trials, successes int
	since                       time.Duration
	generation                  int
	bug                         string
}

func (b *naiveBreaker) Allow() (func(gatewaytest.Outcome), bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.c.Elapsed()
	if b.state == breaker.Open && now-b.since >= b.c.Timeout || b.state == breaker.HalfOpen && now-b.since >= b.c.TrialTimeout && b.bug != "never gives up" {
		b.to(breaker.HalfOpen)
	}
	switch b.state {
	case breaker.Open:
		if b.bug == "prolongs" {
			b.since = now
		}
		return nil, false
	case breaker.HalfOpen:
		if b.trials+b.successes >= b.c.Trials && b.bug != "lets all through" {
			return nil, false
		}
		b.trials++
	}
	generation, told := b.generation, false
	return func(o gatewaytest.Outcome) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if told && b.bug != "told twice" || generation != b.generation && b.bug != "no generations" {
			return
		}
		told = true
		b.done(o)
	}, true
}

func (b *naiveBreaker) to(s breaker.State) {
	b.state, b.trials, b.successes, b.since = s, 0, 0, b.c.Elapsed()
	b.generation++
	if b.bug != "remembers" {
		b.failures = 0
	}
}

func (b *naiveBreaker) done(o gatewaytest.Outcome) {
	if b.state == breaker.HalfOpen && (o != gatewaytest.Canceled || b.bug != "keeps its place") {
		b.trials--
	}
	if o == gatewaytest.Canceled && b.bug == "canceled is failure" {
		o = gatewaytest.Failure
	}
	switch {
	case o == gatewaytest.Canceled:
	case b.state == breaker.HalfOpen && o == gatewaytest.Failure:
		if b.to(breaker.Open); b.bug == "short sentence" {
			b.since -= b.c.Timeout / 2
		}
	case b.state == breaker.HalfOpen:
		if b.successes++; b.successes >= b.c.Trials || b.bug == "one success closes" {
			b.to(breaker.Closed)
		}
	case o == gatewaytest.Failure:
		if b.failures++; b.failures >= b.c.Failures && b.state == breaker.Closed {
			b.to(breaker.Open)
		}
	case b.bug != "all failures":
		b.failures = 0
	}
}

func TestEveryRuleFailsABrokenBreaker(t *testing.T) {
	bug := func(bug string) []gatewaytest.Result {
		return gatewaytest.GradeBreaker(func(c gatewaytest.BreakerConfig) (gatewaytest.Breaker, error) {
			return &naiveBreaker{c: c, bug: bug}, nil
		}, allOfABreaker)
	}
	for _, r := range bug("none") {
		require.NoError(t, r.Err)
	}
	requireKilled(t, map[string][]gatewaytest.Result{
		"all failures: opens":                                   bug("all failures"),
		"prolongs: stays-open trial-fails":                      bug("prolongs"),
		"lets all through: at-once forgotten told-twice trials": bug("lets all through"),
		"one success closes: told-twice trial-fails":            bug("one success closes"),
		"short sentence: trial-fails":                           bug("short sentence"),
		"remembers: canceled fresh":                             bug("remembers"),
		"no generations: late":                                  bug("no generations"),
		"canceled is failure: canceled":                         bug("canceled is failure"),
		"keeps its place: canceled":                             bug("keeps its place"),
		"never gives up: forgotten":                             bug("never gives up"),
		"told twice: told-twice":                                bug("told twice"),
	})
}
